import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { type RedisServer, startRedis } from "../src/testing/redis-server.fixture.ts";
import { get, post } from "../test/support/post.ts";
import { readLog } from "../test/support/read-log.ts";
import type { ServerProcess } from "../test/support/start-server.ts";
import { tempFolder } from "../test/support/temp-folder.ts";
import { producedProblems, steadyProblems, viewedProblems } from "./support/checks.ts";
import { above, inMs } from "./support/figures.ts";
import { NumberedProducer } from "./support/numbered-producer.ts";
import type { Outcome, Scenario, Setting } from "./support/scenario.ts";
import { startServer } from "./support/start-server.ts";
import { until } from "./support/until.ts";
import { Viewer } from "./support/viewer.ts";

const RECOVERY_MS = 5_000;
/** A refusal that takes longer is none. */
const REFUSED_MS = 15_000;
const OUTAGE_MS = 60_000;

interface Outage {
  readonly server: ServerProcess;
  /** The code with which appends have to be refused. */
  readonly code: "store_full" | "store_unavailable";
  /** Whether what is there can still be read meanwhile. */
  readonly reads: boolean;
  /** How long it lasts at least, in ms. */
  readonly ms: number;
  begin(): Promise<void>;
  end(): Promise<void>;
}

/** A producer, an agent and viewers of both, before, during and after a time in which the store takes nothing. */
async function weather(outage: Outage, { random, plant, progress }: Setting): Promise<Outcome> {
  const { server, code, reads, ms } = outage;
  const base = () => server.url;
  const problems: string[] = [];
  const producer = new NumberedProducer(random.between(1, 2 ** 20), base);
  await producer.start(600_000);
  const input = JSON.stringify({ events: 1e9, everyMs: 25 });
  const agent = (await post(`${server.url}/runs`, { agent: "steady", input })).body.run as string;
  const viewers = [producer.run, agent].map((run) => new Viewer({ base, run }));
  await producer.append(20);
  await until(10_000, () => viewers.every(({ frames }) => frames.length > 5));

  await outage.begin();
  const began = performance.now();
  const said = new Map<string, number>();
  const late: number[] = [];
  const note = (what: string) => said.set(what, (said.get(what) ?? 0) + 1);
  let refusals = 0;
  // The events of this run are not numbered, so it may only be appended to while nothing is kept.
  while (performance.now() - began < ms || refusals < 3) {
    const asked = performance.now();
    if (asked - began > ms + 2 * REFUSED_MS) break;
    const answer = await post(`${server.url}/runs`, { agent: null, id: randomUUID() }).catch(String);
    if (typeof answer === "string" || answer.body.code !== code)
      note(typeof answer === "string" ? answer : `${answer.status} ${answer.body.code ?? answer.body.run}`);
    else refusals++;
    late.push(performance.now() - asked);
    if (reads) {
      const read = await readLog(server.url, producer.run).catch(String);
      if (typeof read === "string" || read.length < producer.next) note(`A read: ${read}`);
    }
    progress(Math.min(refusals, 3), 3);
    await setTimeout(100);
  }
  for (const [what, times] of said) problems.push(`Answered ${times} times during the outage: ${what}`);
  if (refusals === 0) problems.push(`Nothing was refused with ${code}`);
  // What is not answered yet is sent again.
  const waiting = producer.append(5);
  await outage.end();
  const ended = performance.now();
  await waiting;
  const appended = performance.now() - ended;
  const frames = viewers[1]!.frames.length;
  const goesOn = await until(30_000, () => viewers[1]!.frames.length > frames);
  const recovery = Math.max(appended, performance.now() - ended);
  if (!goesOn) problems.push("The agent has said nothing for 30 s after the outage");
  await producer.append(1, true);
  await post(`${server.url}/runs/${agent}/cancel`, {});
  await until(30_000, () => Promise.all(viewers.map(({ done }) => done)).then(() => true));
  for (const viewer of viewers) viewer.stop();
  const logs = await Promise.all([producer.run, agent].map((run) => readLog(server.url, run)));
  problems.push(...producedProblems(logs[0]!, producer), ...steadyProblems(logs[1]!));
  for (const [index, viewer] of viewers.entries())
    problems.push(...viewedProblems(viewer, logs[index]!, plant));
  const health = await get(`${server.url}/health`);
  if (health.status !== 200) problems.push(`/health answers ${health.status}`);
  return {
    faults: refusals,
    wanted: 3,
    measured: `${refusals} refused, the slowest after ${inMs(Math.max(...late))}; back after ${inMs(recovery)}`,
    problems,
    exceeded: [
      ...above("The recovery", recovery, RECOVERY_MS, "ms"),
      ...above("The slowest refusal", Math.max(...late), REFUSED_MS, "ms"),
    ],
  };
}

/** A disk of its own, in a namespace of the server's own, that something else fills. */
async function diskFull(setting: Setting): Promise<Outcome> {
  const { plant } = setting;
  await using folder = await tempFolder();
  const path = folder.file(".");
  const mount = `mount -t tmpfs -o size=4m tmpfs "${path}" && exec "$@"`;
  const through = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, "sh"];
  const { status, stderr } = spawnSync(through[0]!, [...through.slice(1), "true"], { encoding: "utf8" });
  if (status !== 0) throw new Error(`Cannot mount a disk of a few MB here: ${stderr}`);
  const store = `sqlite:${folder.file("chaos.db")}`;
  await using server = await startServer({ store, ...(plant && { plant }) }, { through });
  const ballast = `/proc/${server.process.pid}/root${folder.file("ballast")}`;
  const outage: Outage = {
    server,
    code: "store_full",
    reads: true,
    ms: 5_000,
    async begin() {
      await writeFile(ballast, Buffer.alloc(8 * 1024 * 1024)).catch((error) => {
        if (error.code !== "ENOSPC") throw error;
      });
      // What the log has of its own is used up first.
      await until(30_000, async () => (await post(`${server.url}/runs`, { agent: null })).status === 507);
    },
    end: () => rm(ballast),
  };
  return await weather(outage, setting);
}

/** A store on Redis that does not answer for a minute. */
async function unreachable(setting: Setting): Promise<Outcome> {
  const { plant, scale } = setting;
  await using redis: RedisServer = await startRedis({ appendfsync: "always" });
  await using server = await startServer({ store: redis.url, ...(plant && { plant }) });
  const outage: Outage = {
    server,
    code: "store_unavailable",
    reads: false,
    ms: OUTAGE_MS * Math.min(1, scale),
    begin: () => redis.kill("SIGSTOP"),
    end: () => redis.kill("SIGCONT"),
  };
  return await weather(outage, setting);
}

const figure = "appends refused clearly, reads go on, recovery within 5 s, no restart";

export const fullDisk: Scenario = { name: "disk-full", what: "disk full, SQLite", figure, run: diskFull };

export const storeUnreachable: Scenario = {
  name: "store-unreachable",
  what: "Redis unreachable for 60 s",
  figure: "appends refused clearly, recovery within 5 s, no restart",
  needs: "redis-server",
  run: unreachable,
};
