import { openBatch, sealBatch } from "../../src/batch.ts";
import { isTerminalType } from "../../src/events.ts";
import type { Store, Tail } from "../../src/store.ts";

/** Bugs that the scenarios must notice: in what is kept, and in what a viewer has put together. */
export const plants = ["drop", "double", "reorder", "late-terminal"] as const;
/** `late-terminal`: one more terminal event after the end. */
export type Plant = (typeof plants)[number];

/** Items with one of them lost, doubled or out of order; or the last, if it is an end, said once more. */
export function spoilt<Item>(
  items: readonly Item[],
  plant: Plant | undefined,
  isEnd: (item: Item) => boolean,
): readonly Item[] {
  const middle = Math.floor(items.length / 2);
  const item = items[middle];
  if (item === undefined || plant === undefined) return items;
  if (plant === "drop") return items.toSpliced(middle, 1);
  if (plant === "double") return items.toSpliced(middle, 0, item);
  if (plant === "reorder" && middle > 0) return items.toSpliced(middle - 1, 2, item, items[middle - 1]!);
  const end = items.at(-1)!;
  return plant === "late-terminal" && isEnd(end) ? [...items, end] : items;
}

/** The frames of a viewer, as the plant has them. */
export function account(frames: readonly string[], plant?: Plant): readonly string[] {
  return spoilt(frames, plant, (frame) => /"event":\{"type":"run\.(finished|failed|cancelled)"/.test(frame));
}

/** Of the batches that can be spoilt, one in so many is; one with an end always. */
const EVERY = 3;

/**
 * A store that spoils what it is given to keep, for a run that one process writes. The writer is told that all is
 * well, and the log that is left looks whole: only its content is wrong.
 */
export function plantedStore(real: Store, plant: Plant | undefined): Store {
  if (!plant) return real;
  /** Where the writers believe that the logs end, and where they do. */
  const places = new Map<string, { readonly believed: Tail; readonly kept: Tail }>();
  let count = 0;
  return {
    durability: real.durability,
    shared: real.shared,
    async append(run, expected, batch, record) {
      const place = places.get(run);
      const kept = place && place.believed.check === expected.check ? place.kept : expected;
      if (!batch) return real.append(run, kept, batch, record);
      const { entries, at, by, producer } = openBatch(batch);
      const ends = isTerminalType(entries.at(-1)!.type);
      const whole = entries.map(({ json }) => json);
      // A batch of which nothing is left would be found missing at once.
      const chosen = plant === "late-terminal" ? ends : !ends && whole.length > 1 && count++ % EVERY === 0;
      const lines = expected.seq > 0 && chosen ? spoilt(whole, plant, () => ends) : whole;
      const sealed = sealBatch(kept, lines, at, by, producer);
      const conflict = await real.append(run, kept, sealed, record);
      if (!conflict) places.set(run, { believed: batch, kept: sealed });
      return conflict;
    },
    read: (run, after, maxBytes) => real.read(run, after, maxBytes),
    tail: (run) => real.tail(run),
    record: (run) => real.record(run),
    list: (options) => real.list(options),
    delete: (run, expected) => real.delete(run, expected),
    watch: (run, wake) => real.watch(run, wake),
    beat: (holder, ms) => real.beat(holder, ms),
    [Symbol.asyncDispose]: () => real[Symbol.asyncDispose](),
  };
}
