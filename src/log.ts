import { OpenBatch, openBatch, type StoredEntry } from "./batch.ts";
import { RunError } from "./errors.ts";
import { isTerminalType } from "./events.ts";
import type { Batch, Store, Tail } from "./store.ts";
import { missing } from "./tombstone.ts";

export const EMPTY: Tail = { seq: 0, check: 0 };

/** How often to look at a store without having been told, in ms: hints of other processes may be lost. */
export function pollMsOf({ shared }: Pick<Store, "shared">): number {
  return shared ? 2_000 : 30_000;
}

/** About how much is read at once, in bytes. */
const SLICE_BYTES = 256 * 1024;

export interface FollowOptions {
  /** The cursor of the last entry the reader has. @default the start */
  readonly after?: Tail | undefined;
  /** Ends the iteration without an error. */
  readonly signal?: AbortSignal | undefined;
  /**
   * How often to look without having been woken, in ms: hints of other processes may be lost.
   * @default 2_000, and 30_000 for a store that only this process writes
   */
  readonly pollMs?: number | undefined;
  /** Whether to wait for what comes, or to end where the log is now. @default true */
  readonly live?: boolean | undefined;
}

/** What follows the reader's cursor; or word that the cursor does not fit, and all comes again from the start. */
export type Slice =
  | { readonly entries: readonly StoredEntry[]; readonly reset?: undefined }
  | { readonly reset: string; readonly entries?: undefined };

/** Reads one run's log. Holds no state: any number may exist for one run. */
export class Log {
  readonly store: Store;
  readonly run: string;

  constructor(store: Store, run: string) {
    this.store = store;
    this.run = run;
  }

  /** All batches that end after a position, up to the end of the log as it is now; the first may begin before. */
  async *batches(after = 0): AsyncGenerator<readonly OpenBatch[], void, undefined> {
    let position = after;
    while (true) {
      const batches = await this.store.read(this.run, position, SLICE_BYTES);
      if (batches.length === 0) return;
      yield batches.map((batch) => new OpenBatch(batch));
      position = batches.at(-1)!.seq;
    }
  }

  /** All entries after a position, in slices, up to the end of the log as it is now. */
  async *read(after = 0): AsyncGenerator<readonly StoredEntry[], void, undefined> {
    for await (const batches of this.batches(after)) {
      yield batches.flatMap(({ entries }) => entries.filter(({ seq }) => seq > after));
    }
  }

  /** Every entry. Throws `run_not_found` if there is none, `run_deleted` if there was one. */
  async entries(): Promise<StoredEntry[]> {
    const all: StoredEntry[] = [];
    for await (const slice of this.read()) all.push(...slice);
    if (all.length === 0) throw await missing(this.store, this.run);
    return all;
  }

  /** The entry at a seq, or undefined. */
  async entry(seq: number): Promise<StoredEntry | undefined> {
    const [batch] = await this.store.read(this.run, seq - 1, 1);
    return batch && openBatch(batch).entries.find((entry) => entry.seq === seq);
  }

  /** The last entry, or undefined for an empty log. */
  async last(): Promise<StoredEntry | undefined> {
    const { seq } = await this.store.tail(this.run);
    return seq === 0 ? undefined : this.entry(seq);
  }

  /** Whether a cursor names a prefix of this log. One read. */
  async fits(cursor: Tail): Promise<boolean> {
    if (cursor.seq === 0) return cursor.check === 0;
    return (await this.entry(cursor.seq))?.check === cursor.check;
  }

  /**
   * What there is after the cursor, then what comes, a slice for each commit; ends after the terminal event.
   * It is a read loop that is woken: a lost, late or doubled hint changes nothing but the delay. Each batch
   * must continue the check reached so far, so a store that lost its tail shows as a `reset`, never as a hole.
   * Throws `run_not_found` where there is no log, `run_deleted` where there was one, and `store_unavailable`
   * where a part of it is missing.
   */
  async *follow(options: FollowOptions = {}): AsyncGenerator<Slice, void, undefined> {
    const { after = EMPTY, signal, pollMs = pollMsOf(this.store), live = true } = options;
    using hints = live ? new Hints(this.store, this.run, pollMs, signal) : undefined;
    let position = after;
    if (after.seq > 0 || after.check !== 0) {
      // The batch that the cursor points into: of one read, so that what fits is what is shown.
      const [batch] = after.seq > 0 ? await this.store.read(this.run, after.seq - 1, 1) : [];
      const { entries, tail } = batch ? openBatch(batch) : { entries: [], tail: EMPTY };
      if (entries.find(({ seq }) => seq === after.seq)?.check !== after.check) {
        yield { reset: (await this.store.tail(this.run)).seq < after.seq ? "ahead" : "mismatch" };
        position = EMPTY;
      } else {
        const rest = entries.filter((entry) => entry.seq > after.seq);
        if (rest.length > 0) yield { entries: rest };
        if (isTerminalType(entries.at(-1)!.type)) return;
        position = tail;
      }
    }
    // The seq after which the log broke and was begun anew, until that has been passed.
    let brokeAfter = -1;
    // Whether the store had nothing more when it was last asked: hints then say all there is to know.
    let caughtUp = false;
    while (!signal?.aborted) {
      const handed = hints?.take(position);
      let batches = handed ?? [];
      if (batches.length === 0 && (!caughtUp || !handed)) {
        batches = (await this.store.read(this.run, position.seq, SLICE_BYTES)).map(
          (batch) => new OpenBatch(batch),
        );
        caughtUp = batches.length === 0;
        if (caughtUp && (await this.#lost(position))) {
          yield { reset: "lost" };
          position = EMPTY;
          caughtUp = false;
          continue;
        }
      }
      if (batches.length === 0) {
        if (!hints) return;
        // A turn without a hint may be one of which the hint was lost.
        caughtUp = await hints.wait();
        continue;
      }
      const entries: StoredEntry[] = [];
      let broken = false;
      for (const open of batches) {
        broken = open.before !== position.check || open.first !== position.seq + 1;
        if (broken) break;
        for (const entry of open.entries) entries.push(entry);
        position = open.tail;
      }
      if (entries.length > 0) yield { entries };
      if (position.seq > brokeAfter) brokeAfter = -1;
      if (broken) {
        if (position.seq === brokeAfter) {
          const why = `entry ${position.seq + 1} does not continue its log`;
          throw new RunError("store_unavailable", `Cannot read run "${this.run}": ${why}`);
        }
        brokeAfter = position.seq;
        yield { reset: "mismatch" };
        position = EMPTY;
        caughtUp = false;
      } else if (isTerminalType(entries.at(-1)!.type)) return;
    }
  }

  /** Whether the log no longer holds what was read. Throws `run_not_found`, `run_deleted` for one that is not there. */
  async #lost(position: Tail): Promise<boolean> {
    const tail = await this.store.tail(this.run);
    if (tail.seq === 0 && position.seq === 0) throw await missing(this.store, this.run);
    return tail.seq < position.seq || (tail.seq === position.seq && tail.check !== position.check);
  }
}

/** More than this is not kept for a slow reader: it reads the store again instead. */
const HINTED_BYTES = 256 * 1024;

/**
 * What the store's hints handed over since the reader last looked. One timer and one listener serve all its waits: a reader
 * that keeps up waits after each entry, and to set up both would cost it more than all else.
 */
class Hints implements Disposable {
  readonly #pollMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #watch: Disposable;
  #batches: Batch[] = [];
  #bytes = 0;
  /** Whether there was a hint of which nothing was kept. */
  #dropped = false;
  /** Whether there was a hint since the last wait. */
  #told = false;
  #waiting: ((told: boolean) => void) | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(store: Store, run: string, pollMs: number, signal: AbortSignal | undefined) {
    this.#pollMs = pollMs;
    this.#signal = signal;
    signal?.addEventListener("abort", this.#goOn);
    this.#watch = store.watch(run, (batch) => {
      if (batch && this.#bytes < HINTED_BYTES) {
        this.#batches.push(batch);
        this.#bytes += batch.text.length;
      } else this.#dropped = true;
      this.#told = true;
      this.#goOn();
    });
  }

  /** The batches that continue a position; undefined where there is a doubt that only reading settles. */
  take(position: Tail): readonly OpenBatch[] | undefined {
    const kept = this.#batches;
    const dropped = this.#dropped;
    this.#batches = [];
    this.#bytes = 0;
    const fresh = kept.filter(({ seq }) => seq > position.seq).map(openBatch);
    // What was dropped comes after what was kept: that is handed on first, and then there is a doubt.
    this.#dropped = dropped && fresh.length > 0;
    let at = position;
    for (const { before, first, tail } of fresh) {
      if (before !== at.check || first !== at.seq + 1) return undefined;
      at = tail;
    }
    return dropped && fresh.length === 0 ? undefined : fresh;
  }

  /** Until there is a hint, or it is time to look, or the signal aborts. True if there was a hint. */
  wait(): Promise<boolean> {
    return new Promise((resolve) => {
      this.#waiting = resolve;
      if (this.#told || this.#signal?.aborted) this.#goOn();
      else if (this.#timer) this.#timer.refresh();
      else this.#timer = setTimeout(this.#goOn, this.#pollMs);
    });
  }

  readonly #goOn = (): void => {
    const resolve = this.#waiting;
    if (!resolve) return;
    this.#waiting = undefined;
    const told = this.#told;
    this.#told = false;
    resolve(told);
  };

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
    this.#signal?.removeEventListener("abort", this.#goOn);
    clearTimeout(this.#timer);
  }
}
