import { setTimeout } from "node:timers/promises";
import { post } from "../test/support/post.ts";
import { readLog } from "../test/support/read-log.ts";
import type { ServerProcess } from "../test/support/start-server.ts";
import { steadyProblems, viewedProblems } from "./support/checks.ts";
import { above, inMs, most, percentile } from "./support/figures.ts";
import { NumberedProducer } from "./support/numbered-producer.ts";
import { newPlace } from "./support/place.ts";
import { type Outcome, type Scenario, type Setting, scaled } from "./support/scenario.ts";
import { startServer } from "./support/start-server.ts";
import { until } from "./support/until.ts";
import { isEnd, Viewer } from "./support/viewer.ts";

const LEASE_MS = 2_000;
const RUNS = 200;
/** In each round, one half written by agents of the process that is killed, the other by producers elsewhere. */
const RUNS_AT_ONCE = 20;
const REAPERS = 3;

/** Processes are stopped for most of their lease, and then killed; three others look for dead ones. */
async function run(setting: Setting): Promise<Outcome> {
  const { random, plant, progress } = setting;
  const wanted = scaled(RUNS, setting, 20);
  await using place = await newPlace("redis");
  const options = { store: place.store, leaseMs: LEASE_MS, ...(plant && { plant }) };
  const reapers = await Promise.all(Array.from({ length: REAPERS }, () => startServer(options)));
  await using _reapers = disposeAll(reapers);
  const problems: string[] = [];
  const delays: number[] = [];
  let falseReaps = 0;
  while (delays.length < wanted && problems.length === 0) {
    await using victim = await startServer(options);
    const bases = (index: number) => reapers[index % REAPERS]!.url;
    const ends = new Map<string, number>();
    const runs = await Promise.all(
      Array.from({ length: RUNS_AT_ONCE }, async (_, index) => {
        const base = () => bases(index);
        let id: string;
        if (index % 2) {
          const input = JSON.stringify({ events: 1e9, everyMs: 50 });
          id = (await post(`${victim.url}/runs`, { agent: "steady", input })).body.run;
        } else {
          const producer = new NumberedProducer(random.between(1, 2 ** 20), base);
          await producer.start(LEASE_MS);
          id = producer.run;
        }
        const onFrame = ({ data }: { data: string }) => {
          if (isEnd(data)) ends.set(id, performance.now());
        };
        return { id, base, viewer: new Viewer({ base, run: id, onFrame }) };
      }),
    );
    // For a producer elsewhere, an append of nothing is a sign of life.
    const produced = runs.filter((_, index) => index % 2 === 0);
    const heard = new Map<string, number>();
    const alive = async () => {
      for (const { id, base } of produced) {
        await post(`${base()}/runs/${id}/events`, []);
        heard.set(id, performance.now());
      }
    };
    await alive();
    const stopped = performance.now();
    victim.process.kill("SIGSTOP");
    await setTimeout(LEASE_MS * 0.8);
    victim.process.kill("SIGCONT");
    await alive();
    const continued = performance.now();
    await setTimeout(LEASE_MS * 0.8);
    // On a busy machine this process may be late itself: then they were away for longer than they should.
    const late = continued - stopped > LEASE_MS * 0.9 || performance.now() - continued > LEASE_MS * 0.9;
    if (ends.size > 0 && !late) {
      falseReaps += ends.size;
      problems.push(`${ends.size} runs were ended while their producer lived`);
    }
    const killed = performance.now();
    await victim.kill("SIGKILL");
    await until(LEASE_MS * 5, () => ends.size === runs.length);
    for (const { id, base, viewer } of runs) {
      const end = ends.get(id);
      if (end === undefined) problems.push(`Run ${id} has no end after ${LEASE_MS * 5} ms`);
      else delays.push(end - (heard.get(id) ?? killed));
      viewer.stop();
      const log = await readLog(base(), id);
      problems.push(...steadyProblems(log), ...viewedProblems(viewer, log, plant));
      const last = log.at(-1)?.event;
      if (last?.type !== "run.failed" || last.code !== "producer_lost")
        problems.push(`Run ${id} ends with ${JSON.stringify(last)}`);
    }
    progress(delays.length, wanted);
  }
  const measured = `p50 ${inMs(percentile(delays, 50))}, most ${inMs(most(delays))}, ${falseReaps} false`;
  const exceeded = above("The longest", most(delays), LEASE_MS + 1_000, "ms");
  return { faults: delays.length, wanted, measured, problems, exceeded };
}

function disposeAll(servers: readonly ServerProcess[]): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
    },
  };
}

export const producerLost: Scenario = {
  name: "producer-lost",
  what: "producer lost, with 3 servers that end such runs, lease 2 s",
  figure: "terminal event after at most lease + 1 s, exactly one; 0 ended at 0.8 of the lease",
  needs: "redis-server",
  run,
};
