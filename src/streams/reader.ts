/** Thrown into whatever waits for a source that was closed. Never seen outside of `streams/`. */
export const CLOSED: unique symbol = Symbol("closed");

/**
 * Reads a source one value at a time, and can be closed while it waits: then the wait ends, and the source is
 * told. Values are asked for one by one, so a source is never further ahead than one value.
 */
export class Reader<Value> {
  readonly #source: AsyncIterable<Value>;
  #iterator: AsyncIterator<Value> | undefined;
  /** What was asked for and not yet taken. */
  #pending: Promise<IteratorResult<Value>> | undefined;
  /** Each lets go of one wait. In place of a promise that all of them would hang on to for as long as it is open. */
  readonly #waits = new Set<() => void>();
  #over = false;
  #closed = false;

  constructor(source: AsyncIterable<Value>) {
    this.#source = source;
  }

  /**
   * The next result of the source. With `ms`, undefined once so much time has passed without one; what comes
   * later is then the answer to the next call. Rejects with what the source throws, and once it is closed.
   */
  next(): Promise<IteratorResult<Value>>;
  next(ms: number | undefined): Promise<IteratorResult<Value> | undefined>;
  async next(ms?: number): Promise<IteratorResult<Value> | undefined> {
    if (this.#closed) throw CLOSED;
    this.#pending ??= this.#ask();
    try {
      const result = await this.until(this.#pending, ms);
      if (result) this.#pending = undefined;
      return result;
    } catch (error) {
      if (error !== CLOSED) this.#pending = undefined;
      throw error;
    }
  }

  /** What a promise comes to, or undefined after `ms`. Rejects as soon as the reader is closed. */
  until<Result>(promise: Promise<Result>): Promise<Result>;
  until<Result>(promise: Promise<Result>, ms: number | undefined): Promise<Result | undefined>;
  until<Result>(promise: Promise<Result>, ms?: number): Promise<Result | undefined> {
    return new Promise((resolve, reject) => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      let settled = false;
      const settle = (how: () => void) => {
        if (settled) return;
        settled = true;
        clearTimeout(timer);
        this.#waits.delete(letGo);
        how();
      };
      const letGo = () => settle(() => reject(CLOSED));
      promise.then(
        (result) => settle(() => resolve(result)),
        (error) => settle(() => reject(error)),
      );
      if (this.#closed) return letGo();
      this.#waits.add(letGo);
      if (ms !== undefined) timer = setTimeout(() => settle(() => resolve(undefined)), ms);
    });
  }

  /**
   * Stops reading and tells the source. Resolves once the source has cleaned up, or at once if it is in the
   * middle of something: nobody knows how long that takes. Rejects with what its clean-up throws.
   */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const letGo of [...this.#waits]) letGo();
    if (this.#over) return;
    const told = this.#iterator?.return?.();
    if (this.#pending) Promise.resolve(told).catch(() => {});
    else await told;
  }

  async #ask(): Promise<IteratorResult<Value>> {
    try {
      this.#iterator ??= this.#source[Symbol.asyncIterator]();
      const result = await this.#iterator.next();
      if (result.done) this.#over = true;
      return result;
    } catch (error) {
      this.#over = true;
      throw error;
    }
  }
}
