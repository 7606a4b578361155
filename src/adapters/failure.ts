import { messageOf } from "../errors.ts";
import { AgentFailure } from "../failure.ts";

/** What an error of a model or of a framework says, for viewers: cut to 500 characters, and without keys. */
export function publicMessage(error: unknown): string {
  const said = fieldsOf(error).message;
  let message = typeof said === "string" && said !== "" ? said : messageOf(error);
  for (const [name, value] of Object.entries(process.env)) {
    if (value && value.length >= 8 && /_(API_KEY|TOKEN|SECRET)$/.test(name)) {
      message = message.replaceAll(value, "[hidden]");
    }
  }
  message = message.replace(/\b(sk|pk|gsk|xai)-[\w*.-]{8,}|\bAIza[\w-]{10,}|\bBearer\s+\S+/g, "[hidden]");
  return message.length > 500 ? `${message.slice(0, 497).toWellFormed()}...` : message;
}

/**
 * What a foreign stream threw or told as its error, as the failure of a run: by the HTTP status of the provider
 * `rate_limited`, `provider_overloaded`, `provider_unauthorized`, `model_unknown`, `provider_unavailable` or
 * `provider_rejected`; `provider_disconnected` for a connection that broke; else `model_error`. A failure that has a
 * code of its own keeps it.
 */
export function failureOf(error: unknown): AgentFailure {
  if (error instanceof AgentFailure) return error;
  const cause = innermost(error);
  const lost = disconnected(cause);
  const status = Number(fieldsOf(cause).statusCode ?? fieldsOf(cause).status ?? Number.NaN);
  return lost === undefined || status >= 400
    ? new AgentFailure(codeOf(status), publicMessage(cause), { cause: error })
    : new AgentFailure("provider_disconnected", `No connection to the provider: ${lost}`, { cause: error });
}

function codeOf(status: number): string {
  if (status === 429) return "rate_limited";
  if (status === 529) return "provider_overloaded";
  if (status === 401 || status === 403) return "provider_unauthorized";
  if (status === 404) return "model_unknown";
  if (status === 408 || status === 409 || status >= 500) return "provider_unavailable";
  return status >= 400 ? "provider_rejected" : "model_error";
}

/** Why there is no connection, if that is the trouble: the code of a socket, or what `fetch` says. */
function disconnected(error: unknown, depth = 0): string | undefined {
  const { code, message, cause } = fieldsOf(error);
  if (/^(ECONN|ENOTFOUND|EAI_AGAIN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|UND_ERR_)/.test(`${code}`))
    return `${code}`;
  // The reason is deeper, if there is one.
  const below = cause && depth < 5 ? disconnected(cause, depth + 1) : undefined;
  return below ?? (/^(terminated|fetch failed|network error)$/.test(`${message}`) ? `${message}` : undefined);
}

/** The AI SDK wraps: a RetryError holds what failed last, an error part may be `{ error }`. */
function innermost(error: unknown, depth = 0): unknown {
  const { lastError, error: inner } = fieldsOf(error);
  const next = lastError ?? (error instanceof Error ? undefined : inner);
  return next !== undefined && next !== null && depth < 5 ? innermost(next, depth + 1) : error;
}

function fieldsOf(error: unknown): { readonly [name: string]: unknown } {
  return typeof error === "object" && error !== null ? (error as Record<string, unknown>) : {};
}
