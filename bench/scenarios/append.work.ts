import { DatabaseSync } from "node:sqlite";
import { createHub } from "../../src/hub.ts";
import { sqliteStore } from "../../src/stores/sqlite.ts";
import { eventAt } from "../event.ts";
import { cpu } from "../figures.ts";
import type { Figures } from "../scenario.ts";

export interface Appends {
  readonly file: string;
  readonly producers: number;
  readonly perBatch: number;
  /** Of each producer, after some that are not counted. */
  readonly batches: number;
}

const WARM_UP = 20;

const batchAt = (index: number, perBatch: number) =>
  Array.from({ length: perBatch }, (_, i) => eventAt(index * perBatch + i, index));

/** Each producer awaits each append. */
export async function appendToRunlog({ file, producers, perBatch, batches }: Appends): Promise<Figures> {
  await using store = sqliteStore(file);
  await using hub = await createHub({ store });
  const started = Array.from({ length: producers }, () => hub.start({ agent: null, input: "x" }));
  const runs = (await Promise.all(started)).map(({ run }) => run);
  const all = (first: number, count: number) =>
    Promise.all(
      runs.map(async (run) => {
        for (let i = first; i < first + count; i++) await run.append(batchAt(i, perBatch));
      }),
    );
  await all(0, WARM_UP);
  return await figures(producers * perBatch * batches, () => all(WARM_UP, batches));
}

/** The same events in the same groups: of each producer one, then a commit. There is no index, and nobody to read. */
export async function appendToTable({ file, producers, perBatch, batches }: Appends): Promise<Figures> {
  const database = new DatabaseSync(file);
  database.exec(
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE log (run INTEGER, text TEXT)",
  );
  const insert = database.prepare("INSERT INTO log VALUES (?, ?)");
  const all = async (first: number, count: number) => {
    for (let i = first; i < first + count; i++) {
      database.exec("BEGIN");
      for (let run = 0; run < producers; run++) {
        const lines = batchAt(i, perBatch).map((event) => JSON.stringify(event));
        insert.run(run, lines.join("\n"));
      }
      database.exec("COMMIT");
    }
  };
  await all(0, WARM_UP);
  return await figures(producers * perBatch * batches, () => all(WARM_UP, batches));
}

async function figures(events: number, work: () => Promise<unknown>): Promise<Figures> {
  const [start, before] = [performance.now(), cpu()];
  await work();
  const [ms, microseconds] = [performance.now() - start, cpu() - before];
  return { perSecond: (events * 1_000) / ms, microseconds: microseconds / events };
}
