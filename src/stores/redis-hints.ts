import type { Redis } from "ioredis";
import { Watchers } from "../internal/watchers.ts";
import type { Batch } from "../store.ts";

export interface RedisHintsOptions {
  /** A new connection, not open yet, that does not come back by itself. */
  readonly connect: () => Redis;
  /** What stands before the run in the name of its channel. */
  readonly channel: string;
}

/** How many channels are asked for with one command. */
const CHANNELS = 1_000;
const FIRST_RETRY_MS = 50;
const RETRY_MS = 1_000;

const ignore = () => {};

/**
 * Hints of all processes, over one connection for however many watchers. Once a broken connection is back,
 * everybody is woken: what happened meanwhile, nobody said.
 */
export class RedisHints implements Disposable {
  readonly #options: RedisHintsOptions;
  readonly #watchers = new Watchers<Batch>();
  /** How many watch each run. */
  readonly #counts = new Map<string, number>();
  /** Runs for which Redis has not confirmed yet that it will send hints. */
  readonly #subscribing = new Map<string, Promise<void>>();
  /** While it is open. */
  #subscriber: Redis | undefined;
  #connecting: Redis | undefined;
  #retry: NodeJS.Timeout | undefined;
  #retryMs = FIRST_RETRY_MS;
  #closed = false;

  constructor(options: RedisHintsOptions) {
    this.#options = options;
  }

  /** Opens the connection. From then on it is opened again whenever it breaks. */
  async open(): Promise<void> {
    const subscriber = this.#connect();
    this.#connecting = subscriber;
    subscriber.on("error", ignore);
    subscriber.on("message", (channel: string, message: string) => this.#hear(channel, message));
    subscriber.once("end", () => {
      if (this.#subscriber === subscriber) this.#subscriber = undefined;
      this.#openLater();
    });
    await subscriber.connect();
    if (this.#closed) return subscriber.disconnect();
    this.#subscriber = subscriber;
    this.#retryMs = FIRST_RETRY_MS;
    const runs = [...this.#counts.keys()];
    for (let first = 0; first < runs.length; first += CHANNELS) {
      const some = runs.slice(first, first + CHANNELS);
      void this.#subscribe(some).then(() => {
        for (const run of some) this.#watchers.wake(run);
      });
    }
  }

  watch(run: string, wake: (batch?: Batch) => void): Disposable {
    if (this.#closed) return { [Symbol.dispose]: ignore };
    const watcher = this.#watchers.add(run, wake);
    const count = this.#counts.get(run) ?? 0;
    this.#counts.set(run, count + 1);
    if (count === 0) void this.#subscribe([run]);
    let watching = true;
    return {
      [Symbol.dispose]: () => {
        watcher[Symbol.dispose]();
        if (!watching) return;
        watching = false;
        const left = this.#counts.get(run)! - 1;
        if (left > 0) this.#counts.set(run, left);
        else {
          this.#counts.delete(run);
          this.#subscriber?.unsubscribe(this.#channelOf(run)).catch(ignore);
        }
      },
    };
  }

  /**
   * Resolves once hints of a run will come, or the connection broke; undefined if there is nothing to wait for.
   * Whoever reads after that misses nothing in between.
   */
  subscribing(run: string): Promise<void> | undefined {
    return this.#subscribing.get(run);
  }

  /** Asks whether the connection is alive: one that only listens would never know. */
  ping(): void {
    this.#subscriber?.ping().catch(ignore);
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#connecting?.disconnect();
    this.#subscriber = undefined;
    this.#watchers.clear();
    this.#counts.clear();
  }

  #subscribe(runs: readonly string[]): Promise<void> {
    const subscriber = this.#subscriber;
    if (!subscriber) return Promise.resolve();
    const done = subscriber.subscribe(...runs.map((run) => this.#channelOf(run))).then(ignore, ignore);
    for (const run of runs) this.#subscribing.set(run, done);
    void done.then(() => {
      for (const run of runs) if (this.#subscribing.get(run) === done) this.#subscribing.delete(run);
    });
    return done;
  }

  #hear(channel: string, message: string): void {
    const run = channel.slice(this.#options.channel.length);
    const end = message.indexOf("\n");
    if (end < 0) {
      this.#watchers.wake(run);
      return;
    }
    const [seq, check] = message.slice(0, end).split("-");
    this.#watchers.wake(run, { seq: Number(seq), check: Number(check), text: message.slice(end + 1) });
  }

  #connect(): Redis {
    try {
      return this.#options.connect();
    } catch (error) {
      this.#openLater();
      throw error;
    }
  }

  #openLater(): void {
    if (this.#closed) return;
    clearTimeout(this.#retry);
    // If that fails, the end of the connection brings us here again.
    this.#retry = setTimeout(() => void this.open().catch(ignore), this.#retryMs).unref();
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS);
  }

  #channelOf(run: string): string {
    return this.#options.channel + run;
  }
}
