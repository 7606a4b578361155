import { RunError } from "../errors.ts";
import { Heartbeats } from "../internal/heartbeats.ts";
import { soon } from "../internal/soon.ts";
import { Watchers } from "../internal/watchers.ts";
import type { Batch, Durability, RunRecord, Store, Tail } from "../store.ts";
import { SqliteCompaction } from "./sqlite-compaction.ts";
import { openSqliteFile, type SqliteFile, sqliteError } from "./sqlite-file.ts";
import { type Places, placesAfter, SqliteIndex } from "./sqlite-index.ts";
import { PACK_CHARS } from "./sqlite-pack.ts";
import { SqlitePacks } from "./sqlite-packs.ts";
import { SqliteRecords } from "./sqlite-records.ts";
import { SqliteRows } from "./sqlite-rows.ts";

export interface SqliteStoreOptions {
  /**
   * `full` waits for the disk at each commit and survives power loss; `normal` does not, and survives the end
   * of any process. @default "full"
   */
  readonly synchronous?: "full" | "normal";
  /** The largest size of the file, in pages of 4 KiB; beyond it appends are refused with `store_full`. */
  readonly maxPages?: number;
  /**
   * How many batches may be in no page of the index. More make pages fuller, and opening after a crash slower.
   * @default 32768
   */
  readonly indexEvery?: number;
  /**
   * How long an ended run stays as it was written before it is compressed, about, in ms. `Infinity`: for good.
   * @default 10_000
   */
  readonly compactAfterMs?: number;
  /** The clock of `beat`, in ms from any point. @default performance.now */
  readonly now?: () => number;
}

/**
 * Keeps logs in one SQLite file, made with its folder where there is none. Only one process can have it open.
 * All appends of a tick share a commit.
 *
 * Throws `store_locked` if another process has the file, and `store_unavailable` if it cannot be opened, is not
 * a database of Runlog's, or is one of a later version.
 */
export function sqliteStore(path: string, options: SqliteStoreOptions = {}): Store {
  const { synchronous = "full", maxPages } = options;
  if (synchronous !== "full" && synchronous !== "normal") {
    throw new TypeError(`Cannot open "${path}": "synchronous" is "full" or "normal", not "${synchronous}"`);
  }
  const file = openSqliteFile(path, { synchronous, maxPages });
  try {
    return new SqliteStore(file, options);
  } catch (error) {
    file.close();
    throw sqliteError(error, `open "${path}"`);
  }
}

const durabilities: Record<"full" | "normal", Durability> = {
  full: {
    class: "D3",
    why: "SQLite waits for the disk at every commit, so what was acknowledged survives a power loss.",
  },
  normal: {
    class: "D2",
    why: "SQLite does not wait for the disk, so what was acknowledged survives any crash of a process, but a power loss may take the last of it.",
  },
};

/** What is held of a run that is appended to. A transaction changes it at once, and puts it back if it fails. */
interface Run extends Tail {
  readonly name: string;
  /** 0 if there is no such run. */
  no: number;
  seq: number;
  check: number;
  /** The batches that are in no page yet. */
  places: number[];
  /** All of these are in rows after this one. */
  since: number;
  /** What was before the transaction that is open, if it is concerned. */
  before: Before | undefined;
}

interface Before extends Tail {
  readonly no: number;
  readonly places: number[];
  /** How many numbers `places` had. */
  readonly count: number;
}

interface Job<Answer> {
  readonly run: string;
  readonly expected: Tail;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: RunError) => void;
  /** The real tail, if it is not the expected one. */
  conflict: Tail | undefined;
}

interface Append extends Job<Tail | undefined> {
  readonly doing: "append";
  readonly batch: Batch | undefined;
  readonly record: RunRecord | undefined;
}

interface Delete extends Job<boolean> {
  readonly doing: "delete";
}

/** A record with one of these tags is that of a run to which nothing more is appended. */
const endedTags: readonly string[] = ["status:finished", "status:failed", "status:cancelled"];

/** How large a batch may be, in bytes, for the first ones that are read: from then on it is known. */
const BATCH_BYTES = 16 * 1024;
/** Of a deleted run about so many batches are removed in one turn. */
const SWEPT = 256;
/** One in so many batches is written into pages with the one that is too many. */
const PAGED_PART = 32;

class SqliteStore implements Store {
  readonly durability: Durability;
  readonly shared = false;

  readonly #file: SqliteFile;
  readonly #sql: ReturnType<typeof prepare>;
  readonly #rows: SqliteRows;
  readonly #index: SqliteIndex;
  readonly #packs: SqlitePacks;
  readonly #records: SqliteRecords;
  readonly #watchers = new Watchers<Batch>();
  readonly #heartbeats: Heartbeats;
  readonly #compaction: SqliteCompaction;

  /** Those with batches in no page, and others that had some lately; by `since`. The rest is in the file. */
  readonly #runs = new Map<string, Run>();
  /** How many batches are in no page. */
  #unindexed = 0;
  readonly #indexEvery: number;
  /** The last row, and `#unindexed`, before the transaction that is open. */
  #before = { row: 0, unindexed: 0 };
  // Never goes down, whatever is deleted: rows of a run in the trash bear its number still.
  #lastNo: number;
  #trash: boolean;

  #queue: (Append | Delete)[] = [];
  #scheduled = false;
  #disposed = false;

  constructor(file: SqliteFile, options: SqliteStoreOptions) {
    this.durability = durabilities[options.synchronous ?? "full"];
    this.#heartbeats = new Heartbeats(options.now);
    this.#indexEvery = options.indexEvery ?? 32_768;
    this.#file = file;
    this.#sql = prepare(file);
    this.#index = new SqliteIndex(file);
    this.#packs = new SqlitePacks(file);
    this.#records = new SqliteRecords(file);
    const { indexed, deleted, run, trash } = this.#sql.start.get() as Record<string, number>;
    // Neither in pages nor in rows that are looked through must a place mean another batch than it did.
    this.#rows = new SqliteRows(file, Math.max(indexed!, deleted!));
    this.#recall(indexed!);
    this.#lastNo = Math.max(run!, trash!);
    this.#trash = trash! > 0;
    if (this.#trash) this.#schedule();
    this.#compaction = new SqliteCompaction({
      file,
      rows: this.#rows,
      index: this.#index,
      packs: this.#packs,
      records: this.#records,
      afterMs: options.compactAfterMs ?? 10_000,
      read: (run, after, maxBytes, most) => this.#read(run, after, maxBytes, most),
      held: (run) => this.#runs.get(run)?.places ?? [],
      onIndexed: (run) => this.#forget(run),
    });
  }

  append(
    run: string,
    expected: Tail,
    batch: Batch | undefined,
    record?: RunRecord,
  ): Promise<Tail | undefined> {
    const doing = "append";
    return new Promise((resolve, reject) => {
      this.#enqueue({ doing, run, expected, batch, record, resolve, reject, conflict: undefined });
    });
  }

  delete(run: string, expected: Tail): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#enqueue({ doing: "delete", run, expected, resolve, reject, conflict: undefined });
    });
  }

  async read(run: string, after: number, maxBytes: number): Promise<readonly Batch[]> {
    return this.#try("read", () => this.#read(run, after, maxBytes));
  }

  async tail(run: string): Promise<Tail> {
    return this.#try("read", () => {
      const { seq, check } = this.#runs.get(run) ?? this.#load(run);
      return { seq, check };
    });
  }

  async record(run: string): Promise<RunRecord | undefined> {
    return this.#try("read", () => this.#records.record(run));
  }

  async list(options: Parameters<Store["list"]>[0]): Promise<readonly RunRecord[]> {
    return this.#try("list", () => this.#records.list(options));
  }

  watch(run: string, wake: (batch?: Batch) => void): Disposable {
    return this.#watchers.add(run, wake);
  }

  async beat(holder: string, ms: number): Promise<readonly string[]> {
    return this.#try("beat", () => this.#heartbeats.beat(holder, ms));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#compaction.stop();
    this.#flush();
    this.#watchers.clear();
    try {
      this.#begin(true);
      this.#writePages(0);
      this.#sql.commit.run();
      this.#file.db.exec("DELETE FROM meta WHERE name = 'holder'; PRAGMA wal_checkpoint(TRUNCATE);");
    } catch {
      // All that was acknowledged is in the file or its log, and the next one to open it does what is left.
    }
    this.#file.close();
  }

  #try<Result>(doing: string, action: () => Result): Result {
    if (this.#disposed) throw closed(doing);
    try {
      return action();
    } catch (error) {
      throw sqliteError(error, doing);
    }
  }

  #enqueue(job: Append | Delete): void {
    if (this.#disposed) {
      job.reject(closed(job.doing));
      return;
    }
    this.#queue.push(job);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    soon(() => this.#flush());
  }

  #flush(): void {
    this.#scheduled = false;
    const jobs = this.#queue;
    this.#queue = [];
    if (jobs.length > 0) this.#commit(jobs);
    if (this.#trash && !this.#disposed) this.#sweep();
  }

  /** Commits jobs in the order in which they came: all or, if the file refuses, none. */
  #commit(jobs: readonly (Append | Delete)[]): void {
    const runs: Run[] = [];
    let written: readonly Run[];
    try {
      this.#begin(jobs.some(isAppend));
      for (const job of jobs) {
        const run = this.#hold(job.run);
        if (run.before === undefined) {
          const { no, seq, check, places } = run;
          run.before = { no, seq, check, places, count: places.length };
          runs.push(run);
        }
        this.#do(job, run);
      }
      this.#rows.flush();
      written = this.#writePages(this.#indexEvery);
      this.#sql.commit.run();
    } catch (error) {
      this.#rollback(runs);
      const appends = jobs.filter(isAppend);
      const refusal = sqliteError(error, appends.length > 0 ? "append" : "delete");
      // What needs room must not keep from happening what makes room.
      const alone = refusal.code === "store_full" && appends.length > 0;
      for (const job of alone ? appends : jobs) job.reject(refusal);
      const deletes = alone ? jobs.filter((job) => !isAppend(job)) : [];
      if (deletes.length > 0) this.#commit(deletes);
      return;
    }

    for (const run of runs) this.#release(run);
    for (const run of written) this.#rest(run);
    for (const job of jobs) {
      if (job.doing === "delete") job.resolve(job.conflict === undefined);
      else job.resolve(job.conflict);
      if (job.conflict !== undefined) continue;
      if (job.doing === "delete") this.#watchers.wake(job.run);
      else if (job.batch !== undefined) this.#watchers.wake(job.run, job.batch);
    }
  }

  #begin(limited: boolean): void {
    this.#before = { row: this.#rows.last, unindexed: this.#unindexed };
    this.#file.limit(limited);
    this.#sql.begin.run();
  }

  #do(job: Append | Delete, run: Run): void {
    job.conflict = undefined;
    if (run.seq !== job.expected.seq || run.check !== job.expected.check) {
      job.conflict = { seq: run.seq, check: run.check };
    } else if (job.doing === "delete") {
      this.#delete(run);
    } else if (job.batch !== undefined) {
      this.#append(run, job.batch, job.record);
    } else if (run.no === 0) {
      job.conflict = { seq: 0, check: 0 };
    } else if (job.record !== undefined) {
      this.#update(run, job.record);
    }
  }

  #append(run: Run, batch: Batch, record: RunRecord | undefined): void {
    if (run.no === 0) {
      run.no = ++this.#lastNo;
      this.#records.add(run.no, run.name, record);
      if (record && isEnded(record)) this.#compaction.add(run.no);
    } else if (record !== undefined) {
      this.#update(run, record);
    }
    run.places.push(this.#rows.add(run.no, batch), batch.seq);
    this.#unindexed++;
    run.seq = batch.seq;
    run.check = batch.check;
  }

  #update({ name, no }: Run, record: RunRecord): void {
    if (this.#records.update(no, name, record) && isEnded(record)) this.#compaction.add(no);
  }

  /** From here on the run is gone. Its batches go later, as there can be many, and all over the file. */
  #delete(run: Run): void {
    const { no, name } = run;
    if (no === 0) return;
    this.#index.write(no, run.places);
    this.#sql.insertTrash.run(no);
    this.#trash = true;
    this.#compaction.remove(no);
    this.#records.delete(no, name);
    this.#unindexed -= run.places.length / 2;
    run.places = [];
    run.no = run.seq = run.check = 0;
  }

  /** A run, held at least as long as the transaction is open. */
  #hold(name: string): Run {
    const held = this.#runs.get(name);
    if (held !== undefined) return held;
    const run = this.#load(name);
    this.#runs.set(name, run);
    return run;
  }

  #release(run: Run): void {
    run.before = undefined;
    if (run.places.length === 0) this.#runs.delete(run.name);
  }

  #rollback(runs: readonly Run[]): void {
    try {
      // Some errors have rolled back already.
      if (this.#file.db.isTransaction) this.#sql.rollback.run();
    } catch {
      // Then the next transaction cannot begin, and says why.
    }
    this.#rows.discard();
    this.#unindexed = this.#before.unindexed;
    for (const run of runs) {
      const { no, seq, check, places, count } = run.before!;
      places.length = count;
      Object.assign(run, { no, seq, check, places });
      this.#release(run);
    }
  }

  /** A run that is in pages by now is held for another turn: most often it goes on. */
  #rest(run: Run): void {
    this.#forget(run.name);
    if (run.places.length === 0) return;
    run.places = [];
    run.since = this.#rows.last;
    this.#runs.set(run.name, run);
  }

  #forget(name: string): void {
    this.#unindexed -= (this.#runs.get(name)?.places.length ?? 0) / 2;
    this.#runs.delete(name);
  }

  /** A run as the file has it: all of it is in pages or in packs. */
  #load(name: string): Run {
    const no = this.#records.numberOf(name) ?? 0;
    const run = this.#empty(name, no);
    return no === 0 ? run : Object.assign(run, this.#tailOf(no, name));
  }

  #empty(name: string, no: number): Run {
    return { name, no, seq: 0, check: 0, places: [], since: this.#before.row, before: undefined };
  }

  #tailOf(no: number, name: string): Tail {
    const place = this.#index.last(no);
    const pack = this.#packs.last(no);
    // The rows of a pack may be gone already, and are in a page still.
    const last = place.length === 0 || (pack && pack.seq >= place[1]!) ? pack : this.#rows.read(no, place)[0];
    if (last === undefined) throw new Error(`the index of run "${name}" is damaged`);
    return last;
  }

  /** The batches that end after a seq, about so many bytes of them and at most so many, but at least one. */
  #read(name: string, after: number, maxBytes: number, most = Number.POSITIVE_INFINITY): Batch[] {
    const held = this.#runs.get(name);
    const no = held?.no ?? this.#records.numberOf(name);
    if (no === undefined || (held && held.seq <= after)) return [];
    const batches: Batch[] = [];
    let bytes = 0;
    const take = (batch: Batch): boolean => {
      bytes += batch.text.length;
      if (batches.length > 0 && (bytes > maxBytes || batches.length === most)) return false;
      batches.push(batch);
      return true;
    };
    let position = after;
    // All that follows is often known: so it is for viewers that keep up.
    while (!startsBy(held, position)) {
      // To read on in the middle of a pack is to unpack it again.
      if (batches.length > 0 && bytes + PACK_CHARS > maxBytes) return batches;
      const pack = this.#packs.after(no, position);
      if (pack === undefined) break;
      for (const batch of pack) if (batch.seq > after && !take(batch)) return batches;
      position = pack.at(-1)!.seq;
    }
    while (true) {
      const places = this.#placesAfter(held, no, position);
      if (places.length === 0) return batches;
      for (let from = 0; from < places.length; ) {
        const average = batches.length > 0 ? bytes / batches.length : BATCH_BYTES;
        const to = from + 2 * Math.max(Math.ceil((maxBytes - bytes) / average), 1);
        for (const batch of this.#rows.read(no, places.slice(from, to))) if (!take(batch)) return batches;
        from = to;
      }
      position = places.at(-1)!;
    }
  }

  /** Where some of the next batches are that are in no pack. */
  #placesAfter(held: Run | undefined, no: number, seq: number): Places {
    const indexed = startsBy(held, seq) ? [] : this.#index.after(no, seq);
    return indexed.length > 0 ? indexed : placesAfter(held?.places ?? [], seq);
  }

  /**
   * Writes runs into pages, those that have waited longest first, once more than `limit` batches are in none. Some more
   * than that, as it costs less together, and not all, which would keep the appends of that turn waiting. Returns the
   * runs, to be put to rest when this is committed.
   */
  #writePages(limit: number): Run[] {
    const written: Run[] = [];
    let left = this.#unindexed;
    if (left <= limit) return written;
    let through = this.#rows.last;
    for (const run of this.#runs.values()) {
      if (left <= limit - limit / PAGED_PART) {
        through = run.since;
        break;
      }
      this.#index.write(run.no, run.places);
      left -= run.places.length / 2;
      written.push(run);
    }
    this.#sql.setIndexed.run(through);
    return written;
  }

  /** Deletes some of what is in the trash, and comes back for the rest. */
  #sweep(): void {
    try {
      this.#begin(false);
      const no = this.#sql.firstTrash.get()?.no as number | undefined;
      if (no !== undefined && !this.#sweepPage(no) && !this.#packs.deleteOne(no))
        this.#sql.deleteTrash.run(no);
      this.#sql.commit.run();
      this.#trash = no !== undefined;
      if (this.#trash) this.#schedule();
    } catch {
      // With the next commit it is tried again.
      this.#rollback([]);
    }
  }

  /** Deletes batches of a page. False if there is none. */
  #sweepPage(no: number): boolean {
    const page = this.#index.page(no);
    if (page === undefined) return false;
    const places = page.places.filter((_, index) => index % 2 === 0);
    for (let done = 0; done < SWEPT && places.length > 0; ) done += this.#rows.removeLast(places);
    this.#index.shrink(page.id, page.places.slice(0, 2 * places.length));
    return true;
  }

  /** Finds the batches that are in no page, as the last process may not have come to write them. */
  #recall(through: number): void {
    this.#before.row = through;
    const runs = new Map<number, { readonly indexed: number; readonly run: Run }>();
    for (const { place, no, tail } of this.#rows.after(through)) {
      let known = runs.get(no);
      if (known === undefined) {
        const name = this.#records.nameOf(no);
        // What is in the trash is in pages too, all of it.
        const indexed = name === undefined ? Number.POSITIVE_INFINITY : (this.#index.last(no)[0] ?? 0);
        known = { indexed, run: this.#empty(name ?? "", no) };
        runs.set(no, known);
      }
      const { indexed, run } = known;
      if (place <= indexed) continue;
      if (run.places.length === 0) this.#runs.set(run.name, run);
      run.seq = tail.seq;
      run.check = tail.check;
      run.places.push(place, tail.seq);
      this.#unindexed++;
    }
  }
}

/** Whether all of a run that follows a seq is known without the file. */
function startsBy(run: Run | undefined, seq: number): boolean {
  return run !== undefined && run.places.length > 0 && run.places[1]! <= seq;
}

function isAppend(job: Append | Delete): job is Append {
  return job.doing === "append";
}

function closed(doing: string): RunError {
  return new RunError("store_unavailable", `Cannot ${doing}: the store is closed`);
}

function isEnded({ tags }: RunRecord): boolean {
  return tags.some((tag) => endedTags.includes(tag));
}

function prepare({ db }: SqliteFile) {
  return {
    begin: db.prepare("BEGIN IMMEDIATE"),
    commit: db.prepare("COMMIT"),
    rollback: db.prepare("ROLLBACK"),
    start: db.prepare(
      `SELECT (SELECT value FROM meta WHERE name = 'indexed_through') AS indexed,
              (SELECT value FROM meta WHERE name = 'last_deleted') AS deleted,
              (SELECT ifnull(max(no), 0) FROM runs) AS run,
              (SELECT ifnull(max(no), 0) FROM trash) AS trash`,
    ),
    setIndexed: db.prepare("UPDATE meta SET value = ? WHERE name = 'indexed_through'"),
    insertTrash: db.prepare("INSERT INTO trash (no) VALUES (?)"),
    firstTrash: db.prepare("SELECT no FROM trash LIMIT 1"),
    deleteTrash: db.prepare("DELETE FROM trash WHERE no = ?"),
  };
}
