// Redis, three servers and nginx. Servers are killed at random while agents speak and people watch; at the end
// everybody has to hold what the log holds, byte for byte.
import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type Entry, Log, RunError } from "runlog";
import { Http, UnreachableError } from "runlog/client";
import { redisStore } from "runlog/stores/redis";
import { freePorts, missingPrograms, Server, startNginx, startRedis } from "./processes.ts";
import { bar, Screen, table } from "./screen.ts";
import { sentence, WORDS } from "./sentence.ts";
import { type Account, Tally, Viewer } from "./viewer.ts";

const USAGE = `node examples/cluster/main.ts [--seconds 30] [--viewers 60]`;
const RUNS = 6;
const EVERY_MS = 50;

const { seconds, viewers: wanted } = options();
const missing = missingPrograms();
if (missing.length > 0) {
  console.error(
    `Cannot start: ${missing.join(" and ")} not on PATH (apt-get install redis-server nginx-light)`,
  );
  process.exit(1);
}

const [redisPort, nginxPort, ...ports] = await freePorts(5);
const storeUrl = await startRedis(redisPort!);
const servers = ports.map((port) => new Server(port, storeUrl));
await Promise.all(servers.map((server) => server.start()));
const url = await startNginx(nginxPort!, ports);
const http = new Http({ url });
console.log(`nginx at ${url}, before ${servers.length} servers on ${storeUrl}`);

// All that follows goes through nginx, but for the kills.
const began = performance.now();
const elapsed = () => (performance.now() - began) / 1_000;
// Takeovers take their time, too, and it is to end when it was told to.
const sentences = Math.max(3, Math.round((seconds * 500) / (EVERY_MS * WORDS.length)));
const tooLate = AbortSignal.timeout((3 * seconds + 30) * 1_000);

interface Watched {
  readonly id: string;
  readonly viewers: readonly Viewer[];
  readonly accounts: Promise<readonly Account[]>;
}
const watched = await Promise.all(Array.from({ length: RUNS }, (_, index) => startRun(index)));
let open = RUNS;
for (const { accounts } of watched) {
  const done = () => open--;
  accounts.then(done, done);
}

const screen = new Screen();
const drawing = drawWhileOpen();
await killAtRandom();
const ended = await Promise.allSettled(watched.map(({ accounts }) => accounts));
await drawing;

await using store = await redisStore(storeUrl);
const rows: (string | number)[][] = [];
let wrong = 0;
for (const [index, { id, viewers }] of watched.entries()) {
  const entries = await new Log(store, id).entries();
  const inLog = new Tally();
  for (const { seq, at, json } of entries) inLog.add(`{"seq":${seq},"at":${at},"event":${json}}`);
  const account = inLog.account();
  const outcome = ended[index]!;
  const same = (outcome.status === "fulfilled" ? outcome.value : []).filter(
    ({ hash }) => hash === account.hash,
  );
  const said = finishedSteps(entries);
  const whole = Array.from({ length: sentences }, (_, step) => sentence(step + 1)).join("");
  const end = entries.at(-1)!.event;
  const problems = [
    ...(same.length < viewers.length ? [`${viewers.length - same.length} hold something else`] : []),
    ...(end.type === "run.finished" ? [] : [`it ended with ${JSON.stringify(end)}`]),
    ...(said === whole ? [] : ["a sentence is missing, or is there twice"]),
    ...(outcome.status === "rejected" ? [String(outcome.reason)] : []),
  ];
  wrong += problems.length;
  rows.push([
    id,
    entries.filter(({ type }) => type === "run.resumed").length,
    account.events,
    account.bytes,
    viewers.reduce((sum, { reconnects }) => sum + reconnects, 0),
    viewers.reduce((sum, { resets }) => sum + resets, 0),
    `${same.length} of ${viewers.length}`,
    problems.join("; ") || "nothing",
  ]);
}
const head = ["run", "takeovers", "events", "bytes", "reconnects", "resets", "hold the same", "wrong"];
console.log(`\n${table(head, rows)}\n`);
const kills = servers.reduce((sum, server) => sum + server.kills, 0);
console.log(
  `${kills} kills in ${Math.round(elapsed())} s; ${wrong === 0 ? "nobody lost anything" : `${wrong} WRONG`}`,
);
process.exit(wrong === 0 ? 0 : 1);

/** A run, half of its viewers from the start, and the others one after the other. */
async function startRun(index: number): Promise<Watched> {
  const id = `run-${index + 1}`;
  const input = JSON.stringify({ sentences, everyMs: EVERY_MS });
  await startOnce({ id, agent: "speaker", input });
  const viewers = Array.from({ length: Math.ceil((wanted - index) / RUNS) }, () => new Viewer());
  const accounts = Promise.all(
    viewers.map(async (viewer, place) => {
      if (place % 2 === 1) await wait(Math.random() * seconds * 600);
      return viewer.watch(http, id, tooLate);
    }),
  );
  return { id, viewers, accounts };
}

/** What was said in steps that were finished: one that its process died in is said anew by the next. */
function finishedSteps(entries: readonly Entry[]): string {
  let finished = "";
  let open = "";
  for (const { event } of entries) {
    if (event.type === "step.started") open = "";
    else if (event.type === "text.delta") open += event.text;
    else if (event.type === "step.finished") finished += open;
  }
  return finished;
}

/** Asks again where no answer came: a run with an id of the client's own is started once, however often it is asked. */
async function startOnce(body: { readonly id: string; readonly agent: string; readonly input: string }) {
  while (true) {
    try {
      return await http.json("/runs", { method: "POST", body });
    } catch (error) {
      if (!(error instanceof UnreachableError || (error instanceof RunError && error.retry))) throw error;
      await wait(200);
    }
  }
}

/** Kills a server and starts it again a moment later, and so on, until nearly all of the time is over. */
async function killAtRandom(): Promise<void> {
  const restarts: Promise<void>[] = [];
  while (elapsed() < seconds * 0.7 && open > 0) {
    await wait(1_000 + Math.random() * 2_000);
    const up = servers.filter((server) => server.up);
    const server = up[Math.floor(Math.random() * up.length)];
    if (!server) continue;
    await server.kill();
    restarts.push(wait(300 + Math.random() * 1_500).then(() => server.start()));
  }
  await Promise.all(restarts);
}

async function drawWhileOpen(): Promise<void> {
  while (open > 0) {
    const live = await Promise.all(servers.map((server) => (server.up ? server.live() : undefined)));
    const eachOf = servers.map(({ up, kills }, index) => {
      const state = up ? `up    ${live[index] ?? "?"} agents at work` : "DOWN";
      return `server ${index + 1}  ${state.padEnd(24)}  killed ${kills} times`;
    });
    // In a sentence are its words, its number, and the start and the end of step and text.
    const perRun = sentences * (WORDS.length + 5);
    const runs = watched.map(({ id, viewers }) => {
      const furthest = Math.max(...viewers.map(({ events }) => events));
      const reconnects = viewers.reduce((sum, viewer) => sum + viewer.reconnects, 0);
      return `${id}  ${bar(furthest, perRun)}  ${furthest} events  ${viewers.length} viewers  ${reconnects} reconnects`;
    });
    screen.draw([`${Math.round(elapsed())} s`, ...eachOf, ...runs]);
    await wait(200);
  }
}

function options(): { readonly seconds: number; readonly viewers: number } {
  try {
    const { values } = parseArgs({
      options: {
        seconds: { type: "string", default: "30" },
        viewers: { type: "string", default: "60" },
      },
    });
    const [seconds, viewers] = [Number(values.seconds), Number(values.viewers)];
    assert(seconds >= 1 && seconds <= 3_000, "--seconds is a number from 1 to 3000");
    assert(Number.isInteger(viewers) && viewers >= RUNS, `--viewers is a whole number from ${RUNS}`);
    return { seconds, viewers };
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    process.exit(2);
  }
}
