import { redisMissing, startRedis } from "../../src/testing/redis-server.fixture.ts";
import type { Contender, Figures, Setting } from "../scenario.ts";
import { PACKAGE as BETTER_SSE } from "../subjects/better-sse.ts";
import { PACKAGE as DURABLE_STREAMS } from "../subjects/durable-streams.ts";
import { PACKAGE as RESUMABLE_STREAM } from "../subjects/resumable-stream.ts";
import { packageMissing } from "../subjects/subject.ts";
import { type FanOut, measureFanOut } from "./measure-fan-out.ts";

export type Load = Omit<FanOut, "subject" | "store">;

export const RUNLOG = "Runlog";
export const RAW = "raw Node";
export const BETTER = "better-sse";
export const HONO = "hono streamSSE";
export const DURABLE = "@durable-streams/server";
export const RESUMABLE = "resumable-stream, Redis";
export const AI = "ai, UI message stream";

/** Peers beside better-sse. */
export const OTHERS = [HONO, DURABLE, RESUMABLE, AI];

export function fanOutOf(name: string, subject: string, load: Load, more: Partial<FanOut> = {}): Contender {
  return {
    name,
    measure: (setting) => measureFanOut({ subject, store: "memory:", ...load, ...more }, setting),
  };
}

export function betterSse(load: Load): Contender {
  return { ...fanOutOf(BETTER, "better-sse", load), missing: () => packageMissing(BETTER_SSE) };
}

export function others(load: Load): Contender[] {
  return [
    fanOutOf(HONO, "hono", load),
    { ...fanOutOf(DURABLE, "durable-streams", load), missing: () => packageMissing(DURABLE_STREAMS) },
    {
      name: RESUMABLE,
      missing: () => packageMissing(RESUMABLE_STREAM) ?? redisMissing(),
      measure: (setting) => resumable(load, setting),
    },
    fanOutOf(AI, "ai", load),
  ];
}

async function resumable(load: Load, setting: Setting): Promise<Figures> {
  await using redis = await startRedis();
  return await measureFanOut(
    { subject: "resumable-stream", store: "memory:", ...load, redis: redis.url },
    setting,
  );
}
