import type { Batch, Tail } from "../store.ts";
import type { SqliteFile } from "./sqlite-file.ts";
import type { Places } from "./sqlite-index.ts";

/** How far the ids of two rows are apart, and so how many places there are in one. */
const SPAN = 8 * 1024;
/** How long the text of a shared row may be, in bytes: with what is around it, it fills a page. */
const ROW_BYTES = SPAN - 64;
/** How many digits say how long a batch is. */
const DIGITS = 5;
const LINE_FEED = 10;
const SPACE = 32;
/** Longer texts are read one by one: of many at once most might not be wanted. */
const LARGE_BYTES = 16 * 1024;
/** So many batches are removed in one go, at least and at most. */
const FEWEST_REMOVED = 32;
const MOST_REMOVED = 256;

/** Where a batch is, which run it is of, and where it ends. */
export interface Placed {
  readonly place: number;
  readonly no: number;
  readonly tail: Tail;
}

interface Shared extends Placed {
  readonly text: string;
  /** The byte of the row behind it. */
  readonly end: number;
}

type Numbers = [place: number, no: number, seq: number, check: number];
type Row = [...Numbers, text: string];

/**
 * The table `batches`. A batch that is alone in its commit is a row, whose columns say which run it is of, and where it
 * ends. Of others, as many share a row as it may hold. There the columns are 0, and each batch stands in the text behind
 * a line of its own: how many bytes follow, run, seq, check. So a commit of a thousand batches is some forty rows.
 *
 * A batch is found by its place: the id of its row, plus the byte of the text where it begins. What is removed
 * from a shared row leaves a gap, spaces behind its length: so the row stays as large, and needs no room in the
 * file to be written. When half of it is gaps, each batch that is left gets a row by itself, with its place as
 * the id. So those of files from before there were shared rows are found in the same way.
 */
export class SqliteRows {
  readonly #sql: ReturnType<typeof prepare>;
  #last: number;
  /** The row that is being filled, as far as it goes. */
  readonly #bytes = Buffer.allocUnsafeSlow(2 * SPAN);
  #end = 0;
  #count = 0;
  #first: { readonly no: number; readonly batch: Batch } | undefined;

  /** Places up to `last` do not come again. */
  constructor(file: Pick<SqliteFile, "db">, last: number) {
    this.#sql = prepare(file);
    this.#last = Math.max(last, this.#sql.last.get()!.id as number);
  }

  /** Where all has been flushed: what is added later has a higher place. */
  get last(): number {
    return this.#last;
  }

  /** Takes a batch of a run, and returns its place. It is written by the next `flush`, if not before. */
  add(no: number, batch: Batch): number {
    let end = this.#put(no, batch);
    if (end > ROW_BYTES && this.#count > 0) {
      this.flush();
      end = this.#put(no, batch);
    }
    if (this.#count++ === 0) {
      this.#first = { no, batch };
      this.#last = rowOf(this.#last) + SPAN;
    }
    const place = this.#last + this.#end;
    this.#end = end;
    // It is larger than a row may be, and here only the beginning of it.
    if (end > ROW_BYTES) this.flush();
    return place;
  }

  /** Puts a batch behind what is in the row, as far as there is room. Returns where it ends. */
  #put(no: number, { seq, check, text }: Batch): number {
    const bytes = this.#bytes;
    const start = this.#end + DIGITS;
    let end = start + bytes.write(` ${no} ${seq} ${check}\n`, start, "latin1");
    end += bytes.write(text, end);
    bytes[end++] = LINE_FEED;
    bytes.write(String(end - start).padStart(DIGITS), this.#end, "latin1");
    return end;
  }

  flush(): void {
    const { no, batch } = this.#first ?? {};
    if (no === undefined || batch === undefined) return;
    if (this.#count > 1) this.#sql.insertShared.run(this.#last, this.#bytes.subarray(0, this.#end));
    else this.#sql.insert.run(this.#last, no, batch.seq, batch.check, batch.text);
    this.discard();
  }

  /** Forgets what waits to be written, when the transaction has failed. */
  discard(): void {
    this.#first = undefined;
    this.#count = 0;
    this.#end = 0;
  }

  /** Batches of a run by their places and seqs, in ascending order: place, seq, place, seq, ... */
  read(no: number, places: Places): Batch[] {
    let rows: unknown[] = [];
    // Rows that lie behind each other are had for half the price; in vain where some are shared after all.
    if (consecutive(places)) rows = this.#sql.between.all(places[0]!, places.at(-2)!);
    if (rows.length < places.length / 2) {
      rows = this.#sql.among.all(JSON.stringify(places.filter((_, index) => index % 2 === 0)));
    }
    const batches: Batch[] = [];
    let next = 0;
    for (let index = 0; index < places.length; index += 2) {
      const place = places[index]!;
      const seq = places[index + 1]!;
      while (next < rows.length && (rows[next] as Row)[0] < place) next++;
      let row = rows[next] as Row | undefined;
      if (row?.[0] !== place) row = this.#find(place);
      const batch = row && toBatch(row, no, seq);
      if (batch === undefined) throw new Error(`the batch that ends at ${seq} is missing`);
      batches.push(batch);
    }
    return batches;
  }

  /** One batch, which may be large, or have had to move. */
  #find(place: number): Row | undefined {
    return (this.#sql.among.get(`[${place}]`) ?? this.#sql.alone.get(place)) as Row | undefined;
  }

  /** Where all batches are that are in rows after one, in order. */
  *after(row: number): Generator<Placed> {
    for (const found of this.#sql.after.iterate(row)) {
      const [id, no, seq, check, shared] = found as unknown as [...Numbers, Uint8Array | null];
      if (shared === null) yield { place: id, no, tail: { seq, check } };
      else yield* batchesIn(id, shared);
    }
  }

  /**
   * Removes some batches: the last of a list of places in ascending order, which are taken off it. Returns how
   * much there was to do: the batches, and those that shared rows with them.
   */
  removeLast(places: number[]): number {
    let from = Math.max(places.length - FEWEST_REMOVED, 0);
    // All of a row, as what remains of it is written anew.
    const most = Math.max(places.length - MOST_REMOVED, 0);
    while (from > most && rowOf(places[from - 1]!) === rowOf(places[from]!)) from--;
    const gone = new Set(places.splice(from));
    const list = JSON.stringify([...gone]);
    this.#sql.deleteAlone.run(list);
    let others = 0;
    for (const found of this.#sql.shared.all(list)) {
      const [id, shared] = found as unknown as [number, Uint8Array];
      const left: Shared[] = [];
      let bytes = 0;
      for (const batch of batchesIn(id, shared)) {
        const begin = batch.place - id;
        if (gone.has(batch.place)) {
          shared.fill(SPACE, begin + DIGITS, batch.end);
          continue;
        }
        left.push(batch);
        bytes += batch.end - begin;
      }
      others += left.length;
      if (2 * bytes > shared.length) {
        this.#sql.updateShared.run(shared, id);
        continue;
      }
      this.#sql.delete.run(id);
      for (const { place, no, tail, text } of left) {
        this.#sql.insert.run(place, no, tail.seq, tail.check, text);
      }
    }
    return gone.size + others;
  }
}

function rowOf(place: number): number {
  return place - (place % SPAN);
}

/** Whether places look like rows that lie behind each other, in files of today or of before there were shared rows. */
function consecutive(places: Places): boolean {
  const step = places[2]! - places[0]!;
  if (step !== SPAN && step !== 1) return false;
  for (let index = 2; index < places.length; index += 2) {
    if (places[index]! - places[index - 2]! !== step) return false;
  }
  return true;
}

/** The batch in a row, if it is the one that was looked for. */
function toBatch([, rowNo, rowSeq, check, text]: Row, no: number, seq: number): Batch | undefined {
  if (rowNo > 0) return rowNo === no && rowSeq === seq ? { seq, check, text } : undefined;
  const start = ` ${no} ${seq} `;
  if (!text.startsWith(start)) return undefined;
  const end = text.indexOf("\n");
  return { seq, check: Number(text.slice(start.length, end)), text: text.slice(end + 1, -1) };
}

/** What is in a shared row. */
function* batchesIn(row: number, bytes: Uint8Array): Generator<Shared> {
  const shared = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let begin = 0, end = 0; begin < shared.length; begin = end) {
    const start = begin + DIGITS;
    end = start + Number(shared.toString("latin1", begin, start));
    // A gap.
    if (shared[start + 1] === SPACE) continue;
    const line = shared.indexOf("\n", start);
    const [no, seq, check] = shared
      .toString("latin1", start + 1, line)
      .split(" ")
      .map(Number);
    const text = shared.toString("utf8", line + 1, end - 1);
    yield { place: row + begin, no: no!, tail: { seq: seq!, check: check! }, text, end };
  }
}

function prepare({ db }: Pick<SqliteFile, "db">) {
  const arrays = (sql: string) => {
    const statement = db.prepare(sql);
    // Rows as arrays cost half of rows as objects.
    statement.setReturnArrays(true);
    return statement;
  };
  const bytes = "CAST(text AS BLOB)";
  const begin = `value % ${SPAN} + 1`;
  // SQLite cuts a batch out of a row for less than it would take to hand over the row.
  const length = `CAST(substr(${bytes}, ${begin}, ${DIGITS}) AS INTEGER)`;
  const cut = `CAST(substr(${bytes}, ${begin} + ${DIGITS}, ${length}) AS TEXT)`;
  return {
    insert: db.prepare('INSERT INTO batches (id, run, seq, "check", text) VALUES (?, ?, ?, ?, ?)'),
    insertShared: db.prepare(
      'INSERT INTO batches (id, run, seq, "check", text) VALUES (?, 0, 0, 0, CAST(? AS TEXT))',
    ),
    between: arrays(
      `SELECT id, run, seq, "check", text FROM batches
       WHERE id BETWEEN ? AND ? AND run > 0 AND octet_length(text) <= ${LARGE_BYTES} ORDER BY id`,
    ),
    among: arrays(
      `SELECT value, run, seq, "check", CASE WHEN run > 0 THEN text ELSE ${cut} END
       FROM json_each(?) CROSS JOIN batches ON batches.id = value - value % ${SPAN}
       WHERE (run = 0 OR batches.id = value) AND octet_length(text) <= ${LARGE_BYTES}`,
    ),
    alone: arrays('SELECT id, run, seq, "check", text FROM batches WHERE id = ?'),
    updateShared: db.prepare("UPDATE batches SET text = CAST(? AS TEXT) WHERE id = ?"),
    after: arrays(
      `SELECT id, run, seq, "check", CASE run WHEN 0 THEN ${bytes} END FROM batches WHERE id > ? ORDER BY id`,
    ),
    deleteAlone: db.prepare("DELETE FROM batches WHERE id IN (SELECT value FROM json_each(?)) AND run > 0"),
    shared: arrays(
      `SELECT id, ${bytes} FROM batches
       WHERE id IN (SELECT value - value % ${SPAN} FROM json_each(?)) AND run = 0`,
    ),
    delete: db.prepare("DELETE FROM batches WHERE id = ?"),
    last: db.prepare("SELECT ifnull(max(id), 0) AS id FROM batches"),
  };
}
