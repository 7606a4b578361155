import { setTimeout } from "node:timers/promises";
import type { Answer } from "../test/support/post.ts";
import { readLog } from "../test/support/read-log.ts";
import type { ServerProcess } from "../test/support/start-server.ts";
import type { SteadyInput } from "./support/agents.ts";
import { producedProblems, steadyProblems, viewedProblems } from "./support/checks.ts";
import { NumberedProducer } from "./support/numbered-producer.ts";
import { newPlace } from "./support/place.ts";
import { postPatiently } from "./support/request.ts";
import { type Outcome, type Scenario, type Setting, scaled } from "./support/scenario.ts";
import { startServer } from "./support/start-server.ts";
import { Viewer } from "./support/viewer.ts";

const RESTARTS = 20;
const CLIENTS = 8;
const DRAIN_MS = 500;
const LEASE_MS = 2_000;

/**
 * Clients have the addresses of two servers, of which one after the other is stopped by SIGTERM and started anew.
 * Where one is not there, or says that it stops, they ask the other; anything else is an error.
 */
async function run(setting: Setting): Promise<Outcome> {
  const { random, plant, progress } = setting;
  const wanted = scaled(RESTARTS, setting, 2);
  await using place = await newPlace("redis");
  const options = { store: place.store, leaseMs: LEASE_MS, drainMs: DRAIN_MS, ...(plant && { plant }) };
  const servers: ServerProcess[] = [await startServer(options), await startServer(options)];
  await using _servers = {
    async [Symbol.asyncDispose]() {
      await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
    },
  };
  const problems: string[] = [];
  const passing = new Map<string, number>();
  let over = false;
  let runs = 0;
  let events = 0;
  const client = async (index: number): Promise<void> => {
    let turn = index;
    const base = () => servers[turn % servers.length]!.url;
    const onRetry = (answer?: Answer) => {
      turn++;
      const what = answer ? String(answer.body.code) : "no answer";
      passing.set(what, (passing.get(what) ?? 0) + 1);
      if (what !== "stopping" && what !== "no answer") problems.push(`A client was answered ${what}`);
    };
    // A viewer takes the other address each time.
    let view = index;
    const viewing = () => servers[view++ % servers.length]!.url;
    while (!over) {
      if (index % 2) {
        const input: SteadyInput = { events: 60, everyMs: 20 };
        const id = crypto.randomUUID();
        const asked = { agent: "steady-resumed", id, input: JSON.stringify(input) };
        await postPatiently(base, "/runs", asked, { onRetry });
        const viewer = new Viewer({ base: viewing, run: id });
        await viewer.done;
        const log = await readLog(servers[0]!.url, id).catch(() => readLog(servers[1]!.url, id));
        problems.push(...steadyProblems(log), ...viewedProblems(viewer, log, plant));
        const last = log.at(-1)?.event.type;
        if (last !== "run.finished") problems.push(`A run ends with ${JSON.stringify(log.at(-1)?.event)}`);
        events += log.length;
      } else {
        const producer = new NumberedProducer(random.between(1, 2 ** 20), base, onRetry);
        await producer.start();
        const viewer = new Viewer({ base: viewing, run: producer.run });
        for (let batch = 0; batch < 30; batch++) {
          await producer.append(random.between(1, 5));
          await setTimeout(20);
        }
        await producer.append(0, true);
        await viewer.done;
        const log = await readLog(servers[0]!.url, producer.run).catch(() =>
          readLog(servers[1]!.url, producer.run),
        );
        problems.push(...producedProblems(log, producer), ...viewedProblems(viewer, log, plant));
        events += log.length;
      }
      runs++;
    }
  };
  const clients = Promise.all(Array.from({ length: CLIENTS }, (_, index) => client(index)));
  // A client that fails ends it all.
  let failed: unknown;
  clients.catch((error) => {
    failed = error;
  });
  let restarts = 0;
  for (; restarts < wanted && !failed; restarts++) {
    const index = restarts % servers.length;
    await setTimeout(random.between(200, 1_500));
    const old = servers[index]!;
    old.process.kill("SIGTERM");
    const how = await old.exited;
    if (how !== 0) problems.push(`A server ended with ${how}`);
    servers[index] = await startServer(options);
    progress(restarts + 1, wanted);
  }
  over = true;
  await clients.catch((error) => problems.push(`A client failed: ${String(error)}`));
  const tried = [...passing].map(([what, times]) => `${times} ${what}`).join(", ") || "none";
  const measured = `${problems.length} wrong in ${events} events of ${runs} runs; asked elsewhere: ${tried}`;
  return { faults: restarts, wanted, measured, problems, exceeded: [] };
}

export const rollingRestart: Scenario = {
  name: "rolling-restart",
  what: "rolling restart of two servers on Redis, under load",
  figure: "no error to any client, nothing lost",
  needs: "redis-server",
  run,
};
