import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import {
  Agent,
  type AgentInputItem,
  OpenAIProvider,
  Runner,
  RunState,
  run,
  setTracingDisabled,
  tool,
  Usage,
} from "@openai/agents";
import {
  assistantMessage,
  functionCall,
  modelError,
  modelStream,
  ScriptedModel,
  type ScriptedModelInput,
} from "@openai/agents/testing";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import type { AgentFunction, RunContext } from "../agent.ts";
import {
  type AgentEvent,
  type Entry,
  type EventOf,
  type EventType,
  isTerminal,
  type StreamEvent,
} from "../events.ts";
import { createHub } from "../hub.ts";
import { toMessages } from "../messages.ts";
import { memoryStore } from "../stores/memory.ts";
import { openaiChatServer, openaiResponsesServer, type Reply } from "../testing/providers.ts";
import { collect, expectWhole, play } from "./adapters.fixture.ts";
import { fromOpenAIAgents, type OpenAIAgentsEvent } from "./from-openai-agents.ts";
import { openAIAgentsState } from "./from-openai-agents-state.ts";
import { onAgentTool } from "./from-openai-agents-tool.ts";

beforeAll(() => setTracingDisabled(true));

const weather = tool({
  name: "weather",
  description: "The weather in a city",
  parameters: z.object({ city: z.string() }),
  execute: async ({ city }) => ({ city, celsius: -3 }),
});
const fire = (made: number[]) =>
  tool({
    name: "fire",
    description: "Fires",
    parameters: z.object({ n: z.number() }),
    needsApproval: true,
    execute: async ({ n }) => {
      made.push(n);
      return `fired ${n}`;
    },
  });
const usage = new Usage({
  requests: 1,
  inputTokens: 10,
  outputTokens: 5,
  totalTokens: 15,
  inputTokensDetails: [{ cached_tokens: 4 }],
  outputTokensDetails: [{ reasoning_tokens: 2 }],
});
const call = (name: string, args: Record<string, unknown>, callId: string) =>
  functionCall(name, args, { callId });
const scripted = (...steps: ScriptedModelInput[]) => new ScriptedModel(steps);

/** What the SDK itself says of a run. */
interface Result {
  readonly history: readonly AgentInputItem[];
  readonly cancelled: boolean;
}

interface Adapted {
  readonly question?: string;
  readonly signal?: AbortSignal;
  readonly maxTurns?: number;
}

/** An agent of the SDK as an agent of a hub; `results` keeps what the SDK itself says of each run. */
function adapted(agent: Agent, results: Result[] = [], { question, ...options }: Adapted = {}) {
  return async function* adapted(context: RunContext) {
    const { input, signal } = context;
    const result = await run(agent, question ?? String(input), { stream: true, signal, ...options });
    results.push(result);
    yield* fromOpenAIAgents(result, context);
  } satisfies AgentFunction;
}

async function played(run: AgentFunction, options?: Parameters<typeof play>[1]) {
  const { run: handle, entries, events } = await play({ name: "adapted", run }, options);
  expectWhole(events);
  const ends = events.filter(isTerminal);
  const of = <Type extends EventType>(type: Type) =>
    events.filter((event) => event.type === type) as unknown[] as EventOf<Type>[];
  return { info: await handle.info(), entries, events, ends, of };
}

/** What the SDK says was produced, and what the log says, in one form. */
const told = (history: readonly AgentInputItem[]): unknown[] => {
  const results = new Map<string, string>();
  for (const item of history) {
    if (item.type !== "function_call_result") continue;
    const output = item.output as { text: string };
    results.set(item.callId, output.text);
  }
  return history.flatMap((item): unknown[] => {
    if (item.type === "function_call")
      return [[item.callId, item.name, JSON.parse(item.arguments), results.get(item.callId)]];
    if (!("role" in item) || item.role === "system") return [];
    const { content } = item;
    return typeof content === "string" ? [content] : content.map((each) => ("text" in each ? each.text : ""));
  });
};
const kept = (entries: readonly Entry[]) =>
  toMessages(entries).flatMap(({ parts }) =>
    parts.flatMap((part): unknown[] => {
      if (part.type === "text") return [part.text];
      if (part.type !== "tool") return [];
      const { output, error } = part;
      const answer = typeof output === "object" ? JSON.stringify(output) : (output ?? error);
      return [[part.callId, part.name, part.input, answer]];
    }),
  );
const types = (events: readonly StreamEvent[]) => events.map(({ type }) => type);

describe("fromOpenAIAgents", () => {
  it("[F34] tells of a loop of parallel tools what the SDK's own history holds", async () => {
    const results: Result[] = [];
    const model = scripted(
      {
        usage,
        output: [
          assistantMessage("Let me see."),
          call("weather", { city: "Oslo" }, "c1"),
          call("weather", { city: "Rome" }, "c2"),
        ],
      },
      { usage, output: [assistantMessage("Cold, both.", { id: "msg-2" })] },
    );
    const { info, entries, events, ends, of } = await played(
      adapted(new Agent({ name: "Guide", model, tools: [weather] }), results),
    );
    expect(ends).toHaveLength(1);
    expect(info).toMatchObject({ status: "finished", usage: { inputTokens: 20, outputTokens: 10 } });
    expect(kept(entries)).toEqual(told(results[0]!.history));
    expect(kept(entries)).toHaveLength(5);
    expect(types(events)).toEqual([
      "run.started",
      "step.started",
      "text.started",
      "text.delta",
      "text.finished",
      ...["tool.started", "tool.called", "tool.started", "tool.called"],
      "message",
      "step.finished",
      ...["tool.returned", "tool.returned"],
      "step.started",
      "text.started",
      "text.delta",
      "text.finished",
      "message",
      "step.finished",
      "run.finished",
    ]);
    expect(
      of("step.finished").map(({ step, finishReason, usage }) => ({ step, finishReason, usage })),
    ).toEqual([
      {
        step: 1,
        finishReason: "tool-calls",
        usage: { inputTokens: 10, outputTokens: 5, cacheReadTokens: 4, reasoningTokens: 2 },
      },
      {
        step: 2,
        finishReason: "stop",
        usage: { inputTokens: 10, outputTokens: 5, cacheReadTokens: 4, reasoningTokens: 2 },
      },
    ]);
    expect(of("tool.returned").map(({ output }) => output)).toEqual([
      { city: "Oslo", celsius: -3 },
      { city: "Rome", celsius: -3 },
    ]);
  });

  it("[F34] says null where the SDK counted no tokens", async () => {
    const { of } = await played(adapted(new Agent({ name: "A", model: scripted([assistantMessage("Hi")]) })));
    expect(of("step.finished")).toMatchObject([{ usage: null, cost: null }]);
    expect(of("run.finished")).toMatchObject([{ cost: null }]);
  });

  it("[F34] tells a handoff as its call and as a change of agents", async () => {
    const results: Result[] = [];
    const other = new Agent({ name: "Refunds", model: scripted([assistantMessage("Refunded.")]) });
    const first = new Agent({
      name: "Triage",
      model: scripted([call("transfer_to_Refunds", {}, "h1")]),
      handoffs: [other],
    });
    const { entries, of, ends } = await played(adapted(first, results));
    expect(ends).toMatchObject([{ type: "run.finished" }]);
    expect(of("agent.changed")).toEqual([{ type: "agent.changed", from: "Triage", to: "Refunds" }]);
    expect(kept(entries)).toEqual(told(results[0]!.history));
  });

  it("[F34] waits for approvals, and goes on with the SDK's state once they are answered", async () => {
    const made: number[] = [];
    const results: Result[] = [];
    const agent = new Agent({
      name: "Gunner",
      tools: [fire(made), weather],
      model: scripted(
        {
          usage,
          output: [
            call("fire", { n: 1 }, "f1"),
            call("fire", { n: 2 }, "f2"),
            call("weather", { city: "Oslo" }, "w"),
          ],
        },
        { usage, output: [assistantMessage("One was fired.")] },
      ),
    });
    async function* gunner(context: RunContext) {
      const { input, signal, entries } = context;
      const waited = openAIAgentsState(entries);
      const state = waited && (await RunState.fromString(agent, waited.state));
      if (state) waited.answer(state);
      const result = await run(agent, state ?? String(input), { stream: true, signal });
      results.push(result);
      yield* fromOpenAIAgents(result, context);
    }
    const answers = [{ approved: true }, { approved: false, reason: "Too loud" }];
    const { info, entries, events, of, ends } = await played(gunner, { input: "Fire twice", answers });
    const before = events.slice(0, types(events).indexOf("input.approval"));
    expect(before.filter(({ type }) => type === "approval.requested")).toMatchObject([
      { approvalId: "f1", callId: "f1", name: "fire", input: { n: 1 } },
      { approvalId: "f2", callId: "f2", name: "fire", input: { n: 2 } },
    ]);
    expect(before.filter(({ type }) => type === "tool.returned")).toMatchObject([{ callId: "w" }]);
    expect(ends).toHaveLength(1);
    expect(info).toMatchObject({ status: "finished", usage: { inputTokens: 20 } });
    expect(made).toEqual([1]);
    expect(of("tool.failed")).toMatchObject([{ callId: "f2", code: "denied", message: "Too loud" }]);
    expect(of("step.started").map(({ step }) => step)).toEqual([1, 2]);
    expect(kept(entries)).toEqual(told(results[1]!.history));
    expect(openAIAgentsState(entries)).toBeUndefined();
  });

  it("[F34] refuses a state that no event can hold, with the way out", async () => {
    const agent = new Agent({
      name: "A",
      tools: [fire([])],
      model: scripted([call("fire", { n: 1 }, "f1")]),
    });
    const question = "x".repeat(1_100_000);
    const { info, of } = await played(adapted(agent, [], { question }));
    expect(info.status).toBe("failed");
    expect(of("run.failed")).toMatchObject([{ code: "too_large" }]);
    expect(of("run.failed")[0]!.message).toMatch(/^Cannot wait for an approval: its state is \d+ bytes/);
    expect(of("approval.requested")).toEqual([]);
  });

  it("[F34] ends as cancelled when the run is, though the SDK's stream just ends", async () => {
    const gate = Promise.withResolvers<void>();
    const model = scripted(
      modelStream(
        (async function* () {
          yield { type: "response_started" as const };
          yield { type: "output_text_delta" as const, delta: "Once " };
          await gate.promise;
        })(),
      ),
    );
    const results: Result[] = [];
    await using hub = await createHub({
      store: memoryStore(),
      agents: [adapted(new Agent({ name: "A", model }), results)],
    });
    const { run: started } = await hub.start({ input: "Tell" });
    for await (const { event } of started) if (event.type === "text.delta") await started.cancel();
    const events = (await started.log.entries()).map(({ event }) => event);
    const ends = events.filter(isTerminal);
    expect(ends).toMatchObject([{ type: "run.cancelled" }]);
    expect(types(events).slice(-4)).toEqual([
      "input.cancel",
      "text.finished",
      "step.finished",
      "run.cancelled",
    ]);
    expect(results[0]!.cancelled).toBe(true);
    gate.resolve();
  });

  it("[F34] fails with `aborted` for an abort that is not the run's", async () => {
    const own = new AbortController();
    const model = scripted(
      modelStream(
        (async function* () {
          yield { type: "response_started" as const };
          yield { type: "output_text_delta" as const, delta: "Once " };
          own.abort();
          yield { type: "output_text_delta" as const, delta: "more" };
        })(),
      ),
    );
    const { of, ends } = await played(adapted(new Agent({ name: "A", model }), [], { signal: own.signal }));
    expect(ends).toHaveLength(1);
    expect(of("run.failed")).toMatchObject([{ code: "aborted" }]);
  });

  it.each([
    ["a model that is down", "model_error", { model: scripted(modelError(new Error("The model is down"))) }],
    [
      "a provider that says it is too much",
      "rate_limited",
      { model: scripted(modelError(Object.assign(new Error("Slow down"), { status: 429 }))) },
    ],
    ["a call to no tool", "model_error", { model: scripted([call("nothing", {}, "x")]) }],
    [
      "a guardrail on what comes in",
      "input_guardrail",
      {
        model: scripted([assistantMessage("Hi")]),
        inputGuardrails: [{ name: "g", runInParallel: false, execute: trip }],
      },
    ],
    [
      "a guardrail on what goes out",
      "output_guardrail",
      { model: scripted([assistantMessage("Hi")]), outputGuardrails: [{ name: "g", execute: trip }] },
    ],
  ] as const)("[F34] fails by %s with the code %s", async (_, code, config) => {
    const { info, ends, of } = await played(adapted(new Agent({ name: "A", ...config } as never)));
    expect(info.status).toBe("failed");
    expect(ends).toHaveLength(1);
    expect(of("run.failed")).toMatchObject([{ code }]);
    const open = of("tool.called").length - of("tool.returned").length - of("tool.failed").length;
    expect(open).toBe(0);
  });

  it("[F34] fails with `limit_exceeded` at the SDK's own limit on turns", async () => {
    const turn = (callId: string) => [call("weather", { city: "Oslo" }, callId)];
    const agent = new Agent({ name: "A", tools: [weather], model: scripted(turn("1"), turn("2")) });
    const { of } = await played(adapted(agent, [], { maxTurns: 1 }));
    expect(of("run.failed")).toMatchObject([{ code: "limit_exceeded", message: "Max turns (1) exceeded" }]);
  });

  it("[F34] tells what an agent says that is a tool of another, on behalf of the call", async () => {
    async function* outer(context: RunContext) {
      const inner = new Agent({
        name: "Inner",
        tools: [weather],
        model: scripted(
          { usage, output: [call("weather", { city: "Oslo" }, "w1")] },
          { usage, output: [assistantMessage("Cold.")] },
        ),
      });
      const ask = inner.asTool({ toolName: "ask", toolDescription: "Asks", onStream: onAgentTool(context) });
      const agent = new Agent({
        name: "Outer",
        tools: [ask],
        model: scripted(
          { usage, output: [call("ask", { input: "Cold?" }, "a1")] },
          { usage, output: [assistantMessage("Yes.")] },
        ),
      });
      yield* fromOpenAIAgents(
        run(agent, String(context.input), { stream: true, signal: context.signal }),
        context,
      );
    }
    const { info, events, ends } = await played(outer);
    expect(ends).toHaveLength(1);
    expect(info.usage).toMatchObject({ inputTokens: 40 });
    const nested = events.filter((event) => event.parent === "a1");
    expect(nested.every((event) => event.agent === "Inner")).toBe(true);
    expect(types(nested).filter((type) => !/^text|started|message/.test(type))).toEqual([
      "tool.called",
      "step.finished",
      "tool.returned",
      "step.finished",
    ]);
    const returned = events.find((event) => event.type === "tool.returned" && event.callId === "a1");
    expect(returned).toMatchObject({ name: "ask", output: "Cold." });
    const blocks = events.flatMap((event) => (event.type === "text.started" ? [event.id] : []));
    expect(new Set(blocks).size).toBe(blocks.length);
  });

  it("[F34] gives the run the final output that was not said as text", async () => {
    const agent = new Agent({
      name: "A",
      outputType: z.object({ sum: z.number() }),
      model: scripted([assistantMessage('{"sum":3}')]),
    });
    const { of } = await played(adapted(agent as never));
    expect(of("run.finished")).toMatchObject([{ output: { sum: 3 } }]);
    const plain = await played(adapted(new Agent({ name: "A", model: scripted([assistantMessage("Hi")]) })));
    expect(plain.of("run.finished")[0]).not.toHaveProperty("output");
    const stops = new Agent({
      name: "A",
      tools: [weather],
      toolUseBehavior: "stop_on_first_tool",
      model: scripted([call("weather", { city: "Oslo" }, "c")]),
    });
    expect((await played(adapted(stops))).of("run.finished")).toMatchObject([
      { output: expect.stringContaining("Oslo") },
    ]);
  });

  it("[F34] ends the SDK's run when its reader leaves", async () => {
    const model = scripted([assistantMessage("One")]);
    const result = await run(new Agent({ name: "A", model }), "Hi", { stream: true });
    for await (const { type } of fromOpenAIAgents(result)) if (type === "text.delta") break;
    expect(result.cancelled).toBe(true);
  });

  it("[F34] reads no further than its consumer", async () => {
    let read = 0;
    const result = resultOf(
      (async function* () {
        for (const delta of ["a", "b", "c"]) {
          read++;
          yield raw({ type: "output_text_delta", delta });
        }
      })(),
    );
    const events = fromOpenAIAgents(result);
    await events.next();
    expect(read).toBe(1);
    await events.return();
    expect(read).toBe(1);
  });
});

describe("fromOpenAIAgents, of what providers stream themselves,", () => {
  it.each([
    ["the Responses API", true, responsesServer],
    ["Chat Completions", false, openaiChatServer],
  ] as const)(
    "[F34] streams thoughts, arguments and usage from the wire of %s",
    async (_, useResponses, serve) => {
      await using server = await serve([
        {
          reasoning: ["I should ", "look."],
          text: ["Let me ", "look."],
          calls: [callOf({ city: "Oslo" })],
          usage: tokens,
        },
        { text: ["Cold."], usage: tokens },
      ]);
      const modelProvider = new OpenAIProvider({ apiKey: "key", baseURL: server.url, useResponses });
      const runner = new Runner({ modelProvider, tracingDisabled: true });
      const agent = new Agent({ name: "Guide", model: "gpt-x", tools: [weather] });
      const histories: (readonly AgentInputItem[])[] = [];
      const { info, entries, of, ends } = await played(async function* (context) {
        const result = await runner.run(agent, String(context.input), {
          stream: true,
          signal: context.signal,
        });
        yield* fromOpenAIAgents(result, context);
        histories.push(result.history);
      });
      expect(ends).toMatchObject([{ type: "run.finished" }]);
      expect(kept(entries)).toEqual(told(histories[0]!));
      expect(toMessages(entries)[1]!.parts).toMatchObject([
        { type: "reasoning", text: "I should look." },
        { type: "text", text: "Let me look." },
        { type: "tool", callId: "c1", output: { city: "Oslo", celsius: -3 } },
      ]);
      expect(
        of("tool.delta")
          .map(({ text }) => text)
          .join(""),
      ).toBe('{"city":"Oslo"}');
      expect(info.usage).toEqual({
        inputTokens: 20,
        outputTokens: 10,
        cacheReadTokens: 8,
        reasoningTokens: 4,
      });
      expect(of("message")).toHaveLength(2);
    },
  );

  it("[F34] fails as a provider does that refuses, or breaks off", async () => {
    await using server = await openaiResponsesServer([{ status: 401 }, { text: ["Once"], fault: "cut" }]);
    const modelProvider = new OpenAIProvider({ apiKey: "key", baseURL: server.url, useResponses: true });
    const runner = new Runner({ modelProvider, tracingDisabled: true });
    const agent = new Agent({ name: "Guide", model: "gpt-x" });
    const ask: AgentFunction = ({ input, signal }) =>
      fromOpenAIAgents(runner.run(agent, String(input), { stream: true, signal }));
    expect((await played(ask)).ends).toMatchObject([{ type: "run.failed", code: "provider_unauthorized" }]);
    expect((await played(ask)).ends).toMatchObject([{ type: "run.failed", code: "provider_disconnected" }]);
  });

  it("[F34] streams thoughts and arguments of the Responses API", async () => {
    const native = (event: unknown) => raw({ type: "model", event });
    const events = await translated([
      raw({ type: "response_started", providerData: { response: { model: "gpt-x" } } }),
      native({
        type: "response.reasoning_summary_text.delta",
        item_id: "r",
        summary_index: 0,
        delta: "I should ",
      }),
      native({
        type: "response.reasoning_summary_text.delta",
        item_id: "r",
        summary_index: 0,
        delta: "look.",
      }),
      native({
        type: "response.output_item.added",
        item: { type: "function_call", id: "fc", call_id: "c1", name: "weather" },
      }),
      native({ type: "response.function_call_arguments.delta", item_id: "fc", delta: '{"city":' }),
      native({ type: "response.function_call_arguments.delta", item_id: "fc", delta: '"Oslo"}' }),
      done([
        { type: "reasoning", id: "r", content: [{ type: "input_text", text: "I should look." }] },
        { type: "function_call", id: "fc", callId: "c1", name: "weather", arguments: '{"city":"Oslo"}' },
      ]),
      item("tool_output", { type: "function_call_result", callId: "c1", name: "weather", output: "Cold" }),
    ]);
    expect(brief(events)).toEqual([
      "step.started gpt-x",
      "reasoning.started",
      "reasoning.delta I should ",
      "reasoning.delta look.",
      "reasoning.finished",
      "tool.started weather",
      'tool.delta {"city":',
      'tool.delta "Oslo"}',
      "tool.called weather",
      "message",
      "step.finished",
      "tool.returned Cold",
    ]);
  });

  it("[F34] streams thoughts and arguments of Chat Completions", async () => {
    const chunk = (delta: unknown) => raw({ type: "model", event: { choices: [{ index: 0, delta }] } });
    const events = await translated([
      raw({ type: "response_started", providerData: { model: "m" } }),
      chunk({ reasoning: "Hm." }),
      raw({ type: "output_text_delta", delta: "Look:" }),
      chunk({ tool_calls: [{ index: 0, id: "c1", function: { name: "weather", arguments: "" } }] }),
      chunk({ tool_calls: [{ index: 0, function: { arguments: "{}" } }] }),
      done([
        { type: "reasoning", content: [], rawContent: [{ type: "reasoning_text", text: "Hm." }] },
        { type: "message", role: "assistant", content: [{ type: "output_text", text: "Look:" }] },
        { type: "function_call", callId: "c1", name: "weather", arguments: "{}" },
      ]),
      item("tool_output", { type: "function_call_result", callId: "c1", name: "weather", output: "Cold" }),
    ]);
    expect(brief(events)).toEqual([
      "step.started m",
      "reasoning.started",
      "reasoning.delta Hm.",
      "reasoning.finished",
      "text.started",
      "text.delta Look:",
      "text.finished",
      "tool.started weather",
      "tool.delta {}",
      "tool.called weather",
      "message",
      "step.finished",
      "tool.returned Cold",
    ]);
  });

  it("[F34] tells a whole response that was not streamed, in its order", async () => {
    const events = await translated([
      done([
        { type: "reasoning", content: [{ type: "input_text", text: "Hm." }] },
        { type: "message", role: "assistant", content: [{ type: "output_text", text: "Yes." }] },
        { type: "hosted_tool_call", id: "ws", name: "web_search_call", status: "completed", output: "found" },
      ]),
      item("message_output_created", {
        type: "message",
        role: "assistant",
        content: [{ type: "output_text", text: "Yes." }],
      }),
      item("tool_called", { type: "hosted_tool_call", id: "ws", name: "web_search_call" }),
    ]);
    expect(brief(events)).toEqual([
      "step.started",
      "reasoning.started",
      "reasoning.delta Hm.",
      "reasoning.finished",
      "text.started",
      "text.delta Yes.",
      "text.finished",
      "tool.started web_search_call",
      "tool.called web_search_call",
      "tool.returned found",
      "message",
      "step.finished",
    ]);
  });

  it("[F34] corrects by a whole message what was streamed otherwise", async () => {
    const events = await translated([
      raw({ type: "output_text_delta", delta: "Secret" }),
      done([{ type: "message", role: "assistant", content: [{ type: "output_text", text: "Hidden" }] }]),
    ]);
    expect(toMessages(asLog(events)).map(({ parts }) => parts)).toEqual([[{ type: "text", text: "Hidden" }]]);
  });

  it("[F34] withdraws an attempt at a response that the SDK makes again", async () => {
    const events = await translated([
      raw({ type: "response_started" }),
      raw({ type: "output_text_delta", delta: "Onc" }),
      raw({ type: "response_started" }),
      raw({ type: "output_text_delta", delta: "Twice" }),
      done([{ type: "message", role: "assistant", content: [{ type: "output_text", text: "Twice" }] }]),
    ]);
    expect(events.filter(({ type }) => type === "step.retried")).toMatchObject([{ step: 1, attempt: 1 }]);
    expect(toMessages(asLog(events)).map(({ parts }) => parts)).toEqual([[{ type: "text", text: "Twice" }]]);
  });

  it("[F34] closes what is open, wherever the stream breaks off", async () => {
    const native = (event: unknown) => raw({ type: "model", event });
    const whole = [
      raw({ type: "response_started" }),
      native({ type: "reasoning-delta", id: "r", delta: "Hm." }),
      raw({ type: "output_text_delta", delta: "Look:" }),
      native({ type: "tool-input-start", id: "c1", toolName: "weather" }),
      native({ type: "tool-input-delta", id: "c1", delta: "{}" }),
      done([{ type: "function_call", callId: "c1", name: "weather", arguments: "{}" }]),
      item("tool_called", { type: "function_call", callId: "c1", name: "weather", arguments: "{}" }),
      raw({ type: "response_started" }),
      raw({ type: "output_text_delta", delta: "Cold" }),
    ];
    for (let length = 0; length <= whole.length; length++) {
      async function* broken() {
        yield* whole.slice(0, length);
        throw new Error("Broken off");
      }
      const { events, error } = await collect(fromOpenAIAgents(resultOf(broken())));
      expect(error).toMatchObject({ code: "model_error", message: "Broken off" });
      expectWhole(events);
      expect(events.length).toBeGreaterThanOrEqual(length > 0 ? 2 : 0);
    }
  });

  it("[F34] takes garbage for what it is: nothing", async () => {
    const events = await translated([
      raw({ type: "model", event: null }),
      raw({
        type: "model",
        event: { choices: [null, { index: 0, delta: { tool_calls: [null, { index: 0 }] } }] },
      }),
      raw({ type: "of the future" }),
      raw({
        type: "response_done",
        response: { output: [null, "x", { type: "function_call" }], usage: "many" },
      } as never),
      item("tool_output", null),
      item("of the future", {}),
      { type: "of the future" } as never,
    ]);
    expect(brief(events)).toEqual(["step.started", "step.finished"]);
  });

  it("[F34] marks all that it says with the agent and the parent it is given", async () => {
    const events = await translated([raw({ type: "output_text_delta", delta: "a" }), done([])], {
      agent: "sub",
      parent: "c1",
    });
    expect(events.length).toBeGreaterThan(4);
    expect(events.every(({ agent, parent }) => agent === "sub" && parent === "c1")).toBe(true);
  });
});

function trip() {
  return Promise.resolve({ tripwireTriggered: true, outputInfo: {} });
}

const callOf = (input: unknown) => ({ id: "c1", name: "weather", input });
const tokens = { input: 10, output: 5, cached: 4, reasoning: 2 };

/** As `openaiResponsesServer`, with the whole output in its last event, which the SDK reads. */
async function responsesServer(replies: readonly Reply[]) {
  const left = [...replies];
  const server = createServer((request, response) => {
    request.resume();
    const { reasoning = [], text = [], calls = [] } = left.shift() ?? {};
    const head = { id: "resp_1", object: "response", created_at: 1, model: "gpt-x" };
    const thought = {
      id: "rs_1",
      type: "reasoning",
      summary: [{ type: "summary_text", text: reasoning.join("") }],
    };
    const content = [{ type: "output_text", text: text.join(""), annotations: [] }];
    const said = { id: "msg_1", type: "message", role: "assistant", status: "completed", content };
    const made = calls.map(({ id, name, input }) => {
      const args = JSON.stringify(input);
      return {
        id: `fc_${id}`,
        type: "function_call",
        call_id: id,
        name,
        arguments: args,
        status: "completed",
      };
    });
    const details = {
      input_tokens_details: { cached_tokens: tokens.cached },
      output_tokens_details: { reasoning_tokens: tokens.reasoning },
    };
    const usage = { input_tokens: tokens.input, output_tokens: tokens.output, total_tokens: 15, ...details };
    const output = [...(reasoning.length > 0 ? [thought] : []), said, ...made];
    const delta = (type: string, item_id: string, delta: string) => ({
      type: `response.${type}.delta`,
      item_id,
      output_index: output.findIndex(({ id }) => id === item_id),
      summary_index: 0,
      content_index: 0,
      delta,
    });
    const added = output.map((item, output_index) => ({
      type: "response.output_item.added",
      output_index,
      item,
    }));
    const events = [
      { type: "response.created", response: { ...head, status: "in_progress", output: [] } },
      ...added,
      ...reasoning.map((piece) => delta("reasoning_summary_text", "rs_1", piece)),
      ...text.map((piece) => delta("output_text", "msg_1", piece)),
      ...made.map((call) => delta("function_call_arguments", call.id, call.arguments)),
      { type: "response.completed", response: { ...head, status: "completed", output, usage } },
    ];
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.end(events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(""));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

const raw = (data: { type: string; [field: string]: unknown }): OpenAIAgentsEvent => ({
  type: "raw_model_stream_event",
  data,
});
const done = (output: unknown[]) => raw({ type: "response_done", response: { id: "r", output, usage: {} } });
const item = (name: string, rawItem: unknown): OpenAIAgentsEvent => ({
  type: "run_item_stream_event",
  name,
  item: { type: "item", rawItem },
});

function resultOf(events: AsyncIterable<OpenAIAgentsEvent>) {
  return {
    [Symbol.asyncIterator]: () => events[Symbol.asyncIterator](),
    cancelled: false,
    completed: Promise.resolve(),
    interruptions: [],
    state: { toString: () => "{}" },
    finalOutput: undefined,
    currentAgent: undefined,
  };
}

/** The events of what the SDK might stream. */
async function translated(given: readonly OpenAIAgentsEvent[], options = {}): Promise<readonly AgentEvent[]> {
  const { events, error } = await collect(fromOpenAIAgents(resultOf(ReadableStream.from(given)), options));
  expect(error).toBeUndefined();
  expectWhole(events);
  return events;
}

const asLog = (events: readonly AgentEvent[]): Entry[] =>
  events.map((event, index) => ({ seq: index + 1, at: 0, event }));

const brief = (events: readonly AgentEvent[]) =>
  events.map((event) => {
    if (event.type.endsWith(".delta") && "text" in event) return `${event.type} ${event.text}`;
    if (event.type === "tool.returned") return `${event.type} ${event.output}`;
    if (event.type === "step.started") return event.model ? `${event.type} ${event.model}` : event.type;
    return event.type === "tool.started" || event.type === "tool.called"
      ? `${event.type} ${event.name}`
      : event.type;
  });
