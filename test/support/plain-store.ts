import type { Store } from "../../src/store.ts";

/** A store as a plain object, so that parts of it can be replaced: `{ ...plainStore(store), append }`. */
export function plainStore(store: Store): Store {
  return {
    durability: store.durability,
    shared: store.shared,
    append: store.append.bind(store),
    read: store.read.bind(store),
    tail: store.tail.bind(store),
    record: store.record.bind(store),
    list: store.list.bind(store),
    delete: store.delete.bind(store),
    watch: store.watch.bind(store),
    beat: store.beat.bind(store),
    [Symbol.asyncDispose]: store[Symbol.asyncDispose].bind(store),
  };
}
