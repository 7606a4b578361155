import type { Batch, Tail } from "../store.ts";
import type { SqliteFile } from "./sqlite-file.ts";
import { packBatches } from "./sqlite-pack.ts";

/** Its share of the thread's time: after each step it rests so many times as long as that took. */
const RESTS = 9;
/** What goes into one pack at most: more compresses no better, and is all to be unpacked to read one entry. */
const PACK_BATCHES = 256;
const PACK_CHARS = 64 * 1024;
/** So many rows are deleted in one step, and of so many runs the pages. */
const STEP_ROWS = 256;
const STEP_RUNS = 16;
/** When this many rows have had their batches packed, they are deleted. */
const MOST_ROWS = 256 * 1024;

export interface SqliteCompactionOptions {
  readonly file: SqliteFile;
  /** How long after it was told of a run it begins, in ms. */
  readonly afterMs: number;
  /** The rows of a run's batches that end after a position, in order. */
  readonly idsAfter: (run: string, after: number) => Iterable<number>;
  /** Writes what is in no page of the index, of a run, in the transaction that is open. */
  readonly index: (run: string, no: number) => void;
  /** Called once that is committed. */
  readonly onIndexed: (run: string) => void;
}

interface Gathered {
  readonly before: Tail;
  readonly batches: readonly Batch[];
}

/**
 * Rewrites the batches of ended runs into packs, in the background and in short steps, each a transaction. First
 * one pack after the other is written, until none is missing or enough rows are needed no more; then these are
 * deleted, in the order of the file: the rows of runs that were at work at the same time share its pages, and to
 * delete run by run would write each of these pages again and again. A crash in between leaves rows that nobody
 * reads, and the next process goes on from there.
 */
export class SqliteCompaction {
  readonly #options: SqliteCompactionOptions;
  readonly #sql: ReturnType<typeof prepare>;
  #timer: NodeJS.Timeout | undefined;
  /** Whether it was told of a run since it last looked for one from the start. */
  #told = false;
  /** Runs up to this number are done, or cannot be. */
  #position = 0;
  /** Runs of which all is in packs, and their rows. */
  #packed: { readonly no: number; readonly run: string; readonly through: number }[] = [];
  #rows: number[] = [];
  #deleting = false;
  /** Whether a run was left as it is. */
  #skipped = false;
  #stopped = false;

  constructor(options: SqliteCompactionOptions) {
    this.#options = options;
    this.#sql = prepare(options.file);
    if (this.#sql.next.get(0) !== undefined) this.#schedule();
  }

  /** Takes a run that has ended, in the transaction that says so. */
  add(no: number): void {
    this.#sql.insert.run(no);
    this.#told = true;
    this.#schedule();
  }

  /** Forgets a run, in the transaction that deletes it. */
  remove(no: number): void {
    this.#sql.remove.run(no);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    const { afterMs } = this.#options;
    if (this.#timer || this.#stopped || afterMs === Number.POSITIVE_INFINITY) return;
    this.#told = false;
    // A timer takes 31 bits of ms.
    this.#timer = setTimeout(() => void this.#work(), Math.min(afterMs, 0x7fff_ffff)).unref();
  }

  /** One step, and the next one later; until there is nothing left to do. */
  async #work(): Promise<void> {
    const took = await this.#step();
    if (this.#stopped) return;
    if (took !== undefined) {
      this.#timer = setTimeout(() => void this.#work(), took * RESTS).unref();
      return;
    }
    this.#position = 0;
    this.#timer = undefined;
    if (this.#told) this.#schedule();
  }

  /** Resolves to how long it kept the thread, in ms; undefined if there was nothing to do. */
  async #step(): Promise<number | undefined> {
    let took = 0;
    const timed = <Result>(work: () => Result): Result => {
      const start = performance.now();
      try {
        return work();
      } finally {
        took += performance.now() - start;
      }
    };
    let no: number | undefined;
    try {
      if (!this.#deleting) no = this.#sql.next.get(this.#position)?.no as number | undefined;
      if (no === undefined || this.#rows.length >= MOST_ROWS) {
        if (this.#packed.length === 0) return undefined;
        timed(() => this.#delete());
        return took;
      }
      const run = this.#sql.nameOf.get(no)!.run as string;
      const gathered = timed(() => this.#gather(run, no!));
      if (gathered.batches.length === 0) {
        timed(() => this.#collect(run, no!, gathered.before.seq));
        this.#position = no;
      } else {
        const bytes = await packBatches(gathered.before, gathered.batches);
        if (this.#stopped) return undefined;
        timed(() => this.#keep(run, no!, gathered.batches.at(-1)!, bytes));
      }
      return took;
    } catch {
      // A damaged run, or no room: it stays as it is until there is more room, another run ends, or the file is
      // opened again.
      this.#skipped = true;
      if (no !== undefined && !this.#deleting && this.#rows.length < MOST_ROWS) {
        this.#position = no;
        return took;
      }
      this.#packed = [];
      this.#rows = [];
      this.#deleting = false;
      return no === undefined ? undefined : took;
    }
  }

  /** What the next pack of a run is to hold. */
  #gather(run: string, no: number): Gathered {
    const { seq, check } = (this.#sql.lastPack.get(no) ?? { seq: 0, check: 0 }) as unknown as Tail;
    const batches: Batch[] = [];
    let chars = 0;
    for (const id of this.#options.idsAfter(run, seq)) {
      const batch = this.#sql.row.get(id) as unknown as Batch | undefined;
      if (batch === undefined) throw new Error(`row ${id} is missing`);
      chars += batch.text.length;
      if (batches.length === PACK_BATCHES || (chars > PACK_CHARS && batches.length > 0)) break;
      batches.push(batch);
    }
    return { before: { seq, check }, batches };
  }

  #keep(run: string, no: number, { seq, check }: Tail, bytes: Uint8Array): void {
    // It may have been deleted meanwhile; a new run of its name has another number.
    if (this.#sql.nameOf.get(no) === undefined) return;
    this.#commit(() => {
      this.#options.index(run, no);
      this.#sql.insertPack.run(no, seq, check, bytes);
    });
    this.#options.onIndexed(run);
  }

  /** Takes note of a run that is all in packs. */
  #collect(run: string, no: number, through: number): void {
    for (const id of this.#options.idsAfter(run, 0)) this.#rows.push(id);
    this.#packed.push({ no, run, through });
  }

  /** Deletes some rows, or where none are left, what named them. */
  #delete(): void {
    if (!this.#deleting) this.#rows.sort((a, b) => a - b);
    this.#deleting = true;
    const rows = this.#rows.splice(-STEP_ROWS);
    const runs = rows.length > 0 ? [] : this.#packed.splice(-STEP_RUNS);
    this.#commit(() => {
      if (rows.length > 0) this.#sql.setLastDeleted.run(rows.at(-1)!);
      for (const id of rows) this.#sql.deleteRow.run(id);
      for (const { no, run, through } of runs) {
        // What was deleted meanwhile is in the trash, and goes that way.
        if (this.#sql.nameOf.get(no) === undefined) continue;
        this.#sql.deletePages.run(no, through);
        const [more] = this.#options.idsAfter(run, through);
        if (more === undefined) this.#sql.remove.run(no);
      }
    });
    this.#deleting = this.#packed.length > 0;
    if (this.#deleting || !this.#skipped) return;
    this.#skipped = false;
    this.#told = true;
  }

  #commit(work: () => void): void {
    const { db } = this.#options.file;
    const { synchronous } = this.#sql.synchronous.get() as { synchronous: number };
    // What this does need not survive a power loss: then all is as it was before.
    db.exec("PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE");
    try {
      work();
      db.exec("COMMIT");
    } catch (error) {
      // Some errors have rolled back already.
      if (db.isTransaction) db.exec("ROLLBACK");
      throw error;
    } finally {
      db.exec(`PRAGMA synchronous = ${synchronous}`);
    }
  }
}

function prepare({ db }: SqliteFile) {
  return {
    synchronous: db.prepare("PRAGMA synchronous"),
    insert: db.prepare("INSERT OR IGNORE INTO unpacked (no) VALUES (?)"),
    remove: db.prepare("DELETE FROM unpacked WHERE no = ?"),
    next: db.prepare("SELECT no FROM unpacked WHERE no > ? ORDER BY no LIMIT 1"),
    nameOf: db.prepare("SELECT run FROM runs WHERE no = ?"),
    lastPack: db.prepare('SELECT last AS seq, "check" FROM packs WHERE run = ? ORDER BY last DESC LIMIT 1'),
    row: db.prepare('SELECT seq, "check", text FROM batches WHERE id = ?'),
    deleteRow: db.prepare("DELETE FROM batches WHERE id = ?"),
    setLastDeleted: db.prepare("UPDATE meta SET value = max(value, ?) WHERE name = 'last_deleted'"),
    deletePages: db.prepare("DELETE FROM pages WHERE run = ? AND last <= ?"),
    insertPack: db.prepare('INSERT INTO packs (run, last, "check", bytes) VALUES (?, ?, ?, ?)'),
  };
}
