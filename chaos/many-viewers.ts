import { setTimeout } from "node:timers/promises";
import { startChild } from "../test/support/child.ts";
import { readLog } from "../test/support/read-log.ts";
import { producedProblems, viewedProblems } from "./support/checks.ts";
import type { CrowdMessage, CrowdOptions } from "./support/crowd.ts";
import { above, inMs, most, percentile } from "./support/figures.ts";
import { NumberedProducer } from "./support/numbered-producer.ts";
import { newPlace } from "./support/place.ts";
import { type Outcome, type Scenario, type Setting, scaled } from "./support/scenario.ts";
import { startServer } from "./support/start-server.ts";
import { Viewer } from "./support/viewer.ts";

const VIEWERS = 5_000;
const EVENTS = 20;
const CROWD = new URL("support/crowd.ts", import.meta.url).href;
/** Between two events, in ms: none waits for the one before. */
const EVERY_MS = 700;
const KB = 1000;

/** One run, an event now and then, and a crowd that watches. */
async function run(setting: Setting): Promise<Outcome> {
  const { random, plant, progress } = setting;
  const viewers = scaled(VIEWERS, setting, 50);
  await using place = await newPlace("sqlite");
  await using server = await startServer({ store: place.store, ...(plant && { plant }) });
  const problems: string[] = [];
  // A smaller one comes and goes first, so that what is counted is not what the first of everything costs.
  const crowd = async (count: number): Promise<{ delays: number[]; each: number }> => {
    const producer = new NumberedProducer(random.between(1, 2 ** 20), () => server.url);
    await producer.start();
    const before = await server.memory();
    const options: CrowdOptions = { base: server.url, run: producer.run, viewers: count };
    const arrived = new Map<number, readonly number[]>();
    const open = Promise.withResolvers<void>();
    const onMessage = (message: unknown) => {
      const told = message as CrowdMessage;
      if ("open" in told) open.resolve();
      else if ("wrong" in told) problems.push(told.wrong);
      else arrived.set(told.seq, told.at);
    };
    await using child = startChild(CROWD, options, { onMessage });
    await Promise.race([open.promise, child.exited.then(() => Promise.reject(new Error(child.stderr)))]);
    const viewer = new Viewer({ base: () => server.url, run: producer.run });
    const delays: number[] = [];
    const sent: number[] = [];
    for (let event = 0; event < EVENTS; event++) {
      sent.push(performance.timeOrigin + performance.now());
      await producer.append(1);
      await setTimeout(EVERY_MS);
      progress(Math.round((count * (event + 1)) / EVENTS), viewers);
    }
    const after = await server.memory();
    for (const [index, from] of sent.entries()) {
      const at = arrived.get(index + 2);
      if (!at) problems.push(`Entry ${index + 2} has not come to all of ${count} viewers`);
      delays.push(...(at ?? []).map((each) => each - from));
    }
    await producer.append(0, true);
    await viewer.done;
    const log = await readLog(server.url, producer.run);
    problems.push(...producedProblems(log, producer), ...viewedProblems(viewer, log, plant));
    return { delays, each: (after.rss - before.rss) / count / KB };
  };
  await crowd(Math.ceil(viewers / 50));
  const { delays, each } = await crowd(viewers);
  const p99 = percentile(delays, 99);
  return {
    faults: viewers,
    wanted: viewers,
    measured: `p50 ${inMs(percentile(delays, 50))}, p99 ${inMs(p99)}, most ${inMs(most(delays))}; ${Math.round(each)} KB each`,
    problems,
    exceeded: [...above("p99", p99, 500, "ms"), ...above("A viewer", each, 40, "KB")],
  };
}

export const manyViewers: Scenario = {
  name: "many-viewers",
  what: "5,000 viewers of one run",
  figure: "an event at all of them within 500 ms (p99); at most 40 KB of memory each",
  run,
};
