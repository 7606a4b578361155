import { createHub, type Hub, type Run } from "../../src/hub.ts";
import { sqliteStore } from "../../src/stores/sqlite.ts";
import { eventAt } from "../event.ts";
import { cpu } from "../figures.ts";
import type { Figures } from "../scenario.ts";

export interface Growth {
  readonly file: string;
  /** How many runs, or how many events in each log. */
  readonly size: number;
  /** How many are measured. */
  readonly events: number;
}

/** Appends that share a commit, however many runs there are. */
const TOGETHER = 10;
const WARM_UP = 0.5;
const limits = { maxEvents: Number.POSITIVE_INFINITY, maxBytes: Number.POSITIVE_INFINITY };

/** Events to so many runs by turns. */
export async function manyRuns({ file, size, events }: Growth): Promise<Figures> {
  await using store = sqliteStore(file);
  const hub = await createHub({ store, limits });
  return await byTurns(await startRuns(hub, size), events);
}

/** Events to ten runs by turns, of which each has so many already. */
export async function longLogs({ file, size, events }: Growth): Promise<Figures> {
  await using store = sqliteStore(file);
  const hub = await createHub({ store, limits });
  const runs = await startRuns(hub, TOGETHER);
  const batch = Array.from({ length: 100 }, (_, index) => eventAt(index, index));
  for (let had = 0; had < size; had += batch.length) await Promise.all(runs.map((run) => run.append(batch)));
  return await byTurns(runs, events);
}

async function startRuns(hub: Hub, count: number): Promise<Run[]> {
  const runs: Run[] = [];
  while (runs.length < count) {
    const some = Array.from({ length: Math.min(100, count - runs.length) }, () =>
      hub.start({ agent: null, input: "x" }),
    );
    for (const { run } of await Promise.all(some)) runs.push(run);
  }
  return runs;
}

async function byTurns(runs: readonly Run[], events: number): Promise<Figures> {
  const gone = new AbortController();
  let seen = 0;
  let reached: (() => void) | undefined;
  let wanted = Number.POSITIVE_INFINITY;
  for (const run of runs) {
    const after = await run.log.store.tail(run.id);
    void (async () => {
      for await (const { entries } of run.follow({ after, signal: gone.signal })) {
        seen += entries?.length ?? 0;
        if (seen >= wanted) reached?.();
      }
    })();
  }
  let next = 0;
  const some = async (count: number) => {
    wanted = seen + count;
    const all = new Promise<void>((resolve) => {
      reached = resolve;
    });
    for (let i = 0; i < count; i += TOGETHER) {
      const turn = Array.from({ length: TOGETHER }, () => runs[next++ % runs.length]!);
      await Promise.all(turn.map((run) => run.append([eventAt(next, next)])));
    }
    if (seen < wanted) await all;
  };
  await some(Math.max(events * WARM_UP, runs.length));
  const before = cpu();
  await some(events);
  const microseconds = (cpu() - before) / events;
  gone.abort();
  return { microseconds };
}
