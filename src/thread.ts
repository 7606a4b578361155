import { openBatch, sealBatch } from "./batch.ts";
import { RunError } from "./errors.ts";
import type { Message } from "./events.ts";
import { sleep } from "./internal/wait.ts";
import { Log } from "./log.ts";
import { toMessages } from "./messages.ts";
import type { Store } from "./store.ts";

/** What a new turn does while the thread's last run is open: be refused, wait for its end, or cancel it. */
export type ThreadPolicy = "reject" | "queue" | "replace";

/** A turn whose run has no log yet is about to start; after this long its process died in between. */
const STARTING_MS = 30_000;
/** How often is looked whether it has. */
const LOOK_MS = 50;

interface Turn {
  readonly type: "thread.turn";
  readonly run: string;
}

/**
 * The runs of one conversation, in order. A thread is a log too, of one line for each turn: a turn starts by
 * appending to it, so of two at once one is refused by the store and looks again.
 */
export class Thread {
  readonly #store: Store;
  readonly #id: string;
  readonly #log: Log;

  constructor(store: Store, id: string) {
    this.#store = store;
    this.#id = id;
    // No run can have this name: ids hold no colon.
    this.#log = new Log(store, `thread:${id}`);
  }

  /** The runs so far. */
  async runs(): Promise<string[]> {
    const runs: string[] = [];
    for await (const slice of this.#log.read()) {
      runs.push(...slice.map((entry) => (entry.event as unknown as Turn).run));
    }
    return runs;
  }

  /** What was said in the thread before a run. A run that brought a history of its own starts it anew. */
  async history(before: string): Promise<Message[]> {
    let messages: Message[] = [];
    for (const run of await this.runs()) {
      if (run === before) break;
      const said = [];
      for await (const slice of new Log(this.#store, run).read()) said.push(...slice);
      const started = said[0]?.event;
      if (started?.type === "run.started" && started.history) messages = [];
      // Ids of messages are unique in a run only.
      messages.push(...toMessages(said).map((message) => ({ ...message, id: `${run}.${message.id}` })));
    }
    return messages;
  }

  /** Deletes the thread if none of its runs is there any more, and none is about to start. */
  async deleteIfEmpty(): Promise<void> {
    const exists = async (run: string) => (await this.#store.tail(run)).seq > 0;
    const tail = await this.#store.tail(this.#log.run);
    const last = tail.seq === 0 ? undefined : await this.#log.entry(tail.seq);
    if (!last || Date.now() - last.at < STARTING_MS || (await exists((last.event as unknown as Turn).run)))
      return;
    for (const run of await this.runs()) if (await exists(run)) return;
    // Refused if there was another turn meanwhile.
    await this.#store.delete(this.#log.run, tail);
  }

  /** Takes the next turn for a run. Throws `thread_busy` if the policy says so. */
  async claim(
    run: string,
    policy: ThreadPolicy,
    hub: {
      isOpen(run: string): Promise<boolean | undefined>;
      ended(run: string): Promise<unknown>;
      cancel(run: string, reason: string): Promise<unknown>;
      /** Throws once the server stops. */
      checkOpen(): void;
    },
  ): Promise<void> {
    const line = JSON.stringify({ type: "thread.turn", run } satisfies Turn);
    while (true) {
      const tail = await this.#store.tail(this.#log.run);
      const last = tail.seq === 0 ? undefined : await this.#log.entry(tail.seq);
      const previous = last && (last.event as unknown as Turn).run;
      if (previous === run) return;
      if (last && previous) {
        const open = await hub.isOpen(previous);
        const starting = open === undefined && Date.now() - last.at < STARTING_MS;
        if (open || starting) {
          if (policy === "reject") {
            throw new RunError(
              "thread_busy",
              `Cannot start a run in thread "${this.#id}": run "${previous}" has not ended`,
            );
          }
          if (starting) {
            await sleep(LOOK_MS);
            hub.checkOpen();
            continue;
          }
          if (policy === "replace") await hub.cancel(previous, "Replaced by another message");
          await hub.ended(previous);
          hub.checkOpen();
          continue;
        }
      }
      const batch = sealBatch(tail, [line], Date.now(), run);
      const real = await this.#store.append(this.#log.run, tail, batch);
      if (!real) return;
      // Lost the race, or only the answer to an earlier try: the last turn says which.
      const [won] = await this.#store.read(this.#log.run, tail.seq, 1);
      if (won && openBatch(won).by === run) return;
    }
  }
}
