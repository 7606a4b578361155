import type { SQLOutputValue } from "node:sqlite";
import { RunError } from "../errors.ts";
import { Heartbeats } from "../internal/heartbeats.ts";
import { soon } from "../internal/soon.ts";
import { Watchers } from "../internal/watchers.ts";
import type { Batch, Durability, RunRecord, Store, Tail } from "../store.ts";
import { SqliteCompaction } from "./sqlite-compaction.ts";
import { openSqliteFile, type SqliteFile, sqliteError } from "./sqlite-file.ts";
import { unpackBatches } from "./sqlite-pack.ts";

/** How many rows are read in one go, at most. */
const TOGETHER = 64;

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

/** A run with batches that are in no page yet. */
interface Run extends Tail {
  readonly no: number;
  seq: number;
  check: number;
  /** These batches: id, seq, id, seq, ... */
  readonly rows: number[];
  /** All of them have ids after this. */
  readonly since: number;
}

/** What a transaction makes of a run; memory learns of it once that is committed. */
interface Draft {
  no: number | undefined;
  seq: number;
  check: number;
  readonly rows: number[];
  /** Whether what was there before the transaction is deleted. */
  cleared: boolean;
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

/** A page is parsed to find a row in it, and its rows are deleted in one go. */
const rowsPerPage = 256;

class SqliteStore implements Store {
  readonly durability: Durability;
  readonly shared = false;

  readonly #file: SqliteFile;
  readonly #sql: ReturnType<typeof prepare>;
  readonly #watchers = new Watchers<Batch>();
  readonly #heartbeats: Heartbeats;
  readonly #compaction: SqliteCompaction;

  /** Those with rows in no page, by `since`. Where any other ends is in the file. */
  readonly #runs = new Map<string, Run>();
  /** How many rows are in no page. */
  #unindexed = 0;
  readonly #indexEvery: number;
  // Both never go down, whatever is deleted: rows up to `indexed_through`, or of a run in the trash, must not come.
  #lastId: number;
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
    this.#lastId = this.#recall();
    const { run, trash } = this.#sql.lastNo.get() as { run: number; trash: number };
    this.#lastNo = Math.max(run, trash);
    this.#trash = trash > 0;
    if (this.#trash) this.#schedule();
    this.#compaction = new SqliteCompaction({
      file,
      afterMs: options.compactAfterMs ?? 10_000,
      idsAfter: (name, after) => this.#idsAfter(this.#numberOf(name), name, after),
      index: (name, no) => this.#writePages(no, this.#runs.get(name)?.rows ?? []),
      onIndexed: (name) => this.#forget(name),
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
    return this.#try("read", () => {
      const batches: Batch[] = [];
      let bytes = 0;
      for (const batch of this.#batchesAfter(run, after)) {
        bytes += Buffer.byteLength(batch.text);
        if (bytes > maxBytes && batches.length > 0) break;
        batches.push(batch);
      }
      return batches;
    });
  }

  async tail(run: string): Promise<Tail> {
    return this.#try("read", () => {
      const { seq, check } = this.#runs.get(run) ?? this.#load(run) ?? { seq: 0, check: 0 };
      return { seq, check };
    });
  }

  async record(run: string): Promise<RunRecord | undefined> {
    return this.#try("read", () => {
      const row = this.#sql.record.get(run);
      return row === undefined ? undefined : toRecord(row);
    });
  }

  async list({ tag, before, limit }: Parameters<Store["list"]>[0]): Promise<readonly RunRecord[]> {
    return this.#try("list", () => {
      const startedAt = before?.startedAt ?? Number.POSITIVE_INFINITY;
      const run = before?.run ?? "";
      const rows =
        tag === undefined
          ? this.#sql.newest.all(startedAt, run, limit)
          : this.#sql.newestTagged.all(tag, startedAt, run, limit);
      return rows.map(toRecord);
    });
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
      this.#sql.begin.run();
      this.#index(0);
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
    const since = this.#lastId;
    const drafts = new Map<string, Draft>();
    let indexed: readonly string[] = [];
    try {
      this.#sql.begin.run();
      for (const job of jobs) {
        const draft = drafts.get(job.run) ?? this.#draft(job.run);
        drafts.set(job.run, draft);
        job.conflict = undefined;
        if (draft.seq !== job.expected.seq || draft.check !== job.expected.check) {
          job.conflict = { seq: draft.seq, check: draft.check };
        } else if (job.doing === "delete") {
          this.#delete(job.run, draft);
        } else if (job.batch !== undefined) {
          this.#append(job.run, job.batch, job.record, draft);
        } else if (draft.no === undefined) {
          job.conflict = { seq: 0, check: 0 };
        } else if (job.record !== undefined) {
          this.#writeRecord(draft.no, job.run, job.record);
        }
      }
      if (jobs.some(isAppend)) indexed = this.#index(this.#indexEvery);
      this.#sql.commit.run();
    } catch (error) {
      this.#rollback();
      const appends = jobs.filter(isAppend);
      const refusal = sqliteError(error, appends.length > 0 ? "append" : "delete");
      // What needs room must not keep from happening what makes room.
      const alone = refusal.code === "store_full" && appends.length > 0;
      for (const job of alone ? appends : jobs) job.reject(refusal);
      const deletes = alone ? jobs.filter((job) => !isAppend(job)) : [];
      if (deletes.length > 0) this.#commit(deletes);
      return;
    }

    for (const run of indexed) this.#forget(run);
    for (const [run, draft] of drafts) this.#keep(run, draft, since);
    for (const job of jobs) {
      if (job.doing === "delete") job.resolve(job.conflict === undefined);
      else job.resolve(job.conflict);
      if (job.conflict !== undefined) continue;
      if (job.doing === "delete") this.#watchers.wake(job.run);
      else if (job.batch !== undefined) this.#watchers.wake(job.run, job.batch);
    }
  }

  #append(run: string, batch: Batch, record: RunRecord | undefined, draft: Draft): void {
    if (draft.no === undefined) {
      draft.no = ++this.#lastNo;
      this.#sql.insertRun.run(draft.no, run);
    }
    const id = ++this.#lastId;
    this.#sql.insert.run(id, draft.no, batch.seq, batch.check, batch.text);
    if (record !== undefined) this.#writeRecord(draft.no, run, record);
    draft.rows.push(id, batch.seq);
    draft.seq = batch.seq;
    draft.check = batch.check;
  }

  #writeRecord(no: number, run: string, record: RunRecord): void {
    const tags = JSON.stringify(record.tags);
    const old = this.#sql.place.get(no)!;
    // Most often it is only the text that changes, and the indexes can be left alone.
    if (old.started_at === record.startedAt && old.tags === tags) {
      this.#sql.updateText.run(record.text, no);
      return;
    }
    this.#deleteTags(run, old);
    if (record.tags.some((tag) => endedTags.includes(tag))) this.#compaction.add(no);
    this.#sql.updateRecord.run(record.startedAt, tags, record.text, no);
    for (const tag of new Set(record.tags)) this.#sql.insertTag.run(tag, record.startedAt, run, no);
  }

  #deleteTags(run: string, { started_at: startedAt, tags }: Record<string, SQLOutputValue>): void {
    if (tags === null) return;
    for (const tag of JSON.parse(tags as string)) this.#sql.deleteTag.run(tag, startedAt!, run);
  }

  /** From here on the run is gone. Its rows go later, as there can be many, and all over the file. */
  #delete(run: string, draft: Draft): void {
    const { no } = draft;
    if (no === undefined) return;
    if (!draft.cleared) this.#writePages(no, this.#runs.get(run)?.rows ?? []);
    this.#writePages(no, draft.rows);
    this.#sql.insertTrash.run(no);
    this.#compaction.remove(no);
    this.#deleteTags(run, this.#sql.place.get(no)!);
    this.#sql.deleteRun.run(no);
    draft.rows.length = 0;
    draft.no = undefined;
    draft.seq = draft.check = 0;
    draft.cleared = true;
  }

  #draft(run: string): Draft {
    const { no, seq, check } = this.#runs.get(run) ?? this.#load(run) ?? { no: undefined, seq: 0, check: 0 };
    return { no, seq, check, rows: [], cleared: false };
  }

  #keep(run: string, { no, seq, check, rows, cleared }: Draft, since: number): void {
    if (cleared) {
      this.#forget(run);
      this.#trash = true;
    }
    if (no === undefined || rows.length === 0) return;
    this.#unindexed += rows.length / 2;
    const kept = this.#runs.get(run);
    if (kept === undefined) {
      this.#runs.set(run, { no, seq, check, rows, since });
    } else {
      kept.seq = seq;
      kept.check = check;
      for (const value of rows) kept.rows.push(value);
    }
  }

  #forget(run: string): void {
    this.#unindexed -= (this.#runs.get(run)?.rows.length ?? 0) / 2;
    this.#runs.delete(run);
  }

  #rollback(): void {
    try {
      // Some errors have rolled back already.
      if (this.#file.db.isTransaction) this.#sql.rollback.run();
    } catch {
      // Then the next transaction cannot begin, and says why.
    }
  }

  #numberOf(run: string): number | undefined {
    return this.#runs.get(run)?.no ?? (this.#sql.findRun.get(run)?.no as number | undefined);
  }

  /** A run whose rows are all in pages, or its batches in packs. */
  #load(run: string): (Tail & { no: number }) | undefined {
    const no = this.#numberOf(run);
    if (no === undefined) return undefined;
    const page = this.#sql.lastPage.get(no);
    const pack = this.#sql.lastPack.get(no);
    // The rows of a pack may be gone already, and are in a page still.
    const inPack = page === undefined || (pack !== undefined && pack.seq! >= page.last!);
    const last = inPack ? pack : this.#row(parsePage(page).at(-2)!);
    if (last === undefined) throw new Error(`the index of run "${run}" is damaged`);
    const { seq, check } = last as unknown as Tail;
    return { no, seq, check };
  }

  #lastIndexed(no: number): number {
    const page = this.#sql.lastPage.get(no);
    return page === undefined ? 0 : parsePage(page).at(-2)!;
  }

  *#batchesAfter(run: string, after: number): Generator<Batch> {
    const no = this.#numberOf(run);
    if (no === undefined) return;
    let position = after;
    const packs = this.#keptAfter(run, after) ? [] : this.#sql.packsAfter.iterate(no, after);
    for (const { seq, check, bytes } of packs) {
      const tail = { seq: seq as number, check: check as number };
      for (const batch of unpackBatches(bytes as Uint8Array, tail)) if (batch.seq > after) yield batch;
      position = tail.seq;
    }
    let first = 0;
    let next = 0;
    // Rows that lie behind each other are read in one go: a third of the cost of each by itself.
    for (const id of this.#idsAfter(no, run, position)) {
      if (id === next && next - first < TOGETHER) next++;
      else {
        yield* this.#rows(first, next);
        first = id;
        next = id + 1;
      }
    }
    yield* this.#rows(first, next);
  }

  /** The batches of rows from `first` to before `next`. */
  *#rows(first: number, next: number): Generator<Batch> {
    let id = first;
    if (next - first > 1) {
      for (const row of this.#sql.rows.iterate(first, next)) {
        // One is missing: told below.
        if (row.id !== id) break;
        const { seq, check, text } = row as unknown as Batch;
        yield { seq, check, text };
        id++;
      }
    }
    for (; id < next; id++) {
      const { seq, check, text } = this.#row(id) as unknown as Batch;
      yield { seq, check, text };
    }
  }

  /** The rows of what is in no pack. */
  *#idsAfter(no: number | undefined, run: string, after: number): Generator<number> {
    if (no === undefined) return;
    if (!this.#keptAfter(run, after)) {
      for (const page of this.#sql.pagesAfter.iterate(no, after)) yield* idsAfter(parsePage(page), after);
    }
    const kept = this.#runs.get(run);
    if (kept !== undefined) yield* idsAfter(kept.rows, after);
  }

  /** Whether all that comes after is known in memory: so it is for viewers that keep up. */
  #keptAfter(run: string, after: number): boolean {
    const kept = this.#runs.get(run);
    return kept !== undefined && kept.rows[1]! <= after;
  }

  #row(id: number) {
    const row = this.#sql.row.get(id);
    if (row === undefined) throw new Error(`row ${id} is missing`);
    return row;
  }

  /**
   * Writes runs into pages, those that have waited longest first, until no more than `limit` rows are in none.
   * A few with each commit, as all at once would keep the appends of that tick waiting.
   * Returns the runs, to be forgotten when this is committed.
   */
  #index(limit: number): string[] {
    const indexed: string[] = [];
    let left = this.#unindexed;
    if (left <= limit) return indexed;
    let through = this.#lastId;
    for (const [name, { no, rows, since }] of this.#runs) {
      if (left <= limit) {
        through = since;
        break;
      }
      this.#writePages(no, rows);
      left -= rows.length / 2;
      indexed.push(name);
    }
    this.#sql.setIndexed.run(through);
    return indexed;
  }

  #writePages(no: number, rows: readonly number[]): void {
    for (let start = 0; start < rows.length; start += 2 * rowsPerPage) {
      const some = rows.slice(start, start + 2 * rowsPerPage);
      this.#sql.insertPage.run(no, some.at(-1)!, formatPage(some));
    }
  }

  /** Deletes one page of the trash and its rows, or a pack, and comes back for the next. */
  #sweep(): void {
    try {
      this.#sql.begin.run();
      const no = this.#sql.firstTrash.get()?.no;
      const page = no === undefined ? undefined : this.#sql.firstPage.get(no);
      const pack = no === undefined ? undefined : this.#sql.lastPack.get(no);
      if (page !== undefined) {
        for (const id of idsAfter(parsePage(page), 0)) this.#sql.deleteRow.run(id);
        this.#sql.deletePage.run(page.id!);
      } else if (pack !== undefined) {
        this.#sql.deletePack.run(pack.id!);
      } else if (no !== undefined) {
        this.#sql.deleteTrash.run(no);
      }
      this.#sql.commit.run();
      this.#trash = no !== undefined;
      if (this.#trash) this.#schedule();
    } catch {
      // With the next commit it is tried again.
      this.#rollback();
    }
  }

  /** Reads the rows that are in no page, as the last process may not have come to write them. Returns the last id. */
  #recall(): number {
    const through = this.#sql.indexed.get()!.value as number;
    let lastId = Math.max(through, this.#sql.lastDeleted.get()!.value as number);
    const runs = new Map<number, { indexed: number; run: Run }>();
    for (const row of this.#sql.rowsFrom.iterate(through)) {
      const { id, no, seq, check } = row as { id: number; no: number; seq: number; check: number };
      lastId = Math.max(lastId, id);
      const known = runs.get(no) ?? {
        indexed: this.#lastIndexed(no),
        run: { no, seq, check, rows: [], since: through },
      };
      runs.set(no, known);
      // Those of the trash are all in pages, too.
      if (id <= known.indexed) continue;
      const { run } = known;
      if (run.rows.length === 0) this.#runs.set(this.#sql.nameOf.get(no)!.run as string, run);
      run.seq = seq;
      run.check = check;
      run.rows.push(id, seq);
      this.#unindexed++;
    }
    return lastId;
  }
}

function isAppend(job: Append | Delete): job is Append {
  return job.doing === "append";
}

function closed(doing: string): RunError {
  return new RunError("store_unavailable", `Cannot ${doing}: the store is closed`);
}

function toRecord(row: Record<string, SQLOutputValue>): RunRecord {
  return {
    run: row.run as string,
    startedAt: row.started_at as number,
    tags: JSON.parse(row.tags as string),
    text: row.text as string,
  };
}

/** Rows as the distances between them: short, and still text. */
function formatPage(rows: readonly number[]): string {
  return JSON.stringify(rows.map((value, index) => value - (index < 2 ? 0 : rows[index - 2]!)));
}

function parsePage(page: object): number[] {
  const rows = JSON.parse((page as { rows: string }).rows) as number[];
  for (let index = 2; index < rows.length; index++) rows[index]! += rows[index - 2]!;
  return rows;
}

function* idsAfter(rows: readonly number[], after: number): Generator<number> {
  let low = 0;
  let high = rows.length / 2;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (rows[2 * middle + 1]! > after) high = middle;
    else low = middle + 1;
  }
  for (let index = 2 * low; index < rows.length; index += 2) yield rows[index]!;
}

function prepare({ db }: SqliteFile) {
  const select = "SELECT runs.run, runs.started_at, runs.tags, runs.text FROM";
  return {
    begin: db.prepare("BEGIN IMMEDIATE"),
    commit: db.prepare("COMMIT"),
    rollback: db.prepare("ROLLBACK"),

    insert: db.prepare('INSERT INTO batches (id, run, seq, "check", text) VALUES (?, ?, ?, ?, ?)'),
    row: db.prepare('SELECT seq, "check", text FROM batches WHERE id = ?'),
    rows: db.prepare('SELECT id, seq, "check", text FROM batches WHERE id >= ? AND id < ? ORDER BY id'),
    rowsFrom: db.prepare('SELECT id, run AS no, seq, "check" FROM batches WHERE id > ? ORDER BY id'),
    deleteRow: db.prepare("DELETE FROM batches WHERE id = ?"),

    insertPage: db.prepare("INSERT INTO pages (run, last, rows) VALUES (?, ?, ?)"),
    lastPage: db.prepare("SELECT last, rows FROM pages WHERE run = ? ORDER BY last DESC, id DESC LIMIT 1"),
    pagesAfter: db.prepare("SELECT rows FROM pages WHERE run = ? AND last > ? ORDER BY last, id"),
    firstPage: db.prepare("SELECT id, rows FROM pages WHERE run = ? LIMIT 1"),
    deletePage: db.prepare("DELETE FROM pages WHERE id = ?"),

    packsAfter: db.prepare(
      'SELECT last AS seq, "check", bytes FROM packs WHERE run = ? AND last > ? ORDER BY last',
    ),
    lastPack: db.prepare(
      'SELECT id, last AS seq, "check" FROM packs WHERE run = ? ORDER BY last DESC LIMIT 1',
    ),
    deletePack: db.prepare("DELETE FROM packs WHERE id = ?"),
    indexed: db.prepare("SELECT value FROM meta WHERE name = 'indexed_through'"),
    lastDeleted: db.prepare("SELECT value FROM meta WHERE name = 'last_deleted'"),
    setIndexed: db.prepare("UPDATE meta SET value = ? WHERE name = 'indexed_through'"),

    lastNo: db.prepare(
      `SELECT ifnull((SELECT max(no) FROM runs), 0) AS run, ifnull((SELECT max(no) FROM trash), 0) AS trash`,
    ),
    insertRun: db.prepare("INSERT INTO runs (no, run) VALUES (?, ?)"),
    findRun: db.prepare("SELECT no FROM runs WHERE run = ?"),
    nameOf: db.prepare("SELECT run FROM runs WHERE no = ?"),
    deleteRun: db.prepare("DELETE FROM runs WHERE no = ?"),
    insertTrash: db.prepare("INSERT INTO trash (no) VALUES (?)"),
    firstTrash: db.prepare("SELECT no FROM trash LIMIT 1"),
    deleteTrash: db.prepare("DELETE FROM trash WHERE no = ?"),

    place: db.prepare("SELECT started_at, tags FROM runs WHERE no = ?"),
    updateText: db.prepare("UPDATE runs SET text = ? WHERE no = ?"),
    updateRecord: db.prepare("UPDATE runs SET started_at = ?, tags = ?, text = ? WHERE no = ?"),
    insertTag: db.prepare("INSERT INTO tags (tag, started_at, run, no) VALUES (?, ?, ?, ?)"),
    deleteTag: db.prepare("DELETE FROM tags WHERE tag = ? AND started_at = ? AND run = ?"),
    record: db.prepare(`${select} runs WHERE run = ? AND started_at IS NOT NULL`),
    newest: db.prepare(
      `${select} runs WHERE started_at IS NOT NULL AND (started_at, run) < (?, ?)
       ORDER BY started_at DESC, run DESC LIMIT ?`,
    ),
    newestTagged: db.prepare(
      `${select} tags CROSS JOIN runs ON runs.no = tags.no
       WHERE tag = ? AND (tags.started_at, tags.run) < (?, ?)
       ORDER BY tags.started_at DESC, tags.run DESC LIMIT ?`,
    ),
  };
}
