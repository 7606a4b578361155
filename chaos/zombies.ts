import { type Answer, get, post } from "../test/support/post.ts";
import { readLog } from "../test/support/read-log.ts";
import { itemOf, type SteadyInput } from "./support/agents.ts";
import { steadyProblems, viewedProblems } from "./support/checks.ts";
import { newPlace } from "./support/place.ts";
import { type Outcome, type Scenario, type Setting, scaled } from "./support/scenario.ts";
import { startServer } from "./support/start-server.ts";
import { until } from "./support/until.ts";
import { Viewer } from "./support/viewer.ts";

const ZOMBIES = 100;
const LEASE_MS = 1_000;
/** Runs of one process at once: half of them fail with it, the other half are taken over. */
const RUNS_AT_ONCE = 10;

/** A process is stopped until others have its runs, and goes on where it was. */
async function run(setting: Setting): Promise<Outcome> {
  const { plant, progress } = setting;
  const wanted = scaled(ZOMBIES, setting, 10);
  await using place = await newPlace("redis");
  const options = { store: place.store, leaseMs: LEASE_MS, ...(plant && { plant }) };
  await using reaper = await startServer(options);
  await using other = await startServer(options);
  const problems: string[] = [];
  let zombies = 0;
  let accepted = 0;
  while (zombies < wanted && problems.length === 0) {
    await using zombie = await startServer(options);
    const runs = await Promise.all(
      Array.from({ length: RUNS_AT_ONCE }, async (_, index) => {
        const resumed = index % 2 === 1;
        const input: SteadyInput = { events: resumed ? 100 : 1e9, everyMs: 30 };
        const asked = { agent: resumed ? "steady-resumed" : "steady", input: JSON.stringify(input) };
        const { body } = await post(`${zombie.url}/runs`, asked);
        const id = body.run as string;
        return { id, resumed, viewer: new Viewer({ base: () => other.url, run: id }) };
      }),
    );
    await until(10_000, () => runs.every(({ viewer }) => viewer.frames.length > 5));
    zombie.process.kill("SIGSTOP");
    const taken = await until(LEASE_MS * 10, () =>
      runs.every(({ viewer }) => /run\.(failed|resumed)/.test(viewer.frames.join())),
    );
    zombie.process.kill("SIGCONT");
    if (!taken) problems.push(`Nobody has taken the runs after ${LEASE_MS * 10} ms`);
    const quiet = await until(20_000, async () => (await get(`${zombie.url}/health`)).body.live === 0);
    if (!quiet) problems.push("The agents of the zombie are at work after 20 s");
    await until(30_000, () => Promise.all(runs.map(({ viewer }) => viewer.done)).then(() => true));
    for (const { id, resumed, viewer } of runs) {
      viewer.stop();
      const log = await readLog(other.url, id);
      const taking = log.findIndex(({ event }) => event.type === (resumed ? "run.resumed" : "run.failed"));
      const late = log.slice(taking + 1).filter(({ event }) => itemOf(event)?.pid === zombie.process.pid);
      accepted += late.length;
      if (late.length > 0) problems.push(`Run ${id} has ${late.length} events of the zombie`);
      problems.push(...steadyProblems(log), ...viewedProblems(viewer, log, plant));
      const last = log.at(-1)?.event.type;
      if (last !== (resumed ? "run.finished" : "run.failed")) problems.push(`Run ${id} ends with ${last}`);
      zombies++;
    }
    progress(zombies, wanted);
  }
  // Producers elsewhere are zombies too, once a later life of theirs has begun.
  let fenced = 0;
  for (let count = 0; count < wanted && problems.length === 0; count++) {
    const { body } = await post(`${reaper.url}/runs`, { agent: null });
    const append = (base: string, epoch: number, seq: number): Promise<Answer> =>
      post(`${base}/runs/${body.run}/events`, [{ type: "custom", name: "app.epoch", data: epoch }], {
        "producer-id": "p",
        "producer-epoch": String(epoch),
        "producer-seq": String(seq),
      });
    await append(reaper.url, 0, 0);
    await append(other.url, 1, 0);
    const answer = await append(reaper.url, 0, 1);
    if (answer.body.code === "producer_fenced") fenced++;
    else accepted++;
    const end = await post(`${other.url}/runs/${body.run}/events`, { type: "run.finished" });
    if (answer.body.code !== "producer_fenced" || end.status !== 200)
      problems.push(`An old epoch was answered ${answer.status} ${answer.body.code}, the end ${end.status}`);
  }
  const measured = `${accepted} accepted; ${fenced} of an old epoch refused`;
  return { faults: zombies, wanted, measured, problems, exceeded: [] };
}

export const zombieAppends: Scenario = {
  name: "zombies",
  what: "agents that go on after a SIGSTOP longer than the lease",
  figure: "0 of their appends accepted",
  needs: "redis-server",
  run,
};
