import type { SQLOutputValue } from "node:sqlite";
import type { RunRecord, Store } from "../store.ts";
import type { SqliteFile } from "./sqlite-file.ts";

/** The tables `runs` and `tags`: the numbers of runs, and their records. */
export class SqliteRecords {
  readonly #sql: ReturnType<typeof prepare>;

  constructor(file: SqliteFile) {
    this.#sql = prepare(file);
  }

  numberOf(run: string): number | undefined {
    return this.#sql.numberOf.get(run)?.no as number | undefined;
  }

  nameOf(no: number): string | undefined {
    return this.#sql.nameOf.get(no)?.run as string | undefined;
  }

  record(run: string): RunRecord | undefined {
    const row = this.#sql.record.get(run);
    return row && toRecord(row);
  }

  list({ tag, before, limit }: Parameters<Store["list"]>[0]): RunRecord[] {
    const startedAt = before?.startedAt ?? Number.POSITIVE_INFINITY;
    const run = before?.run ?? "";
    const rows =
      tag === undefined
        ? this.#sql.newest.all(startedAt, run, limit)
        : this.#sql.newestTagged.all(tag, startedAt, run, limit);
    return rows.map(toRecord);
  }

  /** Gives a run its number, and its first record. */
  add(no: number, run: string, record: RunRecord | undefined): void {
    if (record === undefined) {
      this.#sql.add.run(no, run, null, null, null);
      return;
    }
    const { startedAt, tags, text } = record;
    this.#sql.add.run(no, run, startedAt, JSON.stringify(tags), text);
    this.#addTags(no, run, startedAt, tags);
  }

  /**
   * Rewrites a record, and only what has changed: most often the text, or the text and a tag. Returns whether its tags
   * have changed.
   */
  update(no: number, run: string, { startedAt, tags, text }: RunRecord): boolean {
    const old = this.#sql.old.get(no)!;
    const json = JSON.stringify(tags);
    const moved = old.started_at !== startedAt;
    if (!moved && old.tags === json) {
      this.#sql.updateText.run(text, no);
      return false;
    }
    const had: readonly string[] = JSON.parse((old.tags ?? "[]") as string);
    for (const tag of had)
      if (moved || !tags.includes(tag)) this.#sql.deleteTag.run(tag, old.started_at!, run);
    this.#addTags(no, run, startedAt, moved ? tags : tags.filter((tag) => !had.includes(tag)));
    if (moved) this.#sql.update.run(startedAt, json, text, no);
    else this.#sql.updateTags.run(json, text, no);
    return true;
  }

  delete(no: number, run: string): void {
    const { tags, started_at: startedAt } = this.#sql.old.get(no)!;
    for (const tag of JSON.parse((tags ?? "[]") as string)) this.#sql.deleteTag.run(tag, startedAt!, run);
    this.#sql.delete.run(no);
  }

  #addTags(no: number, run: string, startedAt: number, tags: readonly string[]): void {
    for (const tag of new Set(tags)) this.#sql.addTag.run(tag, startedAt, run, no);
  }
}

function toRecord(row: Record<string, SQLOutputValue>): RunRecord {
  return {
    run: row.run as string,
    startedAt: row.started_at as number,
    tags: JSON.parse(row.tags as string),
    text: row.text as string,
  };
}

function prepare({ db }: SqliteFile) {
  const select = "SELECT runs.run, runs.started_at, runs.tags, runs.text FROM";
  return {
    numberOf: db.prepare("SELECT no FROM runs WHERE run = ?"),
    nameOf: db.prepare("SELECT run FROM runs WHERE no = ?"),
    add: db.prepare("INSERT INTO runs (no, run, started_at, tags, text) VALUES (?, ?, ?, ?, ?)"),
    old: db.prepare("SELECT started_at, tags FROM runs WHERE no = ?"),
    // By themselves, as SQLite writes an index anew for each of its columns that is set, whether it changes or not.
    updateText: db.prepare("UPDATE runs SET text = ? WHERE no = ?"),
    updateTags: db.prepare("UPDATE runs SET tags = ?, text = ? WHERE no = ?"),
    update: db.prepare("UPDATE runs SET started_at = ?, tags = ?, text = ? WHERE no = ?"),
    delete: db.prepare("DELETE FROM runs WHERE no = ?"),
    addTag: db.prepare("INSERT INTO tags (tag, started_at, run, no) VALUES (?, ?, ?, ?)"),
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
