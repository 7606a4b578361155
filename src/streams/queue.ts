import { joinDeltas } from "./join-deltas.ts";
import { through } from "./through.ts";

/**
 * What becomes of a value for which there is no room:
 *
 * | policy | does |
 * |---|---|
 * | `wait` | the producer waits |
 * | `coalesce` | neighbouring deltas are joined; the producer waits only where that makes no room |
 * | `snapshot` | all that waits becomes one value, by `snapshot` |
 * | `disconnect` | what waits is dropped, and the reader gets {@linkcode Disconnected}, which says where to go on |
 *
 * None of them fails the producer.
 */
export type WhenFull = "wait" | "coalesce" | "snapshot" | "disconnect";

export interface QueueOptions<Value> {
  /** So many values wait at most. @default 256 */
  readonly limit?: number;
  /** @default "wait" */
  readonly whenFull?: WhenFull;
  /** For the policy `snapshot`: one value that stands for these, the newest last. */
  readonly snapshot?: (waiting: readonly Value[]) => Value;
}

/** A reader was too slow, and what waited for it was dropped. */
export class Disconnected extends Error {
  /** The last value it got: an entry has the `cursor` to go on from. Undefined if it got none. */
  readonly last: unknown;

  constructor(limit: number, last: unknown) {
    super(`Cannot keep up: more than ${limit} values waited, and the reader was disconnected`);
    this.name = "Disconnected";
    this.last = last;
  }
}

/** A bounded queue from a producer to one reader, who iterates it. */
export class Queue<Value> implements AsyncIterable<Value> {
  readonly #limit: number;
  readonly #whenFull: WhenFull;
  readonly #snapshot: ((waiting: readonly Value[]) => Value) | undefined;
  #waiting: Value[] = [];
  #last: Value | undefined;
  #over: { readonly error?: unknown } | undefined;
  #wakeReader = () => {};
  #room: PromiseWithResolvers<void> | undefined;

  constructor({ limit = 256, whenFull = "wait", snapshot }: QueueOptions<Value> = {}) {
    if (!(limit >= 1)) throw new RangeError(`Cannot queue ${limit} values: the limit must be 1 or more`);
    if ((whenFull === "snapshot") !== (snapshot !== undefined))
      throw new TypeError('Cannot make a queue: "snapshot" is the policy and a function, both or neither');
    this.#limit = limit;
    this.#whenFull = whenFull;
    this.#snapshot = snapshot;
  }

  /** How many values wait. */
  get size(): number {
    return this.#waiting.length;
  }

  /** Whether nothing more is taken: it was ended, or its reader is gone. */
  get over(): boolean {
    return this.#over !== undefined;
  }

  /**
   * Takes a value. A promise, if the producer is to wait until there is room for the next one: with `wait` and
   * `coalesce` that is what keeps the queue within its limit. Once the queue is over, values are dropped.
   */
  push(value: Value): Promise<void> | undefined {
    if (this.#over) return undefined;
    this.#waiting.push(value);
    if (this.#waiting.length > this.#limit) this.#makeRoom();
    this.#wakeReader();
    if (this.#waiting.length < this.#limit || this.#over) return undefined;
    if (this.#whenFull !== "wait" && this.#whenFull !== "coalesce") return undefined;
    if (this.#whenFull === "coalesce") {
      this.#waiting = joinDeltas(this.#waiting);
      if (this.#waiting.length < this.#limit) return undefined;
    }
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
  }

  /** No more values: the reader gets those that wait, and then the end, or the error. */
  end(...failure: readonly [error?: unknown]): void {
    this.#over ??= failure.length > 0 ? { error: failure[0] } : {};
    this.#wakeReader();
    this.#leave();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Value, void, undefined> {
    try {
      while (true) {
        while (this.#waiting.length > 0) {
          this.#last = this.#waiting.shift()!;
          this.#leave();
          yield this.#last;
        }
        if (this.#over) {
          if ("error" in this.#over) throw this.#over.error;
          return;
        }
        await new Promise<void>((resolve) => {
          this.#wakeReader = resolve;
        });
      }
    } finally {
      this.#waiting = [];
      this.end();
    }
  }

  #makeRoom(): void {
    if (this.#snapshot) this.#waiting = [this.#snapshot(this.#waiting)];
    else if (this.#whenFull === "disconnect") {
      this.#waiting = [];
      this.end(new Disconnected(this.#limit, this.#last));
    }
  }

  /** Lets a producer go on that waits for room. */
  #leave(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }
}

/**
 * The values of a source through a {@linkcode Queue}: the source is read ahead of a slow reader, up to the limit,
 * and then the policy decides.
 */
export function queued<Value>(
  source: AsyncIterable<Value>,
  options: QueueOptions<Value> = {},
): AsyncGenerator<Value, void, undefined> {
  const queue = new Queue(options);
  return through(source, async function* (reader) {
    const pump = async () => {
      try {
        for (let result = await reader.next(); !result.done; result = await reader.next()) {
          const room = queue.push(result.value);
          if (room) await reader.until(room);
          if (queue.over) return await reader.close();
        }
        queue.end();
      } catch (error) {
        queue.end(error);
      }
    };
    void pump();
    const values = queue[Symbol.asyncIterator]();
    try {
      while (true) {
        const result = await values.next();
        if (result.done) return;
        yield result.value;
      }
    } finally {
      queue.end();
      await values.return();
    }
  });
}
