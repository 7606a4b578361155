import { sealBatch } from "./batch.ts";
import { RunError } from "./errors.ts";
import type { Entry } from "./events.ts";
import type { Hub, Run } from "./hub.ts";
import { newId } from "./internal/id.ts";
import { EMPTY, Log } from "./log.ts";
import { readRecording } from "./recording.ts";
import { toRecord } from "./run-info.ts";
import { checkId, encodeEvent } from "./schema.ts";
import { Summary } from "./summary.ts";
import { Writer } from "./writer.ts";

export interface ImportOptions {
  /** The id of the run to make. @default a new one */
  readonly id?: string;
}

/**
 * Keeps a recording as a run: the same entries with the same events, numbers and times; the cursors are its own.
 * A recording that stops before the end of its run is ended with `run.failed { code: "producer_lost" }`. Throws
 * what `readRecording` throws, before anything is kept, and `run_exists`.
 */
export async function importRun(
  hub: Hub,
  recording: string | Iterable<string>,
  { id = newId() }: ImportOptions = {},
): Promise<Run> {
  checkId(id);
  const entries = readRecording(recording);
  const batches = sameTimes(entries).map((group) => ({
    at: group[0]!.at,
    events: group.map(({ event }) => hub.before(event)),
  }));
  const lines = batches.map(({ events }) => events.map((event) => encodeEvent(event)));
  const { store, holder } = hub;
  // By its record it is a run of this hub that nobody is at work on.
  using _ = hub.hold(id);
  const summary = new Summary();
  let tail = EMPTY;
  let bytes = 0;
  for (const [index, { at, events }] of batches.entries()) {
    let changed = false;
    for (const event of events) changed = summary.apply(event, at) || changed;
    const batch = sealBatch(tail, lines[index]!, at, `${holder}.import`);
    bytes += batch.text.length;
    const record = changed ? toRecord(id, summary, holder, bytes) : undefined;
    const other = await store.append(id, tail, batch, record);
    if (other) {
      const why = tail === EMPTY ? "there is a run with this id" : "another process wrote to it";
      throw new RunError("run_exists", `Cannot import run "${id}": ${why}`);
    }
    tail = { seq: batch.seq, check: batch.check };
  }
  if (!summary.terminal) {
    const writer = new Writer(new Log(store, id), { holder });
    await writer.load();
    const message = "The recording stops before the end of its run";
    await writer.end(({ totals }) => ({ type: "run.failed", code: "producer_lost", message, ...totals }));
  }
  return hub.run(id);
}

/** Entries that were appended at the same time, together: a batch has one time. */
function sameTimes(entries: readonly Entry[]): Entry[][] {
  const groups: Entry[][] = [];
  for (const entry of entries) {
    const last = groups.at(-1);
    if (last?.[0]?.at === entry.at) last.push(entry);
    else groups.push([entry]);
  }
  return groups;
}
