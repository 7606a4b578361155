import fc from "fast-check";
import { describe, expect, expectTypeOf, it } from "vitest";
import { eventFilter, typeFilter } from "../event-filter.ts";
import type { AgentEvent, Entry, StreamEvent } from "../events.ts";
import { filterEvents } from "./filter-events.ts";
import { collect, from } from "./probe.fixture.ts";

const started: StreamEvent = { type: "run.started", v: 1, agent: "boss", input: "hello" };
const events: StreamEvent[] = [
  started,
  { type: "text.delta", id: "1", text: "a" },
  { type: "text.delta", id: "2", text: "b", agent: "helper", parent: "call-1" },
  { type: "tool.called", callId: "call-1", name: "ask", input: {} },
  { type: "run.finished", cost: 0 },
];
const entries: Entry[] = events.map((event, index) => ({ seq: index + 1, at: 0, event }));
const seqs = async (filter: Parameters<typeof filterEvents>[1]) =>
  (await collect(filterEvents(from(...entries), filter))).map((entry) => (entry as Entry).seq);

describe("filterEvents", () => {
  it("[F42] by type and by glob", async () => {
    expect(await seqs({ types: ["text.delta", "run.*"] })).toEqual([1, 2, 3, 5]);
    expect(await seqs({ types: ["*.called"] })).toEqual([4]);
    expect(await seqs({ types: ["*"] })).toEqual([1, 2, 3, 4, 5]);
  });

  it("[F42] an empty list lets nothing through, and no list everything", async () => {
    expect(await seqs({ types: [] })).toEqual([]);
    expect(await seqs({ agents: [] })).toEqual([]);
    expect(await seqs({})).toEqual([1, 2, 3, 4, 5]);
  });

  it("[F42] by agent: what names none is of the run's own", async () => {
    expect(await seqs({ agents: ["boss"] })).toEqual([1, 2, 4, 5]);
    expect(await seqs({ agents: ["helper"], types: ["text.*"] })).toEqual([3]);
  });

  it("[F42] by the run or call on whose behalf it is said", async () => {
    expect(await seqs({ runs: ["call-1"] })).toEqual([3]);
    expect(eventFilter({ runs: ["r1"] })(started, { run: "r1" })).toBe(true);
    expect(eventFilter({ runs: ["r1"] })(started)).toBe(false);
  });

  it("[F42] takes events as well, and knows the types of what is left", async () => {
    const source: AsyncIterable<AgentEvent> = from<AgentEvent>({ type: "text.delta", id: "1", text: "a" });
    for await (const event of filterEvents(source, { types: ["text.delta"] })) {
      expectTypeOf(event.text).toBeString();
      expect(event.text).toBe("a");
    }
    for await (const { event } of filterEvents(from(...entries), { types: ["tool.called"] })) {
      expectTypeOf(event.callId).toBeString();
      expect(event.callId).toBe("call-1");
    }
  });

  it("[F26] lets types pass that it does not know", () => {
    expect(typeFilter(["future.*"])("future.thing")).toBe(true);
  });

  it("[F42] globs mean what a regular expression with .* means", () => {
    const part = fc.constantFrom("a", ".", "b", "*", "+", "ab");
    const texts = fc.array(part, { maxLength: 6 }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(texts, texts, (glob, type) => {
        const pattern = glob.split("*").map((each) => each.replace(/[.+]/g, "\\$&"));
        expect(typeFilter([glob])(type)).toBe(new RegExp(`^${pattern.join(".*")}$`, "s").test(type));
      }),
    );
  });
});
