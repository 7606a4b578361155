import { type ErrorCode, errorTable, RunError } from "../../errors.ts";

/** The subprotocol of the native protocol: what a client asks for when it opens the socket. */
export const SUBPROTOCOL = "runlog.1";
/** The longest message a client may send, in bytes of UTF-8. A longer one closes the socket with 1009. */
export const MAX_MESSAGE_BYTES = 256 * 1024;

/** Why a socket is closed. Anything else that a client does wrong is answered, and keeps the connection. */
export const closeCodes = {
  /** A binary message: there are only texts. */
  unsupported: 1003,
  /** Said by the framing itself, as 1002 and 1008 are: text that is no UTF-8, and a message over the limit. */
  notUtf8: 1007,
  tooLarge: 1009,
  /** The server stops: come back, with the cursors. */
  stopping: 1012,
} as const;

/** What a client says. `id` is its own name for the request, which the answer repeats. */
export type ClientMessage =
  /** Shows a run, from a cursor on; `id` then names the subscription. A second one under the name replaces it. */
  | {
      readonly type: "subscribe";
      readonly id: string;
      readonly run: string;
      readonly after?: string;
      readonly view?: string;
      readonly types?: readonly string[];
    }
  /** Ends the subscription of that name; the run goes on. */
  | { readonly type: "unsubscribe"; readonly id: string }
  /** `request` is the body of `POST /runs`. */
  | { readonly type: "start"; readonly id: string; readonly request: unknown }
  /** `event` is the body of `POST /runs/:id/input`. */
  | { readonly type: "input"; readonly id: string; readonly run: string; readonly event: unknown }
  | { readonly type: "cancel"; readonly id: string; readonly run: string; readonly reason?: string }
  /** `events` is the body of `POST /runs/:id/events`. */
  | {
      readonly type: "append";
      readonly id: string;
      readonly run: string;
      readonly events: unknown;
      /** `{ id, epoch, seq }`: the same append again changes nothing. */
      readonly producer?: unknown;
    }
  | { readonly type: "ping"; readonly id?: string };

/** A message of a view: `data` is its JSON. Without a `cursor`, more of the same entry follows. */
export interface SocketFrame {
  readonly cursor?: string;
  readonly event?: string;
  readonly data: unknown;
}

/** What a server says. */
export type ServerMessage =
  /** Done; for an `input`, the cursor of its entry, for an `append` also its places. */
  | {
      readonly type: "ok";
      readonly id: string;
      readonly cursor?: string;
      readonly first?: number;
      readonly last?: number;
      readonly ended?: boolean;
    }
  | { readonly type: "started"; readonly id: string; readonly run: string; readonly created: boolean }
  /** Whole entries of a subscription, in order. */
  | { readonly type: "frames"; readonly id: string; readonly frames: readonly SocketFrame[] }
  /** The cursor does not fit the log: drop what there is, all of it follows. */
  | { readonly type: "reset"; readonly id: string; readonly reason: string }
  /** The terminal event has been shown, and the subscription is over. */
  | { readonly type: "end"; readonly id: string }
  /** Refused. With the name of a subscription: it is over. Without an `id`: the message had none that could be read. */
  | {
      readonly type: "error";
      readonly id?: string;
      readonly code: string;
      readonly message: string;
      readonly retry: boolean;
    }
  | { readonly type: "pong"; readonly id?: string };

interface Field {
  /** Completes "must be ...". */
  readonly must: string;
  readonly test: (value: unknown) => boolean;
  readonly optional?: true;
}

const text = (most: number): Field => ({
  must: `a text of 1 to ${most} characters`,
  test: (value) => typeof value === "string" && value !== "" && value.length <= most,
});
const anything: Field = { must: "there", test: (value) => value !== undefined };
const cursor: Field = {
  must: "a cursor",
  test: (value) => typeof value === "string" && value.length <= 24,
};
const types: Field = {
  must: "up to 100 event types",
  test: (value) =>
    Array.isArray(value) && value.length <= 100 && value.every((each) => typeof each === "string"),
};
const optional = (field: Field): Field => ({ ...field, optional: true });
const id = text(64);
const run = text(64);

const shapes: { readonly [Type in ClientMessage["type"]]: Readonly<Record<string, Field>> } = {
  subscribe: { id, run, after: optional(cursor), view: optional(text(64)), types: optional(types) },
  unsubscribe: { id },
  start: { id, request: anything },
  input: { id, run, event: anything },
  cancel: { id, run, reason: optional(text(10_000)) },
  append: { id, run, events: anything, producer: optional(anything) },
  ping: { id: optional(id) },
};

/** What a client's text says; or why it says nothing, with its `id` where that could be read. */
export function parseClientMessage(
  text: string,
):
  | { readonly message: ClientMessage; readonly error?: undefined }
  | { readonly error: RunError; readonly id?: string } {
  const fields = objectOf(text);
  if (!fields) return { error: invalid("it is no JSON object") };
  const named = id.test(fields.id) ? { id: fields.id as string } : {};
  const { type } = fields;
  const shape =
    typeof type === "string" && Object.hasOwn(shapes, type) && shapes[type as keyof typeof shapes];
  if (!shape) {
    const known = Object.keys(shapes).join(", ");
    return { ...named, error: invalid(`"type" must be one of ${known}, got ${shown(type)}`) };
  }
  for (const [name, { must, test, optional }] of Object.entries(shape)) {
    const value = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (value === undefined && optional) continue;
    if (!test(value)) return { ...named, error: invalid(`"${name}" must be ${must}, got ${shown(value)}`) };
  }
  for (const name of Object.keys(fields)) {
    if (name === "type" || Object.hasOwn(shape, name)) continue;
    const known = ["type", ...Object.keys(shape)].join(", ");
    return { ...named, error: invalid(`"${type}" has no field ${shown(name)} (it has ${known})`) };
  }
  return { message: fields as unknown as ClientMessage };
}

/** A server's text; undefined for a type that this client does not know. Throws `TypeError` for what is none. */
export function parseServerMessage(text: string): ServerMessage | undefined {
  const fields = objectOf(text);
  if (typeof fields?.type !== "string")
    throw new TypeError(`Cannot read ${shown(text)}: it is no message of "${SUBPROTOCOL}"`);
  return serverTypes.has(fields.type) ? (fields as unknown as ServerMessage) : undefined;
}

const serverTypes = new Set(["ok", "started", "frames", "reset", "end", "error", "pong"]);

/** The error that a server told of: a `RunError` if its code is known here. */
export function toError({ code, message }: Extract<ServerMessage, { type: "error" }>): Error {
  if (Object.hasOwn(errorTable, code)) return new RunError(code as ErrorCode, message);
  return new Error(`${message} (${code})`);
}

export function formatMessage(message: ClientMessage | ServerMessage): string {
  return JSON.stringify(message);
}

export function formatError(error: RunError, id?: string): string {
  const { code, message, retry } = error;
  return formatMessage({ type: "error", ...(id !== undefined && { id }), code, message, retry });
}

function objectOf(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

/** A value in an error: its beginning. */
function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "an array" : "an object";
  return JSON.stringify(typeof value === "string" ? value.slice(0, 80) : value);
}

function invalid(why: string): RunError {
  return new RunError("invalid_request", `Cannot read the message: ${why}`);
}
