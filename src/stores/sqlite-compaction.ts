import type { Batch, Tail } from "../store.ts";
import type { SqliteFile } from "./sqlite-file.ts";
import type { Places, SqliteIndex } from "./sqlite-index.ts";
import { PACK_BATCHES, PACK_CHARS, packBatches } from "./sqlite-pack.ts";
import type { SqlitePacks } from "./sqlite-packs.ts";
import type { SqliteRecords } from "./sqlite-records.ts";
import type { SqliteRows } from "./sqlite-rows.ts";

/** Its share of the thread's time: after each step it rests so many times as long as that took. */
const RESTS = 9;
/** What is done in one step: so many runs are looked at, or about so many batches removed. */
const STEP_RUNS = 16;
const STEP_BATCHES = 256;
/** When so many runs, or batches, are packed, these are removed from their rows. */
const MOST_RUNS = 1_024;
const MOST_BATCHES = 256 * 1024;

export interface SqliteCompactionOptions {
  readonly file: SqliteFile;
  readonly rows: SqliteRows;
  readonly index: SqliteIndex;
  readonly packs: SqlitePacks;
  readonly records: SqliteRecords;
  /** How long after it was told of a run it begins, in ms. */
  readonly afterMs: number;
  /** The batches of a run that end after a seq, about so many bytes of them, and at most so many. */
  readonly read: (run: string, after: number, maxBytes: number, most: number) => readonly Batch[];
  /** Which batches of a run are in no page. */
  readonly held: (run: string) => Places;
  /** Called once they are. */
  readonly onIndexed: (run: string) => void;
}

/** What the next pack of a run is to hold. */
interface Gathered {
  readonly no: number;
  readonly run: string;
  readonly before: Tail;
  readonly batches: readonly Batch[];
}

interface Pack extends Gathered {
  readonly bytes: Uint8Array;
}

/**
 * Rewrites the batches of ended runs into packs, in the background and in short steps, each a transaction. First
 * packs are written, until none is missing or enough batches are needed no more; then these are removed, in the
 * order of the file: runs that were at work at the same time share rows and pages, and to go run by run would write
 * each of these again and again. A crash in between leaves batches that nobody reads, and the next process goes on
 * from there.
 */
export class SqliteCompaction {
  readonly #options: SqliteCompactionOptions;
  readonly #sql: ReturnType<typeof prepare>;
  #timer: NodeJS.Timeout | undefined;
  /** Whether it was told of a run since it last looked for one from the start. */
  #told = false;
  /** Runs up to this number are done, or cannot be. */
  #position = 0;
  /** The numbers of runs that are all in packs, and the places where their batches are besides. */
  #packed: number[] = [];
  #places: number[] = [];
  #deleting = false;
  /** Whether a run was left as it is. */
  #skipped = false;
  /** How long the step that is under way has kept the thread, in ms. */
  #took = 0;
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
    this.#took = 0;
    const enough = this.#packed.length >= MOST_RUNS || this.#places.length >= MOST_BATCHES;
    try {
      const found = this.#deleting || enough ? undefined : this.#timed(() => this.#find());
      if (found !== undefined) await this.#rewrite(found);
      else if (this.#packed.length > 0) this.#timed(() => this.#delete());
      else return undefined;
    } catch {
      // The file cannot be read: another run that ends makes it look again.
      return undefined;
    }
    return this.#took;
  }

  #timed<Result>(work: () => Result): Result {
    const start = performance.now();
    try {
      return work();
    } finally {
      this.#took += performance.now() - start;
    }
  }

  /** What is to be packed of the next runs. Takes note of those that are all in packs. Undefined if no run is left. */
  #find(): readonly Gathered[] | undefined {
    const found: Gathered[] = [];
    let chars = 0;
    let no = this.#position;
    // Those that were packed by the step before are to be passed, too.
    for (let looked = 0; looked < 4 * STEP_RUNS && found.length < STEP_RUNS && chars < PACK_CHARS; looked++) {
      const next = this.#sql.next.get(no)?.no as number | undefined;
      if (next === undefined) return looked > 0 ? found : undefined;
      no = next;
      const gathered = this.#gather(no);
      if (gathered !== undefined && gathered.batches.length > 0) {
        found.push(gathered);
        chars += gathered.batches.reduce((sum, { text }) => sum + text.length, 0);
        continue;
      }
      // Nothing is passed over that is not done: the next step comes by here again.
      if (found.length > 0) break;
      if (gathered === undefined) this.#skip(no);
      else this.#collect(no);
    }
    return found;
  }

  /** What the next pack of a run is to hold. Undefined if it is damaged. */
  #gather(no: number): Gathered | undefined {
    const { records, packs, read } = this.#options;
    const run = records.nameOf(no)!;
    const before = packs.last(no) ?? { seq: 0, check: 0 };
    try {
      return { no, run, before, batches: read(run, before.seq, PACK_CHARS, PACK_BATCHES) };
    } catch {
      return undefined;
    }
  }

  /** A run that is damaged, or for which there is no room: it stays as it is until another one ends. */
  #skip(no: number): void {
    this.#skipped = true;
    this.#position = no;
  }

  async #rewrite(found: readonly Gathered[]): Promise<void> {
    const packs: Pack[] = [];
    try {
      for (const each of found) {
        const bytes = await this.#timed(() => packBatches(each.before, each.batches));
        packs.push({ ...each, bytes });
      }
    } catch {
      // One is damaged. If there are others before it, it will be the first next time.
      if (packs.length === 0) this.#skip(found[0]!.no);
    }
    if (this.#stopped || packs.length === 0) return;
    try {
      this.#timed(() => this.#keep(packs));
    } catch {
      this.#skip(packs.at(-1)!.no);
    }
  }

  #keep(given: readonly Pack[]): void {
    const { records, index, packs, held, onIndexed } = this.#options;
    // They may have been deleted meanwhile; a new run of the same name has another number.
    const kept = given.filter(({ no }) => records.nameOf(no) !== undefined);
    this.#commit(true, () => {
      for (const { no, run, batches, bytes } of kept) {
        index.write(no, held(run));
        packs.add(no, batches.at(-1)!, bytes);
      }
    });
    for (const { run } of kept) onIndexed(run);
  }

  /** Takes note of a run that is all in packs. */
  #collect(no: number): void {
    const { index } = this.#options;
    for (let places = index.after(no, 0); places.length > 0; places = index.after(no, places.at(-1)!)) {
      for (let at = 0; at < places.length; at += 2) this.#places.push(places[at]!);
    }
    this.#packed.push(no);
    this.#position = no;
  }

  /** Removes some batches from their rows, or where none are left, what named them. */
  #delete(): void {
    if (!this.#deleting) this.#places.sort((a, b) => a - b);
    this.#deleting = true;
    try {
      this.#commit(false, () => {
        if (this.#places.length > 0) this.#deleteBatches();
        else for (const no of this.#packed.splice(-STEP_RUNS)) this.#deletePages(no);
      });
    } catch {
      // They stay where they are until another run ends: nobody reads them.
      this.#skipped = true;
      this.#packed = [];
      this.#places = [];
    }
    this.#deleting = this.#packed.length > 0;
    if (this.#deleting || !this.#skipped) return;
    this.#skipped = false;
    this.#told = true;
  }

  #deleteBatches(): void {
    const places = this.#places;
    this.#sql.setLastDeleted.run(places.at(-1)!);
    for (let done = 0; done < STEP_BATCHES && places.length > 0; )
      done += this.#options.rows.removeLast(places);
  }

  #deletePages(no: number): void {
    const { index, records, packs, read } = this.#options;
    const run = records.nameOf(no);
    // What was deleted meanwhile is in the trash, and goes that way.
    if (run === undefined) return;
    const through = packs.last(no)?.seq ?? 0;
    index.delete(no, through);
    if (read(run, through, 1, 1).length === 0) this.#sql.remove.run(no);
  }

  #commit(limited: boolean, work: () => void): void {
    const { db, synchronous, limit } = this.#options.file;
    try {
      limit(limited);
      // What this does need not survive a power loss: then all is as it was before.
      db.exec("PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE");
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
    insert: db.prepare("INSERT OR IGNORE INTO unpacked (no) VALUES (?)"),
    remove: db.prepare("DELETE FROM unpacked WHERE no = ?"),
    next: db.prepare("SELECT no FROM unpacked WHERE no > ? ORDER BY no LIMIT 1"),
    setLastDeleted: db.prepare("UPDATE meta SET value = max(value, ?) WHERE name = 'last_deleted'"),
  };
}
