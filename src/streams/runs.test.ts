import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AgentEvent, Entry, StreamEvent } from "../events.ts";
import { isTerminal } from "../events.ts";
import { createHub } from "../hub.ts";
import { toMessages } from "../messages.ts";
import { readRecording, recordingLine } from "../recording.ts";
import { replay } from "../replay.ts";
import { memoryStore } from "../stores/memory.ts";
import { filterEvents } from "./filter-events.ts";
import { collect, seeded } from "./probe.fixture.ts";
import { queued } from "./queue.ts";
import { tee } from "./tee.ts";
import { textOf } from "./text-of.ts";
import { words } from "./words.ts";

/** What an agent does next. */
type Act = {
  readonly kind: "text" | "reasoning" | "tool" | "step";
  readonly texts: readonly string[];
  readonly left: boolean;
};

const acts: fc.Arbitrary<Act[]> = fc.array(
  fc.record({
    kind: fc.constantFrom("text", "reasoning", "tool", "step"),
    texts: fc.array(fc.string({ unit: "binary", minLength: 1, maxLength: 5 }), { maxLength: 5 }),
    /** Left open. */
    left: fc.boolean(),
  }),
  { maxLength: 6 },
);

function* eventsOf(all: readonly Act[]): Generator<AgentEvent, void, undefined> {
  for (const [index, { kind, texts, left }] of all.entries()) {
    const id = `b${index}`;
    if (kind === "text" || kind === "reasoning") {
      yield { type: `${kind}.started`, id };
      for (const text of texts) yield { type: `${kind}.delta`, id, text };
      if (!left) yield { type: `${kind}.finished`, id };
    } else if (kind === "tool") {
      yield { type: "tool.called", callId: id, name: "clock", input: texts };
      if (!left) yield { type: "tool.returned", callId: id, name: "clock", output: texts, durationMs: 1 };
    } else {
      yield { type: "step.started", step: index + 1 };
      if (!left) yield { type: "step.finished", step: index + 1, finishReason: "stop", usage: null, cost: 0 };
    }
  }
}

/** Which start an end belongs to, and which it is. */
function pairOf(event: StreamEvent): readonly [name: string, end: boolean] | undefined {
  switch (event.type) {
    case "text.started":
    case "reasoning.started":
    case "text.finished":
    case "reasoning.finished":
      return [`block ${event.id}`, event.type.endsWith("finished")];
    case "tool.called":
    case "tool.returned":
    case "tool.failed":
      return [`call ${event.callId}`, event.type !== "tool.called"];
    case "step.started":
    case "step.finished":
      return [`step ${event.step}`, event.type === "step.finished"];
    default:
      return undefined;
  }
}

/** Each start has one end, each end its start, and the run one terminal event, at its end. */
function expectPaired(entries: readonly Entry[]): void {
  const open = new Set<string>();
  const done = new Set<string>();
  for (const { event } of entries) {
    const [name, end] = pairOf(event) ?? [];
    if (name === undefined) continue;
    expect(done.has(name)).toBe(false);
    expect(open.has(name)).toBe(end);
    if (end) done.add(name);
    else open.add(name);
  }
  // A step that was left open is ended by the next, as far as the log is concerned: only the last is closed.
  const lost = [...open].filter((name) => !done.has(name));
  const lastStep = [...open].filter((name) => name.startsWith("step")).at(-1);
  expect(lost.filter((name) => !name.startsWith("step") || name === lastStep)).toEqual([]);
  expect(entries.filter(({ event }) => isTerminal(event))).toEqual([entries.at(-1)]);
}

describe("a run as a stream", () => {
  it("[F1] [F2] has one end for each start and all of its text, however it ends and however it is read", async () => {
    await fc.assert(
      fc.asyncProperty(acts, fc.constantFrom("return", "throw", "cancel"), async (all, how) => {
        const agent = {
          name: "agent",
          async *run({ signal }: { signal: AbortSignal }) {
            yield* eventsOf(all);
            if (how === "throw") throw new Error("no paper");
            if (how === "cancel" && !signal.aborted)
              await new Promise((resolve) => signal.addEventListener("abort", resolve));
          },
        };
        await using hub = await createHub({ store: memoryStore(), agents: [agent] });
        const { run } = await hub.start({ input: "hello" });
        if (how === "cancel") await run.cancel();
        const lines: string[] = [];
        const read = [
          collect(run),
          collect(queued(run, { limit: 1 })),
          collect(filterEvents(run, { types: ["*"] })),
          collect(tee(run, { write: (line) => lines.push(line) })),
        ];
        const [entries = [], ...same] = await Promise.all(read);
        expectPaired(entries);
        for (const other of same) expect(other).toEqual(entries);

        const text = (await collect(words(textOf(run)))).join("");
        const parts = toMessages(entries).flatMap((message) =>
          message.role === "assistant" ? message.parts : [],
        );
        expect(text).toBe(parts.map((part) => (part.type === "text" ? part.text : "")).join(""));
        const lastly = (await run.info()).status;
        expect(lastly).toBe({ return: "finished", throw: "failed", cancel: "cancelled" }[how]);

        // What was recorded reads as what was there, and plays as what the agent had said.
        expect(lines).toEqual(entries.map((entry) => `${recordingLine(entry)}\n`));
        const again = replay(readRecording(lines), { speed: Number.POSITIVE_INFINITY });
        await using stage = await createHub({ store: memoryStore(), agents: [again] });
        const { run: played } = await stage.start({ input: "hello" });
        const repeated = await collect(played);
        expectPaired(repeated);
        expect((await collect(textOf(played))).join("")).toBe(text);
      }),
      { numRuns: 60, ...seeded },
    );
  });
});
