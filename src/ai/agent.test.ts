import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { StreamEvent } from "../events.ts";
import { TestRun, type TestRunOptions } from "../testing/run-context.ts";
import {
  answers,
  calls,
  ends,
  type ScriptedModel,
  says,
  scriptedModel,
  thinks,
  tokens,
} from "../testing/scripted-model.ts";
import { Agent, type AgentOptions } from "./agent.ts";
import { tool } from "./tool.ts";

const echo = tool({ input: z.object({ text: z.string() }), execute: ({ text }) => ({ said: text }) });

function agentOf(model: ScriptedModel, options: Partial<AgentOptions> = {}): Agent {
  return new Agent({ name: "agent", model, tools: { echo }, sleep: async () => {}, ...options });
}

function runOf(model: ScriptedModel, options: Partial<AgentOptions> = {}, run: TestRunOptions = {}): TestRun {
  return new TestRun(agentOf(model, options), run);
}

const toolTurn = [...calls("c1", "echo", { text: "a" }), ...ends("tool-calls")];
const types = (run: TestRun) => run.events.map((event) => event.type);

describe("the loop", () => {
  test("[F1] a run is a question, steps and their ends; its own life is not the agent's to write", async () => {
    const run = runOf(scriptedModel([toolTurn, answers("Done.")]));
    expect(await run.go()).toEqual({ status: "finished" });
    expect(types(run)).toEqual([
      "run.started",
      "step.started",
      "tool.started",
      "tool.delta",
      "tool.delta",
      "tool.called",
      "tool.returned",
      "message",
      "step.finished",
      "progress",
      "step.started",
      "text.started",
      "text.delta",
      "text.finished",
      "message",
      "step.finished",
      "progress",
    ]);
  });

  test("[F3] the message of a step holds what was thought and said, and the calls with their results", async () => {
    const turn = [...thinks(["hm"]), ...says(["Let me see."]), ...toolTurn];
    const run = runOf(scriptedModel([turn, answers("Done.")]));
    await run.go();
    expect(run.of("message").map((event) => event.message)).toEqual([
      {
        id: run.of("text.started")[0]?.messageId,
        role: "assistant",
        parts: [
          { type: "reasoning", text: "hm" },
          { type: "text", text: "Let me see." },
          { type: "tool", callId: "c1", name: "echo", input: { text: "a" }, output: { said: "a" } },
        ],
      },
      { id: "run-1-2", role: "assistant", parts: [{ type: "text", text: "Done." }] },
    ]);
  });

  test("[F2] the same block id in each step of a provider is another block in the run", async () => {
    const run = runOf(scriptedModel([[...says(["one"]), ...toolTurn], answers("two")]));
    await run.go();
    expect(run.of("text.started").map((event) => event.id)).toEqual(["1-0", "2-0"]);
  });

  test("[F10] a call id that a provider uses again is another call in the run", async () => {
    const run = runOf(scriptedModel([toolTurn, toolTurn, answers("Done.")]));
    await run.go();
    const ids = ["c1", "c1.2"];
    expect(run.of("tool.started").map((event) => event.callId)).toEqual(ids);
    expect(run.of("tool.called").map((event) => event.callId)).toEqual(ids);
    expect(run.of("tool.returned").map((event) => event.callId)).toEqual(ids);
  });

  test("[F13] after each step the progress tells iteration, limit, tokens and cost so far", async () => {
    const model = scriptedModel([toolTurn, answers("Done.", tokens(20, 10))], { provider: "demo" });
    const run = runOf(model, {}, { limits: { maxSteps: 7 } });
    await run.go();
    expect(run.of("progress")).toEqual([
      { type: "progress", iteration: 1, maxIterations: 7, totalTokens: 15, totalCost: 0 },
      { type: "progress", iteration: 2, maxIterations: 7, totalTokens: 45, totalCost: 0 },
    ]);
  });

  test("[F23] the cost is null, never 0, once a part of it is unknown", async () => {
    const run = runOf(scriptedModel([answers("Hello")], { provider: "nobody", modelId: "nothing" }));
    await run.go();
    expect(run.of("step.finished")[0]?.cost).toBeNull();
    expect(run.of("progress")[0]?.totalCost).toBeNull();
  });

  test("[F22] usage a provider did not tell is null", async () => {
    const none = { total: undefined, noCache: undefined, cacheRead: undefined, cacheWrite: undefined };
    const usage = {
      inputTokens: none,
      outputTokens: { total: undefined, text: undefined, reasoning: undefined },
    };
    const run = runOf(scriptedModel([answers("Hello", usage)]));
    await run.go();
    expect(run.of("step.finished")[0]?.usage).toBeNull();
  });

  test("[F85] a run that wants more steps than allowed fails with limit_exceeded", async () => {
    const run = runOf(scriptedModel([toolTurn, toolTurn, toolTurn]), {}, { limits: { maxSteps: 2 } });
    expect(await run.go()).toMatchObject({ status: "failed", code: "limit_exceeded" });
    expect(run.of("step.finished")).toHaveLength(2);
  });

  test("[F85] a run that cost more than allowed fails with limit_exceeded, its usage told", async () => {
    const model = scriptedModel(
      [[...calls("c1", "echo", { text: "a" }), ...ends("tool-calls", tokens(1e6, 1e6))]],
      {
        provider: "openai",
        modelId: "gpt-4o",
      },
    );
    const run = runOf(model, {}, { limits: { maxCostUsd: 0.01 } });
    expect(await run.go()).toMatchObject({ status: "failed", code: "limit_exceeded" });
    expect(run.of("step.finished")[0]?.cost).toBeGreaterThan(0.01);
  });

  test("a message sent meanwhile reaches the model before its next call", async () => {
    const model = scriptedModel([toolTurn, answers("Done.")]);
    const said: TestRun[] = [];
    const speak = tool({ input: z.object({ text: z.string() }), execute: () => said[0]?.say("Be brief.") });
    const run = runOf(model, { tools: { echo: speak } });
    said.push(run);
    await run.go();
    expect(model.asked[1]?.prompt.at(-1)).toMatchObject({
      role: "user",
      content: [{ type: "text", text: "Be brief." }],
    });
  });

  test("a message sent during the last answer gets an answer of its own", async () => {
    const runs: TestRun[] = [];
    const model = scriptedModel([
      function* () {
        yield* says(["Bye."]);
        runs[0]?.say("Wait!");
        yield* ends("stop");
      },
      answers("Yes?"),
    ]);
    const run = runOf(model);
    runs.push(run);
    expect(await run.go()).toEqual({ status: "finished" });
    expect(run.text).toBe("Bye.Yes?");
    expect(model.asked[1]?.prompt.map((message) => message.role)).toEqual(["user", "assistant", "user"]);
  });

  test("[F41] the history is told to the model, and not told again as events", async () => {
    const model = scriptedModel([answers("Ada.")]);
    const history = [
      { id: "h1", role: "user" as const, parts: [{ type: "text" as const, text: "I am Ada." }] },
      {
        id: "h2",
        role: "assistant" as const,
        parts: [
          { type: "tool" as const, callId: "old", name: "echo", input: { text: "Ada" }, output: "kept" },
        ],
      },
    ];
    const run = runOf(model, { instructions: "Be kind." }, { history, input: "Who am I?" });
    await run.go();
    expect(model.asked[0]?.prompt.map((message) => message.role)).toEqual([
      "system",
      "user",
      "assistant",
      "tool",
      "user",
    ]);
    expect(run.of("tool.started")).toEqual([]);
  });

  test("[F3] files stay in the message, unless together they do not fit an event", async () => {
    const file = (size: number) => ({
      type: "file" as const,
      mediaType: "image/png",
      data: { type: "data" as const, data: "A".repeat(size) },
    });
    const run = runOf(scriptedModel([[file(800_000), ...ends("stop")]]));
    expect(await run.go()).toEqual({ status: "finished" });
    expect(run.of("message")[0]?.message.parts).toMatchObject([{ type: "file", data: "A".repeat(800_000) }]);

    const many = runOf(scriptedModel([[file(800_000), file(800_000), ...answers("Two.")]]));
    expect(await many.go()).toEqual({ status: "finished" });
    expect(many.of("file")).toHaveLength(2);
    expect(many.of("message")[0]?.message.parts).toEqual([{ type: "text", text: "Two." }]);
  });

  test("a model that says nothing ends the run", async () => {
    const run = runOf(scriptedModel([ends("stop")]));
    expect(await run.go()).toEqual({ status: "finished" });
    expect(run.of("message")).toEqual([]);
  });

  test("calls of a model that was cut off are not made", async () => {
    let made = 0;
    const count = tool({ input: z.object({ text: z.string() }), execute: () => ++made });
    const run = runOf(scriptedModel([[...calls("c1", "echo", { text: "a" }), ...ends("length")]]), {
      tools: { echo: count },
    });
    expect(await run.go()).toEqual({ status: "finished" });
    expect(made).toBe(0);
    expect(run.of("tool.failed")).toMatchObject([{ callId: "c1", code: "interrupted" }]);
  });
});

describe("retries and fallbacks", () => {
  const flaky = () => Object.assign(new Error("try later"), { statusCode: 503 });

  test("[F84] what a failed attempt said is withdrawn, and the next has ids of its own", async () => {
    const broken = [
      { type: "text-start" as const, id: "0" },
      { type: "text-delta" as const, id: "0", delta: "Hel" },
    ];
    const run = runOf(scriptedModel([broken, answers("Hello")]));
    expect(await run.go()).toEqual({ status: "finished" });
    const withdrawn = types(run).indexOf("step.retried");
    expect(withdrawn).toBeGreaterThan(types(run).indexOf("text.delta"));
    expect(run.of("step.retried")).toMatchObject([
      { attempt: 1, code: "model_interrupted", model: "test/scripted" },
    ]);
    expect(run.of("text.started").map((event) => event.id)).toEqual(["1-0", "1.2-0"]);
    expect(run.of("message").map((event) => event.message.id)).toEqual(["run-1-1.2"]);
  });

  test("[F84] each wait is longer than the one before, and what the provider asks for is kept", async () => {
    const waits: number[] = [];
    const asked = Object.assign(flaky(), { responseHeaders: { "retry-after": "7" } });
    const model = scriptedModel([flaky(), flaky(), asked, answers("Hello")]);
    await runOf(model, { retries: 3, sleep: async (ms) => void waits.push(ms) }).go();
    expect(waits[0]).toBeLessThanOrEqual(500);
    expect(waits[1]).toBeGreaterThanOrEqual(waits[0]! / 2);
    expect(waits[2]).toBe(7_000);
  });

  test("[F84] models are asked in order, each as often as allowed, and the one that answers is asked on", async () => {
    const first = scriptedModel([flaky(), flaky()], { modelId: "first" });
    const second = scriptedModel([new Error("Invalid API key")], { modelId: "second" });
    const third = scriptedModel([toolTurn, answers("Hello")], { modelId: "third" });
    const run = runOf(first, { retries: 1, fallback: [second, third] });
    second.doStream = async () => {
      throw Object.assign(new Error("no"), { statusCode: 401 });
    };
    expect(await run.go()).toEqual({ status: "finished" });
    expect(run.of("step.retried").map(({ attempt, model }) => [attempt, model])).toEqual([
      [1, "test/first"],
      [2, "test/second"],
      [3, "test/third"],
    ]);
    expect(run.of("step.started").map((event) => event.model)).toEqual(["test/first", "test/third"]);
  });

  test("[F23] an attempt that was withdrawn is paid for all the same", async () => {
    const model = scriptedModel([ends("error", tokens(100, 1)), answers("Hello", tokens(10, 5))]);
    const run = runOf(model);
    await run.go();
    expect(run.of("step.finished")[0]?.usage).toMatchObject({ inputTokens: 110, outputTokens: 6 });
  });

  test("[F17] a run that fails says why, by a code, and keeps the usage it knows", async () => {
    const run = runOf(scriptedModel([ends("error", tokens(100, 1))]), { retries: 0 });
    expect(await run.go()).toMatchObject({ status: "failed", code: "model_error" });
    expect(run.of("step.finished")).toMatchObject([{ finishReason: "error", usage: { inputTokens: 100 } }]);
  });

  test("[F79] cancelling while it waits to try again ends the run", async () => {
    const asleep = Promise.withResolvers<void>();
    const sleep = (_: number, signal: AbortSignal) => {
      asleep.resolve();
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    };
    const model = scriptedModel([flaky()]);
    const run = runOf(model, { sleep });
    const going = run.go();
    await asleep.promise;
    run.cancel();
    expect(await going).toEqual({ status: "cancelled" });
    expect(model.asked).toHaveLength(1);
  });
});

describe("cancelling", () => {
  test("[F79] the model's own stream is left, what it said is kept, and nothing more is said", async () => {
    const never = new Promise<never>(() => {});
    const model = scriptedModel([
      async function* () {
        yield* says(["Hello"]).slice(0, 2);
        await never;
      },
    ]);
    const run = runOf(model);
    const going = run.go();
    await run.seen("text.delta");
    run.cancel();
    expect(await going).toEqual({ status: "cancelled" });
    expect(types(run).slice(-2)).toEqual(["text.delta", "input.cancel"]);
    expect(model.asked[0]?.abortSignal?.aborted).toBe(true);
  });

  test("[F79] the usage of the step is kept when its calls are cancelled, even by a tool that does not listen", async () => {
    const begun = Promise.withResolvers<AbortSignal>();
    const stuck = tool({
      input: z.object({ text: z.string() }),
      execute: (_, { signal }) => {
        begun.resolve(signal);
        return new Promise(() => {});
      },
    });
    const run = runOf(scriptedModel([toolTurn]), { tools: { echo: stuck } });
    const going = run.go();
    const signal = await begun.promise;
    run.cancel();
    expect(await going).toEqual({ status: "cancelled" });
    expect(signal.aborted).toBe(true);
    expect(run.of("step.finished")).toMatchObject([{ usage: { inputTokens: 10, outputTokens: 5 } }]);
  });

  test("an answer that comes to a run that was cancelled makes no call", async () => {
    let made = 0;
    const count = tool({ input: z.object({ text: z.string() }), execute: () => ++made, approval: true });
    const run = runOf(scriptedModel([toolTurn]), { tools: { echo: count } });
    expect(await run.go()).toEqual({ status: "waiting" });
    run.answer("a-c1", true);
    run.cancel();
    expect(await run.go()).toEqual({ status: "cancelled" });
    expect(made).toBe(0);
  });

  test("a consumer that leaves in the middle ends the request and its tools", async () => {
    const begun = Promise.withResolvers<AbortSignal>();
    const progress = tool({
      input: z.object({ text: z.string() }),
      execute: (_, { signal }) => {
        begun.resolve(signal);
        return new Promise(() => {});
      },
    });
    const turn = [...toolTurn.slice(0, -1), ...calls("c2", "none", {}), ...ends("tool-calls")];
    const agent = agentOf(scriptedModel([turn]), { tools: { echo: progress } });
    const run = new TestRun({ name: "agent", run: (context) => leaveAt("tool.failed", agent.run(context)) });
    await run.go();
    expect((await begun.promise).aborted).toBe(true);
  });
});

async function* leaveAt<Event extends { type: string }>(type: string, events: AsyncIterable<Event>) {
  for await (const event of events) {
    yield event;
    if (event.type === type) return;
  }
}

describe("approval", () => {
  const careful = tool({
    input: z.object({ text: z.string() }),
    execute: ({ text }) => ({ sent: text }),
    approval: ({ text }) => text !== "harmless",
  });
  const twoCalls = [
    ...calls("c1", "send", { text: "secret" }),
    ...calls("c2", "send", { text: "harmless" }),
    ...ends("tool-calls"),
  ];

  test("[F20] a call that needs it waits, the others are made, and the step ends", async () => {
    const run = runOf(scriptedModel([twoCalls]), { tools: { send: careful } });
    expect(await run.go()).toEqual({ status: "waiting" });
    expect(run.of("approval.requested")).toEqual([
      {
        type: "approval.requested",
        approvalId: "a-c1",
        callId: "c1",
        name: "send",
        input: { text: "secret" },
      },
    ]);
    expect(run.of("tool.returned").map((event) => event.callId)).toEqual(["c2"]);
    expect(types(run).slice(-2)).toEqual(["step.finished", "progress"]);
  });

  test("[F20] once it is given the run goes on from its log: the call is made, and the model told", async () => {
    const model = scriptedModel([twoCalls, answers("Sent.")]);
    const run = runOf(model, { tools: { send: careful } });
    await run.go();
    run.answer("a-c1", true);
    expect(await run.go()).toEqual({ status: "finished" });
    expect(run.of("tool.returned").map((event) => event.callId)).toEqual(["c2", "c1"]);
    expect(run.of("step.started").map((event) => event.step)).toEqual([1, 2]);
    expect(model.asked[1]?.prompt.at(-1)).toMatchObject({
      role: "tool",
      content: [
        { toolCallId: "c1", output: { value: { sent: "secret" } } },
        { toolCallId: "c2", output: { value: { sent: "harmless" } } },
      ],
    });
    expect(run.of("progress").at(-1)).toMatchObject({ iteration: 2, totalTokens: 30 });
  });

  test("[F9] a call that is denied fails, with the person's reason", async () => {
    const model = scriptedModel([twoCalls, answers("Not sent.")]);
    const run = runOf(model, { tools: { send: careful } });
    await run.go();
    run.answer("a-c1", false, "Too private");
    expect(await run.go()).toEqual({ status: "finished" });
    expect(run.of("tool.failed")).toMatchObject([{ callId: "c1", code: "denied", message: "Too private" }]);
    expect(JSON.stringify(model.asked[1]?.prompt.at(-1))).toContain("Too private");
  });

  test("[F20] of two questions one answer makes one call, and the run waits on", async () => {
    const both = [
      ...calls("c1", "send", { text: "a" }),
      ...calls("c2", "send", { text: "b" }),
      ...ends("tool-calls"),
    ];
    const run = runOf(scriptedModel([both, answers("Sent.")]), { tools: { send: careful } });
    await run.go();
    run.answer("a-c2", true);
    expect(await run.go()).toEqual({ status: "waiting" });
    expect(run.of("tool.returned").map((event) => event.callId)).toEqual(["c2"]);
    run.answer("a-c1", true);
    expect(await run.go()).toEqual({ status: "finished" });
    expect(run.of("tool.returned").map((event) => event.callId)).toEqual(["c2", "c1"]);
    expect(run.of("approval.requested")).toHaveLength(2);
  });
});

describe("taking over the run of a process that died", () => {
  const begun: StreamEvent[] = [
    { type: "run.started", v: 1, agent: "agent", input: "Hello", onProducerLost: "resume" },
    { type: "step.started", step: 1, model: "test/scripted" },
    { type: "text.started", id: "1-0", messageId: "run-1-1" },
    { type: "text.delta", id: "1-0", text: "Hel" },
  ];
  const called: StreamEvent = {
    type: "tool.called",
    callId: "c1",
    name: "echo",
    input: { text: "a" },
    messageId: "run-1-1",
  };
  const resumed: StreamEvent = { type: "run.resumed", fromStep: 1 };

  test("[F95] the open step is asked again, under the same number and with new ids", async () => {
    const model = scriptedModel([answers("Hello")]);
    const run = runOf(model, {}, { events: [...begun, resumed] });
    expect(await run.go()).toEqual({ status: "finished" });
    expect(run.of("step.started").map((event) => event.step)).toEqual([1, 1]);
    expect(run.of("text.started").map((event) => event.id)).toEqual(["1-0", "1.2-0"]);
    expect(model.asked[0]?.prompt.map((message) => message.role)).toEqual(["user"]);
  });

  test("[F95] a step that may have called a tool is not asked again", async () => {
    const run = runOf(scriptedModel([]), {}, { events: [...begun, called, resumed] });
    expect(await run.go()).toMatchObject({ status: "failed", code: "not_resumable" });
  });

  test("[F95] unless the tool may be called twice", async () => {
    const again = tool({ input: z.object({ text: z.string() }), execute: () => "done", idempotent: true });
    const model = scriptedModel([toolTurn, answers("Hello")]);
    const run = runOf(model, { tools: { echo: again } }, { events: [...begun, called, resumed] });
    expect(await run.go()).toEqual({ status: "finished" });
    expect(run.of("tool.returned").map((event) => event.callId)).toEqual(["c1.2"]);
  });

  test("[F95] a call that was allowed and perhaps made is not made again, and the model is told", async () => {
    const finished: StreamEvent[] = [
      {
        type: "message",
        message: {
          id: "run-1-1",
          role: "assistant",
          parts: [{ type: "tool", callId: "c1", name: "echo", input: { text: "a" } }],
        },
      },
      { type: "step.finished", step: 1, finishReason: "tool-calls", usage: null, cost: null },
    ];
    const events: StreamEvent[] = [
      begun[0]!,
      begun[1]!,
      called,
      { type: "approval.requested", approvalId: "a-c1", callId: "c1", name: "echo", input: { text: "a" } },
      ...finished,
      { type: "input.approval", approvalId: "a-c1", approved: true },
      { type: "run.resumed", fromStep: 2 },
    ];
    const model = scriptedModel([answers("I do not know whether it worked.")]);
    const run = runOf(model, {}, { events });
    expect(await run.go()).toEqual({ status: "finished" });
    expect(run.of("tool.failed")).toMatchObject([{ callId: "c1", code: "interrupted" }]);
    expect(run.of("step.started").map((event) => event.step)).toEqual([1, 2]);
    expect(JSON.stringify(model.asked[0]?.prompt.at(-1))).toContain("nobody knows how far it came");
  });

  const finishedStep: StreamEvent = {
    type: "step.finished",
    step: 1,
    finishReason: "tool-calls",
    usage: null,
    cost: null,
  };

  test("[F12] [F95] a call that was allowed before another was answered elsewhere is made", async () => {
    const both = ["c1", "c2"].map((callId) => ({ callId, name: "echo", input: { text: callId } }));
    const events: StreamEvent[] = [
      begun[0]!,
      begun[1]!,
      ...both.map((call) => ({ type: "tool.called", ...call, messageId: "run-1-1" }) as StreamEvent),
      ...both.map(
        (call) => ({ type: "approval.requested", approvalId: call.callId, ...call }) as StreamEvent,
      ),
      {
        type: "message",
        message: { id: "run-1-1", role: "assistant", parts: both.map((call) => ({ type: "tool", ...call })) },
      },
      finishedStep,
      { type: "input.approval", approvalId: "c1", approved: true },
      // Another process got the second answer.
      { type: "run.resumed", fromStep: 2 },
      { type: "input.approval", approvalId: "c2", approved: true },
    ];
    const run = runOf(scriptedModel([answers("Done")]), {}, { events });
    expect(await run.go()).toEqual({ status: "finished" });
    expect(run.of("tool.returned").map((event) => event.callId)).toEqual(["c1", "c2"]);
  });

  test("[F95] a call that a person had still to be asked about was not made", async () => {
    const ask: StreamEvent = {
      type: "approval.requested",
      approvalId: "a-c1",
      callId: "c1",
      name: "echo",
      input: { text: "a" },
    };
    const answer: StreamEvent = { type: "input.approval", approvalId: "a-c1", approved: true };
    const model = scriptedModel([answers("Hello")]);
    const run = runOf(model, {}, { events: [...begun, called, ask, answer, resumed] });
    expect(await run.go()).toEqual({ status: "finished" });
  });

  test("[F21] [F95] the steps of agents inside a tool are not its own", async () => {
    const inside = [1, 2].flatMap((step): StreamEvent[] => [
      { type: "step.started", step, agent: "helper", parent: "c1" },
      { ...finishedStep, step, agent: "helper", parent: "c1" } as StreamEvent,
    ]);
    const run = runOf(scriptedModel([]), {}, { events: [...begun, called, ...inside, resumed] });
    expect(await run.go()).toMatchObject({ status: "failed", code: "not_resumable" });
  });

  test("[F95] the history of its thread is told again with what the log holds", async () => {
    const model = scriptedModel([answers("Hello")]);
    const history = [
      { id: "h1", role: "user" as const, parts: [{ type: "text" as const, text: "Before." }] },
    ];
    const run = runOf(model, {}, { events: [...begun, resumed], history });
    await run.go();
    expect(JSON.stringify(model.asked[0]?.prompt)).toMatch(/Before.*Hello/);
  });

  test("a run whose last step was its answer asks nothing more", async () => {
    const whole: StreamEvent[] = [
      ...begun,
      {
        type: "message",
        message: { id: "run-1-1", role: "assistant", parts: [{ type: "text", text: "Hello" }] },
      },
      { type: "step.finished", step: 1, finishReason: "stop", usage: null, cost: null },
      { type: "run.resumed", fromStep: 2 },
    ];
    const model = scriptedModel([]);
    expect(await runOf(model, {}, { events: whole }).go()).toEqual({ status: "finished" });
    expect(model.asked).toHaveLength(0);
  });
});

describe("making an agent", () => {
  test("a name that is no id, a tool that is none and retries below 0 are refused", () => {
    const model = scriptedModel([]);
    expect(() => new Agent({ name: "no/path", model })).toThrow("agent name");
    expect(() => new Agent({ name: "a", model, retries: -1 })).toThrow(RangeError);
    // @ts-expect-error a function is no tool
    expect(() => new Agent({ name: "a", model, tools: { add: () => 1 } })).toThrow("make it with tool(");
  });

  test("it tells its model and tools, for lists", () => {
    const named = tool({ description: "Says it back", input: z.object({}), execute: () => 1 });
    const agent = new Agent({ name: "a", model: "demo", description: "An agent", tools: { named, echo } });
    expect(agent.info).toEqual({
      name: "a",
      description: "An agent",
      model: "demo",
      tools: [{ name: "named", description: "Says it back" }, { name: "echo" }],
    });
  });

  test("what it is made with is what the model is asked with", async () => {
    const model = scriptedModel([answers("Hello")]);
    const options = {
      temperature: 0.5,
      topP: 0.9,
      topK: 5,
      maxOutputTokens: 9,
      seed: 3,
      stopSequences: ["END"],
    };
    await runOf(model, { ...options, providerOptions: { test: { a: 1 } }, headers: { "x-a": "1" } }).go();
    expect(model.asked[0]).toMatchObject({ ...options, providerOptions: { test: { a: 1 } } });
    expect(model.asked[0]?.headers).toMatchObject({ "x-a": "1" });
    expect(model.asked[0]?.tools).toMatchObject([
      { name: "echo", inputSchema: { properties: { text: { type: "string" } } } },
    ]);
  });
});

test("[F31] every field an agent writes is camelCase", async () => {
  const run = runOf(scriptedModel([[...thinks(["hm"]), ...toolTurn], answers("Done.", tokens(9, 9, 3, 2))]));
  await run.go();
  const names = new Set<string>();
  JSON.stringify(run.events, (key, value) => {
    if (Number.isNaN(Number(key))) names.add(key);
    return value;
  });
  expect([...names].filter((name) => !/^[a-z][a-zA-Z]*$/.test(name))).toEqual([]);
  expect(names.size).toBeGreaterThan(20);
});
