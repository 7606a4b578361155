import { type EventsConnection, openEvents } from "../test/support/events-connection.ts";
import { post } from "../test/support/post.ts";
import { readLog } from "../test/support/read-log.ts";
import { type Pace, producedBulk } from "./support/bulk.ts";
import { viewedProblems } from "./support/checks.ts";
import { above, inMs, percentile } from "./support/figures.ts";
import { newPlace } from "./support/place.ts";
import { type Outcome, type Scenario, type Setting, scaled } from "./support/scenario.ts";
import { startServer } from "./support/start-server.ts";
import { Viewer } from "./support/viewer.ts";

const SLOW = 40;
const READERS = 4;
const MB = 1024 * 1024;
/** 22 MB. */
const PACE: Pace = { events: 352, bytes: 64 * 1024, everyMs: 20 };
/** The kernel takes about 4 MB for each connection: only after these events is a viewer slow for the server. */
const TAKEN_EVENTS = 96;

/** A run of which 16 MB are not read, first without viewers that do not read and then with them. */
async function run(setting: Setting): Promise<Outcome> {
  const { plant, progress } = setting;
  const wanted = scaled(SLOW, setting, 4);
  await using place = await newPlace("sqlite");
  await using server = await startServer({ store: place.store, ...(plant && { plant }) });
  const problems: string[] = [];

  const observe = async (slow: number): Promise<{ delays: number[]; held: number }> => {
    const { run } = (await post(`${server.url}/runs`, { agent: null })).body;
    const sent = new Map<number, number>();
    const delays: number[] = [];
    const onFrame = ({ id }: { id: string | undefined }) => {
      const at = sent.get(Number(id?.split("-")[0]));
      if (at !== undefined && sent.size > TAKEN_EVENTS) delays.push(performance.now() - at);
    };
    const readers = Array.from(
      { length: READERS },
      () => new Viewer({ base: () => server.url, run, onFrame }),
    );
    const paused: EventsConnection[] = [];
    for (let count = 0; count < slow; count++) {
      paused.push(await openEvents(server.url, run));
      progress(paused.length, wanted);
    }
    const before = await server.memory();
    await producedBulk(server.url, run, PACE, (seq) => sent.set(seq, performance.now()));
    const after = await server.memory();
    await post(`${server.url}/runs/${run}/events`, { type: "run.finished" });
    await Promise.all(readers.map(({ done }) => done));
    const log = await readLog(server.url, run);
    if (log.length !== PACE.events + 2)
      problems.push(`There are ${log.length} entries of ${PACE.events + 2}`);
    for (const reader of readers) problems.push(...viewedProblems(reader, log, plant));
    for (const [index, connection] of paused.entries()) {
      if (index < 3) {
        const frames = (await Array.fromAsync(connection)).map(({ raw }) => raw);
        problems.push(...viewedProblems({ frames }, log, plant));
      } else connection.cut();
    }
    return { delays, held: heldIn(after) - heldIn(before) };
  };

  // Once through, so that what is counted is not what the first of everything costs.
  await observe(0);
  const alone = await observe(0);
  const beside = await observe(wanted);
  // What is left of the run itself differs by more than a few viewers cost.
  const held = Math.max(0, beside.held - alone.held) / wanted;
  const before = percentile(alone.delays, 99);
  const after = percentile(beside.delays, 99);
  return {
    faults: wanted,
    wanted,
    measured: `${Math.round(held / 1024)} KiB held; p99 of the others ${inMs(before)} alone, ${inMs(after)} beside`,
    problems,
    exceeded: [
      ...above("What is held for each", held / MB, 1, "MiB"),
      ...above("p99 of the others", after, before * 2, "ms"),
    ],
  };
}

const heldIn = ({ heapUsed, external }: NodeJS.MemoryUsage): number => heapUsed + external;

export const slowReader: Scenario = {
  name: "slow-reader",
  what: "viewers that do not read a run of 16 MB",
  figure: "at most 1 MiB held for each; p99 of the others at most doubles",
  run,
};
