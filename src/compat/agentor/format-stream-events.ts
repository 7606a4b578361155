import { StoredEntry } from "../../batch.ts";
import type { Entry, StreamEvent } from "../../events.ts";
import type { AgentOutput, AgentOutputType } from "../../protocols/agentor/agent-output.ts";
import { agentorView } from "../../protocols/agentor/view.ts";
import { encodeEvent } from "../../schema.ts";
import { failureOf } from "../own-run.ts";

export interface FormatOptions {
  /** The types that pass: left out, all do; an empty list lets nothing pass. */
  readonly allowedEvents?: readonly AgentOutputType[] | undefined;
}

/**
 * Shows entries of a run, or bare events, as Agentor does. A run is such an iterable itself:
 * `formatStreamEvents(run)`. Throws `run_failed` or `run_cancelled` where the run ended so, whatever the filter.
 */
export async function* formatStreamEvents(
  events: AsyncIterable<Entry | StreamEvent> | Iterable<Entry | StreamEvent>,
  { allowedEvents }: FormatOptions = {},
): AsyncGenerator<AgentOutput, void, undefined> {
  const show = agentorView.start();
  let seq = 0;
  for await (const each of events) {
    seq += 1;
    const entry = "event" in each ? each : { seq, at: 0, event: each };
    const failure = failureOf(entry.event);
    if (failure) throw failure;
    for (const { data } of show(toStored(entry))) {
      const output = JSON.parse(data) as AgentOutput;
      if (!allowedEvents || allowedEvents.includes(output.type)) yield output;
    }
  }
}

function toStored(entry: Entry): StoredEntry {
  if (entry instanceof StoredEntry) return entry;
  return new StoredEntry(entry.seq, entry.at, encodeEvent(entry.event), 0);
}
