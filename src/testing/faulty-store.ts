import type { Batch, RunRecord, Store, Tail } from "../store.ts";

export interface Faults {
  /** Asked before each append: true loses its answer. The batch is kept all the same. */
  readonly loseAnswer?: () => boolean;
  /** Asked before each append: true refuses it, and nothing is kept. */
  readonly refuse?: () => boolean;
  /** No hint ever arrives. */
  readonly loseHints?: boolean;
}

/** A store that fails as networks and disks do; what it keeps is right. */
export function faultyStore(store: Store, { loseAnswer, refuse, loseHints }: Faults): Store {
  return {
    durability: store.durability,
    shared: store.shared,
    async append(run: string, expected: Tail, batch: Batch | undefined, record?: RunRecord) {
      if (refuse?.()) throw new Error("The store refused the append");
      const lost = loseAnswer?.() ?? false;
      const result = await store.append(run, expected, batch, record);
      if (lost) throw new Error("The answer was lost");
      return result;
    },
    read: (run, after, maxBytes) => store.read(run, after, maxBytes),
    tail: (run) => store.tail(run),
    record: (run) => store.record(run),
    list: (options) => store.list(options),
    delete: (run, expected) => store.delete(run, expected),
    watch: (run, wake) => (loseHints ? { [Symbol.dispose]() {} } : store.watch(run, wake)),
    beat: (holder, ms) => store.beat(holder, ms),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}
