import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { AgentStream } from "../src/agent.ts";
import type { StreamEvent } from "../src/events.ts";
import { createHub } from "../src/hub.ts";
import type { Store } from "../src/store.ts";
import { memoryStore } from "../src/stores/memory.ts";
import { sqliteStore } from "../src/stores/sqlite.ts";
import { median, nanoseconds, printTable, shown } from "./table.ts";

const EVENTS = 20_000;
const RUNS = 100;
const ROUNDS = 5;

/** About 200 bytes of JSON, in two blocks by turns: deltas of one block would be merged. */
const eventAt = (index: number) =>
  ({
    type: "text.delta",
    id: `block-${index % 2}`,
    text: `${index} `.padEnd(150, "lorem ipsum "),
  }) satisfies StreamEvent;

/** What an event costs from an agent, through the log, to a viewer in the same process; beside the limits. */
export async function core(): Promise<void> {
  const events = Array.from({ length: EVENTS }, (_, index) => eventAt(index));
  const stringify = await median(ROUNDS, () => {
    const start = performance.now();
    let length = 0;
    for (const event of events) length += JSON.stringify(event).length;
    if (length < EVENTS * 150) throw new Error("The events are shorter than they should be");
    return nanoseconds(performance.now() - start, EVENTS);
  });
  const handOff = await median(ROUNDS, async () => {
    const start = performance.now();
    let length = 0;
    for await (const event of yieldAll(events)) length += JSON.stringify(event).length;
    if (length === 0) throw new Error("Nothing was handed over");
    return nanoseconds(performance.now() - start, EVENTS);
  });
  const memory = await median(ROUNDS, () => oneRun(memoryStore(), events));
  printTable(
    `One run in memory: ${EVENTS} events, agent to viewer`,
    ["what", "an event", "ratio"],
    [
      ["JSON.stringify alone", shown(stringify), "1.0"],
      ["JSON.stringify and an async generator", shown(handOff), (handOff / stringify).toFixed(1)],
      ["Runlog, append and follow", shown(memory), (memory / stringify).toFixed(1)],
    ],
  );

  const inserts = await median(ROUNDS, () => inFolder((folder) => bareInserts(folder, events)));
  const sqlite = await median(ROUNDS, () =>
    inFolder((folder) => manyRuns(sqliteStore(join(folder, "log.db")), events)),
  );
  printTable(
    `${RUNS} runs in SQLite (FULL): ${EVENTS} events, each acknowledged before the next`,
    ["what", "an event", "ratio"],
    [
      [`bare inserts, ${RUNS} to a commit`, shown(inserts), "1.0"],
      ["Runlog, append and follow", shown(sqlite), (sqlite / inserts).toFixed(1)],
    ],
  );
}

async function* yieldAll(events: readonly StreamEvent[]): AsyncGenerator<StreamEvent> {
  yield* events;
}

/** An agent that yields the events, and a viewer of its run. */
async function oneRun(store: Store, events: readonly ReturnType<typeof eventAt>[]): Promise<number> {
  async function* agent(): AgentStream {
    yield* events;
  }
  await using hub = await createHub({ store, agents: [agent] });
  const start = performance.now();
  const { run } = await hub.start({ input: "x" });
  let seen = 0;
  for await (const { entries } of run.follow()) seen += entries?.length ?? 0;
  if (seen !== events.length + 2) throw new Error(`The viewer saw ${seen} entries`);
  return nanoseconds(performance.now() - start, events.length);
}

/** Producers that await each append, a viewer each. */
async function manyRuns(store: Store, events: readonly ReturnType<typeof eventAt>[]): Promise<number> {
  await using _store = store;
  await using hub = await createHub({ store });
  const runs = await Promise.all(Array.from({ length: RUNS }, () => hub.start({ agent: null, input: "x" })));
  const start = performance.now();
  let seen = 0;
  const share = events.length / RUNS;
  await Promise.all(
    runs.flatMap(({ run }, index) => [
      (async () => {
        for (let i = 0; i < share; i++) await run.append([events[index * share + i]!]);
        await run.append([{ type: "run.finished" }]);
      })(),
      (async () => {
        for await (const { entries } of run.follow()) seen += entries?.length ?? 0;
      })(),
    ]),
  );
  if (seen !== events.length + 2 * RUNS) throw new Error(`The viewers saw ${seen} entries`);
  return nanoseconds(performance.now() - start, events.length);
}

/** The same events in the same groups, into a table without an index. */
function bareInserts(folder: string, events: readonly StreamEvent[]): number {
  const database = new DatabaseSync(join(folder, "bare.db"));
  database.exec(
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE log (run INTEGER, text TEXT)",
  );
  const insert = database.prepare("INSERT INTO log VALUES (?, ?)");
  const start = performance.now();
  for (let first = 0; first < events.length; first += RUNS) {
    database.exec("BEGIN");
    for (let run = 0; run < RUNS; run++) insert.run(run, JSON.stringify(events[first + run]));
    database.exec("COMMIT");
  }
  const ms = performance.now() - start;
  database.close();
  return nanoseconds(ms, events.length);
}

async function inFolder(work: (folder: string) => number | Promise<number>): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "runlog-bench-"));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
