import { describe, expect, expectTypeOf, it } from "vitest";
import { z } from "zod";
import type { AgentStream } from "../agent.ts";
import { Agent } from "../ai/agent.ts";
import { demoAgent } from "../ai/demo-agent.ts";
import { demoModel } from "../ai/demo-model.ts";
import { tool } from "../ai/tool.ts";
import type { AgentEvent, Json, Message } from "../events.ts";
import { createHub } from "../hub.ts";
import { memoryStore } from "../stores/memory.ts";
import { says, scriptedModel, tokens } from "../testing/scripted-model.ts";
import {
  agentEndEvent,
  agentStartEvent,
  collectStreamResult,
  errorEvent,
  llmChunkEvent,
  partialResultEvent,
  progressEvent,
  runStream,
  runStreamWithTools,
  type StreamEvent,
  StreamEventType,
  streamText,
  streamToolCalls,
  toolEndEvent,
  toolStartEvent,
} from "./pydantic-deep.ts";

const demo = () =>
  demoAgent({ model: demoModel({ firstTokenMs: 0, tokensPerSecond: Number.POSITIVE_INFINITY }) });

/** An agent that says what it is given. */
const saying = (...events: AgentEvent[]) =>
  async function* agent(): AgentStream {
    yield* events;
  };

const stop = { unified: "stop", raw: "stop" } as const;
const toolCalls = { unified: "tool-calls", raw: "tool-calls" } as const;

async function listed<Value>(values: AsyncIterable<Value>): Promise<Value[]> {
  const all: Value[] = [];
  for await (const value of values) all.push(value);
  return all;
}

const of = <Type extends StreamEventType>(events: readonly StreamEvent[], type: Type) =>
  events.filter((event) => event.event_type === type).map(({ data }) => data) as Extract<
    StreamEvent,
    { event_type: Type }
  >["data"][];

describe("the events", () => {
  it("are eight, and told apart by their type", () => {
    expect(Object.values(StreamEventType)).toEqual([
      "llm_chunk",
      "tool_start",
      "tool_end",
      "progress",
      "partial_result",
      "error",
      "agent_start",
      "agent_end",
    ]);
    const event: StreamEvent = llmChunkEvent({ text: "Hello" });
    if (event.event_type === StreamEventType.LLM_CHUNK) expectTypeOf(event.data.text).toBeString();
  });

  it("are made by a factory each, which leaves out what is not known and keeps what is added", () => {
    const made = [
      llmChunkEvent({ text: "Hello", model: "demo" }),
      toolStartEvent({ tool_name: "read_file", args: { path: "/tmp/test.txt" } }),
      toolEndEvent({ tool_name: "read_file", result: "contents", duration_seconds: 0.5 }),
      progressEvent({ iteration: 2, total_tokens: 150 }),
      partialResultEvent({ result: [1] }),
      errorEvent({ error: "Something went wrong", exception_type: "ValueError" }),
      agentStartEvent({ agent_name: "assistant", prompt: "Hi" }),
      agentEndEvent({ agent_name: "assistant" }),
    ];
    expect(made.map(({ event_type, data }) => [event_type, data])).toEqual([
      ["llm_chunk", { text: "Hello", model: "demo" }],
      ["tool_start", { tool_name: "read_file", args: { path: "/tmp/test.txt" } }],
      ["tool_end", { tool_name: "read_file", result: "contents", duration_seconds: 0.5 }],
      ["progress", { iteration: 2, total_tokens: 150 }],
      ["partial_result", { result: [1], complete: false }],
      ["error", { error: "Something went wrong", exception_type: "ValueError" }],
      ["agent_start", { agent_name: "assistant", prompt: "Hi" }],
      ["agent_end", { agent_name: "assistant", success: true }],
    ]);
    for (const { timestamp } of made) expect(new Date(timestamp).toISOString()).toBe(timestamp);
  });

  it("are refused by their factory without what they cannot do without", () => {
    const nothing = {} as never;
    expect(() => llmChunkEvent(nothing)).toThrow(
      new TypeError('Cannot make an event "llm_chunk": it needs "text" in its data'),
    );
    expect(() => toolStartEvent(nothing)).toThrow('"tool_name"');
    expect(() => toolEndEvent(nothing)).toThrow('"tool_name"');
    expect(() => progressEvent(nothing)).toThrow('"iteration"');
  });
});

describe("runStream", () => {
  it("[F34] tells a run of the demo agent from agent_start to agent_end", async () => {
    const events = await listed(runStream(demo(), "What is 17% of 2340?"));
    expect(events[0]).toMatchObject({
      event_type: "agent_start",
      data: { agent_name: "demo", prompt: "What is 17% of 2340?" },
    });
    expect(of(events, "tool_start")).toEqual([
      { tool_name: "calculator", args: { expression: "17% of 2340" }, tool_call_id: "call-1" },
    ]);
    expect(of(events, "tool_end")).toEqual([
      {
        tool_name: "calculator",
        result: { expression: "17% of 2340", result: 397.8 },
        duration_seconds: expect.any(Number),
        tool_call_id: "call-1",
      },
    ]);
    expect(
      of(events, "llm_chunk")
        .map(({ text }) => text)
        .join(""),
    ).toContain("**397.8**");
    expect(events.at(-1)).toMatchObject({
      event_type: "agent_end",
      data: { agent_name: "demo", success: true, total_iterations: 2 },
    });
  });

  it("[F13] tells progress after each step, with the tokens and the cost so far", async () => {
    const add = tool({
      input: z.object({}),
      execute: () => 2,
    });
    const model = scriptedModel(
      [
        [
          { type: "tool-call", toolCallId: "c", toolName: "add", input: "{}" },
          { type: "finish", finishReason: toolCalls, usage: tokens(1000, 100) },
        ],
        [...says(["2"]), { type: "finish", finishReason: stop, usage: tokens(2000, 200) }],
      ],
      { provider: "openai.responses", modelId: "gpt-5-mini" },
    );
    const events = await listed(runStream(new Agent({ name: "priced", model, tools: { add } }), "1 + 1"));
    const [first, second] = of(events, "progress");
    expect([first, second]).toMatchObject([
      { iteration: 1, total_tokens: 1100 },
      { iteration: 2, total_tokens: 3300 },
    ]);
    expect(first!.total_cost_usd).toBeGreaterThan(0);
    expect(second!.total_cost_usd).toBeCloseTo(3 * first!.total_cost_usd!, 10);
    expect(of(events, "agent_end")).toMatchObject([{ total_cost_usd: second!.total_cost_usd }]);
  });

  it("[F16] tells structured output as it grows", async () => {
    const agent = saying(
      { type: "output.delta", value: { title: "Re" } },
      { type: "output.delta", value: { title: "Report" }, complete: true },
    );
    expect(of(await listed(runStream(agent, "Go")), "partial_result")).toEqual([
      { result: { title: "Re" }, complete: false },
      { result: { title: "Report" }, complete: true },
    ]);
  });

  it("starts nothing before it is asked for its first event", async () => {
    await using hub = await createHub({ store: memoryStore(), agents: [demo()] });
    const events = runStream(demo(), "Hello", { hub });
    await events.return();
    expect((await hub.list()).runs).toEqual([]);
  });

  it("runs on the hub it is given: the run stays there, under the id it is given", async () => {
    await using hub = await createHub({ store: memoryStore(), agents: [demo()] });
    await listed(runStream(demo(), "Hello", { hub, id: "mine" }));
    expect(await hub.run("mine").info()).toMatchObject({ status: "finished", agent: "demo", title: "Hello" });
  });

  it("only leaves a run that another has started", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    async function* patient(): AgentStream {
      await promise;
      yield { type: "status", status: "completed" };
    }
    await using hub = await createHub({ store: memoryStore(), agents: [patient] });
    const { run } = await hub.start({ input: "Go", id: "theirs" });
    for await (const _ of runStream(patient, "Go", { hub, id: "theirs" })) break;
    expect(await run.info()).toMatchObject({ status: "running" });
    resolve();
    expect(await run.ended()).toMatchObject({ status: "finished" });
  });

  it("cancels a run in memory that asks a person, and says how to answer", async () => {
    const events = await listed(runStream(demo(), "Email ada@example.com about lunch"));
    expect(of(events, "error")).toEqual([
      {
        error:
          'The agent asks whether it may call "send_email", and nobody can answer: pass a hub, and answer there',
        exception_type: "run_cancelled",
      },
    ]);
    expect(of(events, "tool_end")).toHaveLength(1);
    expect(of(events, "agent_end")).toMatchObject([{ success: false }]);
  });

  it("[F20] goes on once a person has answered on the hub", async () => {
    await using hub = await createHub({ store: memoryStore(), agents: [demo()] });
    const events: StreamEvent[] = [];
    for await (const event of runStream(demo(), "Email ada@example.com about lunch", { hub, id: "r" })) {
      events.push(event);
      if (event.event_type === "progress" && (await hub.run("r").info()).status === "waiting")
        await hub.run("r").send({ type: "input.approval", approvalId: "a-call-1", approved: true });
    }
    expect(of(events, "tool_end")).toMatchObject([{ tool_name: "send_email", result: { sent: false } }]);
    expect(of(events, "agent_end")).toMatchObject([{ success: true }]);
  });
});

describe("tool events", () => {
  it("[F37] are live: each call's start comes before it is over, its end when it is, under one id", async () => {
    const ends = { a: Promise.withResolvers<string>(), b: Promise.withResolvers<string>() };
    type Name = keyof typeof ends;
    const wait = tool({
      input: z.object({ name: z.enum(["a", "b"]) }),
      execute: ({ name }) => ends[name].promise,
    });
    const call = (id: Name) => ({
      type: "tool-call" as const,
      toolCallId: id,
      toolName: "wait",
      input: JSON.stringify({ name: id }),
    });
    const model = scriptedModel([
      [call("a"), call("b"), { type: "finish", finishReason: toolCalls, usage: tokens(1, 1) }],
      [...says(["Done"]), { type: "finish", finishReason: stop, usage: tokens(1, 1) }],
    ]);
    const agent = new Agent({ name: "waiting", model, tools: { wait } });
    const seen: string[] = [];
    // Neither call ends before its start was seen, nor the first before the second has ended.
    for await (const each of streamToolCalls(agent, "Go")) {
      seen.push(`${each.type} ${each.callId}`);
      if (seen.length === 2) ends.b.resolve("B");
      if (each.type === "end") {
        expect(each.args).toEqual({ name: each.callId });
        expect(each.result).toBe(each.callId.toUpperCase());
        expect(each.durationSeconds).toBeGreaterThanOrEqual(0);
        ends.a.resolve("A");
      }
    }
    expect(seen).toEqual(["start a", "start b", "end b", "end a"]);
  });

  it("say whether a call failed: a result of null is a result", async () => {
    const agent = saying(
      { type: "tool.called", callId: "1", name: "nothing", input: {} },
      { type: "tool.returned", callId: "1", name: "nothing", output: null, durationMs: 5 },
      { type: "tool.called", callId: "2", name: "broken", input: {} },
      { type: "tool.failed", callId: "2", name: "broken", code: "tool_error", message: "no" },
    );
    const [, first, , second] = await listed(streamToolCalls(agent, "Go"));
    expect(first).toEqual({
      type: "end",
      callId: "1",
      toolName: "nothing",
      args: {},
      durationSeconds: 0.005,
      result: null,
    });
    expect(second).toMatchObject({ type: "end", error: "no" });
    expect(second).not.toHaveProperty("result");
  });

  it("[F38] come from runStreamWithTools too, without progress if that is not wanted", async () => {
    const question = "What is 2 + 2?";
    const types = async (emitProgress?: boolean) => {
      const options = emitProgress === undefined ? {} : { emitProgress };
      return (await listed(runStreamWithTools(demo(), question, options))).map(
        ({ event_type }) => event_type,
      );
    };
    const all = await types();
    expect(all).toContain("progress");
    expect(await types(true)).toEqual(all);
    expect(await types(false)).toEqual(all.filter((type) => type !== "progress"));
  });
});

describe("what is passed along", () => {
  it("[F41] is the history: the model knows it, and its calls are not told again", async () => {
    const first = await collectStreamResult(demo(), "What is 2 + 2?");
    expect(of(first.events, "tool_start")).toHaveLength(1);
    const model = scriptedModel([
      [...says(["Four"]), { type: "finish", finishReason: stop, usage: tokens(1, 1) }],
    ]);
    const agent = new Agent({ name: "again", model });
    const messageHistory: readonly Message[] = first.result.messages;
    const events = await listed(runStream(agent, "Again?", { messageHistory }));
    expect(of(events, "tool_start")).toEqual([]);
    expect(JSON.stringify(model.asked[0]!.prompt)).toContain("What is 2 + 2?");
    expect(JSON.stringify(model.asked[0]!.prompt)).toContain('"toolCallId":"call-1"');
  });

  it("is deps, for the tools alone: nothing of it is written down", async () => {
    const who = tool({
      input: z.object({}),
      execute: (_, { deps }) => (deps as { user: string }).user.length,
    });
    const model = scriptedModel([
      [
        { type: "tool-call", toolCallId: "c", toolName: "who", input: "{}" },
        { type: "finish", finishReason: toolCalls, usage: tokens(1, 1) },
      ],
      [...says(["Hi"]), { type: "finish", finishReason: stop, usage: tokens(1, 1) }],
    ]);
    const agent = new Agent({ name: "who", model, tools: { who } });
    await using hub = await createHub({ store: memoryStore(), agents: [agent] });
    const deps = { user: "Ada" };
    const ends = await listed(streamToolCalls(agent, "Who am I?", { deps, hub, id: "r" }));
    expect(ends.at(-1)).toMatchObject({ result: 3 });
    expect(JSON.stringify(await hub.run("r").log.entries())).not.toContain("Ada");
  });
});

describe("streamText", () => {
  it("[F36] yields texts, each as soon as the model has said it", async () => {
    const heard = Promise.withResolvers<void>();
    const model = scriptedModel([
      async function* () {
        yield { type: "text-start", id: "0" };
        yield { type: "text-delta", id: "0", delta: "One, " };
        await heard.promise;
        yield { type: "text-delta", id: "0", delta: "two" };
        yield { type: "text-end", id: "0" };
        yield { type: "finish", finishReason: stop, usage: tokens(1, 1) };
      },
    ]);
    const chunks: string[] = [];
    for await (const chunk of streamText(new Agent({ name: "counting", model }), "Count")) {
      chunks.push(chunk);
      heard.resolve();
    }
    expect(chunks).toEqual(["One, ", "two"]);
  });

  it("throws what the run failed with, and its code", async () => {
    async function* failing(): AgentStream {
      yield* saying({ type: "text.started", id: "1" }, { type: "text.delta", id: "1", text: "I" })();
      throw Object.assign(new Error("The disk is full"), { code: "disk_full" });
    }
    const chunks: string[] = [];
    const reading = (async () => {
      for await (const chunk of streamText(failing, "Go")) chunks.push(chunk);
    })();
    await expect(reading).rejects.toMatchObject({
      code: "run_failed",
      message: "The run failed with disk_full: The disk is full",
      cause: { code: "disk_full", message: "The disk is full" },
    });
    expect(chunks).toEqual(["I"]);
  });
});

describe("collectStreamResult", () => {
  it("[F39] resolves to the result, and to the events as runStream tells them", async () => {
    const told: StreamEvent[] = [];
    const { result, events } = await collectStreamResult(demo(), "What is 2 + 2?", {
      onEvent: (event) => told.push(event),
    });
    expect(told).toEqual(events);
    const streamed = await listed(runStream(demo(), "What is 2 + 2?"));
    expect(events.map(({ event_type }) => event_type)).toEqual(streamed.map(({ event_type }) => event_type));
    expect(result.output).toContain("2 + 2 is **4**.");
    expect(result.messages.map(({ role }) => role)).toEqual(["user", "assistant", "assistant"]);
    expect(result.usage?.outputTokens).toBeGreaterThan(0);
  });

  it("has the structured output as its result where there is one", async () => {
    const value: Json = { title: "Report" };
    const agent = saying({ type: "output.delta", value, complete: true });
    expect((await collectStreamResult(agent, "Go")).result.output).toEqual(value);
  });

  it("waits for an async onEvent before it goes on", async () => {
    const log: string[] = [];
    await collectStreamResult(saying(), "Go", {
      async onEvent({ event_type }) {
        log.push(`begin ${event_type}`);
        await null;
        log.push(`end ${event_type}`);
      },
    });
    expect(log).toEqual(["begin agent_start", "end agent_start", "begin agent_end", "end agent_end"]);
  });

  it("lets the run go on to its end when onEvent throws, and then rejects with that", async () => {
    await using hub = await createHub({ store: memoryStore(), agents: [demo()] });
    let told = 0;
    const collecting = collectStreamResult(demo(), "Hello", {
      hub,
      id: "r",
      onEvent: () => {
        told += 1;
        throw new Error(`The dashboard broke ${told} times`);
      },
    });
    await expect(collecting).rejects.toThrow("The dashboard broke 1 times");
    expect(told).toBeGreaterThan(2);
    expect(await hub.run("r").info()).toMatchObject({ status: "finished" });
  });

  it("rejects when the run fails, once onEvent was told all", async () => {
    const types: string[] = [];
    async function* failing(): AgentStream {
      yield { type: "error", code: "odd", message: "It goes on" };
      throw new Error("It does not");
    }
    const collecting = collectStreamResult(failing, "Go", {
      onEvent: ({ event_type }) => types.push(event_type),
    });
    await expect(collecting).rejects.toMatchObject({ code: "run_failed" });
    expect(types).toEqual(["agent_start", "error", "error", "agent_end"]);
  });
});
