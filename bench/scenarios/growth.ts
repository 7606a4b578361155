import { inProcessOnFile } from "../processes.ts";
import type { Contender, Scenario, Wanted } from "../scenario.ts";
import { column } from "../table.ts";
import type { Growth } from "./growth.work.ts";

const work = new URL("growth.work.ts", import.meta.url);

function contender(name: string, call: string, size: number): Contender {
  return {
    name,
    measure: ({ short }) =>
      inProcessOnFile(work, call, { size, events: short ? 3_000 : 12_000 } satisfies Omit<Growth, "file">),
  };
}

/** The highest cost over that of the smallest. */
function flat(names: readonly string[]): Wanted {
  return {
    what: `the dearest of up to ${names.at(-1)} / ${names[0]}`,
    of: (round) => {
      if (!round(names[0]!) || !round(names.at(-1)!)) return undefined;
      const [smallest, ...larger] = names.flatMap((name) => round(name)?.microseconds ?? []);
      return Math.max(...larger) / smallest!;
    },
    atMost: 1.3,
  };
}

const RUNS = [10, 100, 1_000, 10_000];
const LENGTHS = [100, 1_000, 10_000, 100_000];
/** Whether a size is neither the smallest nor the largest. */
const between = (index: number) => index > 0 && index < RUNS.length - 1;
const ofRuns = (size: number) => `${size.toLocaleString("en")} live runs`;
const ofLength = (size: number) => `a log of ${size.toLocaleString("en")} events`;

export const growth: Scenario = {
  name: "growth",
  title:
    "What an event costs as there is more: SQLite (FULL), 10 appends to a commit, each viewed in the process",
  columns: [column("microseconds", "CPU an event", " us")],
  contenders: [
    ...RUNS.map((size, i) => ({ ...contender(ofRuns(size), "manyRuns", size), extra: between(i) })),
    ...LENGTHS.map((size, i) => ({ ...contender(ofLength(size), "longLogs", size), extra: between(i) })),
  ],
  wanted: [flat(RUNS.map(ofRuns)), flat(LENGTHS.map(ofLength))],
};
