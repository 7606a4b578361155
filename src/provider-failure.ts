import { messageOf } from "./errors.ts";

/** Why an attempt to ask a model failed. */
export interface ProviderFailure {
  readonly code: ProviderFailureCode;
  /** For viewers: without stacks and keys. */
  readonly message: string;
  /** Whether the same request may succeed. */
  readonly retryable: boolean;
  /** What the provider asks to wait, in ms. */
  readonly retryAfterMs?: number;
}

export type ProviderFailureCode =
  | "rate_limited"
  | "quota_exceeded"
  | "provider_overloaded"
  | "provider_unavailable"
  | "provider_disconnected"
  | "provider_unauthorized"
  | "provider_rejected"
  | "model_unknown"
  | "provider_garbled"
  | "model_interrupted"
  | "model_error";

/** The model's stream ended without saying that it was complete. */
export const interrupted: ProviderFailure = {
  code: "model_interrupted",
  message: "The model's answer broke off before its end",
  retryable: true,
};

/** The model said that it failed, and nothing else. */
export const failed: ProviderFailure = {
  code: "model_error",
  message: "The model failed without saying why",
  retryable: true,
};

/** The longest wait a provider may ask for. */
const MAX_RETRY_AFTER_MS = 60_000;

/** Reads whatever the AI SDK throws or streams as an error. What nobody knows may pass, so it is retryable. */
export function providerFailure(error: unknown): ProviderFailure {
  const cause = innermost(error);
  const fields = cause as Fields;
  const status = Number(fields.statusCode ?? fields.status ?? Number.NaN);
  const text = `${textOf(fields.type)} ${textOf(fields.code)} ${messageOf(cause)} ${textOf(fields.responseBody)}`;
  const message = publicMessage(cause);
  const retryAfterMs = retryAfter(fields.responseHeaders);
  const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
  if (/insufficient_quota|billing_hard_limit/.test(text))
    return { code: "quota_exceeded", message, retryable: false };
  if (status === 429 || /rate_limit/.test(text))
    return { code: "rate_limited", message, retryable: true, ...wait };
  if (status === 529 || /overloaded/i.test(text))
    return { code: "provider_overloaded", message, retryable: true, ...wait };
  if (status === 401 || status === 403) return { code: "provider_unauthorized", message, retryable: false };
  if (status === 404) return { code: "model_unknown", message, retryable: false };
  if (status === 408 || status === 409 || status >= 500)
    return { code: "provider_unavailable", message, retryable: true, ...wait };
  if (status >= 400) return { code: "provider_rejected", message, retryable: false };
  const lost = disconnected(cause);
  if (lost)
    return {
      code: "provider_disconnected",
      message: `No connection to the provider: ${lost}`,
      retryable: true,
    };
  const name = textOf(fields.name);
  if (/ended without a finish/i.test(message)) return interrupted;
  if (/^AI_(JSONParse|TypeValidation|InvalidResponseData)/.test(name)) {
    // What it says holds the chunk.
    return {
      code: "provider_garbled",
      message: "The provider sent something that cannot be read",
      retryable: true,
    };
  }
  if (rejects.test(name)) return { code: "provider_rejected", message, retryable: false };
  return { code: "model_error", message, retryable: fields.isRetryable !== false };
}

/** Errors of the AI SDK by which it refuses a request before it is sent. */
const rejects =
  /^AI_(InvalidPrompt|InvalidArgument|UnsupportedFunctionality|UnsupportedModelVersion|LoadAPIKey|LoadSetting|NoSuchModel|MessageConversion|Download|InvalidDataContent|InvalidMessageRole|MissingToolResults)/;

interface Fields {
  readonly name?: unknown;
  readonly type?: unknown;
  readonly code?: unknown;
  readonly status?: unknown;
  readonly statusCode?: unknown;
  readonly isRetryable?: unknown;
  readonly responseBody?: unknown;
  readonly responseHeaders?: Record<string, string>;
}

/** The AI SDK wraps: a RetryError holds what failed last, an error part may be `{ error }`. */
function innermost(error: unknown): object {
  if (typeof error !== "object" || error === null)
    return new Error(typeof error === "string" ? error : "Unknown error");
  if ("lastError" in error && error.lastError) return innermost(error.lastError);
  if (!(error instanceof Error) && "error" in error && error.error) return innermost(error.error);
  return error;
}

/** Why there is no connection, if that is the trouble. */
function disconnected(error: object): string | undefined {
  for (let at: unknown = error, depth = 0; typeof at === "object" && at !== null && depth < 5; depth++) {
    const { code, message, cause } = at as { code?: unknown; message?: unknown; cause?: unknown };
    if (/^(ECONN|ENOTFOUND|EAI_AGAIN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|UND_ERR_)/.test(textOf(code)))
      return textOf(code);
    // What fetch says for a connection that breaks; the reason, if there is one, is deeper.
    if (/^(terminated|fetch failed|network error)$/.test(textOf(message)) && !cause) return textOf(message);
    at = cause;
  }
  return undefined;
}

function retryAfter(headers: Record<string, string> | undefined): number | undefined {
  const inMs = Number(headers?.["retry-after-ms"] ?? Number.NaN);
  const value = headers?.["retry-after"];
  const ms = Number.isFinite(inMs)
    ? inMs
    : value === undefined
      ? Number.NaN
      : Number(value) * 1_000 || Date.parse(value) - Date.now();
  return ms > 0 ? Math.min(ms, MAX_RETRY_AFTER_MS) : undefined;
}

/** What an error says, for viewers: cut to `max` characters, and without the keys that providers like to quote. */
export function publicMessage(error: unknown, max = 500): string {
  const said =
    typeof error === "object" && error !== null && !(error instanceof Error)
      ? (error as { message?: unknown }).message
      : undefined;
  let message = typeof said === "string" ? said : messageOf(error);
  for (const [name, value] of Object.entries(process.env)) {
    if (value && value.length >= 8 && /_(API_KEY|TOKEN|SECRET)$/.test(name)) {
      message = message.replaceAll(value, "[hidden]");
    }
  }
  message = message.replace(/\b(sk|pk|gsk|xai)-[\w*.-]{8,}|\bAIza[\w-]{10,}|\bBearer\s+\S+/g, "[hidden]");
  return message.length > max ? `${message.slice(0, max - 3)}...`.toWellFormed() : message;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
