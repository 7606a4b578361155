import { AgentFailure } from "../failure.ts";
import { providerFailure } from "../provider-failure.ts";

/**
 * What a foreign stream threw or told as its error, as the failure of a run: with the codes that our own agents'
 * failures have. A failure that has a code of its own keeps it.
 */
export function failureOf(error: unknown): AgentFailure {
  if (error instanceof AgentFailure) return error;
  const { code, message } = providerFailure(error);
  return new AgentFailure(code, message, { cause: error });
}
