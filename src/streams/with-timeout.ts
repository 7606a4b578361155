import { through } from "./through.ts";

export interface TimeoutOptions {
  /** Until the first value, in ms. @default idleMs */
  readonly firstMs?: number;
  /** Between two values, in ms; the time that the reader takes is not counted. */
  readonly idleMs?: number;
  /** For all of it, from the first time it is asked, in ms. */
  readonly totalMs?: number;
}

/**
 * The values of a source, and a `DOMException` named `TimeoutError` where it is too slow. Only this reader is
 * ended by that: a run that is being followed goes on, and its own limits are another matter.
 */
export function withTimeout<Value>(
  source: AsyncIterable<Value>,
  { idleMs, firstMs = idleMs, totalMs }: TimeoutOptions,
): AsyncGenerator<Value, void, undefined> {
  if (firstMs === undefined && totalMs === undefined)
    throw new TypeError("Cannot wait with a timeout that is none: give firstMs, idleMs or totalMs");
  for (const [name, ms] of Object.entries({ firstMs, idleMs, totalMs })) {
    if (ms !== undefined && !(ms > 0))
      throw new RangeError(`Cannot wait with ${name} ${ms}: it must be more than 0`);
  }
  return through(source, async function* (reader) {
    const end = totalMs === undefined ? undefined : performance.now() + totalMs;
    let pause = firstMs;
    while (true) {
      const left = end === undefined ? Number.POSITIVE_INFINITY : end - performance.now();
      const ms = Math.min(left, pause ?? Number.POSITIVE_INFINITY);
      // A timer takes 31 bits of ms.
      const result = ms <= 0 ? undefined : await reader.next(Math.min(ms, 0x7fff_ffff));
      if (!result) {
        const why = ms === left ? `took longer than ${totalMs} ms` : `said nothing for ${pause} ms`;
        throw new DOMException(`Cannot wait any longer: the source ${why}`, "TimeoutError");
      }
      if (result.done) return;
      yield result.value;
      pause = idleMs;
    }
  });
}
