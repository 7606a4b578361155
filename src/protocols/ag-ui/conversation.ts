import type { StoredEntry } from "../../batch.ts";
import { Log } from "../../log.ts";
import type { Store } from "../../store.ts";
import { Thread } from "../../thread.ts";
import type { AgUiMessage } from "./events.ts";
import { Projection } from "./projection.ts";

/** A run of a thread, with its log as far as it is and the conversation before it. */
export interface Turn {
  readonly run: string;
  readonly entries: readonly StoredEntry[];
  readonly history: readonly AgUiMessage[] | undefined;
}

/**
 * What was said in a thread, as a front end has it: up to its last run, or to a run before which to stop. `last` is
 * missing if there is none.
 */
export async function readConversation(
  store: Store,
  thread: string,
  before?: string,
): Promise<{ readonly messages: readonly AgUiMessage[]; readonly last: Turn | undefined }> {
  let messages: readonly AgUiMessage[] = [];
  let last: Turn | undefined;
  for (const run of await new Thread(store, thread).runs()) {
    if (run === before) break;
    const entries: StoredEntry[] = [];
    for await (const slice of new Log(store, run).read()) entries.push(...slice);
    const started = entries[0]?.event;
    // A turn whose run was never written, or was deleted.
    if (!started) continue;
    // A run that brought a history of its own starts the conversation anew.
    const history = started.type === "run.started" && started.history ? undefined : messages;
    const projection = new Projection({ run, history });
    for (const entry of entries) projection.apply(entry);
    messages = projection.messages;
    last = { run, entries, history };
  }
  return { messages, last };
}
