import type { AgentStream } from "../../src/agent.ts";
import { createHub } from "../../src/hub.ts";
import { sqliteStore } from "../../src/stores/sqlite.ts";
import { eventAt } from "../event.ts";
import { heldBytes, median } from "../figures.ts";
import type { Figures } from "../scenario.ts";

interface Runs {
  readonly file: string;
  readonly runs: number;
}

/** So many are started at once. */
const AT_ONCE = 100;
const COMPACT_MS = 500;
const PASSES = 11;
const WARM_UP_PASSES = 5;

async function* waiting(): AgentStream {
  yield eventAt(0, 0);
  await new Promise(() => {});
}

/** Runs whose agents wait for something. What such a generator holds by itself is its own, and not counted. */
export async function liveRuns({ file, runs }: Runs): Promise<Figures> {
  await using store = sqliteStore(file);
  const hub = await createHub({ store, agents: [waiting] });
  const start = async (count: number) => {
    for (let i = 0; i < count; i += AT_ONCE) {
      const some = Array.from({ length: AT_ONCE }, () => hub.start({ input: "x" }));
      for (const { run } of await Promise.all(some)) while ((await store.tail(run.id)).seq < 2) await turn();
    }
  };
  const kept: AgentStream[] = [];
  const agents = async (count: number) => {
    for (let i = 0; i < count; i++) {
      const agent = waiting();
      await agent.next();
      void agent.next();
      kept.push(agent);
    }
  };
  await start(AT_ONCE);
  await agents(AT_ONCE);
  const before = heldBytes();
  await agents(runs);
  const own = heldBytes() - before;
  const rss = process.memoryUsage().rss;
  const empty = heldBytes();
  await start(runs);
  const bytes = heldBytes() - empty - own;
  if (kept.length === 0 || hub.live < runs) throw new Error("The runs are not live");
  return { bytes: bytes / runs, rss: (process.memoryUsage().rss - rss) / runs };
}

/**
 * Runs that come and go, in passes: what the later ones add, each. The median, as V8 once drops some MB of its own, which
 * would hide what the runs leave.
 */
export async function endedRuns({ file, runs }: Runs): Promise<Figures> {
  async function* brief(): AgentStream {
    yield eventAt(0, 0);
  }
  // Of the batches that are in no page yet the store knows the places: that many of them, and no more.
  await using store = sqliteStore(file, {
    synchronous: "normal",
    indexEvery: 1_024,
    compactAfterMs: COMPACT_MS,
  });
  const hub = await createHub({ store, agents: [brief] });
  const pass = async (count: number) => {
    for (let i = 0; i < count; i += AT_ONCE) {
      const some = Array.from({ length: AT_ONCE }, () => hub.start({ input: "x" }));
      for (const { run } of await Promise.all(some)) await run.ended();
    }
    while (hub.live > 0) await turn();
    // By then the last ones are compressed.
    await new Promise((resolve) => setTimeout(resolve, 2 * COMPACT_MS));
  };
  const added: { bytes: number; rss: number }[] = [];
  for (let i = 0; i < PASSES; i++) {
    const [before, rss] = [heldBytes(), process.memoryUsage().rss];
    await pass(runs);
    added.push({ bytes: (heldBytes() - before) / runs, rss: (process.memoryUsage().rss - rss) / runs });
  }
  const later = added.slice(WARM_UP_PASSES);
  return { bytes: median(later.map(({ bytes }) => bytes)), rss: median(later.map(({ rss }) => rss)) };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
