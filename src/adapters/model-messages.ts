import type { RunContext } from "../agent.ts";
import type { Json, Message, Part } from "../events.ts";
import { toMessages } from "../messages.ts";
import { type AnsweredCall, answeredCalls } from "./answered-calls.ts";

/** A conversation as the AI SDK takes it: assignable to its `ModelMessage[]`. */
export type ModelMessages = (
  | { role: "system"; content: string }
  | { role: "user"; content: (TextPart | FilePart)[] }
  | { role: "assistant"; content: AssistantPart[] }
  | { role: "tool"; content: ToolPart[] }
)[];

type Value = null | string | number | boolean | Value[] | { [key: string]: Value };
type ProviderOptions = { providerOptions?: Record<string, { [key: string]: Value }> };
type TextPart = { type: "text"; text: string };
type FilePart = { type: "file"; mediaType: string; data: string | URL; filename?: string };
type Call = { toolCallId: string; toolName: string };
type Result = ProviderOptions &
  Call & {
    type: "tool-result";
    output: { type: "error-text" | "text"; value: string } | { type: "json"; value: Value };
  };
type AssistantPart =
  | TextPart
  | FilePart
  | Result
  | (ProviderOptions & { type: "reasoning"; text: string })
  | (ProviderOptions & Call & { type: "tool-call"; input: unknown; providerExecuted?: boolean })
  | { type: "tool-approval-request"; approvalId: string; toolCallId: string };
type ToolPart =
  | Result
  | {
      type: "tool-approval-response";
      approvalId: string;
      approved: boolean;
      reason?: string;
      providerExecuted?: boolean;
    };

/**
 * The conversation of a run for `streamText({ messages })`: what came before, what was asked, and, if the agent is run
 * again, all that was said since. Calls that a person has answered come with the answer, so that the AI SDK makes or
 * denies them first. Calls that were broken off get an error for a result: providers refuse a call without one.
 */
export function modelMessages(context: Pick<RunContext, "input" | "history" | "entries">): ModelMessages {
  const answers = new Map(answeredCalls(context.entries).map((call) => [call.callId, call]));
  return conversation(context).flatMap((message): ModelMessages => {
    switch (message.role) {
      case "system":
        return [{ role: "system", content: message.parts.map(textOf).join("\n") }];
      case "user": {
        const content = message.parts.flatMap((part) => (part.type === "tool" ? [] : [userPart(part)]));
        return content.length > 0 ? [{ role: "user", content }] : [];
      }
      case "assistant":
        return assistantMessages(message.parts, answers);
    }
    return [];
  });
}

function conversation({
  input,
  history,
  entries,
}: Pick<RunContext, "input" | "history" | "entries">): readonly Message[] {
  const [first] = entries;
  if (!first) {
    if (typeof input !== "string") return [...history, ...input];
    return [...history, { id: "input", role: "user", parts: [{ type: "text", text: input }] }];
  }
  // A history that came with the question is in the log; that of a thread is in the logs before.
  const told = first.event.type === "run.started" && first.event.history !== undefined;
  // What agents said that were called is in the results of the calls.
  const own = entries.filter(
    ({ event }) => event.type === "run.started" || (event.agent === undefined && event.parent === undefined),
  );
  return [...(told ? [] : history), ...toMessages(own)];
}

function assistantMessages(
  parts: readonly Part[],
  answers: ReadonlyMap<string, AnsweredCall>,
): ModelMessages {
  const content: AssistantPart[] = [];
  const results: ToolPart[] = [];
  for (const part of parts) {
    if (part.type === "reasoning") {
      content.push({ type: "reasoning", text: part.text, ...metadataOf(part.providerMetadata) });
    } else if (part.type === "tool") {
      const { byProvider, ...metadata } = metadataOf(part.providerMetadata);
      const call = { toolCallId: part.callId, toolName: part.name };
      const provider = byProvider ? { providerExecuted: true } : {};
      content.push({ type: "tool-call", ...call, input: part.input, ...provider, ...metadata });
      const answer = answers.get(part.callId);
      if (answer && part.output === undefined && part.error === undefined) {
        const { approvalId, approved, reason } = answer;
        const why = reason === undefined ? {} : { reason };
        content.push({ type: "tool-approval-request", approvalId, toolCallId: part.callId });
        results.push({ type: "tool-approval-response", approvalId, approved, ...why, ...provider });
      } else {
        const result: Result = { type: "tool-result", ...call, output: outputOf(part), ...metadata };
        if (byProvider) content.push(result);
        else results.push(result);
      }
    } else content.push(userPart(part));
  }
  if (content.length === 0) return [];
  return [
    { role: "assistant", content },
    ...(results.length > 0 ? [{ role: "tool" as const, content: results }] : []),
  ];
}

function outputOf(part: Extract<Part, { type: "tool" }>): Result["output"] {
  if (part.error !== undefined) return { type: "error-text", value: part.error };
  if (part.output === undefined)
    return { type: "error-text", value: "The call was interrupted: it has no result" };
  return typeof part.output === "string"
    ? { type: "text", value: part.output }
    : { type: "json", value: part.output as Value };
}

function userPart(part: Exclude<Part, { type: "tool" }>): TextPart | FilePart {
  if (part.type !== "file") return { type: "text", text: textOf(part) };
  const { mediaType, data = "", url, name } = part;
  const filename = name === undefined ? {} : { filename: name };
  return { type: "file", mediaType, data: url === undefined ? data : new URL(url), ...filename };
}

function textOf(part: Part): string {
  if (part.type === "text" || part.type === "reasoning") return part.text;
  return part.type === "data" ? JSON.stringify(part.data) : "";
}

function metadataOf(metadata: Json | undefined): ProviderOptions & { byProvider?: true } {
  if (typeof metadata !== "object" || metadata === null || Array.isArray(metadata)) return {};
  const { runlog, ...providerOptions } = metadata as Record<string, { [key: string]: Value }>;
  return {
    ...(Object.keys(providerOptions).length > 0 && { providerOptions }),
    ...(runlog && { byProvider: true }),
  };
}
