import { redisMissing, startRedis } from "../../src/testing/redis-server.fixture.ts";
import { CLIENT_CORE, inProcess, worker } from "../processes.ts";
import { type Contender, type Figures, ratio, type Scenario, type Setting } from "../scenario.ts";
import { column } from "../table.ts";
import type { RedisAppends, RedisTalk } from "./redis.work.ts";

const work = new URL("redis.work.ts", import.meta.url);
const IN_FLIGHT = 64;
/** Sizes of an event, in bytes of JSON: small, the limit of small, and large. */
const SIZES = [200, 1_000, 8_000];
const sizeOf = (size: number) => (size < 1_000 ? `${size} B` : `${size / 1_000} KB`);

const runlog = (size: number) => `Runlog, ${sizeOf(size)}`;
const bare = (size: number) => `bare XADD, ${sizeOf(size)}`;

async function appends(call: string, size: number, { short }: Setting): Promise<Figures> {
  await using redis = await startRedis();
  const given: RedisAppends = {
    url: redis.url,
    size,
    inFlight: IN_FLIGHT,
    count: short ? 5_000 : 20_000,
  };
  return await inProcess(work, call, given);
}

export const redisAppend: Scenario = {
  name: "redis-append",
  title: `Redis as it is installed: ${IN_FLIGHT} runs in flight, each append acknowledged before its next`,
  columns: [column("perSecond", "appends/s"), column("microseconds", "CPU of an append", " us")],
  contenders: SIZES.flatMap((size): Contender[] => [
    {
      name: runlog(size),
      missing: redisMissing,
      measure: (setting) => appends("appendToRunlog", size, setting),
    },
    { name: bare(size), missing: redisMissing, measure: (setting) => appends("appendBare", size, setting) },
  ]),
  wanted: SIZES.map((size) => ({
    what: `${runlog(size)} / ${bare(size)}`,
    of: ratio("perSecond", runlog(size), bare(size)),
    atLeast: size <= 1_000 ? 0.7 : 0.5,
  })),
};

const FOLLOW = "Runlog, a viewer in another process";
const XREAD = "bare XADD to XREAD";

/** One process appends, another is shown it. */
async function talk(kind: "runlog" | "bare", { short }: Setting): Promise<Figures> {
  await using redis = await startRedis();
  await using writer = worker();
  await using reader = worker(CLIENT_CORE);
  const given: RedisTalk = { url: redis.url, kind, perSecond: 200, count: short ? 200 : 800 };
  const call = (name: string) => ({ module: work.href, name, given });
  await writer.ask("call", call("openTalk"));
  await reader.ask("call", call("openTalk"));
  const talked = async () => {
    // By then the other waits for what comes.
    await new Promise((resolve) => setTimeout(resolve, 500));
    await writer.ask("call", call("talk"));
  };
  const [heard] = await Promise.all([reader.ask<Figures>("call", call("listen")), talked()]);
  return heard;
}

export const redisLatency: Scenario = {
  name: "redis-latency",
  title: "Redis: 200 events/s, from an append to a viewer in another process",
  columns: [column("p50", "p50", " us"), column("p99", "p99", " us")],
  contenders: [
    { name: FOLLOW, missing: redisMissing, measure: (setting) => talk("runlog", setting) },
    { name: XREAD, missing: redisMissing, measure: (setting) => talk("bare", setting) },
  ],
  wanted: [{ what: `p50, ${FOLLOW} / ${XREAD}`, of: ratio("p50", FOLLOW, XREAD), atMost: 2 }],
};
