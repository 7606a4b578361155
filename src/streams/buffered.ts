import { CLOSED, type Reader } from "./reader.ts";
import { through } from "./through.ts";

export interface BufferOptions {
  /** So many values at most. */
  readonly count?: number;
  /** So many bytes, as UTF-8; of what is no text, of its JSON. A longer value comes alone. */
  readonly bytes?: number;
  /** So long after the first of them at most, in ms. */
  readonly ms?: number;
}

/**
 * Values in groups: a group is handed over once one of the limits is reached, and what is left when the source
 * ends, or fails, comes before that end. Order is kept, and no group is empty. At least one limit is needed.
 */
export function buffered<Value>(
  source: AsyncIterable<Value>,
  options: BufferOptions,
): AsyncGenerator<readonly Value[], void, undefined> {
  const { count = Number.POSITIVE_INFINITY, bytes = Number.POSITIVE_INFINITY, ms } = options;
  if (Math.min(count, bytes) === Number.POSITIVE_INFINITY && ms === undefined)
    throw new TypeError("Cannot buffer without a limit: give count, bytes or ms");
  for (const [name, limit] of Object.entries({ count, bytes, ms: ms ?? 1 })) {
    if (!(limit > 0)) throw new RangeError(`Cannot buffer with ${name} ${limit}: it must be more than 0`);
  }
  return through(source, async function* (reader) {
    let group: Value[] = [];
    let size = 0;
    let due = 0;
    const take = () => {
      const taken = group;
      group = [];
      size = 0;
      return taken;
    };
    while (true) {
      const left = ms === undefined || group.length === 0 ? undefined : due - performance.now();
      // Not asked any more once the time is over: a source that never pauses would go on for ever.
      if (left !== undefined && left <= 0) {
        yield take();
        continue;
      }
      // A timer takes 31 bits of ms.
      const result = await next(reader, left && Math.min(left, 0x7fff_ffff));
      if (!result) continue;
      if ("error" in result) {
        if (group.length > 0) yield take();
        throw result.error;
      } else if (result.done) {
        if (group.length > 0) yield take();
        return;
      } else {
        const more = bytesOf(result.value, bytes);
        if (group.length > 0 && size + more > bytes) yield take();
        if (group.length === 0) due = performance.now() + (ms ?? 0);
        group.push(result.value);
        size += more;
        if (group.length >= count || size >= bytes) yield take();
      }
    }
  });
}

type Result<Value> = IteratorResult<Value> | { readonly error: unknown } | undefined;

async function next<Value>(reader: Reader<Value>, ms: number | undefined): Promise<Result<Value>> {
  try {
    return await reader.next(ms);
  } catch (error) {
    if (error === CLOSED) throw error;
    return { error };
  }
}

function bytesOf(value: unknown, limit: number): number {
  if (limit === Number.POSITIVE_INFINITY) return 0;
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  return new TextEncoder().encode(text).length;
}
