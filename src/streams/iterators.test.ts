import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { AgentEvent } from "../events.ts";
import { buffered } from "./buffered.ts";
import { filterEvents } from "./filter-events.ts";
import { withHandlers } from "./handlers.ts";
import { mergeStreams } from "./merge-streams.ts";
import { type Ending, Probe, seeded } from "./probe.fixture.ts";
import { queued } from "./queue.ts";
import { sentences } from "./sentences.ts";
import { tee } from "./tee.ts";
import { textOf } from "./text-of.ts";
import { withTimeout } from "./with-timeout.ts";
import { words } from "./words.ts";

/** Every block, over probes of the events that are given. */
type Make = (probe: (ending?: Ending) => Probe<AgentEvent>) => AsyncGenerator<unknown, void, undefined>;

const blocks: Record<string, Make> = {
  buffered: (probe) => buffered(probe(), { count: 3, ms: 1_000 }),
  filterEvents: (probe) => filterEvents(probe(), { types: ["text.*"] }),
  mergeStreams: (probe) => mergeStreams({ one: probe(), other: probe() }),
  "mergeStreams with a silent source": (probe) => mergeStreams({ one: probe(), silent: probe("hang") }),
  queued: (probe) => queued(probe(), { limit: 2 }),
  "queued that coalesces": (probe) => queued(probe(), { limit: 2, whenFull: "coalesce" }),
  sentences: (probe) => sentences(textOf(probe())),
  tee: (probe) => tee(probe(), { write: async () => {} }),
  "tee into nowhere": (probe) => tee(probe(), { write: () => new Promise(() => {}) }),
  textOf: (probe) => textOf(probe()),
  withHandlers: (probe) => withHandlers(probe(), { one: () => {}, stuck: () => new Promise(() => {}) }),
  withTimeout: (probe) => withTimeout(probe(), { idleMs: 60_000, totalMs: 600_000 }),
  words: (probe) => words(textOf(probe())),
  "all of them": (probe) =>
    buffered(
      words(textOf(withTimeout(withHandlers(queued(probe()), { one: () => {} }), { idleMs: 60_000 }))),
      { ms: 1_000 },
    ),
};

const events = fc.array(
  fc.oneof(
    fc
      .constantFrom("one ", "two. ", "three", "\n\n")
      .map((text): AgentEvent => ({ type: "text.delta", id: "1", text })),
    fc.constant<AgentEvent>({ type: "custom", name: "app.thing", data: 1 }),
  ),
  { maxLength: 12 },
);

const unhandled: unknown[] = [];
const note = (reason: unknown) => unhandled.push(reason);

beforeEach(() => {
  vi.useFakeTimers();
  unhandled.length = 0;
  process.on("unhandledRejection", note);
});

afterEach(() => {
  process.off("unhandledRejection", note);
  vi.useRealTimers();
});

/** Lets everything run that does not wait for time. */
const settle = () => vi.advanceTimersByTimeAsync(0);

describe.each(Object.entries(blocks))("%s", (_, make) => {
  /** A block over probes that all end in one way, and a look at what is left of it. */
  function open(values: readonly AgentEvent[], ending: Ending) {
    const probes: Probe<AgentEvent>[] = [];
    const iterator = make((own = ending) => {
      const probe = new Probe(values, own);
      probes.push(probe);
      return probe;
    });
    return {
      iterator,
      expectNothingLeft: async () => {
        await settle();
        expect(probes.map((probe) => probe.left)).not.toContain(false);
        expect(vi.getTimerCount()).toBe(0);
        expect(unhandled).toEqual([]);
        expect(await iterator.next()).toEqual({ done: true, value: undefined });
      },
    };
  }

  /** Up to so many values; false if one of them did not come. */
  async function take(iterator: AsyncIterator<unknown>, count: number): Promise<boolean> {
    for (let taken = 0; taken < count; taken++) {
      const next = iterator.next();
      next.catch(() => {});
      let here = false;
      next.then(
        () => {
          here = true;
        },
        () => {
          here = true;
        },
      );
      await settle();
      if (!here) return false;
      if ((await next.catch(() => ({ done: true }))).done) return true;
    }
    return true;
  }

  it("[F72] leaves nothing behind when its reader breaks, throws, or stops while it waits", async () => {
    await fc.assert(
      fc.asyncProperty(
        events,
        fc.nat({ max: 14 }),
        fc.constantFrom<Ending>("end", "fail", "hang"),
        fc.constantFrom("return", "throw", "dispose"),
        async (values, count, ending, how) => {
          const { iterator, expectNothingLeft } = open(values, ending);
          await take(iterator, count);
          if (how === "return") expect(await iterator.return()).toEqual({ done: true, value: undefined });
          else if (how === "dispose") await iterator[Symbol.asyncDispose]();
          else await expect(iterator.throw(new Error("enough"))).rejects.toThrow("enough");
          await expectNothingLeft();
        },
      ),
      { numRuns: 60, ...seeded },
    );
  });

  it("[F72] lets go of a `next` that waits", async () => {
    const { iterator, expectNothingLeft } = open([], "hang");
    const waiting = iterator.next();
    await settle();
    await iterator.return();
    expect(await waiting).toEqual({ done: true, value: undefined });
    await expectNothingLeft();
  });
});

/** Those that give every text they get. */
const whole: Record<string, (source: Probe<AgentEvent>) => AsyncIterable<string>> = {
  buffered: async function* (source) {
    for await (const group of buffered(textOf(source), { count: 3 })) yield group.join("");
  },
  sentences: (source) => sentences(textOf(source)),
  words: (source) => words(textOf(source)),
  tee: (source) => textOf(tee(source, { write: () => {} })),
  queued: (source) => textOf(queued(source, { limit: 1 })),
  "queued that coalesces": (source) => textOf(queued(source, { limit: 1, whenFull: "coalesce" })),
  filterEvents: (source) => textOf(filterEvents(source, { types: ["text.delta"] })),
  withHandlers: (source) => textOf(withHandlers(source, { one: () => {} })),
  withTimeout: (source) => textOf(withTimeout(source, { idleMs: 60_000 })),
  mergeStreams: async function* (source) {
    for await (const { value } of mergeStreams({ source })) if (value.type === "text.delta") yield value.text;
  },
};

describe.each(Object.entries(whole))("%s", (_, make) => {
  it("[F2] gives the whole text, also of a source that fails in the end", async () => {
    await fc.assert(
      fc.asyncProperty(events, fc.constantFrom<Ending>("end", "fail"), async (values, ending) => {
        let text = "";
        const reading = (async () => {
          for await (const piece of make(new Probe(values, ending))) text += piece;
        })();
        if (ending === "fail") await expect(reading).rejects.toThrow("the source failed");
        else await reading;
        const said = values.map((event) => (event.type === "text.delta" ? event.text : "")).join("");
        expect(text).toBe(said);
      }),
      { numRuns: 60, ...seeded },
    );
  });
});
