import type { Usage } from "../events.ts";

/** Who is paid for a model, and under which name. */
export interface Priced {
  /** `openai`, `anthropic`, ...; a free one is `demo`. */
  readonly provider: string;
  readonly model: string;
  /** Where the model is asked, if that is not the provider's own place. */
  readonly baseURL?: string | undefined;
}

/** The AI SDK's names of providers where the price list has another. */
const listed: Record<string, string> = {
  xai: "x-ai",
  "amazon-bedrock": "aws",
  bedrock: "aws",
  vertex: "google",
};

/**
 * What a model call cost, in USD, by the list prices of today; null where the model, its provider or the
 * usage is not known. The demo model is free.
 */
export async function costOf(
  usage: Usage | undefined,
  { provider, model, baseURL }: Priced,
): Promise<number | null> {
  if (provider === "demo") return 0;
  if (!usage) return null;
  const { calcPrice, findProvider } = await import("@pydantic/genai-prices");
  const id = listed[provider] ?? provider;
  const payee = findProvider(baseURL === undefined ? { providerId: id } : { providerApiUrl: baseURL });
  // It takes a name that only looks alike, too: `openai-compatible` is not OpenAI.
  if (!payee || (baseURL === undefined && payee.id !== id)) return null;
  // The list counts as we do: all input, of which some is cached. It throws if the parts are more than the whole.
  const counts = {
    input_tokens: usage.inputTokens,
    output_tokens: usage.outputTokens,
    ...(usage.cacheReadTokens !== undefined && { cache_read_tokens: usage.cacheReadTokens }),
    ...(usage.cacheWriteTokens !== undefined && { cache_write_tokens: usage.cacheWriteTokens }),
  };
  try {
    return calcPrice(counts, model, { provider: payee })?.total_price ?? null;
  } catch {
    return null;
  }
}
