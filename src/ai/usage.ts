import type { LanguageModelUsage } from "ai";
import type { Usage } from "../events.ts";

/** The AI SDK's usage as ours; undefined where the provider told none. */
export function toUsage(usage: LanguageModelUsage): Usage | undefined {
  return whole(
    known({
      inputTokens: usage.inputTokens,
      outputTokens: usage.outputTokens,
      cacheReadTokens: usage.inputTokenDetails?.cacheReadTokens,
      cacheWriteTokens: usage.inputTokenDetails?.cacheWriteTokens,
      reasoningTokens: usage.outputTokenDetails?.reasoningTokens,
    }),
  );
}

/** Usage, once there is something of it. */
export function whole(usage: Partial<Usage>): Usage | undefined {
  if (usage.inputTokens === undefined && usage.outputTokens === undefined) return undefined;
  return { inputTokens: 0, outputTokens: 0, ...usage };
}

function known(counts: { [Part in keyof Usage]: number | undefined }): Partial<Usage> {
  return Object.fromEntries(Object.entries(counts).filter(([, tokens]) => tokens !== undefined));
}

type Raw = { readonly [key: string]: unknown };

/**
 * What a provider's own chunk tells of the usage, for calls that end before the AI SDK says it, which it does
 * with the last part only: Anthropic counts the input in its first chunk, OpenAI everything in one near the end.
 */
export function usageInChunk(chunk: unknown): Partial<Usage> {
  const raw = object(chunk);
  // Anthropic: message_start { message: { usage } }, message_delta { usage }; OpenAI: { usage }, response.* { response: { usage } }.
  const usage =
    object(raw?.usage) ?? object(object(raw?.message)?.usage) ?? object(object(raw?.response)?.usage);
  if (!usage) return {};
  const input = count(usage.input_tokens) ?? count(usage.prompt_tokens);
  const cacheRead = count(usage.cache_read_input_tokens);
  const cacheWrite = count(usage.cache_creation_input_tokens);
  const inputDetails = object(usage.input_tokens_details) ?? object(usage.prompt_tokens_details);
  const outputDetails = object(usage.output_tokens_details) ?? object(usage.completion_tokens_details);
  return known({
    // Anthropic counts what is cached beside the input, the others within it.
    inputTokens: input === undefined ? undefined : input + (cacheRead ?? 0) + (cacheWrite ?? 0),
    outputTokens: count(usage.output_tokens) ?? count(usage.completion_tokens),
    cacheReadTokens: cacheRead ?? count(inputDetails?.cached_tokens),
    cacheWriteTokens: cacheWrite,
    reasoningTokens: count(outputDetails?.reasoning_tokens),
  });
}

function object(value: unknown): Raw | undefined {
  return typeof value === "object" && value !== null ? (value as Raw) : undefined;
}

function count(value: unknown): number | undefined {
  return Number.isSafeInteger(value) ? (value as number) : undefined;
}
