import { throughAll } from "./through.ts";

// biome-ignore lint/suspicious/noExplicitAny: sources of any values
type Sources = Readonly<Record<string, AsyncIterable<any>>>;

/** A value, and the name of the source that it comes from. */
export type Merged<From extends Sources> = {
  [Name in keyof From & string]: {
    readonly source: Name;
    readonly value: From[Name] extends AsyncIterable<infer Value> ? Value : never;
  };
}[keyof From & string];

interface Arrival {
  readonly index: number;
  readonly result?: IteratorResult<unknown>;
  readonly error?: unknown;
}

/**
 * Several sources at once, each value with its source's name: in the order in which they come, and those of one
 * source in its own. A source is never more than one value ahead of the reader. Ends when all have ended; if
 * one fails, the others are closed and its error is thrown.
 */
export function mergeStreams<From extends Sources>(
  sources: From,
): AsyncGenerator<Merged<From>, void, undefined> {
  const names = Object.keys(sources);
  return throughAll(Object.values(sources), async function* (readers) {
    const arrivals: Arrival[] = [];
    let wake = () => {};
    const ask = (index: number) => {
      readers[index]!.next().then(
        (result) => arrivals.push({ index, result }) && wake(),
        (error) => arrivals.push({ index, error }) && wake(),
      );
    };
    for (const index of readers.keys()) ask(index);
    let open = readers.length;
    while (open > 0) {
      const arrival = arrivals.shift();
      if (!arrival) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      const { index, result, error } = arrival;
      if (!result) throw error;
      if (result.done) open--;
      else {
        ask(index);
        yield { source: names[index], value: result.value } as Merged<From>;
      }
    }
  });
}
