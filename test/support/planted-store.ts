import { openBatch, sealBatch } from "../../src/batch.ts";
import type { RunRecord, Store } from "../../src/store.ts";
import { memoryStore } from "../../src/stores/memory.ts";

const plants = ["early-ack", "lost-batch"] as const;
/** `early-ack`: acknowledged before the commit. `lost-batch`: one in twenty is acknowledged and never kept. */
export type StorePlant = (typeof plants)[number];

/** How late the plants commit, in ms. */
const LATE_MS = 50;

/**
 * A store that breaks its word, without anybody in its own process being able to tell: proof that a test of
 * what survives can fail. Without a plant it is the real one.
 */
export function plantedStore(real: Store, plant?: string): Store {
  const known = plants.find((each) => each === plant);
  if (!known) return real;
  const front = memoryStore();
  const began = new Set<string>();
  let late: Promise<unknown> = Promise.resolve();
  let appends = 0;

  const keep = async (
    run: string,
    lines: readonly string[],
    record: RunRecord | undefined,
  ): Promise<void> => {
    const tail = await real.tail(run);
    // Sealed anew: the log that is left has no hole that anybody could see.
    await real.append(run, tail, sealBatch(tail, lines, Date.now(), "planted"), record);
  };

  return {
    durability: real.durability,
    shared: real.shared,
    async append(run, expected, batch, record) {
      // Runs of an earlier process are as they are.
      if (!batch || (expected.seq > 0 && !began.has(run))) return real.append(run, expected, batch, record);
      const conflict = await front.append(run, expected, batch, record);
      if (conflict) return conflict;
      began.add(run);
      if (known === "lost-batch" && expected.seq > 0 && ++appends % 20 === 0) return undefined;
      const lines = openBatch(batch).entries.map((entry) => entry.json);
      if (known === "lost-batch") await keep(run, lines, record);
      else {
        const committed = new Promise<void>((resolve) => setTimeout(resolve, LATE_MS));
        late = Promise.all([late, committed]).then(() => keep(run, lines, record));
      }
      return undefined;
    },
    read: (run, after, maxBytes) => (began.has(run) ? front : real).read(run, after, maxBytes),
    tail: (run) => (began.has(run) ? front : real).tail(run),
    record: (run) => (began.has(run) ? front : real).record(run),
    list: (options) => real.list(options),
    delete: (run, expected) => (began.has(run) ? front : real).delete(run, expected),
    watch(run, wake) {
      const watches = [front.watch(run, wake), real.watch(run, () => wake())];
      return { [Symbol.dispose]: () => watches.forEach((watch) => void watch[Symbol.dispose]()) };
    },
    beat: (holder, ms) => real.beat(holder, ms),
    async [Symbol.asyncDispose]() {
      await late;
      await real[Symbol.asyncDispose]();
    },
  };
}
