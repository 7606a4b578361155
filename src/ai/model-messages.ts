import type { AssistantContent, ModelMessage, ToolContent, UserContent } from "ai";
import type { Json, Message, Part } from "../events.ts";
import { cutOutput } from "../json.ts";
import { BY_PROVIDER } from "./parts.ts";

type ToolPart = Extract<Part, { type: "tool" }>;
type Metadata = Record<string, Record<string, Json>>;

/** Providers that take back only thoughts they signed: others' are left out. */
const signing = new Set(["anthropic", "openai", "google"]);

/** What a person said to a call that a provider makes itself. */
export interface ProviderApproval {
  readonly approvalId: string;
  readonly approved: boolean;
  readonly reason?: string;
}

/**
 * A conversation as the AI SDK takes it: the answers to an assistant's calls go into a message of their own.
 *
 * @param provider Who is asked: `anthropic`, `openai`, ...
 * @param approvals By call id, for the calls that the provider makes itself.
 */
export function toModelMessages(
  messages: readonly Message[],
  provider = "",
  approvals: ReadonlyMap<string, ProviderApproval> = new Map(),
): ModelMessage[] {
  return messages.flatMap((message): ModelMessage[] => {
    switch (message.role) {
      case "system":
        return [{ role: "system", content: message.parts.map(textOf).join("\n") }];
      case "user": {
        const content = message.parts.flatMap(userPart);
        return content.length > 0 ? [{ role: "user", content }] : [];
      }
      case "assistant":
        return assistantMessages(message.parts, provider, approvals);
    }
    return [];
  });
}

function assistantMessages(
  parts: readonly Part[],
  provider: string,
  approvals: ReadonlyMap<string, ProviderApproval>,
): ModelMessage[] {
  const content: Exclude<AssistantContent, string> = [];
  const answers: ToolContent = [];
  for (const part of parts) {
    switch (part.type) {
      case "text":
        content.push({ type: "text", text: part.text });
        break;
      case "reasoning": {
        const metadata = metadataOf(part.providerMetadata);
        if (signing.has(provider) && !metadata.providerOptions?.[provider]) break;
        content.push({ type: "reasoning", text: part.text, ...metadata });
        break;
      }
      case "file":
        content.push(filePart(part));
        break;
      case "data":
        content.push({ type: "text", text: textOf(part) });
        break;
      case "tool": {
        const { byProvider, ...metadata } = metadataOf(part.providerMetadata);
        const input = typeof part.input === "object" && part.input !== null ? part.input : {};
        const call = { toolCallId: part.callId, toolName: part.name };
        content.push({
          type: "tool-call",
          ...call,
          input,
          ...(byProvider && { providerExecuted: true }),
          ...metadata,
        });
        const approval = approvals.get(part.callId);
        if (byProvider && approval && part.output === undefined && part.error === undefined) {
          content.push({
            type: "tool-approval-request",
            approvalId: approval.approvalId,
            toolCallId: part.callId,
          });
          answers.push({ type: "tool-approval-response", ...approval, providerExecuted: true });
          break;
        }
        const answer = { type: "tool-result" as const, ...call, output: answerOf(part) };
        if (byProvider) content.push({ ...answer, ...metadata });
        else answers.push(answer);
      }
    }
  }
  if (content.length === 0) return [];
  return [
    { role: "assistant", content },
    ...(answers.length > 0 ? [{ role: "tool" as const, content: answers }] : []),
  ];
}

type ToolOutput = Extract<ToolContent[number], { type: "tool-result" }>["output"];

/** Providers refuse a conversation with a call that has no answer, as an interrupted run leaves it. */
function answerOf(part: ToolPart): ToolOutput {
  if (part.error !== undefined) return { type: "error-text", value: part.error };
  if (part.output === undefined)
    return { type: "error-text", value: "The call was interrupted: it has no result" };
  // What the log keeps of a long output is what the model sees, now and when it goes on from the log.
  const { output } = cutOutput(part.output);
  return typeof output === "string"
    ? { type: "text", value: output }
    : { type: "json", value: output as Extract<ToolOutput, { type: "json" }>["value"] };
}

function userPart(part: Part): Exclude<UserContent, string> {
  switch (part.type) {
    case "file":
      return [filePart(part)];
    case "tool":
      return [];
    default:
      return [{ type: "text", text: textOf(part) }];
  }
}

function filePart(part: Extract<Part, { type: "file" }>) {
  const data = part.url === undefined ? (part.data ?? "") : new URL(part.url);
  return {
    type: "file" as const,
    mediaType: part.mediaType,
    data,
    ...(part.name !== undefined && { filename: part.name }),
  };
}

function textOf(part: Part): string {
  switch (part.type) {
    case "text":
    case "reasoning":
      return part.text;
    case "data":
      return JSON.stringify(part.data);
    default:
      return "";
  }
}

function metadataOf(metadata: Json | undefined): { providerOptions?: Metadata; byProvider?: boolean } {
  if (typeof metadata !== "object" || metadata === null || Array.isArray(metadata)) return {};
  const { [BY_PROVIDER]: ours, ...providerOptions } = metadata as Metadata;
  return {
    ...(Object.keys(providerOptions).length > 0 && { providerOptions }),
    ...(ours && { byProvider: true }),
  };
}
