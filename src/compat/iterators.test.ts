import { getEventListeners } from "node:events";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AgentStream, RunContext } from "../agent.ts";
import type { AgentEvent, Json } from "../events.ts";
import { createHub, type Hub } from "../hub.ts";
import { soon } from "../internal/soon.ts";
import { toMessages } from "../messages.ts";
import type { Store } from "../store.ts";
import { memoryStore } from "../stores/memory.ts";
import { type AgentOutput, Agentor, formatStreamEvents, type RunOptions } from "./agentor.ts";
import {
  runStream,
  runStreamWithTools,
  type StreamEvent,
  type StreamedToolCall,
  streamText,
  streamToolCalls,
} from "./pydantic-deep.ts";

/** What a random agent does, one thing after another. */
type Act =
  | { readonly does: "say" | "think"; readonly pieces: readonly string[] }
  | { readonly does: "call"; readonly end: "returned" | "failed" | "open"; readonly value: Json }
  | { readonly does: "output"; readonly value: Json }
  | { readonly does: "step" | "retry" | "pause" };

interface Script {
  readonly acts: readonly Act[];
  /** Whether it returns, throws, or works on until it is stopped. */
  readonly end: "return" | "throw" | "work on";
}

const pieces = fc.array(fc.string({ unit: "grapheme", minLength: 1, maxLength: 6 }), { maxLength: 5 });
const value = fc.jsonValue({ maxDepth: 1 }) as fc.Arbitrary<Json>;
const act: fc.Arbitrary<Act> = fc.oneof(
  fc.record({ does: fc.constantFrom("say" as const, "think" as const), pieces }),
  fc.record({
    does: fc.constant("call" as const),
    end: fc.constantFrom("returned" as const, "failed" as const, "open" as const),
    value,
  }),
  fc.record({ does: fc.constant("output" as const), value }),
  fc.record({ does: fc.constantFrom("step" as const, "retry" as const, "pause" as const) }),
);
const acts = fc.array(act, { maxLength: 8 });
const script = (...ends: Script["end"][]): fc.Arbitrary<Script> =>
  fc.record({ acts, end: fc.constantFrom(...ends) });

async function* perform({ acts, end }: Script, { signal }: RunContext): AgentStream {
  let step = 1;
  let blocks = 0;
  let calls = 0;
  yield { type: "step.started", step };
  const finish = (): AgentEvent[] => [
    { type: "step.finished", step, finishReason: "stop", usage: null, cost: 0 },
    { type: "progress", iteration: step, totalTokens: step, totalCost: 0 },
  ];
  for (const act of acts) {
    switch (act.does) {
      case "say":
      case "think": {
        const type = act.does === "say" ? "text" : "reasoning";
        const id = `${blocks++}`;
        yield { type: `${type}.started`, id, messageId: `m${step}` };
        for (const text of act.pieces) yield { type: `${type}.delta`, id, text };
        yield { type: `${type}.finished`, id };
        break;
      }
      case "call": {
        const callId = `c${calls++}`;
        const name = "thing";
        yield { type: "tool.started", callId, name };
        yield { type: "tool.called", callId, name, input: {} };
        if (act.end === "returned")
          yield { type: "tool.returned", callId, name, output: act.value, durationMs: 1 };
        else if (act.end === "failed")
          yield { type: "tool.failed", callId, name, code: "tool_error", message: "no" };
        break;
      }
      case "output":
        yield { type: "output.delta", value: act.value };
        break;
      case "step":
        yield* finish();
        step += 1;
        yield { type: "step.started", step };
        break;
      case "retry":
        yield { type: "step.retried", step, attempt: 1, code: "rate_limited", message: "again" };
        break;
      default:
        await new Promise<void>((resolve) => void soon(resolve));
    }
  }
  if (end === "throw") throw new Error("it broke");
  if (end === "work on") {
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
    return;
  }
  yield* finish();
}

/** An Agentor that performs a script instead of asking a model. */
class Performer extends Agentor {
  readonly #script: Script;
  constructor(script: Script) {
    super({ name: "performer", model: "demo" });
    this.#script = script;
  }
  override run(context: RunContext): AgentStream {
    return perform(this.#script, context);
  }
}

type Opens = (agent: Performer, options: RunOptions) => AsyncGenerator<unknown, void, undefined>;

const helpers: Record<string, Opens> = {
  runStream: (agent, options) => runStream(agent, "Go", options),
  runStreamWithTools: (agent, options) => runStreamWithTools(agent, "Go", options),
  streamText: (agent, options) => streamText(agent, "Go", options),
  streamToolCalls: (agent, options) => streamToolCalls(agent, "Go", options),
  "agent.streamChat": (agent, options) => agent.streamChat("Go", options),
};

/** A memory store that knows how many watch it. */
function watchedStore(): Store & { watching: number } {
  const store = memoryStore();
  const watch = store.watch.bind(store);
  const watched = Object.assign(store, { watching: 0 });
  watched.watch = (run, wake) => {
    const watching = watch(run, wake);
    watched.watching += 1;
    return {
      [Symbol.dispose]() {
        watching[Symbol.dispose]();
        watched.watching -= 1;
      },
    };
  };
  return watched;
}

async function collect<Value>(values: AsyncIterable<Value>): Promise<{ values: Value[]; thrown: unknown }> {
  const all: Value[] = [];
  try {
    for await (const each of values) all.push(each);
    return { values: all, thrown: undefined };
  } catch (thrown) {
    return { values: all, thrown };
  }
}

/** All the text a log holds; and without what was withdrawn, where nothing was. */
async function textIn(hub: Hub): Promise<string> {
  const entries = await hub.run("r").log.entries();
  const said = entries.map(({ event }) => (event.type === "text.delta" ? event.text : "")).join("");
  const withdrawn = entries.some(({ event }) => event.type === "step.retried");
  const messages = toMessages(entries).filter(({ role }) => role === "assistant");
  const parts = messages.flatMap((message) => message.parts);
  const final = parts.map((part) => (part.type === "text" ? part.text : "")).join("");
  if (!withdrawn) expect(said).toBe(final);
  return said;
}

/** Runs a script to its end by a helper, on a hub that is looked into afterwards. */
async function performed<Value>(
  script: Script,
  open: (agent: Performer, options: RunOptions) => AsyncIterable<Value>,
): Promise<{ values: Value[]; thrown: unknown; said: string }> {
  const agent = new Performer(script);
  const store = watchedStore();
  await using hub = await createHub({ store, agents: [agent] });
  const result = await collect(open(agent, { hub, id: "r" }));
  expect(store.watching).toBe(0);
  return { ...result, said: await textIn(hub) };
}

describe("the events of runStream", () => {
  it("begin with agent_start and end with agent_end; a failure is told once, as an event", async () => {
    await fc.assert(
      fc.asyncProperty(script("return", "throw"), async (script) => {
        const { values, thrown } = await performed(script, (...args) => runStream(args[0], "Go", args[1]));
        expect(thrown).toBeUndefined();
        const types = values.map((event) => event.event_type);
        expect(types.filter((type) => type === "agent_start")).toHaveLength(1);
        expect(types[0]).toBe("agent_start");
        expect(types.filter((type) => type === "agent_end")).toHaveLength(1);
        expect(types.at(-1)).toBe("agent_end");
        const failed = script.end === "throw";
        const retries = script.acts.filter(({ does }) => does === "retry").length;
        expect(types.filter((type) => type === "error")).toHaveLength(retries + (failed ? 1 : 0));
        if (failed) expect(types.at(-2)).toBe("error");
      }),
    );
  });

  it("hold the text in their chunks, byte for byte", async () => {
    await fc.assert(
      fc.asyncProperty(script("return", "throw"), async (script) => {
        const { values, said } = await performed(script, (...args) => runStream(args[0], "Go", args[1]));
        expect(chunksOf(values)).toBe(said);
      }),
    );
  });

  it("give each tool_start one tool_end of the same call, also when the run fails", async () => {
    await fc.assert(
      fc.asyncProperty(script("return", "throw"), async (script) => {
        const { values } = await performed(script, (...args) => runStreamWithTools(args[0], "Go", args[1]));
        const ids = (type: "tool_start" | "tool_end") =>
          values.flatMap((event) => (event.event_type === type ? [event.data.tool_call_id] : []));
        expect(ids("tool_start")).toHaveLength(script.acts.filter(({ does }) => does === "call").length);
        expect(ids("tool_end").sort()).toEqual(ids("tool_start").sort());
      }),
    );
  });
});

describe("what the other iterators yield", () => {
  it("is the text, piece by piece, of streamText; a failure is thrown after it", async () => {
    await fc.assert(
      fc.asyncProperty(script("return", "throw"), async (script) => {
        const { values, thrown, said } = await performed(script, (...args) =>
          streamText(args[0], "Go", args[1]),
        );
        expect(values.join("")).toBe(said);
        expect(thrown).toEqual(script.end === "throw" ? failed : undefined);
      }),
    );
  });

  it("is a start and an end for each call of streamToolCalls; a failure is thrown after them", async () => {
    await fc.assert(
      fc.asyncProperty(script("return", "throw"), async (script) => {
        const { values, thrown } = await performed(script, (...args) =>
          streamToolCalls(args[0], "Go", args[1]),
        );
        expect(idsOf(values, "end").sort()).toEqual(idsOf(values, "start").sort());
        expect(values).toHaveLength(script.acts.filter(({ does }) => does === "call").length * 2);
        expect(thrown).toEqual(script.end === "throw" ? failed : undefined);
      }),
    );
  });

  it("is the text in the chunks of agent.streamChat; a failure is thrown after it", async () => {
    await fc.assert(
      fc.asyncProperty(script("return", "throw"), async (script) => {
        const { values, thrown, said } = await performed(script, (agent, options) =>
          agent.streamChat("Go", { ...options, serialize: false }),
        );
        expect(values.map((output: AgentOutput) => output.chunk ?? "").join("")).toBe(said);
        expect(thrown).toEqual(script.end === "throw" ? failed : undefined);
      }),
    );
  });
});

describe("a run that others cancel", () => {
  /** Runs a script, and cancels the run at some moment from beside. */
  function cancelled<Value>(
    { script, after }: { script: Script; after: number },
    open: (agent: Performer, options: RunOptions) => AsyncIterable<Value>,
  ): Promise<{ values: Value[]; thrown: unknown }> {
    return performed(script, (agent, options) => {
      const cancel = async () => {
        while ((await options.hub!.list()).runs.length === 0) await turns(1);
        await turns(after);
        await options.hub!.run("r").cancel({ reason: "enough" });
      };
      return during(open(agent, options), cancel);
    });
  }

  const moments = fc.record({ script: script("work on"), after: fc.nat(8) });

  it("still gives each tool_start one tool_end, an error and agent_end", async () => {
    await fc.assert(
      fc.asyncProperty(moments, async (moment) => {
        const { values, thrown } = await cancelled(moment, (...args) => runStream(args[0], "Go", args[1]));
        expect(thrown).toBeUndefined();
        const ids = (type: "tool_start" | "tool_end") =>
          values.flatMap((event) => (event.event_type === type ? [event.data.tool_call_id] : []));
        expect(ids("tool_end").sort()).toEqual(ids("tool_start").sort());
        expect(values.at(-2)).toMatchObject({
          event_type: "error",
          data: { error: "enough", exception_type: "run_cancelled" },
        });
        expect(values.at(-1)).toMatchObject({ event_type: "agent_end", data: { success: false } });
      }),
    );
  });

  it("still gives each call of streamToolCalls its end, and then throws", async () => {
    await fc.assert(
      fc.asyncProperty(moments, async (moment) => {
        const { values, thrown } = await cancelled(moment, (...args) =>
          streamToolCalls(args[0], "Go", args[1]),
        );
        expect(idsOf(values, "end").sort()).toEqual(idsOf(values, "start").sort());
        expect(thrown).toMatchObject({ code: "run_cancelled", message: "The run was cancelled: enough" });
      }),
    );
  });
});

describe.each(Object.entries(helpers))("%s owns the run that it started", (_, open) => {
  /** Leaves after some values, and looks at what is left behind. */
  async function leaves(
    script: Script,
    leave: (values: AsyncGenerator<unknown, void, undefined>) => Promise<void>,
  ): Promise<void> {
    const agent = new Performer(script);
    const store = watchedStore();
    const before = timers();
    const { signal } = new AbortController();
    {
      await using hub = await createHub({ store, agents: [agent] });
      await leave(open(agent, { hub, id: "r", signal }));
      const record = await store.record("r");
      const status = record && (await hub.run("r").info()).status;
      const ended = { return: "finished", throw: "failed", "work on": "cancelled" }[script.end];
      expect([undefined, "cancelled", ended]).toContain(status);
    }
    expect(store.watching).toBe(0);
    expect(getEventListeners(signal, "abort")).toEqual([]);
    expect(timers()).toBeLessThanOrEqual(before);
  }

  it("break at any point ends the run, throws nothing and leaves nothing behind", async () => {
    await fc.assert(
      fc.asyncProperty(script("return", "throw", "work on"), fc.nat(12), async (script, count) => {
        await leaves(script, async (values) => {
          let left = count;
          const watchdog = script.end === "work on" ? untilQuiet(values) : undefined;
          try {
            for await (const _ of values) if (left-- === 0) break;
          } catch (error) {
            expect(error).toEqual(failed);
            expect(script.end).toBe("throw");
          }
          await watchdog;
        });
      }),
    );
  });

  it("return while it waits for the next value ends it at once", async () => {
    await fc.assert(
      fc.asyncProperty(script("work on"), async (script) => {
        await leaves(script, async (values) => {
          const reading = collect(values);
          await untilQuiet(values);
          expect((await reading).thrown).toBeUndefined();
        });
      }),
    );
  });

  it("throw at any point ends the run, and comes back", async () => {
    await fc.assert(
      fc.asyncProperty(script("return"), fc.nat(6), async (script, count) => {
        await leaves(script, async (values) => {
          let done: boolean | undefined;
          for (let left = count; left > 0 && !done; left--) ({ done } = await values.next());
          await expect(values.throw(new Error("enough"))).rejects.toThrow("enough");
          expect(await values.next()).toEqual({ done: true, value: undefined });
        });
      }),
    );
  });

  it("an abort of its signal cancels the run", async () => {
    const agent = new Performer({ acts: [{ does: "say", pieces: ["Hi"] }], end: "work on" });
    const cancel = new AbortController();
    const reading = collect(open(agent, { signal: cancel.signal }));
    cancel.abort(new Error("The time is over"));
    const { values, thrown } = await reading;
    const told = thrown === undefined ? JSON.stringify(values.at(-2)) : String(thrown);
    expect(told).toContain("The time is over");
  });
});

const failed = expect.objectContaining({
  code: "run_failed",
  message: "The run failed with agent_error: it broke",
});

/** Timers that keep the process alive. */
const timers = () => process.getActiveResourcesInfo().filter((resource) => resource === "Timeout").length;

const chunksOf = (events: readonly StreamEvent[]) =>
  events.map((event) => (event.event_type === "llm_chunk" ? event.data.text : "")).join("");

const idsOf = (calls: readonly StreamedToolCall[], type: StreamedToolCall["type"]) =>
  calls.flatMap((call) => (call.type === type ? [call.callId] : []));

/** Leaves an iterator from beside its loop, some turns of the event loop later. */
async function untilQuiet(values: AsyncGenerator<unknown, void, undefined>): Promise<void> {
  await turns(20);
  await values.return();
}

/** Lets some turns of the event loop pass. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise<void>((resolve) => void soon(resolve));
}

/** Values, while something else is done. */
async function* during<Value>(
  values: AsyncIterable<Value>,
  work: () => Promise<void>,
): AsyncGenerator<Value, void, undefined> {
  const done = work();
  try {
    yield* values;
  } finally {
    await done;
  }
}

describe("formatStreamEvents", () => {
  it("leaves the run that it shows alone: it did not start it", async () => {
    const agent = new Performer({ acts: [{ does: "say", pieces: ["a", "b"] }], end: "return" });
    await using hub = await createHub({ store: memoryStore(), agents: [agent] });
    const { run } = await hub.start({ input: "Go" });
    for await (const _ of formatStreamEvents(run)) break;
    expect(await run.ended()).toMatchObject({ status: "finished" });
  });
});
