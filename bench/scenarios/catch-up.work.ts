import { DatabaseSync } from "node:sqlite";
import { eventAt } from "../event.ts";
import { cpu, median } from "../figures.ts";
import type { Figures } from "../scenario.ts";

const TIMES = 50;

/** The events of a run as rows of a table, read in one go and not looked at. */
export function readRows({ file, EVENTS }: { readonly file: string; readonly EVENTS: number }): Figures {
  using database = new DatabaseSync(file);
  database.exec("PRAGMA journal_mode = WAL; CREATE TABLE log (id INTEGER PRIMARY KEY, text TEXT); BEGIN");
  const insert = database.prepare("INSERT INTO log (text) VALUES (?)");
  for (let i = 0; i < EVENTS; i++) insert.run(JSON.stringify(eventAt(i, i)));
  database.exec("COMMIT");
  const select = database.prepare("SELECT text FROM log ORDER BY id");
  const read = () => {
    if (select.all().length !== EVENTS) throw new Error("There are rows missing");
  };
  for (let i = 0; i < 10; i++) read();
  const took: number[] = [];
  const before = cpu();
  for (let i = 0; i < TIMES; i++) {
    const start = performance.now();
    read();
    took.push(performance.now() - start);
  }
  return {
    perCore: (EVENTS * TIMES * 1_000_000) / (cpu() - before),
    perSecond: (EVENTS * 1_000) / median(took),
    p50: median(took),
  };
}
