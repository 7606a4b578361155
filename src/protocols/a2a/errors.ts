import {
  A2A_ERROR_CODE,
  A2AError,
  RequestMalformedError,
  restStatusFor,
  TaskNotFoundError,
  toJsonRpcError,
  toRestErrorBody,
  UnsupportedOperationError,
} from "@a2a-js/sdk/errors";
import { type ErrorCode, RunError } from "../../errors.ts";
import type { ProtocolContext } from "../../protocol.ts";
import type { A2aVersion } from "./view.ts";

/** A request's id, as JSON-RPC allows it here. */
export type RequestId = string | number | null;

/**
 * What each refusal is in A2A, and with it its JSON-RPC code and its HTTP status over REST. `internal` is -32603.
 * https://a2a-protocol.org/v1.0.0/specification, section 5.4.
 */
const kinds: Record<ErrorCode, "malformed" | "no_task" | "unsupported" | "internal"> = {
  invalid_request: "malformed",
  invalid_event: "malformed",
  invalid_cursor: "malformed",
  invalid_id: "malformed",
  cursor_mismatch: "malformed",
  agent_not_found: "malformed",
  not_waiting: "malformed",
  too_large: "malformed",
  run_not_found: "no_task",
  run_deleted: "no_task",
  not_found: "no_task",
  run_closed: "unsupported",
  run_open: "unsupported",
  run_exists: "unsupported",
  run_owned: "unsupported",
  producer_gap: "unsupported",
  producer_fenced: "unsupported",
  log_lost: "internal",
  thread_busy: "unsupported",
  method_not_allowed: "unsupported",
  unauthorized: "internal",
  forbidden: "internal",
  misdirected: "internal",
  model_not_found: "internal",
  missing_key: "internal",
  missing_package: "internal",
  run_failed: "internal",
  run_cancelled: "internal",
  store_locked: "internal",
  store_unavailable: "internal",
  stopping: "internal",
  store_full: "internal",
};

const makers = {
  malformed: RequestMalformedError,
  no_task: TaskNotFoundError,
  unsupported: UnsupportedOperationError,
  internal: A2AError,
};

/** Anything thrown, as A2A has it; what is no refusal is told as no more than that. */
export function toA2aError(error: unknown): A2AError {
  if (error instanceof A2AError) return error;
  if (!(error instanceof RunError)) return new A2AError("Something went wrong inside the server");
  const { code, message } = error;
  const metadata = { code, retry: String(error.retry) };
  return new makers[kinds[code]]({ message, metadata, cause: error });
}

/** Tells whoever runs the server what went wrong inside. A refusal is no news. */
export function reportInside({ report }: Pick<ProtocolContext, "report">, error: unknown): void {
  if (!(error instanceof A2AError) && !(error instanceof RunError)) report(error);
}

/** The error of a JSON-RPC response. */
export interface JsonRpcError {
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

/** Anything thrown, as the error of a JSON-RPC response; 1.0 tells in `data` which kind of error it is. */
export function rpcError(error: unknown, version: A2aVersion): JsonRpcError {
  const { data, ...told } = toJsonRpcError(toA2aError(error));
  return version === "1.0" && data !== undefined ? { ...told, data } : told;
}

export const { PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND } = A2A_ERROR_CODE;

export function rpcFailure(id: RequestId, error: JsonRpcError, status = 200): Response {
  return Response.json({ jsonrpc: "2.0", id, error }, { status });
}

/** Anything thrown, as the body of an error over REST, and its status: `google.rpc.Status`, section 11.6. */
export function restError(error: unknown): { readonly status: number; readonly body: object } {
  const told = toA2aError(error);
  const refusal = told.cause instanceof RunError ? told.cause : undefined;
  // A2A has no word for a server that is full or stops, nor for a body that is too large: HTTP has.
  const ownStatus = refusal && (kinds[refusal.code] === "internal" || refusal.code === "too_large");
  const status = ownStatus ? refusal.status : restStatusFor(told);
  return { status, body: toRestErrorBody(told, status) };
}
