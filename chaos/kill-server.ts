import { createHash } from "node:crypto";
import { startChild } from "../test/support/child.ts";
import { crashRound } from "../test/support/crash-round.ts";
import { get } from "../test/support/post.ts";
import { readLog } from "../test/support/read-log.ts";
import { seeded } from "../test/support/seed.ts";
import type { ServerProcess } from "../test/support/start-server.ts";
import { newPlace, type PlaceKind } from "./support/place.ts";
import { type Outcome, type Scenario, type Setting, scaled } from "./support/scenario.ts";
import type { ServerOptions } from "./support/server.ts";
import { SERVER, startServer } from "./support/start-server.ts";
import { until } from "./support/until.ts";

const KILLS = 100;
/** Where others may write, the dead are ended after it. */
const LEASE_MS = 500;

/** The server is killed while 8 runs stream, and started again. */
async function killServer(kind: PlaceKind, setting: Setting): Promise<Outcome> {
  const { random, plant, progress } = setting;
  const wanted = scaled(KILLS, setting, 2);
  await using place = await newPlace(kind);
  const options: ServerOptions = { store: place.store, leaseMs: LEASE_MS, ...(plant && { plant }) };
  const problems: string[] = [];
  const hashes = new Map<string, string>();
  let events = 0;
  let kills = 0;
  let server: ServerProcess | undefined;
  const start = async (): Promise<ServerProcess> => {
    // Sometimes it is killed again while it opens the store and ends what was lost.
    if (random.chance(0.3)) {
      await using doomed = startChild(SERVER, options);
      await doomed.alive;
    }
    const started = await startServer(options);
    server = started;
    await until(60_000, async () => {
      const { body } = await get(`${started.url}/runs?status=running&limit=500`);
      return body.runs.every(({ agent }: { agent: string | null }) => agent === null);
    });
    return started;
  };
  try {
    let current = await start();
    while (kills < wanted && problems.length === 0) {
      const round = await crashRound(current, start, seeded(random.between(1, 2 ** 30)));
      kills++;
      progress(kills, wanted);
      current = round.server;
      problems.push(...round.problems.map((problem) => `Kill ${kills}: ${problem}`));
      for (const { run, log } of round.evidence) {
        events += log.length;
        hashes.set(run, hashOf(log.map(({ frame }) => frame)));
      }
    }
    // None of the kills has hurt what an earlier one left.
    for (const [run, hash] of hashes) {
      const log = await readLog(current.url, run);
      if (hashOf(log.map(({ frame }) => frame)) !== hash) problems.push(`Run ${run} has changed`);
    }
  } finally {
    await server?.[Symbol.asyncDispose]();
  }
  const measured = `${problems.length} wrong in ${events} events of ${hashes.size} runs`;
  return { faults: kills, wanted, measured, problems, exceeded: [] };
}

const hashOf = (frames: readonly string[]) => createHash("sha256").update(frames.join("\n\n")).digest("hex");

const figure = "0 acknowledged events lost, doubled or reordered";

export const killServerOnSqlite: Scenario = {
  name: "kill-server-sqlite",
  what: "kill -9 of a server, SQLite (full)",
  figure,
  run: (setting) => killServer("sqlite", setting),
};

export const killServerOnRedis: Scenario = {
  name: "kill-server-redis",
  what: "kill -9 of a server, Redis (always)",
  figure,
  needs: "redis-server",
  run: (setting) => killServer("redis", setting),
};

export const killServerOnNats: Scenario = {
  name: "kill-server-nats",
  what: "kill -9 of a server, NATS",
  figure,
  needs: "nats-server",
  run: (setting) => killServer("nats", setting),
};
