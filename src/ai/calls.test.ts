import { describe, expect, test } from "vitest";
import { z } from "zod";
import { TestRun, type TestRunOptions } from "../testing/run-context.ts";
import { answers, calls, ends, type ScriptPart, scriptedModel } from "../testing/scripted-model.ts";
import { Agent } from "./agent.ts";
import { type Tool, tool } from "./tool.ts";

/** A run of two turns: the model calls tools, then answers. */
function runOf(parts: readonly ScriptPart[], tools: Record<string, Tool>, options: TestRunOptions = {}) {
  const model = scriptedModel([[...parts, ...ends("tool-calls")], answers("Done.")]);
  return { model, run: new TestRun(new Agent({ name: "agent", model, tools }), options) };
}

const input = z.object({ n: z.number() });

describe("a tool that is called", () => {
  test("[F7] [F10] calls run side by side, and each result comes when its own tool ends", async () => {
    const gates = [Promise.withResolvers<string>(), Promise.withResolvers<string>()];
    const begun: number[] = [];
    const wait = tool({
      input,
      execute: ({ n }) => {
        begun.push(n);
        if (begun.length === 2) gates[1]?.resolve("second");
        return gates[n]?.promise;
      },
    });
    const { run } = runOf([...calls("a", "wait", { n: 0 }), ...calls("b", "wait", { n: 1 })], { wait });
    const going = run.go();
    const first = await run.seen("tool.returned");
    expect(first).toMatchObject({ callId: "b", output: "second" });
    expect(run.of("step.finished")).toEqual([]);
    gates[0]?.resolve("first");
    await going;
    expect(run.of("tool.returned").map((event) => event.callId)).toEqual(["b", "a"]);
    for (const each of run.of("tool.returned")) expect(each.durationMs).toBeGreaterThanOrEqual(0);
  });

  test("[F8] any result is delivered as JSON", async () => {
    const odd = tool({
      input,
      execute: () => ({ at: new Date(0), big: 12n, set: new Set([1]), none: undefined }),
    });
    const { run, model } = runOf(calls("a", "odd", { n: 1 }), { odd });
    await run.go();
    const output = { at: "1970-01-01T00:00:00.000Z", big: "12", set: [1] };
    expect(run.of("tool.returned")[0]?.output).toEqual(output);
    expect(model.asked[1]?.prompt.at(-1)).toMatchObject({
      content: [{ output: { type: "json", value: output } }],
    });
  });

  test("[F8] a tool that returns nothing has returned", async () => {
    const { run } = runOf(calls("a", "quiet", { n: 1 }), { quiet: tool({ input, execute: () => {} }) });
    await run.go();
    expect(run.of("tool.returned")).toMatchObject([{ callId: "a", output: null }]);
  });

  test("[F8] of a long result the model sees what the log keeps", async () => {
    const long = tool({ input, execute: () => "x".repeat(300_000) });
    const { run, model } = runOf(calls("a", "long", { n: 1 }), { long });
    expect(await run.go()).toEqual({ status: "finished" });
    const told = model.asked[1]?.prompt.at(-1)?.content[0] as { output: { value: string } };
    expect(told.output.value).toHaveLength(256 * 1024);
    expect(run.of("message")[0]?.message.parts).toEqual([
      { type: "tool", callId: "a", name: "long", input: { n: 1 }, output: told.output.value },
    ]);
  });

  test("[F8] results that are together too long for a message do not fail the run", async () => {
    const long = tool({ input, execute: () => "x".repeat(250_000) });
    const all = ["a", "b", "c", "d", "e"];
    const { run } = runOf(
      all.flatMap((id) => calls(id, "long", { n: 1 })),
      { long },
    );
    expect(await run.go()).toEqual({ status: "finished" });
    expect(run.of("message")[0]?.message.parts.map((part) => part.type)).toEqual(all.map(() => "tool"));
  });

  test("[F11] it tells how far it is: by saying so, or by yielding, what it returns being the result", async () => {
    const says = tool({
      input,
      async execute(_, { progress }) {
        await progress({ percent: 50 });
        return "said";
      },
    });
    const yields = tool({
      input,
      async *execute() {
        yield { percent: 10 };
        yield { percent: 90 };
        return "yielded";
      },
    });
    const last = tool({
      input,
      async *execute() {
        yield 1;
        yield 2;
      },
    });
    const made = [
      ...calls("a", "says", { n: 1 }),
      ...calls("b", "yields", { n: 1 }),
      ...calls("c", "last", { n: 1 }),
    ];
    const { run } = runOf(made, { says, yields, last });
    await run.go();
    const of = (id: string) =>
      run.of("tool.progressed").flatMap((event) => (event.callId === id ? [event.data] : []));
    expect(of("a")).toEqual([{ percent: 50 }]);
    expect(of("b")).toEqual([{ percent: 10 }, { percent: 90 }]);
    expect(of("c")).toEqual([1, 2]);
    const outputs = Object.fromEntries(run.of("tool.returned").map((event) => [event.callId, event.output]));
    expect(outputs).toEqual({ a: "said", b: "yielded", c: 2 });
  });

  test("[F12] [F18] [F19] it may report a status, events of its own and a change of agent", async () => {
    const report = tool({
      input,
      async execute(_, { emit }) {
        await emit({ type: "status", status: "working", progress: 40 });
        await emit({ type: "custom", name: "app.thing", data: { a: 1 } });
        await emit({ type: "agent.changed", from: "agent", to: "expert" });
      },
    });
    const { run } = runOf(calls("a", "report", { n: 1 }), { report });
    await run.go();
    expect(run.of("status")).toEqual([{ type: "status", status: "working", progress: 40 }]);
    expect(run.of("custom")).toEqual([{ type: "custom", name: "app.thing", data: { a: 1 } }]);
    expect(run.of("agent.changed")).toEqual([{ type: "agent.changed", from: "agent", to: "expert" }]);
  });

  test("it is given the run, its call, and what the program passed along", async () => {
    const seen: unknown[] = [];
    const look = tool({
      input: z.object({ n: z.string().transform(Number) }),
      execute: ({ n }, { callId, run, deps }) => void seen.push(n, callId, run, deps),
    });
    const { run } = runOf(calls("a", "look", { n: "7" }), { look }, { run: "r9", deps: { user: "ada" } });
    await run.go();
    expect(seen).toEqual([7, "a", "r9", { user: "ada" }]);
    // The log keeps what the model wrote, not what the schema made of it.
    expect(run.of("tool.called")[0]?.input).toEqual({ n: "7" });
  });
});

describe("[F9] a call that fails is tool.failed, is told to the model, and the run goes on", () => {
  const cyclic: Record<string, unknown> = {};
  cyclic.self = cyclic;
  const cases: [string, Tool, unknown, { code: string; message: string }][] = [
    [
      "a tool that throws",
      tool({
        input,
        execute: () => {
          throw new Error("no luck");
        },
      }),
      { n: 1 },
      { code: "tool_error", message: "no luck" },
    ],
    [
      "a tool that rejects",
      tool({
        input,
        execute: async () => {
          throw "text";
        },
      }),
      { n: 1 },
      { code: "tool_error", message: "text" },
    ],
    [
      "arguments the schema refuses",
      tool({ input, execute: () => 1 }),
      { n: "x" },
      { code: "invalid_input", message: expect.stringContaining("n:") },
    ],
    [
      "arguments that are no JSON",
      tool({ input, execute: () => 1 }),
      '{"n":',
      { code: "invalid_input", message: "The arguments are not JSON" },
    ],
    [
      "a result without JSON",
      tool({ input, execute: () => cyclic }),
      { n: 1 },
      { code: "invalid_output", message: expect.stringContaining("cycle") },
    ],
    [
      "an approval that throws",
      tool({
        input,
        execute: () => 1,
        approval: () => {
          throw new Error("no rule");
        },
      }),
      { n: 1 },
      { code: "tool_error", message: "no rule" },
    ],
  ];

  test.each(cases)("%s", async (_, failing, given, failure) => {
    const { run, model } = runOf(calls("a", "failing", given), { failing });
    expect(await run.go()).toEqual({ status: "finished" });
    expect(run.of("tool.failed")).toMatchObject([{ callId: "a", name: "failing", ...failure }]);
    expect(run.of("tool.returned")).toEqual([]);
    expect(model.asked[1]?.prompt.at(-1)).toMatchObject({
      role: "tool",
      content: [
        { toolCallId: "a", output: { type: "error-text", value: run.of("tool.failed")[0]?.message } },
      ],
    });
    expect(run.of("message")[0]?.message.parts[0]).toMatchObject({
      error: run.of("tool.failed")[0]?.message,
    });
  });

  test("a tool that there is not", async () => {
    const { run } = runOf(calls("a", "nothing", {}), { other: tool({ input, execute: () => 1 }) });
    expect(await run.go()).toEqual({ status: "finished" });
    expect(run.of("tool.started")).toHaveLength(1);
    expect(run.of("tool.failed")).toMatchObject([
      { callId: "a", code: "unknown_tool", message: 'There is no tool "nothing"' },
    ]);
  });

  test("a tool that takes too long, whose signal aborts", async () => {
    const signals: AbortSignal[] = [];
    const slow = tool({
      input,
      timeoutMs: 1,
      execute: (_, { signal }) => {
        signals.push(signal);
        return new Promise(() => {});
      },
    });
    const { run } = runOf(calls("a", "slow", { n: 1 }), { slow });
    expect(await run.go()).toEqual({ status: "finished" });
    expect(run.of("tool.failed")).toMatchObject([{ callId: "a", code: "timeout" }]);
    expect(signals.map((signal) => signal.aborted)).toEqual([true]);
  });

  test("a generator that takes too long is ended", async () => {
    const ended = Promise.withResolvers<boolean>();
    const slow = tool({
      input,
      timeoutMs: 1,
      async *execute(_, { signal }) {
        try {
          yield 1;
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
          yield 2;
        } finally {
          ended.resolve(true);
        }
      },
    });
    const { run } = runOf(calls("a", "slow", { n: 1 }), { slow });
    expect(await run.go()).toEqual({ status: "finished" });
    expect(run.of("tool.failed")).toMatchObject([{ callId: "a", code: "timeout" }]);
    expect(await ended.promise).toBe(true);
  });
});

test("[F17] what a tool throws is told without the key in it", async () => {
  const leaks = tool({
    input,
    execute: () => {
      throw new Error("401 for Bearer abc.def");
    },
  });
  const { run } = runOf(calls("a", "leaks", { n: 1 }), { leaks });
  await run.go();
  expect(run.of("tool.failed")[0]?.message).toBe("401 for [hidden]");
});

test("a tool without a limit on its time is waited for", async () => {
  const patient = tool({ input, timeoutMs: Number.POSITIVE_INFINITY, execute: () => "done" });
  const { run } = runOf(calls("a", "patient", { n: 1 }), { patient });
  await run.go();
  expect(run.of("tool.returned")).toMatchObject([{ output: "done" }]);
});

describe("making a tool", () => {
  test("a schema that is none, or that has no JSON Schema, is refused", () => {
    // @ts-expect-error no schema
    expect(() => tool({ input: {}, execute: () => 1 })).toThrow(
      new TypeError(
        "Cannot make a tool: `input` must be a Standard Schema, such as z.object({ ... }) of zod",
      ),
    );
    expect(() => tool({ input: z.object({ at: z.date() }), execute: () => 1 })).toThrow(
      "has no JSON Schema: Date cannot be represented",
    );
    const mute = {
      "~standard": { version: 1 as const, vendor: "mute", validate: (value: unknown) => ({ value }) },
    };
    expect(() => tool({ input: mute, execute: () => 1 })).toThrow(
      'the schema of "mute" does not say itself as JSON Schema',
    );
  });

  test("a time that is none is refused", () => {
    expect(() => tool({ input, execute: () => 1, timeoutMs: 0 })).toThrow(RangeError);
  });
});
