import { openBatch, sealBatch } from "../../src/batch.ts";
import type { Store } from "../../src/store.ts";
import { over } from "../../src/testing/over.ts";

/** Bugs that a simulation is given, to see that it finds them. */
export const plants = [
  /** The store commits whatever it is given, wherever the log ends. */
  "no-compare",
  /** A writer that is refused numbers its batch anew, and does not read what it missed: no fence stops it. */
  "no-fence",
  /** A reaper calls others dead as soon as it reaches the store again, without a lease of its own. */
  "hasty-reaper",
  /** A viewer that is cut off asks for what follows an entry that it never got. */
  "late-resume",
  /** A producer makes its appends again without their number. */
  "unnumbered-retries",
  /** A store acknowledges one append in fifty that it does not keep. */
  "lost-append",
] as const;
export type Plant = (typeof plants)[number];

/** The store itself, with a bug if one is planted there. */
export function plantedTruth(store: Store, plant: Plant | undefined): Store {
  if (plant === "no-compare") {
    return over(store, {
      append: async (run, expected, batch, record) => {
        const real = await store.append(run, expected, batch, record);
        return real && store.append(run, real, batch, record);
      },
    });
  }
  if (plant === "lost-append") {
    let appends = 0;
    return over(store, {
      append: async (run, expected, batch, record) => {
        const { seq, check } = await store.tail(run);
        if (seq !== expected.seq || check !== expected.check) return { seq, check };
        return ++appends % 50 === 0 ? undefined : store.append(run, expected, batch, record);
      },
    });
  }
  return store;
}

/** The store as a process has it, with a bug if one is planted in what stands above it. */
export function plantedHandle(store: Store, plant: Plant | undefined): Store {
  if (plant !== "no-fence") return store;
  return over(store, {
    append: async (run, expected, batch, record) => {
      let real = await store.append(run, expected, batch, record);
      // Who begins a run, or takes part in none yet, is refused as it should be.
      while (real && batch && expected.seq > 0) {
        const { entries, at, by, producer } = openBatch(batch);
        const lines = entries.map(({ json }) => json);
        real = await store.append(run, real, sealBatch(real, lines, at, by, producer), record);
      }
      return real;
    },
  });
}
