import type { StoredEntry } from "./batch.ts";
import { Summary } from "./summary.ts";

/**
 * Says when a run has come to wait for a person: the answer to one request ends there. `from` is the first entry
 * where it may end: a run that is shown again from its start has waited before, and what was answered since is no
 * end. So it is the last entry as the response begins, after any answer was appended.
 */
export function untilWaiting(from = 0): (entries: readonly StoredEntry[]) => boolean {
  const summary = new Summary();
  return (entries) => {
    for (const { event, at } of entries) summary.apply(event, at);
    return summary.waiting && (entries.at(-1)?.seq ?? 0) >= from;
  };
}
