import type { Redis } from "ioredis";
import { newHolder } from "../internal/id.ts";
import { Watchers } from "../internal/watchers.ts";
import type { Batch } from "../store.ts";

export interface RedisHintsOptions {
  /** A new connection, not open yet, that does not come back by itself. */
  readonly connect: () => Redis;
  /** What stands before the run in the name of its first channel, and in that of its second. */
  readonly hints: string;
  readonly more: string;
}

/** Of how many runs the channels are asked for with one command. */
const RUNS = 500;
const FIRST_RETRY_MS = 50;
const RETRY_MS = 1_000;

const ignore = () => {};

/** Those who watch a run here. */
interface Watched {
  count: number;
  /** Which store made the last append that was heard of. */
  last: string;
  /** Whether the second channel is listened to. */
  more: boolean;
}

/**
 * Hints of all stores, over one connection for however many watchers. Once a broken connection is back,
 * everybody is woken: what happened meanwhile, nobody said.
 *
 * A store itself tells those who watch here of its appends. To hear of them from Redis too takes half as long as to
 * append, so a run has two channels: an append behind another store's is told on the first one, those that follow it
 * on the second, and a store listens to the second unless the last append is its own. Whose it is it learns from the
 * first channel, and not from answers, as what is said there is in the order in which Redis did it. So its appends
 * are told on the first one for as long as it listens to both.
 */
export class RedisHints implements Disposable {
  /** Names this store among all that ever append. */
  readonly me = newHolder();
  readonly hints: string;
  readonly more: string;
  readonly #connect: () => Redis;
  readonly #watchers = new Watchers<Batch>();
  readonly #watched = new Map<string, Watched>();
  /** Runs for which Redis has not confirmed yet that it will send hints. */
  readonly #subscribing = new Map<string, Promise<void>>();
  /** While it is open. */
  #subscriber: Redis | undefined;
  #connecting: Redis | undefined;
  #retry: NodeJS.Timeout | undefined;
  #retryMs = FIRST_RETRY_MS;
  #closed = false;

  constructor({ connect, hints, more }: RedisHintsOptions) {
    this.#connect = connect;
    this.hints = hints;
    this.more = more;
  }

  /** Opens the connection. From then on it is opened again whenever it breaks. */
  async open(): Promise<void> {
    const subscriber = this.#openConnection();
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
    const runs = [...this.#watched.keys()];
    for (let first = 0; first < runs.length; first += RUNS) {
      const some = runs.slice(first, first + RUNS);
      void this.#subscribe(some).then(() => this.#wake(some));
    }
  }

  watch(run: string, wake: (batch?: Batch) => void): Disposable {
    if (this.#closed) return { [Symbol.dispose]: ignore };
    const watcher = this.#watchers.add(run, wake);
    const watched = this.#watched.get(run) ?? { count: 0, last: "", more: true };
    this.#watched.set(run, watched);
    if (watched.count++ === 0) void this.#subscribe([run]);
    let watching = true;
    return {
      [Symbol.dispose]: () => {
        watcher[Symbol.dispose]();
        if (!watching) return;
        watching = false;
        if (--watched.count > 0 || !this.#watched.delete(run)) return;
        this.#unsubscribe(this.hints + run, this.more + run);
      },
    };
  }

  /** Wakes those who watch a run here. */
  tell(run: string, batch?: Batch): void {
    this.#watchers.wake(run, batch);
  }

  /** Opens the connection anew, and so wakes everybody. */
  renew(): void {
    this.#subscriber?.disconnect();
  }

  /** Whether the second channel of a run is listened to. */
  hearsMore(run: string): boolean {
    return this.#watched.get(run)?.more ?? false;
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
    this.#watched.clear();
  }

  #subscribe(runs: readonly string[]): Promise<void> {
    const subscriber = this.#subscriber;
    if (!subscriber) return Promise.resolve();
    const channels = runs.flatMap((run) => [this.hints + run, this.more + run]);
    const done = subscriber.subscribe(...channels).then(ignore, ignore);
    for (const run of runs) {
      this.#watched.get(run)!.more = true;
      this.#subscribing.set(run, done);
    }
    void done.then(() => {
      for (const run of runs) if (this.#subscribing.get(run) === done) this.#subscribing.delete(run);
    });
    return done;
  }

  #unsubscribe(...channels: readonly string[]): void {
    this.#subscriber?.unsubscribe(...channels).catch(ignore);
  }

  #hear(channel: string, message: string): void {
    const isMore = channel.startsWith(this.more);
    const run = channel.slice((isMore ? this.more : this.hints).length);
    const watched = this.#watched.get(run);
    if (!watched) return;
    const space = message.indexOf(" ");
    const by = message.slice(0, space);
    if (by === this.me) {
      // Not after the first: two stores may take turns. Nor after what was said before this listened anew.
      if (watched.more && watched.last === by && !this.#subscribing.has(run)) {
        watched.more = false;
        this.#unsubscribe(this.more + run);
      }
      watched.last = by;
      return;
    }
    watched.last = by;
    // Some of what follows may be said before that is listened to.
    if (!watched.more) void this.#subscribe([run]).then(() => this.#wake([run]));
    this.#watchers.wake(run, batchOf(message.slice(space + 1)));
  }

  #wake(runs: readonly string[]): void {
    for (const run of runs) this.#watchers.wake(run);
  }

  #openConnection(): Redis {
    try {
      return this.#connect();
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
}

/** A tail, and the text of its batch on the lines below, unless that is too large. */
function batchOf(told: string): Batch | undefined {
  const end = told.indexOf("\n");
  if (end < 0) return undefined;
  const [seq, check] = told.slice(0, end).split("-");
  return { seq: Number(seq), check: Number(check), text: told.slice(end + 1) };
}
