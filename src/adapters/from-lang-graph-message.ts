import type { FinishReason, Part, Usage } from "../events.ts";
import { fields, list, parsed, text } from "./fields.ts";
import { usageOf } from "./usage-of.ts";

/** A piece of what a message says. */
export interface Piece {
  readonly kind: "text" | "reasoning";
  readonly text: string;
}

export interface MessageCall {
  /** Some providers have none. */
  readonly id: string | undefined;
  readonly name: string;
  readonly input: unknown;
  /** Why the call cannot be made: its arguments are no JSON. */
  readonly invalid?: string;
}

/** What a message says, in its order; the thoughts that some providers put beside the content first. */
export function piecesOf(message: unknown): readonly Piece[] {
  const { content, additional_kwargs } = fields(message);
  const { reasoning_content } = fields(additional_kwargs);
  const pieces = typeof content === "string" ? [said("text", content)] : list(content).flatMap(piecesIn);
  return [said("reasoning", reasoning_content), ...pieces].filter(({ text }) => text !== "");
}

/** The blocks of LangChain's own, of Anthropic, and of the Responses API. */
function piecesIn(block: unknown): Piece[] {
  if (typeof block === "string") return [said("text", block)];
  const { type, text: words, reasoning, thinking, summary } = fields(block);
  switch (type) {
    case "text":
    case "text_delta":
      return [said("text", words)];
    case "thinking":
    case "thinking_delta":
      return [said("reasoning", thinking)];
    case "reasoning":
      return [
        said("reasoning", reasoning),
        ...list(summary).map((each) => said("reasoning", fields(each).text)),
      ];
    default:
      return [];
  }
}

function said(kind: Piece["kind"], words: unknown): Piece {
  return { kind, text: text(words) ?? "" };
}

/** The text of a message alone. */
export function textIn(message: unknown): string {
  return piecesOf(message)
    .map((piece) => (piece.kind === "text" ? piece.text : ""))
    .join("");
}

/** The whole calls of a message. */
export function callsOf(message: unknown): readonly MessageCall[] {
  const { tool_calls, invalid_tool_calls } = fields(message);
  return [
    ...list(tool_calls).map((call) => {
      const { id, name, args } = fields(call);
      return { id: text(id), name: text(name) ?? "", input: args ?? {} };
    }),
    ...list(invalid_tool_calls).map((call) => {
      const { id, name, args, error } = fields(call);
      const invalid = text(error) || "The arguments are no JSON";
      return { id: text(id), name: text(name) ?? "", input: parsed(args) ?? {}, invalid };
    }),
  ];
}

export function tokensOf(message: unknown): Usage | undefined {
  const { input_tokens, output_tokens, input_token_details, output_token_details } = fields(
    fields(message).usage_metadata,
  );
  const { cache_read, cache_creation } = fields(input_token_details);
  return usageOf({
    inputTokens: input_tokens,
    outputTokens: output_tokens,
    cacheReadTokens: cache_read,
    cacheWriteTokens: cache_creation,
    reasoningTokens: fields(output_token_details).reasoning,
  });
}

/** The name of the model, if the message tells it. */
export function modelOf(message: unknown): string | undefined {
  const { model_name, model } = fields(fields(message).response_metadata);
  return text(model_name) ?? text(model);
}

/** Why the model stopped, in the words of the providers; undefined if the message does not tell. */
export function reasonOf(message: unknown): FinishReason | undefined {
  const { finish_reason, stop_reason, finishReason } = fields(fields(message).response_metadata);
  const told = text(finish_reason) ?? text(stop_reason) ?? text(finishReason);
  return told === undefined ? undefined : (reasons.get(told.toLowerCase()) ?? "other");
}

const reasons: ReadonlyMap<string, FinishReason> = new Map<string, FinishReason>([
  ["stop", "stop"],
  ["end_turn", "stop"],
  ["stop_sequence", "stop"],
  ["completed", "stop"],
  ["length", "length"],
  ["max_tokens", "length"],
  ["content_filter", "content-filter"],
  ["refusal", "content-filter"],
  ["safety", "content-filter"],
  ["tool_calls", "tool-calls"],
  ["tool_use", "tool-calls"],
  ["function_call", "tool-calls"],
]);

/** The parts of a message: what it says, then its calls under the ids that they have in the log. */
export function partsOf(message: unknown, calls: readonly Part[]): Part[] {
  return [...piecesOf(message).map(({ kind, text: words }): Part => ({ type: kind, text: words })), ...calls];
}
