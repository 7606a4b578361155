import { errorTable, type RunError } from "../errors.ts";

/** A refusal as RFC 9457 problem JSON: a code, a title and a sentence; never a stack. */
export function problem(error: RunError): Response {
  const { status, title, retry } = errorTable[error.code];
  const headers: Record<string, string> = { "content-type": "application/problem+json" };
  if (status === 401) headers["www-authenticate"] = "Bearer";
  if (status === 503) headers["retry-after"] = "1";
  const body = { type: "about:blank", title, status, detail: error.message, code: error.code, retry };
  return new Response(JSON.stringify(body), { status, headers });
}
