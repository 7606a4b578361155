import { RunError } from "./errors.ts";
import type { Json } from "./events.ts";

/** Deeper values are refused: a reader's parser may be recursive. */
export const MAX_DEPTH = 100;

/**
 * Any value a program may hold, as JSON: encoded the same way every time, or refused.
 *
 * | value | becomes |
 * |---|---|
 * | Date | its ISO string; an invalid one null |
 * | bigint | its decimal string |
 * | NaN, Infinity | null |
 * | bytes (typed arrays, ArrayBuffer, Buffer) | `{ "$bytes": base64 }` |
 * | Map | an object if all keys are strings, else an array of pairs |
 * | Set | an array |
 * | Error | `{ name, message, code?, cause? }`, never the stack |
 * | anything with `toJSON` | what that returns |
 * | undefined, functions, symbols | left out of objects, null in arrays |
 *
 * Throws `invalid_event` for a cycle or for more than {@linkcode MAX_DEPTH} levels, and names the place.
 */
export function toJson(value: unknown): Json {
  return convert(value, [], "") ?? null;
}

function convert(value: unknown, above: object[], key: string): Json | undefined {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      return Number.isFinite(value) ? value : null;
    case "bigint":
      return value.toString();
    case "object":
      break;
    default:
      return undefined;
  }
  if (value === null) return null;
  if (above.includes(value)) throw refused(above, key, "it contains a cycle");
  if (above.length >= MAX_DEPTH) throw refused(above, key, `it is more than ${MAX_DEPTH} levels deep`);
  above.push(value);
  const json = convertObject(value, above, key);
  above.pop();
  return json;
}

function convertObject(value: object, above: object[], key: string): Json | undefined {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (ArrayBuffer.isView(value))
    return bytes(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
  if (value instanceof ArrayBuffer) return bytes(new Uint8Array(value));
  if (Array.isArray(value)) return value.map((each, index) => convert(each, above, String(index)) ?? null);
  if (value instanceof Set) return Array.from(value, (each) => convert(each, above, key) ?? null);
  if (value instanceof Map) {
    const keys = [...value.keys()];
    return keys.every((each) => typeof each === "string")
      ? object(value as Map<string, unknown>, above)
      : Array.from(value, (pair) => pair.map((each) => convert(each, above, key) ?? null));
  }
  if ("toJSON" in value && typeof value.toJSON === "function") return convert(value.toJSON(key), above, key);
  if (value instanceof Error) {
    const { name, message, cause } = value;
    const code = "code" in value ? value.code : undefined;
    return object(Object.entries({ name, message, code, cause }), above);
  }
  return object(Object.entries(value), above);
}

function object(entries: Iterable<[string, unknown]>, above: object[]): Json {
  const result: Record<string, Json> = {};
  for (const [key, each] of entries) {
    const json = convert(each, above, key);
    if (json === undefined) continue;
    // A plain assignment to `__proto__` would be lost.
    if (key === "__proto__") Object.defineProperty(result, key, { value: json, enumerable: true });
    else result[key] = json;
  }
  return result;
}

function bytes(value: Uint8Array): Json {
  return { $bytes: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64") };
}

function refused(above: readonly object[], key: string, why: string): RunError {
  const place = above.length > 0 ? ` at "${key}"` : "";
  return new RunError("invalid_event", `Cannot encode a value as JSON: ${why}${place}`);
}

/** The longest tool output that is kept whole, in bytes of JSON. */
export const MAX_OUTPUT_BYTES = 256 * 1024;

/** A tool's output as it is kept: whole, or the beginning of its JSON as a string and its true size. */
export function cutOutput(output: Json): { output: Json; truncated?: { bytes: number } } {
  const text = typeof output === "string" ? output : JSON.stringify(output);
  // In JSON no UTF-16 unit is longer than an escape.
  if (text.length <= MAX_OUTPUT_BYTES / "\\u0000".length) return { output };
  const whole = typeof output === "string" ? escapedBytes(text) : Buffer.byteLength(text);
  if (whole <= MAX_OUTPUT_BYTES) return { output };
  let cut = text;
  for (let bytes = escapedBytes(cut); bytes > MAX_OUTPUT_BYTES; bytes = escapedBytes(cut))
    cut = cut.slice(0, Math.floor((cut.length * MAX_OUTPUT_BYTES) / bytes));
  // The cut may fall inside a character.
  return { output: cut.replace(/[\ud800-\udbff]$/, ""), truncated: { bytes: Buffer.byteLength(text) } };
}

/** How long a string is between the quotes of its JSON. */
function escapedBytes(text: string): number {
  return Buffer.byteLength(JSON.stringify(text)) - 2;
}
