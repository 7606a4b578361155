import { openBatch, sealBatch } from "./batch.ts";
import { RunError } from "./errors.ts";
import type { RunRecord, Store } from "./store.ts";

/** How long a deleted run is remembered: 30 days. */
const KEEP_MS = 30 * 24 * 60 * 60 * 1_000;
/** So many that are older go with each new one: more than come, so their number falls. */
const SWEPT = 4;
/** Places the records of tombstones, by when they were made, behind those of all runs. */
const BEHIND_MS = 1e15;
const TAG = "deleted";

/** No run can have this name: ids hold no colon. */
const nameOf = (run: string) => `deleted:${run}`;

/** Whether a record is no run's. */
export function isTombstone(record: RunRecord): boolean {
  return record.run.startsWith("deleted:");
}

/**
 * Remembers that a run was deleted, to be called before it is. A tombstone is a log too, of one line for each time
 * that a run of the name was deleted. Where the run is there nobody looks for it.
 */
export async function bury(store: Store, run: string, by: string): Promise<void> {
  const name = nameOf(run);
  const line = JSON.stringify({ type: "run.deleted", run });
  while (true) {
    const at = Date.now();
    const tail = await store.tail(name);
    const record = { run: name, startedAt: at - BEHIND_MS, tags: [TAG], text: "{}" };
    // Of two that delete the same run at once, both write that down.
    if (!(await store.append(name, tail, sealBatch(tail, [line], at, by), record))) break;
  }
  const expired = { run: "", startedAt: Date.now() - KEEP_MS - BEHIND_MS };
  for (const old of await store.list({ tag: TAG, before: expired, limit: SWEPT }))
    await store.delete(old.run, await store.tail(old.run));
}

/** What to say of a run that is not there: `run_deleted` while that is remembered, else `run_not_found`. */
export async function missing(store: Store, run: string): Promise<RunError> {
  const name = nameOf(run);
  const { seq } = await store.tail(name);
  const [last] = seq > 0 ? await store.read(name, seq - 1, 1) : [];
  if (last && Date.now() - openBatch(last).at < KEEP_MS)
    return new RunError("run_deleted", `Cannot find run "${run}": it was deleted`);
  return new RunError("run_not_found", `Cannot find run "${run}": nothing was ever written to it`);
}
