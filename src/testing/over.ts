import type { Store } from "../store.ts";

/** A store with some of its parts replaced. */
export function over(store: Store, parts: Partial<Store>): Store {
  return {
    durability: store.durability,
    shared: store.shared,
    append: (...asked) => store.append(...asked),
    read: (...asked) => store.read(...asked),
    tail: (run) => store.tail(run),
    record: (run) => store.record(run),
    list: (options) => store.list(options),
    delete: (...asked) => store.delete(...asked),
    watch: (...asked) => store.watch(...asked),
    beat: (...asked) => store.beat(...asked),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    ...parts,
  };
}
