import type { StreamEvent } from "../../src/events.ts";

/** An entry as `application/x-ndjson` has it. */
export interface LogEntry {
  readonly seq: number;
  readonly at: number;
  readonly cursor: string;
  readonly event: StreamEvent;
  /** The event's JSON, as it came. */
  readonly json: string;
  /** The frame that a viewer on SSE must have got. */
  readonly frame: string;
}

/** The whole log of an ended run, or what there is of an open one; of a run that is not there, nothing. */
export async function readLog(base: string, run: string): Promise<LogEntry[]> {
  const entries: LogEntry[] = [];
  let after = "";
  while (true) {
    const response = await fetch(`${base}/runs/${run}/events?limit=1000&after=${after}`, {
      headers: { accept: "application/json" },
    });
    if (response.status === 404) return entries;
    if (!response.ok) throw new Error(`Cannot read run ${run}: ${response.status} ${await response.text()}`);
    const page = (await response.json()) as { entries: Omit<LogEntry, "json" | "frame">[]; next: string };
    for (const { seq, at, cursor, event } of page.entries) {
      const json = JSON.stringify(event);
      const frame = `id: ${cursor}\ndata: {"seq":${seq},"at":${at},"event":${json}}`;
      entries.push({ seq, at, cursor, event, json, frame });
    }
    if (page.entries.length === 0) return entries;
    after = page.next;
  }
}
