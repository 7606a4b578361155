import type { Usage } from "../events.ts";

/** Tokens as a framework tells them, each where it is known. What is no whole number is not known. */
export function usageOf(told: { readonly [Part in keyof Usage]: unknown }): Usage | undefined {
  const known: Partial<Record<keyof Usage, number>> = {};
  for (const part of parts) {
    const tokens = told[part];
    if (Number.isSafeInteger(tokens) && (tokens as number) >= 0) known[part] = tokens as number;
  }
  const { inputTokens, outputTokens } = known;
  if (inputTokens === undefined && outputTokens === undefined) return undefined;
  return { inputTokens: 0, outputTokens: 0, ...known };
}

const parts = [
  "inputTokens",
  "outputTokens",
  "cacheReadTokens",
  "cacheWriteTokens",
  "reasoningTokens",
] as const;
