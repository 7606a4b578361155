import { closeSync, existsSync, mkdirSync, openSync, realpathSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { dirname, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { messageOf, RunError } from "../errors.ts";

/** "RLOG": tells our files from other programs' databases. */
const applicationId = 0x524c4f47;

/**
 * The size of a page in a new file, in bytes. A commit writes each of its pages with calls of their own, which cost more
 * than what they carry: larger ones are cheaper to write, and dearer to read where only one batch in them is wanted.
 */
const pageBytes = 8 * 1024;

/** How long SQLite's log may become before a commit puts it into the file: that one keeps the thread for some ms. */
const logBytes = 4 * 1024 * 1024;

/**
 * Each brings a file from the version before it to the next: append here, never edit.
 *
 * `batches` has no index, as one would be written all over the place with every event: the events that many
 * runs write at once go one after the other to the end of the file. A row holds one batch, or several of those that
 * were committed together (`SqliteRows`). Where the batches of a run lie is held in memory until there is enough to
 * say, and then written to `pages`. Rows up to `indexed_through` are all in pages; opening looks through the later
 * ones. A deleted run is in `trash` until its rows are gone.
 *
 * An ended run is in `unpacked` until its batches are in `packs`, many to a row and compressed, and gone from their
 * rows. Where a run has packs, they hold the beginning of its log, and only what comes after is read from rows.
 * `last_deleted` is the highest place that went that way: the pages name it until all are gone, so it must not come
 * again.
 */
const migrations = [
  `PRAGMA application_id = ${applicationId};
   CREATE TABLE batches (
     id INTEGER PRIMARY KEY, run INTEGER NOT NULL, seq INTEGER NOT NULL, "check" INTEGER NOT NULL, text TEXT NOT NULL
   ) STRICT;
   CREATE TABLE pages (
     id INTEGER PRIMARY KEY, run INTEGER NOT NULL, last INTEGER NOT NULL, rows TEXT NOT NULL
   ) STRICT;
   CREATE INDEX pages_by_run ON pages (run, last);
   CREATE TABLE runs (
     no INTEGER PRIMARY KEY, run TEXT NOT NULL UNIQUE, started_at REAL, tags TEXT, text TEXT
   ) STRICT;
   CREATE INDEX runs_newest ON runs (started_at, run) WHERE started_at IS NOT NULL;
   CREATE TABLE tags (
     tag TEXT NOT NULL, started_at REAL NOT NULL, run TEXT NOT NULL, no INTEGER NOT NULL,
     PRIMARY KEY (tag, started_at, run)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE trash (no INTEGER PRIMARY KEY) STRICT;
   CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
   INSERT INTO meta VALUES ('indexed_through', 0);`,
  `CREATE TABLE packs (
     id INTEGER PRIMARY KEY, run INTEGER NOT NULL, last INTEGER NOT NULL, "check" INTEGER NOT NULL, bytes BLOB NOT NULL
   ) STRICT;
   CREATE INDEX packs_by_run ON packs (run, last);
   CREATE TABLE unpacked (no INTEGER PRIMARY KEY) STRICT;
   INSERT INTO meta VALUES ('last_deleted', 0);
   INSERT OR IGNORE INTO unpacked
     SELECT no FROM tags WHERE tag IN ('status:finished', 'status:failed', 'status:cancelled');`,
  // From here on there are rows of several batches. What is in a file stays as it is.
  "",
  // From here on these may have gaps.
  "",
];

/** How long a statement waits for someone else who writes to the file, such as a person at a SQL prompt. */
const busyMs = 1000;

export interface SqliteFileOptions {
  readonly synchronous: "full" | "normal";
  /** In pages of 4 KiB, whatever the file's are. */
  readonly maxPages: number | undefined;
}

/** An open database with our tables, which is ours alone until `close`. */
export interface SqliteFile {
  readonly db: DatabaseSync;
  readonly synchronous: "full" | "normal";
  /** Whether `maxPages` holds for the next transaction. What makes room may need some first. */
  limit(holds: boolean): void;
  close(): void;
}

/**
 * Opens or makes the file, and its folder. Throws `store_locked` if another process has it, and
 * `store_unavailable` if it cannot be opened or is not ours; it is then left as it was.
 */
export function openSqliteFile(path: string, options: SqliteFileOptions): SqliteFile {
  if (path === "" || path === ":memory:") {
    throw new TypeError(`Cannot open ${JSON.stringify(path)}: it is no path (for memory, use memoryStore())`);
  }
  const opened: DatabaseSync[] = [];
  const close = () => {
    // Also one already closed must not keep the others, and so the lock, from being let go.
    for (const db of opened.splice(0).reverse()) if (db.isOpen) db.close();
  };
  try {
    let file = resolve(path);
    mkdirSync(dirname(file), { recursive: true });
    if (statSync(file, { throwIfNoEntry: false })?.isDirectory()) throw new Error("it is a folder");
    // One file, one lock, whatever name it is opened by; a link may be there before the file.
    if (!existsSync(file)) closeSync(openSync(file, "a", 0o644));
    file = realpathSync(file);

    // The lock is an open transaction in a database of its own: the system lets go of it with the process,
    // however that ends. The file stays; removing it could give two processes a lock each.
    const lock = new DatabaseSync(`${file}-lock`, { timeout: 0 });
    opened.push(lock);
    if (!lockNow(lock))
      throw new RunError("store_locked", `Cannot open "${path}": held by ${holderOf(file)}`);

    const db = new DatabaseSync(file, { timeout: busyMs });
    opened.push(db);
    const version = versionOf(db);
    if (version === undefined) throw new Error("it is a database, but not one of Runlog's");
    if (version > migrations.length) {
      throw new Error(
        `its format is version ${version}, and this Runlog knows no later one than ${migrations.length}`,
      );
    }
    if (version === 0) db.exec(`PRAGMA page_size = ${pageBytes}`);
    const mode = db.prepare("PRAGMA journal_mode = WAL").get()!.journal_mode;
    if (mode !== "wal")
      throw new Error(`its journal mode stays "${mode}", as if another program had it open`);
    const pageSize = db.prepare("PRAGMA page_size").get()!.page_size as number;
    db.exec(`PRAGMA synchronous = ${options.synchronous}; PRAGMA cache_size = -16000;`);
    db.exec(`PRAGMA wal_autocheckpoint = ${logBytes / pageSize}`);
    const most = db.prepare("PRAGMA max_page_count").get()!.max_page_count as number;
    const { synchronous, maxPages = Number.POSITIVE_INFINITY } = options;
    const limited = Math.min(Math.trunc((maxPages * 4096) / pageSize), most);
    let pages = most;
    const limit = (holds: boolean) => {
      const wanted = holds ? limited : most;
      if (pages === wanted) return;
      db.exec(`PRAGMA max_page_count = ${wanted}`);
      pages = wanted;
    };
    limit(true);
    for (const [index, migration] of migrations.entries()) {
      if (index < version) continue;
      db.exec(`BEGIN IMMEDIATE; ${migration} PRAGMA user_version = ${index + 1}; COMMIT;`);
    }
    const holder = JSON.stringify({ pid: process.pid, host: hostname(), since: Date.now() });
    db.prepare("INSERT OR REPLACE INTO meta VALUES ('holder', ?)").run(holder);
    return { db, synchronous, limit, close };
  } catch (error) {
    close();
    if (error instanceof RunError) throw error;
    throw sqliteError(error, `open "${path}"`);
  }
}

/** What SQLite threw, as a refusal: `store_full` if there is no room, else `store_unavailable`. */
export function sqliteError(error: unknown, doing: string): RunError {
  if (error instanceof RunError) return error;
  const code = (error as { errcode?: unknown }).errcode;
  // The low byte is the kind, the others say more of it.
  const full = typeof code === "number" && (code & 0xff) === 13;
  return new RunError(full ? "store_full" : "store_unavailable", `Cannot ${doing}: ${messageOf(error)}`, {
    cause: error,
  });
}

function lockNow(lock: DatabaseSync): boolean {
  try {
    lock.exec("BEGIN IMMEDIATE");
    return true;
  } catch (error) {
    if (((error as { errcode?: number }).errcode ?? 0) % 256 === 5) return false;
    throw error;
  }
}

/** The version of the tables, 0 for an empty file, undefined if they are someone else's. */
function versionOf(db: DatabaseSync): number | undefined {
  if (db.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() === undefined) return 0;
  if (db.prepare("PRAGMA application_id").get()!.application_id !== applicationId) return undefined;
  return db.prepare("PRAGMA user_version").get()!.user_version as number;
}

/** Whoever wrote its name into the file last. Only for a message: it may not have come to that yet. */
function holderOf(file: string): string {
  try {
    using db = new DatabaseSync(file, { readOnly: true, timeout: busyMs });
    const row = db.prepare("SELECT value FROM meta WHERE name = 'holder'").get();
    const { pid, host, since } = JSON.parse(row!.value as string);
    return `process ${pid} on ${host} since ${new Date(since).toISOString()}`;
  } catch {
    return "another process";
  }
}
