import { CLOSED, Reader } from "./reader.ts";

/**
 * An async iterable that makes something of others. `transform` is a generator that waits for nothing but by
 * the readers it is given; so `return` and `throw` end it at any moment, also while it waits for a source that
 * may never say anything again, which a generator alone cannot do. The sources are told when it ends.
 */
export function throughAll<In, Out>(
  sources: readonly AsyncIterable<In>[],
  transform: (readers: readonly Reader<In>[]) => AsyncGenerator<Out, void, undefined>,
): AsyncGenerator<Out, void, undefined> {
  const readers = sources.map((source) => new Reader(source));
  const inner = transform(readers);
  const close = async () => {
    const closed = await Promise.allSettled(readers.map((reader) => reader.close()));
    const failed = closed.find((each) => each.status === "rejected");
    if (failed) throw failed.reason;
  };
  const iterator: AsyncGenerator<Out, void, undefined> = {
    async next() {
      try {
        const result = await inner.next();
        if (result.done) await close();
        return result;
      } catch (error) {
        await close().catch(() => {});
        if (error === CLOSED) return { done: true, value: undefined };
        throw error;
      }
    },
    async return() {
      const closed = close();
      // A `next` that waits is let go by this; the clean-up of the sources is theirs.
      closed.catch(() => {});
      await inner.return();
      await closed;
      return { done: true, value: undefined };
    },
    async throw(error) {
      await close().catch(() => {});
      await inner.return().catch(() => {});
      throw error;
    },
    [Symbol.asyncIterator]: () => iterator,
    [Symbol.asyncDispose]: async () => {
      await iterator.return();
    },
  };
  return iterator;
}

/** {@linkcode throughAll} of one source. */
export function through<In, Out>(
  source: AsyncIterable<In>,
  transform: (reader: Reader<In>) => AsyncGenerator<Out, void, undefined>,
): AsyncGenerator<Out, void, undefined> {
  return throughAll([source], ([reader]) => transform(reader!));
}
