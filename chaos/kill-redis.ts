import { readdir, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { Redis } from "ioredis";
import { messageOf } from "../src/errors.ts";
import { type RedisServer, startRedis } from "../src/testing/redis-server.fixture.ts";
import { type LogEntry, readLog } from "../test/support/read-log.ts";
import type { Random } from "../test/support/seed.ts";
import { producedProblems, viewedProblems } from "./support/checks.ts";
import { NumberedProducer } from "./support/numbered-producer.ts";
import { type Outcome, type Scenario, type Setting, scaled } from "./support/scenario.ts";
import { startServer } from "./support/start-server.ts";
import { until } from "./support/until.ts";
import { Viewer } from "./support/viewer.ts";

const KILLS = 50;
const RUNS = 4;
const LEASE_MS = 5_000;
/** What Redis had not brought to the disk, at most, in bytes. */
const UNSYNCED_BYTES = 6_000;
/** A run has to be served again so long after Redis is back, in ms. */
const SERVED_MS = 5_000;

/** Redis is killed while producers write and viewers watch, and started again; the server goes on. */
async function killRedis(appendfsync: "always" | "everysec", setting: Setting): Promise<Outcome> {
  const { random, plant, progress } = setting;
  const wanted = scaled(KILLS, setting, 2);
  await using redis = await startRedis({ appendfsync });
  const start = () => startServer({ store: redis.url, leaseMs: LEASE_MS, ...(plant && { plant }) });
  let server = await start();
  await using _server = { [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
  const problems: string[] = [];
  let kills = 0;
  let lost = 0;
  let told = 0;
  let unanswered = 0;
  let events = 0;
  while (kills < wanted && problems.length === 0) {
    const { url } = server;
    const producers = Array.from(
      { length: RUNS },
      () => new NumberedProducer(random.between(1, 2 ** 20), () => url),
    );
    await Promise.all(producers.map((producer) => producer.start()));
    const viewers = producers.map(({ run }) => [1, 2].map(() => new Viewer({ base: () => url, run })));
    const moment = random.between(10, 200);
    const reached = Promise.withResolvers<void>();
    const streams = new Streams(producers, random, () => {
      if (producers.reduce((sum, each) => sum + each.acknowledged.length, 0) >= moment) reached.resolve();
    });
    await reached.promise;
    await killAndRestart(redis, appendfsync === "everysec" ? random.between(1, UNSYNCED_BYTES) : 0);
    kills++;
    progress(kills, wanted);
    streams.finish();
    const answered = await until(SERVED_MS, () => streams.open === 0);
    if (!answered) unanswered++;
    for (const [index, producer] of producers.entries()) {
      const shown = viewers[index]!;
      let log: readonly LogEntry[] = [];
      const fits = () => shown.every((viewer) => viewer.gone || beginsWith(log, viewer));
      // Whoever has seen what is not there any more has to be told.
      await until(SERVED_MS, async () => {
        log = await readLog(url, producer.run);
        return (
          fits() && (!answered || shown.every(({ frames, gone }) => gone || frames.length === log.length))
        );
      });
      events += log.length;
      const wrong = producedProblems(log, producer);
      if (appendfsync === "always") {
        problems.push(...wrong, ...streams.refusals);
        for (const viewer of shown) {
          problems.push(...viewedProblems(viewer, log, plant));
          if (viewer.resets > 0) problems.push("A viewer was told of a loss");
        }
      } else {
        if (wrong.some((problem) => problem.includes("acknowledged"))) lost++;
        for (const viewer of shown) {
          if (viewer.resets > 0 || viewer.gone) told++;
          const { frames, gone } = viewer;
          const whole = log.slice(0, frames.length);
          if (!gone) problems.push(...viewedProblems(viewer, whole, plant).map((each) => `A hole: ${each}`));
        }
      }
      for (const viewer of shown) viewer.stop();
    }
    if (!answered) {
      await server[Symbol.asyncDispose]();
      server = await start();
    }
  }
  if (unanswered > 0)
    problems.push(`${unanswered} times appends were not answered ${SERVED_MS} ms after Redis was back`);
  const measured =
    appendfsync === "always"
      ? `${problems.length} wrong in ${events} events`
      : `${lost} runs lost acknowledged events, ${told} viewers were told, ${problems.length} wrong`;
  return { faults: kills, wanted, measured, problems, exceeded: [] };
}

/** Producers that append until they are told to finish, or are refused. */
class Streams {
  readonly refusals: string[] = [];
  /** How many are not done. */
  open = 0;
  readonly #random: Random;
  readonly #onAppend: () => void;
  #finishing = false;

  constructor(producers: readonly NumberedProducer[], random: Random, onAppend: () => void) {
    this.#random = random;
    this.#onAppend = onAppend;
    this.open = producers.length;
    for (const producer of producers) void this.#stream(producer);
  }

  finish(): void {
    this.#finishing = true;
  }

  async #stream(producer: NumberedProducer): Promise<void> {
    try {
      while (!this.#finishing) {
        await producer.append(this.#random.between(1, 10));
        this.#onAppend();
      }
      await producer.append(this.#random.between(0, 5), true);
    } catch (error) {
      this.refusals.push(`A producer was refused: ${messageOf(error)}`);
    }
    this.open--;
  }
}

function beginsWith(log: readonly LogEntry[], { frames }: Viewer): boolean {
  return frames.every((frame, index) => frame === log[index]?.frame);
}

/** Kills it, and takes the end of its file away, as a power loss does with what had not reached the disk. */
async function killAndRestart(redis: RedisServer, unsynced: number): Promise<void> {
  const client = new Redis(redis.port, "127.0.0.1", { lazyConnect: true });
  client.on("error", () => {});
  await client.connect();
  const [, folder] = (await client.config("GET", "dir")) as [string, string];
  client.disconnect();
  await redis.kill("SIGKILL");
  if (unsynced > 0) {
    const files = join(folder, "appendonlydir");
    const name = (await readdir(files)).find((each) => each.endsWith(".incr.aof"))!;
    const { size } = await stat(join(files, name));
    await truncate(join(files, name), Math.max(0, size - unsynced));
  }
  await redis.restart();
}

export const killRedisAlways: Scenario = {
  name: "kill-redis-always",
  what: "kill -9 of redis-server, appendfsync always",
  figure: "0 lost",
  needs: "redis-server",
  run: (setting) => killRedis("always", setting),
};

export const killRedisEverysec: Scenario = {
  name: "kill-redis-everysec",
  what: "kill -9 of redis-server, appendfsync everysec, its file without what was not on the disk",
  figure: "every affected viewer gets `reset`, none a silent hole",
  needs: "redis-server",
  run: (setting) => killRedis("everysec", setting),
};
