import { RunError } from "./errors.ts";
import type { EventFields, EventType, Input, Message, StreamEvent } from "./events.ts";
import { toJson } from "./json.ts";

/** The largest event, in bytes of JSON. */
export const MAX_EVENT_BYTES = 1024 * 1024;

/** Run ids, thread ids and agent names: never a path, never more than a word. */
export const ID_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;

/** Refuses what is no id with `invalid_id`, naming the value. */
export function checkId(value: unknown, what = "run id"): string {
  if (typeof value === "string" && ID_PATTERN.test(value)) return value;
  const shown = JSON.stringify(value)?.slice(0, 80) ?? String(value);
  throw new RunError("invalid_id", `Cannot use ${shown} as a ${what}: it must match ${ID_PATTERN.source}`);
}

interface Check {
  /** Completes "must be ...". */
  readonly must: string;
  readonly test: (value: unknown) => boolean;
  readonly optional?: boolean;
}

const string: Check = { must: "a string", test: (value) => typeof value === "string" };
const number: Check = {
  must: "a number",
  test: (value) => typeof value === "number" && Number.isFinite(value),
};
const count: Check = {
  must: "a whole number from 0",
  test: (value) => Number.isSafeInteger(value) && (value as number) >= 0,
};
const boolean: Check = { must: "a boolean", test: (value) => typeof value === "boolean" };
/** Any value: what it becomes as JSON is decided by `toJson`. */
const anything: Check = { must: "a value", test: () => true };
const object: Check = { must: "an object", test: isObject };
const strings: Check = {
  must: "an array of strings",
  test: (value) => Array.isArray(value) && value.every(string.test),
};
const usage: Check = {
  must: "{ inputTokens, outputTokens }",
  test: (value) => isObject(value) && count.test(value.inputTokens) && count.test(value.outputTokens),
};
const message: Check = { must: "a message { id, role, parts }", test: isMessage };
const messages: Check = {
  must: "an array of messages",
  test: (value) => Array.isArray(value) && value.every(isMessage),
};
const input: Check = { must: "a string or messages", test: isInput };
const parts: Check = {
  must: "an array of parts",
  test: (value) => Array.isArray(value) && value.every(isPart),
};
const one = (...values: readonly string[]): Check => ({
  must: `one of ${values.join(", ")}`,
  test: (value) => typeof value === "string" && values.includes(value),
});
const between = (low: number, high: number): Check => ({
  must: `a number from ${low} to ${high}`,
  test: (value) => number.test(value) && (value as number) >= low && (value as number) <= high,
});
const nullable = (check: Check): Check => ({
  must: `${check.must} or null`,
  test: (value) => value === null || check.test(value),
});
const optional = (check: Check): Check => ({ ...check, optional: true });

const block = { id: string };
const blockStarted = { id: string, messageId: optional(string) };
const totals = { usage: optional(usage), cost: nullable(number) };
const origin = { agent: optional(string), parent: optional(string) };

/** The shape of each event. The type asks for each field of each member of the union: none can be forgotten. */
const shapes: { [Type in EventType]: { [Field in keyof EventFields[Type]]-?: Check } } = {
  "run.started": {
    v: count,
    agent: nullable(string),
    input,
    history: optional(messages),
    thread: optional(string),
    tags: optional(strings),
    metadata: optional(object),
    onProducerLost: optional(one("fail", "resume")),
    fingerprint: optional(string),
    leaseMs: optional(number),
  },
  "run.resumed": { fromStep: count },
  "run.finished": { output: optional(anything), ...totals },
  "run.failed": { code: string, message: string, ...totals },
  "run.cancelled": { reason: optional(string), ...totals },
  "step.started": { step: count, model: optional(string) },
  "step.finished": {
    step: count,
    finishReason: one("stop", "length", "content-filter", "tool-calls", "error", "interrupted", "other"),
    model: optional(string),
    usage: nullable(usage),
    cost: nullable(number),
    ttftMs: optional(number),
    durationMs: optional(number),
  },
  "step.retried": { step: count, attempt: count, code: string, message: string, model: optional(string) },
  "agent.changed": { from: string, to: string },
  "text.started": blockStarted,
  "text.delta": { ...block, text: string },
  "text.finished": { ...block, interrupted: optional(boolean) },
  "reasoning.started": blockStarted,
  "reasoning.delta": { ...block, text: string },
  "reasoning.finished": { ...block, interrupted: optional(boolean), providerMetadata: optional(anything) },
  "output.delta": { value: anything, complete: optional(boolean) },
  source: {
    id: string,
    url: optional(string),
    mediaType: optional(string),
    title: optional(string),
    filename: optional(string),
  },
  file: { id: string, mediaType: string, data: optional(string), url: optional(string) },
  message: { message },
  "tool.started": { callId: string, name: string, messageId: optional(string) },
  "tool.delta": { callId: string, text: string },
  "tool.called": {
    callId: string,
    name: string,
    input: anything,
    messageId: optional(string),
    providerMetadata: optional(anything),
  },
  "tool.progressed": { callId: string, data: anything },
  "tool.returned": {
    callId: string,
    name: string,
    output: anything,
    durationMs: number,
    truncated: optional(object),
  },
  "tool.failed": {
    callId: string,
    name: string,
    code: string,
    message: string,
    durationMs: optional(number),
  },
  "approval.requested": {
    approvalId: string,
    callId: string,
    name: string,
    input: anything,
    reason: optional(string),
  },
  "input.approval": { approvalId: string, approved: boolean, reason: optional(string), by: optional(string) },
  "input.message": { message, by: optional(string) },
  "input.cancel": { reason: optional(string), by: optional(string) },
  progress: {
    iteration: count,
    maxIterations: optional(count),
    totalTokens: count,
    totalCost: nullable(number),
    fraction: optional(between(0, 1)),
  },
  status: {
    status: one("starting", "idle", "working", "waiting", "completed", "failed"),
    progress: optional(between(0, 100)),
  },
  plan: {
    items: {
      must: "an array of { id, title, status }",
      test: (value) =>
        Array.isArray(value) &&
        value.every(
          (item) =>
            isObject(item) && string.test(item.id) && string.test(item.title) && planStatus.test(item.status),
        ),
    },
  },
  artifact: {
    id: string,
    action: one("created", "updated", "deleted"),
    name: string,
    parts: optional(parts),
    version: optional(count),
    metadata: optional(object),
  },
  error: { code: string, message: string, retryable: optional(boolean) },
  custom: { name: string, data: anything },
};
const planStatus = one("pending", "running", "completed", "failed");

/** As lists: `for in` over the shapes would be done for each event of each run. */
const checks = new Map(
  Object.entries(shapes).map(([type, shape]) => [type, Object.entries({ ...origin, ...shape })]),
);

/**
 * The one place where a value from outside becomes an event. Fields that are not known pass, so that an
 * older server keeps what a newer producer says. Throws `invalid_event`, naming the field and what was there.
 */
export function parseEvent(value: unknown): StreamEvent {
  if (!isObject(value)) throw invalid("an event", `it must be an object, got ${show(value)}`);
  const { type } = value;
  const fields = typeof type === "string" ? checks.get(type) : undefined;
  if (!fields)
    throw invalid(`an event of type ${show(type)}`, 'there is no such type (use "custom" for your own)');
  for (const [name, check] of fields) {
    const field = value[name];
    if (field === undefined ? check.optional || check === anything : check.test(field)) continue;
    throw invalid(`event "${type}"`, `"${name}" must be ${check.must}, got ${show(field)}`);
  }
  return value as unknown as StreamEvent;
}

const deltaTypes = new Set<string>(["text.delta", "reasoning.delta", "tool.delta"]);
const deltaFields = new Set(["type", "id", "callId", "text", "agent", "parent"]);

/** A piece of what a model says, and nothing more: strings only, so its JSON is what `JSON.stringify` gives. */
export type Delta = Extract<StreamEvent, { type: "text.delta" | "reasoning.delta" | "tool.delta" }>;

/** Whether a checked event is a delta without fields of anybody's own. */
export function isDelta(event: StreamEvent): event is Delta {
  if (!deltaTypes.has(event.type)) return false;
  for (const field in event) if (!deltaFields.has(field)) return false;
  return true;
}

/**
 * An event as the line that is kept, with `type` first. Throws `invalid_event` for a wrong shape or a value
 * that has no JSON, `too_large` above 1 MiB: nothing reaches a log that cannot be delivered.
 */
export function encodeEvent(event: StreamEvent): string {
  parseEvent(event);
  const json = isDelta(event)
    ? event
    : (toJson({ ...event, ...undefinedAsNull(event) }) as unknown as StreamEvent);
  const line = encodeChecked(json);
  if (line.length > MAX_EVENT_BYTES / 3 && Buffer.byteLength(line) > MAX_EVENT_BYTES) {
    throw new RunError(
      "too_large",
      `Cannot append event "${event.type}": ${Buffer.byteLength(line)} bytes is more than ${MAX_EVENT_BYTES}`,
    );
  }
  return line;
}

/** An event that was checked and holds only JSON, as a line with `type` first. */
export function encodeChecked(event: StreamEvent): string {
  const line = JSON.stringify(event);
  return line.startsWith('{"type":"') ? line : JSON.stringify(Object.assign({ type: event.type }, event));
}

/** A required value that is undefined is null: a tool that returns nothing has still returned. */
function undefinedAsNull(event: StreamEvent): Record<string, null> {
  const nulls: Record<string, null> = {};
  for (const [name, check] of checks.get(event.type) ?? []) {
    if (check === anything && (event as unknown as Record<string, unknown>)[name] === undefined)
      nulls[name] = null;
  }
  return nulls;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isMessage(value: unknown): value is Message {
  return (
    isObject(value) &&
    typeof value.id === "string" &&
    (value.role === "system" || value.role === "user" || value.role === "assistant") &&
    parts.test(value.parts)
  );
}

/** A question, or messages: at least one. */
export function isInput(value: unknown): value is Input {
  return typeof value === "string"
    ? value.length > 0
    : Array.isArray(value) && value.length > 0 && value.every(isMessage);
}

function isPart(value: unknown): boolean {
  if (!isObject(value)) return false;
  switch (value.type) {
    case "text":
    case "reasoning":
      return typeof value.text === "string";
    case "file":
      return (
        typeof value.mediaType === "string" &&
        (typeof value.data === "string" || typeof value.url === "string")
      );
    case "data":
      return "data" in value;
    case "tool":
      return typeof value.callId === "string" && typeof value.name === "string";
    default:
      return false;
  }
}

function invalid(what: string, why: string): RunError {
  return new RunError("invalid_event", `Cannot accept ${what}: ${why}`);
}

function show(value: unknown): string {
  if (value === undefined) return "nothing";
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch {
    // A bigint or a cycle: its kind says enough.
  }
  text ??= typeof value;
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
