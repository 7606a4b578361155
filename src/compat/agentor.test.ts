import { describe, expect, expectTypeOf, it } from "vitest";
import { z } from "zod";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { demoModel } from "../ai/demo-model.ts";
import { tool } from "../ai/tool.ts";
import { type Entry, event, type StreamEvent } from "../events.ts";
import { createHub } from "../hub.ts";
import { memoryStore } from "../stores/memory.ts";
import { says, scriptedModel, tokens } from "../testing/scripted-model.ts";
import { type AgentOutput, Agentor, formatStreamEvents } from "./agentor.ts";

const model = () => demoModel({ firstTokenMs: 0, tokensPerSecond: Number.POSITIVE_INFINITY });
const calculator = tool({
  description: "Works out arithmetic",
  input: z.object({ expression: z.string() }),
  execute: ({ expression }) => ({ expression, result: 4 }),
});
const assistant = () => new Agentor({ name: "Assistant", model: model(), tools: { calculator } });
const stop = { unified: "stop", raw: "stop" } as const;

async function listed<Value>(values: AsyncIterable<Value>): Promise<Value[]> {
  const all: Value[] = [];
  for await (const value of values) all.push(value);
  return all;
}

const empty = { message: null, chunk: null, tool_action: null, reasoning: null };

describe("agent.streamChat", () => {
  it("yields each piece of text as soon as the model has said it", async () => {
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
    const outputs: AgentOutput[] = [];
    for await (const output of new Agentor({ name: "counting", model }).streamChat("Count", {
      serialize: false,
    })) {
      outputs.push(output);
      heard.resolve();
    }
    expect(outputs).toEqual([
      { type: "raw_response_event", ...empty, chunk: "One, " },
      { type: "raw_response_event", ...empty, chunk: "two" },
      { type: "run_item_stream_event", ...empty, message: "One, two" },
    ]);
  });

  it("yields thoughts, tool calls, their results and messages whole", async () => {
    const outputs = await listed(assistant().streamChat("What is 2 + 2?", { serialize: false }));
    const items = outputs.filter(({ type }) => type === "run_item_stream_event");
    expect(items).toEqual([
      { type: "run_item_stream_event", ...empty, reasoning: expect.stringContaining("calculator") },
      {
        type: "run_item_stream_event",
        ...empty,
        tool_action: { name: "calculator", type: "tool_called" },
      },
      {
        type: "run_item_stream_event",
        ...empty,
        message: '{"expression":"2 + 2","result":4}',
        tool_action: { name: "calculator", type: "tool_output" },
      },
      { type: "run_item_stream_event", ...empty, message: expect.stringContaining("**4**") },
    ]);
  });

  it("yields the same as texts of JSON, each on one line, unless it is told otherwise", async () => {
    const texts = await listed(assistant().streamChat("What is 2 + 2?"));
    expectTypeOf(texts).toEqualTypeOf<string[]>();
    const outputs = await listed(assistant().streamChat("What is 2 + 2?", { serialize: false }));
    expectTypeOf(outputs).toEqualTypeOf<AgentOutput[]>();
    expect(texts.map((text) => JSON.parse(text))).toEqual(outputs);
    expect(texts.filter((text) => /[\n\r]/.test(text))).toEqual([]);
  });

  it("throws what the run failed with", async () => {
    const agent = new Agentor({ name: "broken", model: scriptedModel([new Error("no")]), retries: 0 });
    await expect(listed(agent.streamChat("Hello"))).rejects.toMatchObject({ code: "run_failed" });
  });

  it("lets only what is allowed pass, if that is said", async () => {
    const only = await listed(
      assistant().streamChat("Hello", { serialize: false, allowedEvents: ["run_item_stream_event"] }),
    );
    expect(only.map(({ chunk }) => chunk)).toEqual(only.map(() => null));
    expect(only.at(-1)?.message).toContain("Hello!");
  });
});

describe("agent.chat", () => {
  it("resolves to the answer, the conversation, the usage and the cost", async () => {
    const { output, messages, usage, cost } = await assistant().chat("What is 2 + 2?");
    expect(output).toContain("**4**");
    expect(messages[0]).toMatchObject({ role: "user" });
    expect(usage?.inputTokens).toBeGreaterThan(0);
    expect(cost).toBe(0);
  });

  it("goes on with a history", async () => {
    const model = scriptedModel([
      [...says(["Ada"]), { type: "finish", finishReason: stop, usage: tokens(1, 1) }],
      [...says(["Still Ada"]), { type: "finish", finishReason: stop, usage: tokens(1, 1) }],
    ]);
    const agent = new Agentor({ name: "who", model });
    const { messages } = await agent.chat("My name is Ada. What is it?");
    expect((await agent.chat("And now?", { messageHistory: messages })).output).toBe("Still Ada");
    expect(JSON.stringify(model.asked[1]!.prompt)).toContain("My name is Ada");
  });

  it("rejects with what the run failed with", async () => {
    const agent = new Agentor({ name: "broken", model: scriptedModel([new Error("no")]), retries: 0 });
    await expect(agent.chat("Hello")).rejects.toMatchObject({ code: "run_failed" });
  });
});

describe("an Agentor's name", () => {
  it("may be any text: what no agent name may hold becomes a dash", () => {
    expect(new Agentor({ name: "Streaming Agent", model: "demo" }).name).toBe("Streaming-Agent");
    expect(() => new Agentor({ name: "", model: "demo" })).toThrow("agent name");
  });
});

describe("agent.serve", () => {
  it("answers POST /chat with the events of streamChat", async () => {
    await using server = await assistant().serve({ port: 0, store: "memory:" });
    const response = await fetch(`${server.url}/chat`, {
      method: "POST",
      body: JSON.stringify({ input: "What is 2 + 2?", stream: true }),
    });
    const lines = (await response.text()).split("\n").filter((line) => line.startsWith("data: "));
    const served = lines.map((line) => JSON.parse(line.slice(6)) as AgentOutput);
    const streamed = await listed(assistant().streamChat("What is 2 + 2?", { serialize: false }));
    const whole = (outputs: readonly AgentOutput[]) => outputs.filter(({ chunk }) => chunk === null);
    const said = (outputs: readonly AgentOutput[]) => outputs.map(({ chunk }) => chunk ?? "").join("");
    expect(whole(served)).toEqual(whole(streamed));
    expect(said(served)).toBe(said(streamed));
  });

  it("lets go of port and store when it stops, and of the store when the port is taken", async () => {
    await using folder = await tempFolder();
    const store = `sqlite:${folder.file("runs.db")}`;
    await using taken = await assistant().serve({ port: 0, store: "memory:" });
    const port = Number(new URL(taken.url).port);
    await expect(assistant().serve({ port, store })).rejects.toMatchObject({ code: "EADDRINUSE" });
    const first = await assistant().serve({ port: 0, store });
    await fetch(`${first.url}/runs`, {
      method: "POST",
      body: JSON.stringify({ input: "Hello", id: "kept" }),
    });
    await first.stop();
    await first.stop();
    await using again = await assistant().serve({ port: 0, store });
    expect(await (await fetch(`${again.url}/runs/kept`)).json()).toMatchObject({ status: "finished" });
  });

  it("refuses an open address without a token", async () => {
    await expect(assistant().serve({ port: 0, host: "0.0.0.0", store: "memory:" })).rejects.toMatchObject({
      code: "forbidden",
    });
  });
});

describe("formatStreamEvents", () => {
  const events: readonly StreamEvent[] = [
    event.textStarted({ id: "1", messageId: "m" }),
    event.textDelta({ id: "1", text: "  Hello" }),
    event.textFinished({ id: "1" }),
    event.message({ message: { id: "m", role: "assistant", parts: [{ type: "text", text: "  Hello" }] } }),
    event.agentChanged({ from: "one", to: "two" }),
  ];
  const types = async (...allowed: Parameters<typeof formatStreamEvents>[1][]) =>
    (await listed(formatStreamEvents(events, ...allowed))).map(({ type }) => type);
  const all = [
    "raw_response_event",
    "run_item_stream_event",
    "run_item_stream_event",
    "agent_updated_stream_event",
  ];

  it("[F42] lets all types pass, or those of a list; an empty list lets nothing pass", async () => {
    expect(await types()).toEqual(all);
    expect(await types({ allowedEvents: undefined })).toEqual(all);
    expect(await types({ allowedEvents: ["agent_updated_stream_event", "raw_response_event"] })).toEqual([
      "raw_response_event",
      "agent_updated_stream_event",
    ]);
    expect(await types({ allowedEvents: [] })).toEqual([]);
  });

  it("takes events, entries, and a run; texts stay as the model gave them", async () => {
    const entries: Entry[] = events.map((event, index) => ({ seq: index + 1, at: 0, event }));
    const fromEvents = await listed(formatStreamEvents(events));
    expect(await listed(formatStreamEvents(entries))).toEqual(fromEvents);
    expect(fromEvents[1]?.message).toBe("  Hello");
    await using hub = await createHub({ store: memoryStore(), agents: [assistant()] });
    const { run } = await hub.start({ input: "Hello" });
    const streamed = await listed(assistant().streamChat("Hello", { serialize: false }));
    const fromRun = await listed(formatStreamEvents(run));
    expect(fromRun.at(-1)).toEqual(streamed.at(-1));
  });

  it("throws where the run failed or was cancelled, whatever is allowed", async () => {
    const failed = event.runFailed({ code: "rate_limited", message: "Too many", cost: null });
    const cancelled = event.runCancelled({ reason: "enough", cost: null });
    await expect(listed(formatStreamEvents([failed], { allowedEvents: [] }))).rejects.toMatchObject({
      code: "run_failed",
      message: "The run failed with rate_limited: Too many",
    });
    await expect(listed(formatStreamEvents([cancelled]))).rejects.toMatchObject({
      code: "run_cancelled",
      message: "The run was cancelled: enough",
    });
  });
});
