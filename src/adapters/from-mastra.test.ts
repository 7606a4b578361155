import { Agent } from "@mastra/core/agent";
import { Mastra } from "@mastra/core/mastra";
import { createTool } from "@mastra/core/tools";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { AgentLike, RunContext } from "../agent.ts";
import type { StreamEvent } from "../events.ts";
import { AgentFailure } from "../failure.ts";
import { createHub } from "../hub.ts";
import { finalText, toMessages } from "../messages.ts";
import { memoryStore } from "../stores/memory.ts";
import { answers, calls, ends, says, thinks, tokens } from "../testing/scripted-model.ts";
import { collect, expectWhole, mockModel, play, type Turn, withoutStrayEnds } from "./adapters.fixture.ts";
import { answeredCalls } from "./answered-calls.ts";
import { fromMastra, type MastraChunk } from "./from-mastra.ts";

type Options = Omit<ConstructorParameters<typeof Agent>[0], "id" | "name" | "instructions" | "model">;

/** Keeps Mastra's own log off the console. */
const quiet = (agent: Agent): Agent => {
  new Mastra({ agents: { [agent.id]: agent }, logger: false });
  return agent;
};

const mastra = (turns: readonly Turn[], options: Partial<Options> = {}, id = "assistant") =>
  quiet(
    new Agent({
      id,
      name: id,
      description: `The agent ${id}`,
      instructions: "Help.",
      model: mockModel(...turns),
      maxRetries: 0,
      ...options,
    } as ConstructorParameters<typeof Agent>[0]) as Agent,
  );

/** A Mastra agent as one of Runlog, as the guide shows it. */
function agentOf(agent: Agent): AgentLike {
  return {
    name: "assistant",
    run: (context: RunContext) => fromMastra(streamOf(agent, context), context),
  };
}

function streamOf(agent: Agent, { run, input, entries, signal }: RunContext) {
  const call = answeredCalls(entries).at(-1);
  if (!call) return agent.stream(input as string, { runId: run, abortSignal: signal });
  const { callId: toolCallId, approved, reason } = call;
  return approved
    ? agent.approveToolCall({ runId: run, toolCallId })
    : agent.declineToolCall({ runId: run, toolCallId, ...(reason !== undefined && { reason }) });
}

const weather = createTool({
  id: "weather",
  description: "The weather",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }, context) => {
    await context.writer?.write({ asked: city });
    return { city, celsius: -3 };
  },
});
const broken = createTool({
  id: "broken",
  description: "Fails",
  inputSchema: z.object({}),
  execute: async () => {
    throw new Error("Out of order");
  },
});
const remove = createTool({
  id: "remove",
  description: "Deletes",
  inputSchema: z.object({ file: z.string() }),
  requireApproval: true,
  execute: async ({ file }) => `${file} is gone`,
});

const of = <Type extends StreamEvent["type"]>(events: readonly StreamEvent[], type: Type) =>
  events.filter((event): event is Extract<StreamEvent, { type: Type }> => event.type === type);

const chunks = (...all: readonly MastraChunk[]) => ({
  fullStream: (async function* () {
    yield* all;
  })(),
});

describe("fromMastra", () => {
  it("[F34] tells a tool loop as steps with their texts, thoughts, calls and usage", async () => {
    const agent = mastra(
      [
        [
          { type: "response-metadata", id: "x", modelId: "mock-1-large" },
          ...thinks(["I should look."]),
          ...says(["Let me look."]),
          ...calls("c1", "weather", { city: "Oslo" }),
          ...ends("tool-calls", tokens(100, 20, 40, 8)),
        ],
        answers("It is -3 °C.", tokens(150, 10)),
      ],
      { tools: { weather } },
    );
    const { events, entries, run } = await play(agentOf(agent));
    expectWhole(events);
    expect(of(events, "step.finished")).toMatchObject([
      {
        step: 1,
        finishReason: "tool-calls",
        model: "mock-1-large",
        usage: { inputTokens: 100, outputTokens: 20, cacheReadTokens: 40, reasoningTokens: 8 },
        cost: null,
      },
      { step: 2, finishReason: "stop", usage: { inputTokens: 150, outputTokens: 10 } },
    ]);
    expect(of(events, "tool.progressed")).toMatchObject([{ callId: "c1", data: { asked: "Oslo" } }]);
    expect(toMessages(entries).slice(1)).toEqual([
      {
        id: "r1-1",
        role: "assistant",
        parts: [
          { type: "reasoning", text: "I should look." },
          { type: "text", text: "Let me look." },
          {
            type: "tool",
            callId: "c1",
            name: "weather",
            input: { city: "Oslo" },
            output: { city: "Oslo", celsius: -3 },
          },
        ],
      },
      { id: "r1-2", role: "assistant", parts: [{ type: "text", text: "It is -3 °C." }] },
    ]);
    expect(await run.info()).toMatchObject({
      status: "finished",
      usage: { inputTokens: 250, outputTokens: 30, cacheReadTokens: 40, reasoningTokens: 8 },
    });
  });

  it("[F34] gives the messages, results and usage that Mastra says were produced", async () => {
    const stream = await mastra(
      [
        [
          ...calls("c1", "weather", { city: "Oslo" }),
          ...calls("c2", "weather", { city: "Rome" }),
          ...ends("tool-calls"),
        ],
        answers("Done."),
      ],
      { tools: { weather } },
    ).stream("Hi");
    const { entries, run } = await play({ name: "a", run: (context) => fromMastra(stream, context) });
    const said = toMessages(entries).slice(1);
    expect(finalText(said)).toBe(await stream.text);
    const results = await stream.toolResults;
    expect(results.map(({ payload }) => payload.result)).toEqual([
      { city: "Oslo", celsius: -3 },
      { city: "Rome", celsius: -3 },
    ]);
    expect(said[0]?.parts.map((part) => part.type === "tool" && part.output)).toEqual(
      results.map(({ payload }) => payload.result),
    );
    const { usage } = await run.info();
    expect(usage).toMatchObject({
      inputTokens: (await stream.usage).inputTokens,
      outputTokens: (await stream.usage).outputTokens,
    });
  });

  it("[F34] fails a call that throws and one to no tool, and goes on", async () => {
    const { events } = await play(
      agentOf(
        mastra(
          [
            [...calls("c1", "broken", {}), ...calls("c2", "nothing", {}), ...ends("tool-calls")],
            answers("Sorry."),
          ],
          {
            tools: { broken },
          },
        ),
      ),
    );
    expectWhole(events);
    expect(of(events, "tool.failed").toSorted((a, b) => a.callId.localeCompare(b.callId))).toMatchObject([
      { callId: "c1", code: "tool_error", message: "Out of order" },
      { callId: "c2", code: "unknown_tool" },
    ]);
    expect(events.at(-1)?.type).toBe("run.finished");
  });

  it("[F34] tells what an agent that is called as a tool says, with its name and the call", async () => {
    const scribe = mastra([answers("Roses are red.")], {}, "scribe");
    const { events, run } = await play(
      agentOf(
        mastra(
          [[...calls("c1", "agent-scribe", { prompt: "Write" }), ...ends("tool-calls")], answers("There.")],
          {
            agents: { scribe },
          },
        ),
      ),
    );
    expectWhole(events);
    const nested = events.filter((event) => event.parent === "c1");
    expect(nested.map(({ type, agent }) => `${agent} ${type}`)).toEqual([
      "scribe step.started",
      "scribe text.started",
      "scribe text.delta",
      "scribe text.finished",
      "scribe message",
      "scribe step.finished",
    ]);
    expect(of(events, "tool.returned")).toMatchObject([{ callId: "c1", output: { text: "Roses are red." } }]);
    // The usage of the one that was called is part of the run's.
    expect(await run.info()).toMatchObject({ usage: { inputTokens: 30, outputTokens: 15 } });
  });

  it("[F34] closes what an agent that is called left open when it failed, tells why, and goes on", async () => {
    const scribe = mastra(
      [
        [
          { type: "text-start", id: "0" },
          { type: "text-delta", id: "0", delta: "Roses" },
          { type: "error", error: new Error("Overloaded") },
        ],
      ],
      {},
      "scribe",
    );
    const { events } = await play(
      agentOf(
        mastra(
          [[...calls("c1", "agent-scribe", { prompt: "Write" }), ...ends("tool-calls")], answers("Sorry.")],
          {
            agents: { scribe },
          },
        ),
      ),
    );
    expectWhole(events);
    expect(of(events, "error")).toMatchObject([
      { agent: "scribe", parent: "c1", code: "provider_overloaded", message: "Overloaded" },
    ]);
    expect(of(events, "tool.failed")).toMatchObject([{ callId: "c1" }]);
    expect(events.at(-1)?.type).toBe("run.finished");
  });

  it("[F34] tells structured output as it grows, and as the run's output", async () => {
    const agent = mastra([answers('{"n":1}')]);
    const schema = z.object({ n: z.number() });
    const { events } = await play({
      name: "a",
      run: (context) => fromMastra(agent.stream("Hi", { structuredOutput: { schema } }), context),
    });
    expect(of(events, "output.delta").at(-1)).toMatchObject({ value: { n: 1 }, complete: true });
    expect(events.at(-1)).toMatchObject({ type: "run.finished", output: { n: 1 } });
  });

  it("[F34] withdraws an answer that a processor sent back, and counts what it took", async () => {
    const { events, entries, run } = await play(
      agentOf(
        mastra([answers("Rude."), answers("Polite.")], {
          maxProcessorRetries: 1,
          outputProcessors: [
            {
              id: "manners",
              processOutputStep: ({ abort, retryCount, messages }) =>
                retryCount === 0 ? abort("Be polite", { retry: true }) : messages,
            },
          ],
        }),
      ),
    );
    expectWhole(events);
    expect(of(events, "step.retried")).toMatchObject([
      { step: 1, attempt: 1, code: "tripwire", message: "Be polite" },
    ]);
    expect(toMessages(entries).slice(1)).toEqual([
      { id: "r1-1.2", role: "assistant", parts: [{ type: "text", text: "Polite." }] },
    ]);
    expect(await run.info()).toMatchObject({ usage: { inputTokens: 20, outputTokens: 10 } });
  });

  it("[F34] tells sources, files and what only Mastra has", async () => {
    const { events, error } = await collect(
      fromMastra(
        chunks(
          { type: "step-start", payload: { warnings: [{ type: "other", message: "Old model" }] } },
          {
            type: "redacted-reasoning",
            payload: { id: "r", data: "x", providerMetadata: { a: { data: "x" } } },
          },
          {
            type: "source",
            payload: { id: "s", sourceType: "url", url: "https://example.com/", title: "Example" },
          },
          { type: "file", payload: { data: new Uint8Array([104, 105]), mimeType: "text/plain" } },
          { type: "data-progress", data: { n: 1 } },
          { type: "goal", payload: { passed: true } },
          { type: "step-finish", payload: { stepResult: { reason: "stop" }, output: { usage: {} } } },
          { type: "finish", payload: { stepResult: { reason: "stop" } } },
        ),
        { run: "r" },
      ),
    );
    expect(error).toBeUndefined();
    expectWhole(events);
    expect(of(events, "error")).toMatchObject([{ code: "warning", message: "Old model" }]);
    expect(of(events, "source")).toMatchObject([
      { id: "1-s", url: "https://example.com/", title: "Example" },
    ]);
    expect(of(events, "file")).toMatchObject([{ mediaType: "text/plain", data: "aGk=" }]);
    expect(of(events, "custom")).toEqual([
      { type: "custom", name: "mastra.data-progress", data: { n: 1 } },
      { type: "custom", name: "mastra.goal", data: { passed: true } },
    ]);
    expect(of(events, "message")[0]?.message.parts[0]).toEqual({
      type: "reasoning",
      text: "",
      providerMetadata: { a: { data: "x" } },
    });
  });
});

describe("fromMastra, whatever the stream says", () => {
  const id = fc.constantFrom("0", "1", "c");
  const payload = fc.record({
    id,
    toolCallId: id,
    toolName: fc.constantFrom("a", "agent-b"),
    text: fc.string(),
    argsTextDelta: fc.string(),
    args: fc.anything(),
    result: fc.anything(),
    error: fc.anything(),
    stepResult: fc.record({ reason: fc.constantFrom("stop", "retry", "error", undefined) }),
  });
  const type = fc.constantFrom(
    "step-start",
    "step-finish",
    "text-start",
    "text-delta",
    "text-end",
    "reasoning-delta",
    "reasoning-signature",
    "redacted-reasoning",
    "tool-call-input-streaming-start",
    "tool-call-delta",
    "tool-call",
    "tool-result",
    "tool-error",
    "tool-output-denied",
    "error",
    "of-the-future",
  );
  const chunk: fc.Arbitrary<MastraChunk> = fc.record({ type, payload });
  const nested: fc.Arbitrary<MastraChunk> = fc
    .record({ chunk, toolCallId: id, report: fc.boolean() })
    .map(({ chunk: inner, toolCallId, report }) => ({
      type: "tool-output",
      payload: {
        toolCallId,
        toolName: "agent-b",
        output: report ? 1 : { runId: "r", from: "AGENT", ...inner },
      },
    }));
  const seed = process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) };

  it("[F34] every event fits the log, and a stream that breaks off leaves nothing open", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(chunk, nested), { maxLength: 30 }), async (all) => {
        const { events, error } = await collect(fromMastra(chunks(...all), { run: "r" }));
        expect(error).toBeInstanceOf(AgentFailure);
        expectWhole(withoutStrayEnds(events));
      }),
      seed,
    );
  });
});

describe("fromMastra, when a person is asked", () => {
  const asking = (...files: readonly string[]): Turn => [
    ...says(["May I?"]),
    ...files.flatMap((file) => calls(`c-${file}`, "remove", { file })),
    ...ends("tool-calls"),
  ];

  it("[F34] waits, and once it is allowed goes on in the same log", async () => {
    const waiting = await play(agentOf(mastra([asking("a")], { tools: { remove } })));
    expect(await waiting.run.info()).toMatchObject({ status: "waiting" });
    const { events, entries, run } = await play(
      agentOf(mastra([asking("a"), answers("Gone.")], { tools: { remove } })),
      { answers: [{ approved: true }] },
    );
    expectWhole(events);
    expect(await run.info()).toMatchObject({
      status: "finished",
      // Mastra tells the usage of the step that waited once it goes on.
      usage: { inputTokens: 20, outputTokens: 10 },
    });
    expect(toMessages(entries).slice(1)).toEqual([
      {
        id: "r1-1",
        role: "assistant",
        parts: [
          { type: "text", text: "May I?" },
          { type: "tool", callId: "c-a", name: "remove", input: { file: "a" }, output: "a is gone" },
        ],
      },
      { id: "r1-3", role: "assistant", parts: [{ type: "text", text: "Gone." }] },
    ]);
  });

  it("[F34] asks about one call after another, and fails those that are refused", async () => {
    const { events, run } = await play(
      agentOf(mastra([asking("a", "b"), answers("One is gone.")], { tools: { remove } })),
      { answers: [{ approved: false, reason: "Keep it" }, { approved: true }] },
    );
    expectWhole(events);
    expect(of(events, "approval.requested").map(({ callId }) => callId)).toEqual(["c-a", "c-b"]);
    expect(of(events, "tool.failed")).toMatchObject([{ callId: "c-a", code: "denied", message: "Keep it" }]);
    expect(of(events, "tool.returned")).toMatchObject([{ callId: "c-b", output: "b is gone" }]);
    expect(await run.info()).toMatchObject({ status: "finished" });
  });

  it("[F34] asks once for an agent that is called and needs an answer", async () => {
    const janitor = mastra(
      [[...calls("d1", "remove", { file: "a" }), ...ends("tool-calls")], answers("Swept.")],
      { tools: { remove } },
      "janitor",
    );
    const { events, run } = await play(
      agentOf(
        mastra(
          [[...calls("c1", "agent-janitor", { prompt: "Sweep" }), ...ends("tool-calls")], answers("Clean.")],
          {
            agents: { janitor },
          },
        ),
      ),
      { answers: [{ approved: true }] },
    );
    expectWhole(events);
    expect(of(events, "approval.requested")).toMatchObject([
      { callId: "c1", name: "remove", input: { file: "a" } },
    ]);
    expect(of(events, "tool.returned").map(({ callId }) => callId)).toEqual(["d1", "c1"]);
    expect(await run.info()).toMatchObject({ status: "finished" });
  });

  it("[F34] asks for a tool that suspends, with what it says as the reason", async () => {
    const ticket = createTool({
      id: "ticket",
      description: "Buys",
      inputSchema: z.object({ to: z.string() }),
      suspendSchema: z.object({ price: z.number() }),
      resumeSchema: z.object({ approved: z.boolean() }),
      execute: async ({ to }, context) => {
        if (!context.agent?.resumeData) return await context.agent?.suspend({ price: 40 });
        return `To ${to}`;
      },
    });
    const agent = mastra(
      [[...calls("c1", "ticket", { to: "Oslo" }), ...ends("tool-calls")], answers("Bought.")],
      {
        tools: { ticket },
      },
    );
    const { events } = await play(
      {
        name: "a",
        run: (context) => {
          const call = answeredCalls(context.entries).at(-1);
          if (!call) return fromMastra(agent.stream("Hi", { runId: context.run }), context);
          const { approved, callId: toolCallId } = call;
          return fromMastra(agent.resumeStream({ approved }, { runId: context.run, toolCallId }), context);
        },
      },
      { answers: [{ approved: true }] },
    );
    expectWhole(events);
    expect(of(events, "approval.requested")).toMatchObject([
      { callId: "c1", name: "ticket", input: { to: "Oslo" }, reason: '{"price":40}' },
    ]);
    expect(of(events, "tool.returned")).toMatchObject([{ callId: "c1", output: "To Oslo" }]);
  });
});

describe("fromMastra, when it does not go well", () => {
  const half = [
    { type: "text-start", id: "0" },
    { type: "text-delta", id: "0", delta: "Once upon" },
  ] as const;
  const hanging: Turn = async function* () {
    yield* half;
    await new Promise(() => {});
  };
  const cut: Turn = async function* () {
    yield* half;
    throw new Error("other side closed");
  };

  it.each<[string, Turn, { code: string; message: string }]>([
    [
      "the provider streams an error and ends",
      [...half, { type: "error", error: new Error("Overloaded") }],
      { code: "provider_overloaded", message: "Overloaded" },
    ],
    ["the connection is cut", cut, { code: "model_error", message: "other side closed" }],
    [
      "the stream ends without a finish",
      half,
      { code: "model_interrupted", message: "The model's answer broke off before its end" },
    ],
    ["nothing was said", new Error("No such host"), { code: "model_error", message: "No such host" }],
  ])("[F34] fails the run, with nothing left open, if %s", async (_, turn, failure) => {
    const { events, error } = await collect(fromMastra(mastra([turn]).stream("Hi")));
    expect(error).toBeInstanceOf(AgentFailure);
    expect(error).toMatchObject(failure);
    expectWhole(events);
    const played = await play(agentOf(mastra([turn])));
    expectWhole(played.events);
    expect(played.events.at(-1)).toMatchObject({ type: "run.failed", ...failure });
  });

  it.each(["before the model is asked", "in the middle of its answer"])(
    "[F34] fails the run if a processor stops the agent %s",
    async (when) => {
      const early = when.startsWith("before");
      const { events } = await play(
        agentOf(
          mastra([answers("A bad word.")], {
            inputProcessors: early ? [{ id: "in", processInput: ({ abort }) => abort("Not here") }] : [],
            outputProcessors: early
              ? []
              : [
                  {
                    id: "out",
                    processOutputStream: async ({ part, abort }) =>
                      part.type === "text-delta" ? abort("Not here") : part,
                  },
                ],
          }),
        ),
      );
      expectWhole(events);
      expect(events.at(-1)).toMatchObject({ type: "run.failed", code: "tripwire", message: "Not here" });
    },
  );

  it("[F34] is cancelled with its run, and fails if another signal aborts it", async () => {
    const hub = await createHub({ store: memoryStore(), agents: [agentOf(mastra([hanging]))] });
    const { run } = await hub.start({ input: "Hi" });
    for await (const { event } of run) if (event.type === "text.delta") await run.cancel();
    const entries = await run.log.entries();
    expectWhole(entries.map(({ event }) => event));
    expect(entries.at(-1)?.event.type).toBe("run.cancelled");

    const own = new AbortController();
    const stream = fromMastra(mastra([hanging]).stream("Hi", { abortSignal: own.signal }));
    const events: StreamEvent[] = [];
    await expect(
      (async () => {
        for await (const event of stream) {
          events.push(event);
          if (event.type === "text.delta") own.abort();
        }
      })(),
    ).rejects.toMatchObject({ code: "aborted" });
    expectWhole(events);
  });
});
