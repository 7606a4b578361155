import type { SqliteFile } from "./sqlite-file.ts";

/** So many batches are in a page at most, as it is parsed to find one of them. */
const PAGE_BATCHES = 256;

/** Places and seqs of batches of a run in ascending order: place, seq, place, seq, ... */
export type Places = readonly number[];

/** The table `pages`: where the batches of each run are. */
export class SqliteIndex {
  readonly #sql: ReturnType<typeof prepare>;

  constructor(file: SqliteFile) {
    this.#sql = prepare(file);
  }

  write(no: number, places: Places): void {
    for (let start = 0; start < places.length; start += 2 * PAGE_BATCHES) {
      const page = places.slice(start, start + 2 * PAGE_BATCHES);
      this.#sql.insert.run(no, page.at(-1)!, format(page));
    }
  }

  /** The next batches that end after a seq; none if there are no more. */
  after(no: number, seq: number): Places {
    const page = this.#sql.after.get(no, seq);
    return page === undefined ? [] : placesAfter(parse(page), seq);
  }

  /** The last batch, by its place and seq; none if there is no page. */
  last(no: number): Places {
    const page = this.#sql.last.get(no);
    return page === undefined ? [] : parse(page).slice(-2);
  }

  /** Deletes what names batches of a run up to a seq. */
  delete(no: number, through: number): void {
    this.#sql.delete.run(no, through);
  }

  /** Some page of a run, if there is one. */
  page(no: number): { readonly id: number; readonly places: Places } | undefined {
    const page = this.#sql.some.get(no);
    return page && { id: page.id as number, places: parse(page) };
  }

  /** Makes a page smaller, or deletes it where nothing is left. */
  shrink(id: number, places: Places): void {
    if (places.length === 0) this.#sql.deletePage.run(id);
    else this.#sql.update.run(format(places), id);
  }
}

/** The next of these that end after a seq, as many as a page may have. */
export function placesAfter(places: Places, seq: number): Places {
  let low = 0;
  let high = places.length / 2;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (places[2 * middle + 1]! > seq) high = middle;
    else low = middle + 1;
  }
  return places.slice(2 * low, 2 * (low + PAGE_BATCHES));
}

/** As the distances between them: short, and still text. */
function format(places: Places): string {
  return JSON.stringify(places.map((value, index) => value - (index < 2 ? 0 : places[index - 2]!)));
}

function parse(page: object): number[] {
  const places = JSON.parse((page as { rows: string }).rows) as number[];
  for (let index = 2; index < places.length; index++) places[index]! += places[index - 2]!;
  return places;
}

function prepare({ db }: SqliteFile) {
  return {
    insert: db.prepare("INSERT INTO pages (run, last, rows) VALUES (?, ?, ?)"),
    after: db.prepare("SELECT rows FROM pages WHERE run = ? AND last > ? ORDER BY last LIMIT 1"),
    last: db.prepare("SELECT rows FROM pages WHERE run = ? ORDER BY last DESC LIMIT 1"),
    delete: db.prepare("DELETE FROM pages WHERE run = ? AND last <= ?"),
    some: db.prepare("SELECT id, rows FROM pages WHERE run = ? LIMIT 1"),
    update: db.prepare("UPDATE pages SET rows = ? WHERE id = ?"),
    deletePage: db.prepare("DELETE FROM pages WHERE id = ?"),
  };
}
