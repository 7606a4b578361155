import { RunError } from "./errors.ts";
import { type Entry, isTerminalType, type StreamEvent } from "./events.ts";
import { encodeChecked, parseEvent } from "./schema.ts";

/** An entry as one line of a recording, without the line end: `{"seq","at","event"}`, as `runlog export` prints it. */
export function recordingLine(entry: Entry): string {
  const { seq, at } = entry;
  // An entry of a log has its event as the text that was stored.
  const stored = entry as Entry & { readonly json?: unknown; readonly check?: unknown };
  const event =
    typeof stored.json === "string" && stored.check !== undefined
      ? stored.json
      : encodeChecked(entry.event as StreamEvent);
  return `{"seq":${seq},"at":${at},"event":${event}}`;
}

/**
 * The entries of a recording: its text, or its lines. Each must be an entry, and they must be numbered from 1
 * without gaps, as a log is. A last line that was cut off is left out; other fields than `seq`, `at` and `event`
 * are, too. Throws `invalid_request` that names the line.
 */
export function readRecording(recording: string | Iterable<string>): Entry[] {
  const lines = typeof recording === "string" ? recording.split("\n") : [...recording];
  const entries: Entry[] = [];
  for (const [index, text] of lines.entries()) {
    const line = text.endsWith("\r") ? text.slice(0, -1) : text;
    if (line.trim() === "") continue;
    const entry = entryOf(line, index + 1, index === lines.length - 1);
    if (!entry) break;
    const before = entries.at(-1);
    if (entry.seq !== entries.length + 1)
      throw refused(index + 1, `its seq is ${entry.seq}, and ${entries.length + 1} comes next`);
    if (entry.seq === 1 && entry.event.type !== "run.started")
      throw refused(index + 1, `it is "${entry.event.type}", and a run begins with "run.started"`);
    if (before && entry.event.type === "run.started") throw refused(index + 1, "a run starts once");
    if (before && isTerminalType(before.event.type))
      throw refused(index + 1, `it comes after "${before.event.type}", which ends a run`);
    entries.push(entry);
  }
  if (entries.length === 0) throw new RunError("invalid_request", "Cannot read the recording: it is empty");
  return entries;
}

function entryOf(line: string, number: number, isLast: boolean): Entry | undefined {
  let value: Partial<Entry> | null;
  try {
    value = JSON.parse(line);
  } catch {
    if (isLast) return undefined;
    throw refused(number, "it is no JSON");
  }
  const { seq, at, event } = value ?? {};
  if (!Number.isSafeInteger(seq) || !Number.isFinite(at))
    throw refused(number, 'it must be { "seq", "at", "event" }');
  try {
    return { seq: seq!, at: at!, event: parseEvent(event) };
  } catch (error) {
    throw refused(number, (error as Error).message);
  }
}

function refused(line: number, why: string): RunError {
  return new RunError("invalid_request", `Cannot read line ${line} of the recording: ${why}`);
}
