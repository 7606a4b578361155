import type { Redis } from "ioredis";
import { sealBatch } from "../../src/batch.ts";
import { createHub, type Run } from "../../src/hub.ts";
import { openStore } from "../../src/stores/open.ts";
import { eventAt, findMark, now, readMark } from "../event.ts";
import { cpu, percentile } from "../figures.ts";
import type { Figures } from "../scenario.ts";

export interface RedisAppends {
  readonly url: string;
  /** Of an event, in bytes of JSON, about. */
  readonly size: number;
  readonly inFlight: number;
  readonly count: number;
}

/** What an event's JSON has beside its text. */
const AROUND = 50;
const WARM_UP = 0.2;

export async function appendToRunlog(given: RedisAppends): Promise<Figures> {
  const hub = await createHub({
    store: await openStore(given.url),
    limits: { maxEvents: Number.POSITIVE_INFINITY, maxBytes: Number.POSITIVE_INFINITY },
  });
  const started = Array.from({ length: given.inFlight }, () => hub.start({ agent: null, input: "x" }));
  const runs = (await Promise.all(started)).map(({ run }) => run);
  return await each(given, (lane, index) => runs[lane]!.append([eventAt(index, index, given.size - AROUND)]));
}

/** The text of the same batches, in an entry each. */
export async function appendBare(given: RedisAppends): Promise<Figures> {
  const redis = await connect(given.url);
  return await each(given, (lane, index) =>
    redis.xadd(`log-${lane}`, "*", "text", batchText(index, index, given.size - AROUND)),
  );
}

function batchText(index: number, mark: number, length?: number): string {
  const line = JSON.stringify(eventAt(index, mark, length));
  return sealBatch({ seq: index, check: index }, [line], Date.now(), "0123456789ab.1").text;
}

/** So many at once, each after the one before it in its lane. */
async function each(
  { inFlight, count }: RedisAppends,
  append: (lane: number, index: number) => Promise<unknown>,
): Promise<Figures> {
  const all = async (of: number) => {
    const share = Math.ceil(of / inFlight);
    const lane = async (_: unknown, no: number) => {
      for (let i = 0; i < share; i++) await append(no, i);
    };
    await Promise.all(Array.from({ length: inFlight }, lane));
    return share * inFlight;
  };
  await all(count * WARM_UP);
  const [start, before] = [performance.now(), cpu()];
  const done = await all(count);
  const [ms, microseconds] = [performance.now() - start, cpu() - before];
  return { perSecond: (done * 1_000) / ms, microseconds: microseconds / done };
}

export interface RedisTalk {
  readonly url: string;
  readonly kind: "runlog" | "bare";
  readonly perSecond: number;
  readonly count: number;
}

interface Side {
  append(index: number, mark: number): Promise<unknown>;
  /** The texts of what comes. */
  texts(): AsyncIterable<string>;
}

const RUN = "talk";
/** Of these the first tell of connections that are new. */
const UNCOUNTED = 50;
let side: Side;

/** Called in both processes, the one that writes first. */
export async function openTalk({ url, kind }: RedisTalk): Promise<void> {
  side = kind === "runlog" ? await runlogSide(url) : await bareSide(url);
}

async function runlogSide(url: string): Promise<Side> {
  const hub = await createHub({ store: await openStore(url) });
  // The other process finds it there.
  const { run }: { run: Run } = await hub.start({ id: RUN, agent: null, input: "x" });
  return {
    append: (index, mark) => run.append([eventAt(index, mark)]),
    async *texts() {
      for await (const { entries = [] } of run.follow())
        for (const { event } of entries) if (event.type === "text.delta") yield event.text;
    },
  };
}

async function bareSide(url: string): Promise<Side> {
  const redis = await connect(url);
  return {
    append: (index, mark) => redis.xadd(RUN, "*", "text", batchText(index, mark)),
    async *texts() {
      let last = "0";
      while (true) {
        const found = await redis.xread("BLOCK", 0, "STREAMS", RUN, last);
        for (const [id, [, text]] of found?.[0]?.[1] ?? []) {
          last = id;
          yield text!;
        }
      }
    },
  };
}

/** From when an event was due until it is here, in us. */
export async function listen({ count }: RedisTalk): Promise<Figures> {
  const took: number[] = [];
  for await (const text of side.texts()) {
    took.push(now() - readMark(text, findMark(text, 0)));
    if (took.length === count) break;
  }
  const counted = took.slice(UNCOUNTED);
  return { p50: percentile(counted, 0.5), p99: percentile(counted, 0.99) };
}

export async function talk({ perSecond, count }: RedisTalk): Promise<void> {
  const pause = 1_000 / perSecond;
  const start = performance.now();
  for (let i = 0; i < count; i++) {
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, start + i * pause - performance.now())));
    await side.append(i, now());
  }
}

async function connect(url: string): Promise<Redis> {
  const { Redis } = await import("ioredis");
  return new Redis(url);
}
