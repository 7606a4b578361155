import type { Batch, Tail } from "../store.ts";
import type { SqliteFile } from "./sqlite-file.ts";
import { unpackBatches } from "./sqlite-pack.ts";

/** The table `packs`: the beginnings of logs, compressed. */
export class SqlitePacks {
  readonly #sql: ReturnType<typeof prepare>;

  constructor(file: SqliteFile) {
    this.#sql = prepare(file);
  }

  /** Where the packs of a run end, if it has any. */
  last(no: number): Tail | undefined {
    return this.#sql.last.get(no) as unknown as Tail | undefined;
  }

  /** The batches of the pack that goes on after a seq: all of them, also those before. Undefined if there is none. */
  after(no: number, seq: number): readonly Batch[] | undefined {
    const pack = this.#sql.after.get(no, seq) as unknown as (Tail & { bytes: Uint8Array }) | undefined;
    return pack && unpackBatches(pack.bytes, pack);
  }

  add(no: number, { seq, check }: Tail, bytes: Uint8Array): void {
    this.#sql.add.run(no, seq, check, bytes);
  }

  /** Deletes one pack of a run. False if it has none. */
  deleteOne(no: number): boolean {
    return this.#sql.deleteOne.run(no).changes > 0;
  }
}

function prepare({ db }: SqliteFile) {
  return {
    last: db.prepare('SELECT last AS seq, "check" FROM packs WHERE run = ? ORDER BY last DESC LIMIT 1'),
    after: db.prepare(
      'SELECT last AS seq, "check", bytes FROM packs WHERE run = ? AND last > ? ORDER BY last LIMIT 1',
    ),
    add: db.prepare('INSERT INTO packs (run, last, "check", bytes) VALUES (?, ?, ?, ?)'),
    deleteOne: db.prepare("DELETE FROM packs WHERE id = (SELECT id FROM packs WHERE run = ? LIMIT 1)"),
  };
}
