import type { StoredEntry } from "../../batch.ts";
import { Summary } from "../../summary.ts";

/** Says when a run has come to wait for a person: the answer to one request ends there. */
export function untilWaiting(): (entries: readonly StoredEntry[]) => boolean {
  const summary = new Summary();
  return (entries) => {
    for (const { event, at } of entries) summary.apply(event, at);
    return summary.waiting;
  };
}
