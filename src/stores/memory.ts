import { RunError } from "../errors.ts";
import { Heartbeats } from "../internal/heartbeats.ts";
import { soon } from "../internal/soon.ts";
import { Watchers } from "../internal/watchers.ts";
import type { Batch, RunRecord, Store, Tail } from "../store.ts";

export interface MemoryStoreOptions {
  /** The clock of `beat`, in ms from any point. @default performance.now */
  readonly now?: () => number;
}

/** Keeps logs in this process: nothing to set up, and gone with it. For tests, trials and runs nobody will miss. */
export function memoryStore(options: MemoryStoreOptions = {}): Store {
  return new MemoryStore(options);
}

interface Log {
  readonly batches: Batch[];
  record?: RunRecord;
}

const empty: Tail = { seq: 0, check: 0 };

class MemoryStore implements Store {
  readonly durability = {
    class: "D0",
    why: "Logs are kept in the memory of this process and are gone when it ends.",
  } as const;
  readonly shared = false;

  readonly #logs = new Map<string, Log>();
  readonly #watchers = new Watchers<Batch>();
  readonly #heartbeats: Heartbeats;
  /** All records, newest first. Sorted again when one comes, goes or moves. */
  #newest: Log[] | undefined;
  #queue: (() => void)[] = [];
  #disposed = false;

  constructor({ now }: MemoryStoreOptions) {
    this.#heartbeats = new Heartbeats(now);
  }

  append(
    run: string,
    expected: Tail,
    batch: Batch | undefined,
    record?: RunRecord,
  ): Promise<Tail | undefined> {
    return this.#inTurn("append", () => {
      const log = this.#logs.get(run) ?? { batches: [] };
      const tail = tailOf(log);
      if (!same(tail, expected) || (!batch && tail.seq === 0)) return tail;
      if (batch) log.batches.push(batch);
      this.#logs.set(run, log);
      if (record !== undefined) {
        if (log.record?.startedAt !== record.startedAt) this.#newest = undefined;
        log.record = { ...record, tags: [...record.tags] };
      }
      if (batch) this.#watchers.wake(run, batch);
      return undefined;
    });
  }

  async read(run: string, after: number, maxBytes: number): Promise<readonly Batch[]> {
    this.#check("read");
    const batches = this.#logs.get(run)?.batches ?? [];
    const start = firstAfter(batches, after);
    let end = start;
    for (let bytes = 0; end < batches.length; end++) {
      bytes += Buffer.byteLength(batches[end]!.text);
      if (bytes > maxBytes && end > start) break;
    }
    return batches.slice(start, end);
  }

  async tail(run: string): Promise<Tail> {
    this.#check("read");
    return tailOf(this.#logs.get(run));
  }

  async record(run: string): Promise<RunRecord | undefined> {
    this.#check("read");
    return this.#logs.get(run)?.record;
  }

  async list({ tag, before, limit }: Parameters<Store["list"]>[0]): Promise<readonly RunRecord[]> {
    this.#check("list");
    this.#newest ??= [...this.#logs.values()]
      .filter((log) => log.record !== undefined)
      .sort((a, b) => newestFirst(a.record!, b.record!));
    const found: RunRecord[] = [];
    for (const { record } of this.#newest) {
      if (found.length >= limit) break;
      if (before !== undefined && newestFirst(record!, before) <= 0) continue;
      if (tag === undefined || record!.tags.includes(tag)) found.push(record!);
    }
    return found;
  }

  delete(run: string, expected: Tail): Promise<boolean> {
    return this.#inTurn("delete", () => {
      if (!same(tailOf(this.#logs.get(run)), expected)) return false;
      this.#logs.delete(run);
      this.#newest = undefined;
      this.#watchers.wake(run);
      return true;
    });
  }

  watch(run: string, wake: (batch?: Batch) => void): Disposable {
    return this.#watchers.add(run, wake);
  }

  async beat(holder: string, ms: number): Promise<readonly string[]> {
    this.#check("beat");
    return this.#heartbeats.beat(holder, ms);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#flush();
    this.#disposed = true;
    this.#watchers.clear();
    this.#logs.clear();
    this.#newest = undefined;
  }

  /**
   * Does it with all that is asked for in this turn of the event loop, when the turn is over. As with a disk: an
   * agent that never waits lets others run, and what it says meanwhile shares the next commit.
   */
  #inTurn<Answer>(doing: string, work: () => Answer): Promise<Answer> {
    return new Promise((resolve) => {
      this.#check(doing);
      if (this.#queue.length === 0) soon(() => this.#flush());
      this.#queue.push(() => resolve(work()));
    });
  }

  #flush(): void {
    const queue = this.#queue;
    this.#queue = [];
    for (const work of queue) work();
  }

  #check(doing: string): void {
    if (this.#disposed) throw new RunError("store_unavailable", `Cannot ${doing}: the store is closed`);
  }
}

function tailOf(log: Log | undefined): Tail {
  const last = log?.batches.at(-1);
  return last === undefined ? empty : { seq: last.seq, check: last.check };
}

function same(a: Tail, b: Tail): boolean {
  return a.seq === b.seq && a.check === b.check;
}

function firstAfter(batches: readonly Batch[], after: number): number {
  let low = 0;
  let high = batches.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (batches[middle]!.seq > after) high = middle;
    else low = middle + 1;
  }
  return low;
}

type Place = Pick<RunRecord, "run" | "startedAt">;

function newestFirst(a: Place, b: Place): number {
  return b.startedAt - a.startedAt || (a.run < b.run ? 1 : a.run > b.run ? -1 : 0);
}
