import { inProcessOnFile } from "../processes.ts";
import { type Contender, ratio, type Scenario } from "../scenario.ts";
import { column } from "../table.ts";
import type { Appends } from "./append.work.ts";

const work = new URL("append.work.ts", import.meta.url);
const PRODUCERS = 1_000;

function contender(name: string, call: string, perBatch: number): Contender {
  return {
    name,
    measure: ({ short }) =>
      inProcessOnFile(work, call, {
        producers: PRODUCERS,
        perBatch,
        batches: short ? 20 : 80,
      } satisfies Omit<Appends, "file">),
  };
}

const runlog = (perBatch: number) => `Runlog, ${perBatch} in a batch`;
const bare = (perBatch: number) => `bare table, ${perBatch} in a row`;

export const append: Scenario = {
  name: "append",
  title: "1,000 producers, each append acknowledged before its next: SQLite (FULL)",
  columns: [column("perSecond", "events/s"), column("microseconds", "CPU an event", " us")],
  contenders: [1, 4].flatMap((perBatch) => [
    contender(runlog(perBatch), "appendToRunlog", perBatch),
    contender(bare(perBatch), "appendToTable", perBatch),
  ]),
  wanted: [
    { what: `${runlog(1)} / ${bare(1)}`, of: ratio("perSecond", runlog(1), bare(1)), atLeast: 0.5 },
    { what: `${runlog(4)} / ${bare(4)}`, of: ratio("perSecond", runlog(4), bare(4)), atLeast: 0.9 },
  ],
};
