import { RunError } from "./errors.ts";
import { newId } from "./internal/id.ts";
import { fromRecord } from "./run-info.ts";
import type { Store } from "./store.ts";
import { Thread } from "./thread.ts";
import { bury, missing } from "./tombstone.ts";

/**
 * Deletes an ended run, whole: its log, what lists show of it, and its thread if that has no other run. What is left
 * is a tombstone. `endedAt`: only the run that ended then; false if that is another. Throws `run_open`, `run_not_found`, `run_deleted`.
 */
export async function deleteRun(store: Store, run: string, endedAt?: number): Promise<boolean> {
  while (true) {
    // In this order: what the record says is true of this log, or the log has changed and is not deleted.
    const tail = await store.tail(run);
    const record = await store.record(run);
    // Lists of a store may be behind.
    if (!record || tail.seq === 0) throw await missing(store, run);
    const { info } = fromRecord(record);
    if (info.status === "running" || info.status === "waiting") {
      throw new RunError("run_open", `Cannot delete run "${run}": it is ${info.status}; cancel it first`);
    }
    if (endedAt !== undefined && info.endedAt !== endedAt) return false;
    const buried = await bury(store, run, newId()).then(() => true, unlessFull);
    if (!(await store.delete(run, tail))) continue;
    // What wants room does not keep from being done what makes room.
    if (!buried) await bury(store, run, newId()).catch(unlessFull);
    if (info.thread !== undefined) await new Thread(store, info.thread).deleteIfEmpty();
    return true;
  }
}

/** False if the store is full; throws what else went wrong. */
function unlessFull(error: unknown): false {
  if (error instanceof RunError && error.code === "store_full") return false;
  throw error;
}
