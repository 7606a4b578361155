import { isTerminalType, type StreamEvent } from "../../src/events.ts";
import type { LogEntry } from "./read-log.ts";
import { scripted } from "./script.ts";

// What is wrong, in sentences; nothing wrong is an empty list. Pure, so that a check can be shown to fail.

/** What is wrong with a log of an ended run: numbers without gaps, and one terminal event at its end. */
export function logProblems(log: readonly Pick<LogEntry, "seq" | "event">[]): string[] {
  const problems: string[] = [];
  for (const [index, { seq }] of log.entries()) {
    if (seq !== index + 1) problems.push(`Entry ${index + 1} has seq ${seq}`);
  }
  const ends = log.filter(({ event }) => isTerminalType(event.type));
  if (ends.length !== 1) problems.push(`There are ${ends.length} terminal events`);
  if (!isTerminalType(log.at(-1)?.event.type ?? "")) problems.push("The last event is not terminal");
  if (log[0]?.event.type !== "run.started") problems.push("The first event is not run.started");
  return problems;
}

/** What is wrong with the frames that a viewer put together, which must be these, byte for byte. */
export function frameProblems(seen: readonly string[], wanted: readonly string[]): string[] {
  const at = wanted.findIndex((frame, index) => seen[index] !== frame);
  if (at >= 0) {
    const got = seen[at] === undefined ? "nothing" : JSON.stringify(seen[at]);
    return [`Frame ${at + 1} is ${got}, not ${JSON.stringify(wanted[at])}`];
  }
  return seen.length > wanted.length ? [`There are ${seen.length - wanted.length} frames too many`] : [];
}

/**
 * What is wrong with the events between the first and what closes a run, which must be the script's, from its
 * beginning. `merged`: deltas that follow one another may have become one. Resolves how far it came, too.
 */
export function scriptProblems(
  log: readonly Pick<LogEntry, "event">[],
  seed: number,
  { merged }: { readonly merged: boolean },
): { problems: string[]; said: number } {
  let said = 0;
  for (const [index, { event }] of log.entries()) {
    if (NOT_SCRIPTED.test(event.type)) continue;
    let wanted: StreamEvent = scripted(seed, said++);
    while (merged && event.type === "text.delta" && wanted.type === "text.delta") {
      if (wanted.text.length >= event.text.length) break;
      const next = scripted(seed, said);
      if (next.type !== "text.delta") break;
      wanted = { ...wanted, text: wanted.text + next.text };
      said++;
    }
    if (JSON.stringify(event) !== JSON.stringify(wanted)) {
      const problem = `Entry ${index + 1} is ${JSON.stringify(event)}, not ${JSON.stringify(wanted)}`;
      return { problems: [problem], said };
    }
  }
  return { problems: [], said };
}

const NOT_SCRIPTED = /^(run\.|input\.|text\.(started|finished)$)/;
