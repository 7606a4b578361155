/** Runlog as its users run it: agents that yield events, a store, and `listen`. */
import type { AgentStream, RunContext } from "../../src/agent.ts";
import { createHub } from "../../src/hub.ts";
import { listen } from "../../src/server/listen.ts";
import { openStore } from "../../src/stores/open.ts";
import type { BenchEvent } from "../event.ts";
import type { OpenSubject } from "./subject.ts";

export const open: OpenSubject = async ({ runs, store: url }) => {
  const feeds = Array.from({ length: runs }, () => new Feed());
  async function* agent({ input }: RunContext): AgentStream {
    const feed = feeds[Number(input)]!;
    for (let events = await feed.next(); events; events = await feed.next())
      for (const event of events) yield event;
  }
  const store = await openStore(url);
  const hub = await createHub({ store, agents: [agent] });
  const { url: base } = await listen({ hub, port: 0 });
  const started = await Promise.all(feeds.map((_, run) => hub.start({ input: String(run) })));
  const ids = started.map(({ run }) => run.id);
  return {
    port: Number(new URL(base).port),
    paths: ids.map((id) => `/runs/${id}/events`),
    socket: {
      path: "/ws",
      protocol: "runlog.1",
      subscribe: ids.map((run) => JSON.stringify({ type: "subscribe", id: "s", run })),
    },
    tick: (run, events) => feeds[run]!.push(events),
    async fill(events) {
      const { run } = started[0]!;
      const seen = (async () => {
        let count = 0;
        for await (const { entries } of run.follow()) count += entries?.length ?? 0;
        if (count !== events.length + 2) throw new Error(`The log has ${count} entries`);
      })();
      // Each has a batch of its own, as the chunks of a model do.
      for (const event of events) {
        feeds[0]!.push([event]);
        await new Promise((resolve) => setImmediate(resolve));
      }
      feeds[0]!.end();
      await seen;
    },
  };
};

/** Events that are pushed by one side and awaited by the other, those of a tick together. */
class Feed {
  #events: BenchEvent[] = [];
  #wake: ((events: readonly BenchEvent[]) => void) | undefined;
  #ended = false;

  push(events: readonly BenchEvent[]): void {
    for (const event of events) this.#events.push(event);
    if (!this.#wake) return;
    const given = this.#events;
    this.#events = [];
    this.#wake(given);
    this.#wake = undefined;
  }

  end(): void {
    this.#ended = true;
    this.#wake?.([]);
  }

  /** What was pushed since the last time, or the next that is; undefined after the end. */
  async next(): Promise<readonly BenchEvent[] | undefined> {
    if (this.#events.length === 0 && !this.#ended)
      return await new Promise((resolve) => {
        this.#wake = resolve;
      });
    const given = this.#events;
    this.#events = [];
    return given.length > 0 ? given : undefined;
  }
}
