import { deleteRun } from "./delete-run.ts";
import { RunError } from "./errors.ts";
import { wait } from "./internal/wait.ts";
import { fromRecord } from "./run-info.ts";
import type { RunRecord, Store } from "./store.ts";
import { isTombstone } from "./tombstone.ts";

/** What is kept of the runs that have ended. What is left out has no limit. */
export interface Retention {
  /** Since a run ended, in ms. */
  readonly maxAgeMs?: number | undefined;
  /** Runs in the store, with those that have not ended. */
  readonly maxRuns?: number | undefined;
  /** Of all logs together, as they are read: a store may take more, or less, to keep them. */
  readonly maxBytes?: number | undefined;
}

/** Between two sweeps, at least; and each is followed by so many times the time that it took. */
const EVERY_MS = 60_000;
const RESTS = 99;
/** Records asked for at once, and runs deleted at once: they can share a commit. */
const PAGE = 200;
const DELETED = 16;
/** Runs that one sweep deletes at most. */
const MOST = 10_000;

interface Ended {
  readonly run: string;
  readonly endedAt: number;
  readonly bytes: number;
}

export interface SweeperOptions {
  readonly store: Store;
  readonly retention: Retention;
  readonly onTrouble: (error: unknown, run: string) => void;
}

/**
 * Deletes the ended runs that are too old or too many, those that started first first. Runs that have not ended
 * count, and stay. Each process of a store may have one: what another deletes meanwhile is not missed.
 */
export class Sweeper {
  readonly #options: SweeperOptions;
  #timer: NodeJS.Timeout | undefined;
  #sweeping: Promise<unknown> = Promise.resolve();
  readonly #stop = new AbortController();

  constructor(options: SweeperOptions) {
    for (const [name, value] of Object.entries(options.retention)) {
      if (value !== undefined && !(value >= 0))
        throw new RangeError(`Cannot keep runs by "${name}": it must be 0 or more, got ${value}`);
    }
    this.#options = options;
  }

  start(): void {
    if (!this.#stop.signal.aborted) this.#timer ??= setTimeout(() => this.#run(), EVERY_MS).unref();
  }

  /** Resolves once nothing is under way. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#stop.abort();
    await this.#sweeping;
  }

  #run(): void {
    const start = performance.now();
    this.#sweeping = this.sweep()
      .catch((error) => this.#options.onTrouble(error, ""))
      .then(() => {
        if (this.#stop.signal.aborted) return;
        const rest = Math.max(EVERY_MS, (performance.now() - start) * RESTS);
        this.#timer = setTimeout(() => this.#run(), rest).unref();
      });
  }

  /** Looks at all runs once, and resolves to how many it deleted. */
  async sweep(): Promise<number> {
    const { store, retention, onTrouble } = this.#options;
    const { maxAgeMs = Infinity, maxRuns = Infinity, maxBytes = Infinity } = retention;
    const oldest = Date.now() - maxAgeMs;
    // Where only age counts, what started later cannot have ended before.
    const ageOnly = maxRuns === Infinity && maxBytes === Infinity;
    let runs = 0;
    let bytes = 0;
    // The last ones seen are the oldest; of more than two lots the first is no matter.
    let ended: Ended[] = [];
    for await (const records of this.#pages(ageOnly ? { run: "", startedAt: oldest } : undefined)) {
      for (const record of records) {
        const { info, bytes: size } = fromRecord(record);
        runs++;
        bytes += size;
        if (info.endedAt !== undefined) ended.push({ run: info.run, endedAt: info.endedAt, bytes: size });
      }
      if (ended.length > 2 * MOST) ended = ended.slice(-MOST);
    }
    const doomed: Ended[] = [];
    for (const each of ended.slice(-MOST).reverse()) {
      if (runs <= maxRuns && bytes <= maxBytes && each.endedAt >= oldest) continue;
      doomed.push(each);
      runs--;
      bytes -= each.bytes;
    }
    let deleted = 0;
    while (doomed.length > 0 && !this.#stop.signal.aborted) {
      const some = doomed.splice(0, DELETED).map(async ({ run, endedAt }) => {
        try {
          if (await deleteRun(store, run, endedAt)) deleted++;
        } catch (error) {
          const gone = error instanceof RunError && ["run_deleted", "run_not_found"].includes(error.code);
          if (!gone) onTrouble(error, run);
        }
      });
      await this.#paced(Promise.all(some));
    }
    return deleted;
  }

  /** The records of all runs, newest first. */
  async *#pages(from: Pick<RunRecord, "run" | "startedAt"> | undefined): AsyncGenerator<RunRecord[]> {
    let before = from;
    while (!this.#stop.signal.aborted) {
      const page = await this.#paced(this.#options.store.list({ limit: PAGE, ...(before && { before }) }));
      const runs = page.filter((record) => !isTombstone(record));
      yield runs;
      // Behind the first tombstone are only tombstones.
      if (runs.length < PAGE) return;
      before = page.at(-1);
    }
  }

  /** Leaves to others the time that something took. */
  async #paced<Result>(work: Promise<Result>): Promise<Result> {
    const start = performance.now();
    const result = await work;
    await wait(performance.now() - start, this.#stop.signal);
    return result;
  }
}
