import type { LanguageModelV4StreamPart } from "@ai-sdk/provider";
import { isStepCount, Output, smoothStream, streamText, ToolLoopAgent, tool } from "ai";
import fc from "fast-check";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { z } from "zod";
import type { AgentLike, RunContext } from "../agent.ts";
import type { AgentEvent, StreamEvent } from "../events.ts";
import { AgentFailure } from "../failure.ts";
import { createHub } from "../hub.ts";
import { finalText, toMessages } from "../messages.ts";
import { memoryStore } from "../stores/memory.ts";
import { answers, calls, ends, says, thinks, tokens } from "../testing/scripted-model.ts";
import { collect, expectWhole, mockModel, play, type Turn, withoutStrayEnds } from "./adapters.fixture.ts";
import { type AISDKPart, type AISDKResult, fromAISDK } from "./from-ai-sdk.ts";
import { modelMessages } from "./model-messages.ts";

const weather = tool({
  description: "The weather",
  inputSchema: z.object({ city: z.string() }),
  execute: ({ city }) => ({ city, celsius: -3 }),
});
/** Says how far it is before it returns. */
const search = tool({
  description: "Searches",
  inputSchema: z.object({ query: z.string() }),
  async *execute({ query }) {
    yield { found: 1 };
    yield { found: 2, query };
  },
});
const broken = tool({
  description: "Fails",
  inputSchema: z.object({}),
  execute: (): string => {
    throw new Error("Out of order");
  },
});
const remove = tool({
  description: "Deletes",
  inputSchema: z.object({ file: z.string() }),
  execute: ({ file }) => `${file} is gone`,
});

type Settings = Omit<Parameters<typeof streamText>[0], "model" | "prompt" | "messages">;

/** An agent on `streamText`, as its documentation shows it. */
function agentOf(turns: readonly Turn[], settings: Settings = {}): AgentLike {
  const model = mockModel(...turns);
  return {
    name: "assistant",
    run: (context: RunContext) =>
      fromAISDK(
        streamText({
          model,
          maxRetries: 0,
          onError: () => {},
          stopWhen: isStepCount(5),
          ...settings,
          messages: modelMessages(context),
          abortSignal: context.signal,
        }),
        context,
      ),
  };
}

const stream = (turns: readonly Turn[], settings: Settings = {}) =>
  fromAISDK(
    streamText({ model: mockModel(...turns), prompt: "Hi", maxRetries: 0, onError: () => {}, ...settings }),
    { run: "r" },
  );

/** A result made of parts that were written down. */
const parts = (...all: readonly AISDKPart[]): AISDKResult => ({
  stream: (async function* () {
    yield* all;
  })(),
});

const of = <Type extends StreamEvent["type"]>(events: readonly StreamEvent[], type: Type) =>
  events.filter((event): event is Extract<StreamEvent, { type: Type }> => event.type === type);

const finishStep = {
  type: "finish-step",
  finishReason: "stop",
  usage: { inputTokens: 1, outputTokens: 1 },
} as const satisfies AISDKPart;
const finish = { type: "finish", finishReason: "stop", rawFinishReason: "stop" } as const;

describe("fromAISDK", () => {
  it("[F34] tells a tool loop as steps with their texts, thoughts, calls and usage", async () => {
    const agent = agentOf(
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
    const { events, entries, run } = await play(agent);
    expectWhole(events);
    expect(events.map((event) => event.type)).toEqual([
      "run.started",
      "step.started",
      "reasoning.started",
      "reasoning.delta",
      "reasoning.finished",
      "text.started",
      "text.delta",
      "text.finished",
      "tool.started",
      "tool.delta",
      "tool.called",
      "tool.returned",
      "message",
      "step.finished",
      "step.started",
      "text.started",
      "text.delta",
      "text.finished",
      "message",
      "step.finished",
      "run.finished",
    ]);
    expect(of(events, "step.finished")[0]).toMatchObject({
      step: 1,
      finishReason: "tool-calls",
      model: "mock-1-large",
      usage: { inputTokens: 100, outputTokens: 20, cacheReadTokens: 40, reasoningTokens: 8 },
      cost: null,
      durationMs: expect.any(Number),
      ttftMs: expect.any(Number),
    });
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

  it("[F34] tells two streams that one agent reads in turn as steps one after the other", async () => {
    const twice: AgentLike = {
      name: "twice",
      async *run(context) {
        for (const text of ["Once.", "Twice."]) {
          const model = mockModel([...says([text]), ...ends("stop", tokens(1, 1))]);
          yield* fromAISDK(streamText({ model, prompt: "x" }), context);
        }
      },
    };
    const { events, entries } = await play(twice);
    expectWhole(events);
    expect(of(events, "step.started").map(({ step }) => step)).toEqual([1, 2]);
    expect(toMessages(entries).slice(1)).toMatchObject([
      { parts: [{ type: "text", text: "Once." }] },
      { parts: [{ type: "text", text: "Twice." }] },
    ]);
  });

  it("[F34] gives the messages that the AI SDK says were produced", async () => {
    const result = streamText({
      model: mockModel(
        [
          ...thinks(["Hm."]),
          ...calls("c1", "weather", { city: "Oslo" }),
          ...calls("c2", "search", { query: "x" }),
          ...ends("tool-calls"),
        ],
        answers("Done."),
      ),
      tools: { weather, search },
      stopWhen: isStepCount(5),
      prompt: "Hi",
    });
    const { entries } = await play({ name: "a", run: (context) => fromAISDK(result, context) });
    const said = toMessages(entries).slice(1);
    const steps = await result.steps;
    expect(said.map((message) => finalText([message]))).toEqual(steps.map((step) => step.text));
    expect(
      said.map(({ parts }) =>
        parts.flatMap((part) => (part.type === "reasoning" ? [part.text] : [])).join(""),
      ),
    ).toEqual(steps.map((step) => step.reasoningText ?? ""));
    const toolsOf = said.flatMap(({ parts }) => parts.filter((part) => part.type === "tool"));
    expect(toolsOf.map(({ callId, output }) => ({ callId, output }))).toEqual(
      steps.flatMap((step) =>
        step.toolResults.map(({ toolCallId, output }) => ({ callId: toolCallId, output })),
      ),
    );
  });

  it("[F34] takes the promise that ToolLoopAgent.stream gives, and the deprecated fullStream", async () => {
    const agent = new ToolLoopAgent({ model: mockModel(answers("Hello.")) });
    const { events } = await collect(fromAISDK(agent.stream({ prompt: "Hi" })));
    expect(of(events, "text.delta")).toMatchObject([{ text: "Hello." }]);
    const { fullStream } = streamText({ model: mockModel(answers("Hello.")), prompt: "Hi" });
    expect(of((await collect(fromAISDK({ fullStream }))).events, "text.delta")).toMatchObject([
      { text: "Hello." },
    ]);
  });

  it("[F34] names blocks apart that the provider calls alike in each step", async () => {
    const { events } = await collect(
      stream(
        [[...says(["a"], "0"), ...calls("c", "weather", { city: "x" }), ...ends("tool-calls")], answers("b")],
        {
          tools: { weather },
          stopWhen: isStepCount(2),
        },
      ),
    );
    const ids = of(events, "text.started").map(({ id }) => id);
    expect(new Set(ids).size).toBe(2);
    expectWhole(events);
  });

  it("[F34] makes parallel calls with one id calls of their own, each with its own end", async () => {
    const again = [...calls("c1", "weather", { city: "Rome" }), ...ends("tool-calls")];
    const { events } = await collect(
      stream(
        [[...calls("c1", "weather", { city: "Oslo" }), ...ends("tool-calls")], again, answers("Both.")],
        {
          tools: { weather },
          stopWhen: isStepCount(5),
        },
      ),
    );
    expectWhole(events);
    expect(of(events, "tool.returned")).toMatchObject([
      { callId: "c1", output: { city: "Oslo" } },
      { callId: "c1.2", output: { city: "Rome" } },
    ]);
  });

  it("[F34] tells preliminary results as progress, and the final one once", async () => {
    const { events } = await collect(
      stream([[...calls("c1", "search", { query: "x" }), ...ends("tool-calls")], answers("Found.")], {
        tools: { search },
        stopWhen: isStepCount(2),
      }),
    );
    expectWhole(events);
    expect(of(events, "tool.progressed")).toEqual([
      { type: "tool.progressed", callId: "c1", data: { found: 1 } },
      { type: "tool.progressed", callId: "c1", data: { found: 2, query: "x" } },
    ]);
    expect(of(events, "tool.returned")).toMatchObject([{ callId: "c1", output: { found: 2, query: "x" } }]);
  });

  it("[F34] fails a call that throws, one to no tool and one with wrong arguments, and goes on", async () => {
    const { events, error } = await collect(
      stream(
        [
          [
            ...calls("c1", "broken", {}),
            ...calls("c2", "nothing", {}),
            ...calls("c3", "weather", { town: 1 }),
            ...ends("tool-calls"),
          ],
          answers("Sorry."),
        ],
        { tools: { broken, weather }, stopWhen: isStepCount(2) },
      ),
    );
    expect(error).toBeUndefined();
    expectWhole(events);
    const failed = of(events, "tool.failed").toSorted((a, b) => a.callId.localeCompare(b.callId));
    expect(failed).toMatchObject([
      { callId: "c1", name: "broken", code: "tool_error", message: "Out of order" },
      { callId: "c2", name: "nothing", code: "unknown_tool" },
      { callId: "c3", name: "weather", code: "invalid_input" },
    ]);
    expect(failed.map(({ durationMs }) => typeof durationMs)).toEqual(["number", "undefined", "undefined"]);
  });

  it("[F34] fails a call whose result has no JSON", async () => {
    const loop: { self?: unknown } = {};
    loop.self = loop;
    const { events } = await collect(
      fromAISDK(
        parts(
          { type: "start-step" },
          { type: "tool-call", toolCallId: "c1", toolName: "knot", input: {} },
          { type: "tool-result", toolCallId: "c1", toolName: "knot", output: loop },
          finishStep,
          finish,
        ),
      ),
    );
    expectWhole(events);
    expect(of(events, "tool.failed")).toMatchObject([{ code: "invalid_output" }]);
  });

  it("[F34] tells sources, files, what only a provider has, and warnings", async () => {
    // The AI SDK would also write them to the console.
    vi.stubGlobal("AI_SDK_LOG_WARNINGS", false);
    onTestFinished(() => void vi.unstubAllGlobals());
    const png = "aGVsbG8=";
    const { events, error } = await collect(
      stream([
        [
          { type: "stream-start", warnings: [{ type: "unsupported", feature: "seed", details: "ignored" }] },
          { type: "source", sourceType: "url", id: "s", url: "https://example.com/", title: "Example" },
          {
            type: "source",
            sourceType: "document",
            id: "s",
            mediaType: "text/plain",
            title: "Doc",
            filename: "a.txt",
          },
          { type: "reasoning-file", mediaType: "image/png", data: { type: "data", data: png } },
          { type: "file", mediaType: "image/png", data: { type: "data", data: png } },
          { type: "custom", kind: "mock.note", providerMetadata: { mock: { n: 1 } } },
          ...answers("See there."),
        ],
      ]),
    );
    expect(error).toBeUndefined();
    expect(of(events, "error")).toMatchObject([
      { code: "warning", message: 'The model does not support "seed": ignored' },
    ]);
    expect(of(events, "source")).toEqual([
      { type: "source", id: "1-s", url: "https://example.com/", title: "Example" },
      { type: "source", id: "1-s.2", mediaType: "text/plain", title: "Doc", filename: "a.txt" },
    ]);
    expect(of(events, "file")).toMatchObject([{ data: png }, { data: png }]);
    // What belongs to a thought is no part of the answer.
    expect(of(events, "message")[0]?.message.parts).toEqual([
      { type: "file", mediaType: "image/png", data: png },
      { type: "text", text: "See there." },
    ]);
    expect(of(events, "custom")).toEqual([
      { type: "custom", name: "provider.mock.note", data: { mock: { n: 1 } } },
    ]);
  });

  it("[F34] leaves a file out that the log cannot hold, and says so", async () => {
    const { events } = await collect(
      fromAISDK(
        parts(
          { type: "start-step" },
          { type: "file", file: { mediaType: "video/mp4", base64: "A".repeat(1_000_000) } },
          finishStep,
          finish,
        ),
      ),
    );
    expect(of(events, "file")).toEqual([]);
    expect(of(events, "error")).toMatchObject([{ code: "too_large" }]);
  });

  it("[F34] puts what a program steers into the conversation as the user's message", async () => {
    const { events } = await collect(
      fromAISDK(
        parts(
          { type: "steering-message", id: "u1", message: { content: [{ type: "text", text: "Shorter" }] } },
          { type: "ping" },
          { type: "raw" },
          { type: "start-step" },
          { type: "text-delta", id: "0", text: "Ok" },
          finishStep,
          finish,
        ),
      ),
    );
    expect(
      of(events, "message").map(({ message }) => [
        message.role,
        finalText([{ ...message, role: "assistant" }]),
      ]),
    ).toEqual([
      ["user", "Shorter"],
      ["assistant", "Ok"],
    ]);
  });

  it("[F34] keeps the signature of a thought, so that it can be given back", async () => {
    const signed = { anthropic: { signature: "s1" } };
    const { entries } = await play(
      agentOf([
        [
          { type: "reasoning-start", id: "0" },
          { type: "reasoning-delta", id: "0", delta: "Hm." },
          { type: "reasoning-delta", id: "0", delta: "", providerMetadata: signed },
          { type: "reasoning-end", id: "0" },
          ...answers("Yes."),
        ],
      ]),
    );
    expect(toMessages(entries).at(-1)?.parts[0]).toEqual({
      type: "reasoning",
      text: "Hm.",
      providerMetadata: signed,
    });
    expect(modelMessages({ input: "", history: [], entries }).at(-1)).toEqual({
      role: "assistant",
      content: [
        { type: "reasoning", text: "Hm.", providerOptions: signed },
        { type: "text", text: "Yes." },
      ],
    });
  });

  it("[F34] tells the cost that a provider tells with its raw usage, and else none", async () => {
    const usage = { ...tokens(10, 5), raw: { cost: 0.0125 } };
    const { events } = await collect(stream([answers("Hi.", usage)]));
    expect(of(events, "step.finished")).toMatchObject([{ cost: 0.0125 }]);
    const without = await collect(stream([answers("Hi.")]));
    expect(of(without.events, "step.finished")).toMatchObject([{ cost: null }]);
  });

  it("[F34] works behind a transform of the AI SDK, and with structured output", async () => {
    const { events, error } = await collect(
      stream([answers('{"n":1}')], {
        experimental_transform: smoothStream({ delayInMs: null }),
        output: Output.object({ schema: z.object({ n: z.number() }) }),
      }),
    );
    expect(error).toBeUndefined();
    expectWhole(events);
  });
});

describe("fromAISDK, when a person is asked", () => {
  const asking: Turn = [...says(["May I?"]), ...calls("c1", "remove", { file: "a" }), ...ends("tool-calls")];
  const settings = { tools: { remove, weather }, toolApproval: { remove: "user-approval" as const } };

  it("[F34] waits, and once it is allowed makes the call and goes on in the same log", async () => {
    const agent = agentOf([asking, answers("Gone.")], settings);
    const waiting = await play(agent);
    expect(await waiting.run.info()).toMatchObject({ status: "waiting" });
    const { events, entries, run } = await play(agentOf([asking, answers("Gone.")], settings), {
      answers: [{ approved: true }],
    });
    expectWhole(events);
    expect(await run.info()).toMatchObject({
      status: "finished",
      usage: { inputTokens: 20, outputTokens: 10 },
    });
    expect(of(events, "step.started").map(({ step }) => step)).toEqual([1, 2]);
    expect(toMessages(entries).slice(1)).toEqual([
      {
        id: "r1-1",
        role: "assistant",
        parts: [
          { type: "text", text: "May I?" },
          { type: "tool", callId: "c1", name: "remove", input: { file: "a" }, output: "a is gone" },
        ],
      },
      { id: "r1-2", role: "assistant", parts: [{ type: "text", text: "Gone." }] },
    ]);
  });

  it("[F34] fails the call with the person's reason if it is refused", async () => {
    const { events, run } = await play(agentOf([asking, answers("Then not.")], settings), {
      answers: [{ approved: false, reason: "It is mine" }],
    });
    expectWhole(events);
    expect(of(events, "tool.failed")).toEqual([
      { type: "tool.failed", callId: "c1", name: "remove", code: "denied", message: "It is mine" },
    ]);
    expect(await run.info()).toMatchObject({ status: "finished" });
  });

  it("[F34] makes what needs no answer at once, and gives the model its result afterwards", async () => {
    const both: Turn = [
      ...calls("c1", "weather", { city: "Oslo" }),
      ...calls("c2", "remove", { file: "a" }),
      ...calls("c3", "remove", { file: "b" }),
      ...ends("tool-calls"),
    ];
    const asked: unknown[] = [];
    const last: Turn = answers("Done.");
    const model = mockModel(both, last);
    const agent: AgentLike = {
      name: "assistant",
      run: (context) => {
        asked.push(modelMessages(context));
        return fromAISDK(
          streamText({
            model,
            messages: modelMessages(context),
            abortSignal: context.signal,
            ...settings,
            stopWhen: isStepCount(5),
          }),
          context,
        );
      },
    };
    const { events } = await play(agent, {
      answers: [{ approved: true }, { approved: false, reason: "No" }],
    });
    expectWhole(events);
    expect(of(events, "tool.returned").map(({ callId }) => callId)).toEqual(["c1", "c2"]);
    expect(of(events, "tool.failed").map(({ callId, message }) => [callId, message])).toEqual([["c3", "No"]]);
    const { prompt } = model.doStreamCalls[1]!;
    expect(prompt.map(({ role }) => role)).toEqual(["user", "assistant", "tool"]);
    expect(JSON.stringify(prompt.at(-1))).toContain("celsius");
    expect(asked).toHaveLength(2);
  });

  it("[F34] does not ask where a rule of the program has answered", async () => {
    const { events } = await collect(
      stream([[...calls("c1", "remove", { file: "a" }), ...ends("tool-calls")], answers("No.")], {
        tools: { remove },
        toolApproval: { remove: { type: "denied", reason: "Never" } },
        stopWhen: isStepCount(2),
      }),
    );
    expect(of(events, "approval.requested")).toEqual([]);
    expect(of(events, "tool.failed")).toMatchObject([{ callId: "c1", code: "denied", message: "Never" }]);
    expectWhole(events);
  });
});

describe("fromAISDK, when it does not go well", () => {
  const half: readonly LanguageModelV4StreamPart[] = [
    { type: "text-start", id: "0" },
    { type: "text-delta", id: "0", delta: "Once upon" },
  ];
  /** Speaks, and then waits for what never comes. */
  const hanging: Turn = async function* () {
    yield* half;
    await new Promise(() => {});
  };
  /** Speaks, and then its connection is cut. */
  const cut: Turn = async function* () {
    yield* half;
    const cause = Object.assign(new Error("other side closed"), { code: "UND_ERR_SOCKET" });
    throw new TypeError("terminated", { cause });
  };

  it.each<[string, Turn, { code: string; message: string; last: string }]>([
    [
      "the provider streams an error and ends",
      [...half, { type: "error", error: new Error("Overloaded") }],
      { code: "provider_overloaded", message: "Overloaded", last: "error" },
    ],
    [
      "the connection is cut",
      cut,
      {
        code: "provider_disconnected",
        message: "No connection to the provider: UND_ERR_SOCKET",
        last: "interrupted",
      },
    ],
    [
      "the stream ends without a finish",
      half,
      { code: "model_interrupted", message: "The model's answer broke off before its end", last: "other" },
    ],
    [
      "the provider says that it was interrupted",
      [...half, ...ends("interrupted" as "other")],
      {
        code: "model_interrupted",
        message: "The model's answer broke off before its end",
        last: "interrupted",
      },
    ],
    [
      "the model says that it failed",
      [...half, ...ends("error")],
      { code: "model_error", message: "The model failed without saying why", last: "error" },
    ],
  ])("[F34] fails the run, with nothing left open, if %s", async (_, turn, { code, message, last }) => {
    const { events, error } = await collect(stream([turn]));
    expect(error).toBeInstanceOf(AgentFailure);
    expect(error).toMatchObject({ code, message });
    expectWhole(events);
    expect(of(events, "step.finished").at(-1)).toMatchObject({ finishReason: last });
    const played = await play(agentOf([turn]));
    expectWhole(played.events);
    expect(played.events.at(-1)).toMatchObject({ type: "run.failed", code, message });
  });

  it("[F34] fails the run with a code for the provider's status if nothing was said", async () => {
    const refused = Object.assign(new Error("Slow down"), { statusCode: 429 });
    const { events } = await play(agentOf([refused]));
    expect(events.map((event) => event.type)).toEqual(["run.started", "run.failed"]);
    expect(events.at(-1)).toMatchObject({ code: "rate_limited", message: "Slow down" });
  });

  it("[F34] hides keys that a provider quotes", async () => {
    const quoted = Object.assign(new Error("Incorrect API key provided: sk-abcdefghijklmnop"), {
      statusCode: 401,
    });
    expect((await collect(stream([quoted]))).error).toMatchObject({
      code: "provider_unauthorized",
      message: "Incorrect API key provided: [hidden]",
    });
  });

  it("[F34] tells of an error that the stream goes on after, and finishes", async () => {
    const { events, error } = await collect(
      fromAISDK(
        parts(
          { type: "start-step" },
          { type: "text-delta", id: "0", text: "Fine" },
          { type: "error", error: new Error("A chunk that is no JSON") },
          finishStep,
          finish,
        ),
      ),
    );
    expect(error).toBeUndefined();
    expect(of(events, "error")).toMatchObject([{ message: "A chunk that is no JSON", retryable: false }]);
    expectWhole(events);
  });

  it("[F34] keeps the usage of steps that were finished before the failure", async () => {
    const { run } = await play(
      agentOf([[...calls("c1", "weather", { city: "x" }), ...ends("tool-calls", tokens(100, 20))], cut], {
        tools: { weather },
      }),
    );
    expect(await run.info()).toMatchObject({
      status: "failed",
      usage: { inputTokens: 100, outputTokens: 20 },
    });
  });

  it("[F34] is cancelled with its run, and says nothing more", async () => {
    const hub = await createHub({ store: memoryStore(), agents: [agentOf([hanging])] });
    const { run } = await hub.start({ input: "Hi" });
    for await (const { event } of run)
      if (event.type === "text.delta") await run.cancel({ reason: "enough" });
    const entries = await run.log.entries();
    expectWhole(entries.map(({ event }) => event));
    expect(entries.at(-1)?.event).toMatchObject({ type: "run.cancelled", reason: "enough" });
    expect(finalText(toMessages(entries))).toBe("Once upon");
  });

  it("[F34] just ends when the run's own signal aborts it", async () => {
    const abort = new AbortController();
    const result = streamText({ model: mockModel(hanging), prompt: "Hi", abortSignal: abort.signal });
    const events: AgentEvent[] = [];
    for await (const event of fromAISDK(result, { signal: abort.signal })) {
      events.push(event);
      if (event.type === "text.delta") abort.abort();
    }
    expect(events.at(-1)?.type).toBe("text.delta");
  });

  it("[F34] fails if a signal that is not the run's aborts it, and for the AI SDK's own timeouts", async () => {
    const own = new AbortController();
    const result = streamText({ model: mockModel(hanging), prompt: "Hi", abortSignal: own.signal });
    const aborted = fromAISDK(result);
    const events: AgentEvent[] = [];
    await expect(
      (async () => {
        for await (const event of aborted) {
          events.push(event);
          if (event.type === "text.delta") own.abort(new Error("The program had enough"));
        }
      })(),
    ).rejects.toMatchObject({ code: "aborted", message: "Error: The program had enough" });
    expectWhole(events);
    const timedOut = await collect(stream([hanging], { timeout: { chunkMs: 5 } }));
    expect(timedOut.error).toMatchObject({ code: "timeout" });
    expectWhole(timedOut.events);
  });

  it("[F34] takes what the AI SDK's stream retries withdrew out of the message", async () => {
    const wrong: Turn = [
      ...says(["Wrong "], "0").slice(0, 2),
      { type: "error", error: new Error("Overloaded") },
    ];
    const { entries, run } = await play(agentOf([wrong, answers("Right.")], { streamRetries: 1 }));
    expect(await run.info()).toMatchObject({ status: "finished" });
    expect(toMessages(entries).slice(1)).toEqual([
      { id: "r1-1", role: "assistant", parts: [{ type: "text", text: "Right." }] },
    ]);
  });

  it("[F34] leaves nothing open in the run of an agent that calls another, which fails", async () => {
    const outer: AgentLike = {
      name: "outer",
      async *run(context) {
        yield { type: "tool.started", callId: "c0", name: "ask" };
        yield { type: "tool.called", callId: "c0", name: "ask", input: {} };
        try {
          yield* fromAISDK(streamText({ model: mockModel(cut), prompt: "Hi", onError: () => {} }), {
            ...context,
            agent: "inner",
            parent: "c0",
          });
        } catch {
          yield { type: "tool.failed", callId: "c0", name: "ask", code: "tool_error", message: "It failed" };
        }
      },
    };
    const { events } = await play(outer);
    expect(events.at(-1)).toMatchObject({ type: "run.finished" });
    expectWhole(events);
    const nested = events.filter((event) => event.parent === "c0");
    expect(nested.length).toBeGreaterThan(3);
    expect(nested.every((event) => event.agent === "inner")).toBe(true);
  });

  it("[F34] reads at the pace of its consumer, and returns the source when that leaves", async () => {
    let pulled = 0;
    let returned = false;
    const source = {
      stream: (async function* (): AsyncGenerator<AISDKPart> {
        try {
          for (;;) {
            pulled += 1;
            yield { type: "text-delta", id: "0", text: `${pulled} ` };
          }
        } finally {
          returned = true;
        }
      })(),
    };
    const events = fromAISDK(source);
    expect(pulled).toBe(0);
    await events.next();
    await events.next();
    await events.next();
    expect(pulled).toBe(2);
    await events.return();
    expect(returned).toBe(true);
  });
});

describe("fromAISDK, whatever the stream says", () => {
  const key = fc.constantFrom("0", "1", "c");
  const call = fc.record({ toolCallId: key, toolName: fc.constantFrom("a", "b"), input: fc.constant({}) });
  const part: fc.Arbitrary<AISDKPart> = fc.oneof(
    fc.constant<AISDKPart>({ type: "start-step" }),
    fc.record({
      type: fc.constantFrom("text-start", "text-end", "reasoning-start", "reasoning-end"),
      id: key,
    }),
    fc.record({ type: fc.constantFrom("text-delta", "reasoning-delta"), id: key, text: fc.string() }),
    fc.record({ type: fc.constant("tool-input-start"), id: key, toolName: fc.constant("a") }),
    fc.record({ type: fc.constant("tool-input-delta"), id: key, delta: fc.string() }),
    call.map((fields) => ({ type: "tool-call", ...fields }) as const),
    fc
      .record({ call, output: fc.anything(), preliminary: fc.boolean() })
      .map(({ call: fields, ...rest }) => ({ type: "tool-result", ...fields, ...rest }) as const),
    fc
      .record({ call, error: fc.anything() })
      .map(({ call: fields, error }) => ({ type: "tool-error", ...fields, error }) as const),
    call.map((fields) => ({ type: "tool-output-denied", ...fields }) as const),
    call.map((fields) => ({ type: "tool-approval-request", approvalId: "p", toolCall: fields }) as const),
    fc.record({ type: fc.constant("source"), id: key }),
    fc.record({ type: fc.constant("error"), error: fc.anything() }),
    fc.constantFrom<AISDKPart>(
      finishStep,
      { ...finishStep, finishReason: "error" },
      { type: "start" },
      { type: "raw" },
    ),
    fc.constant({ type: "of-the-future", id: "0" } as unknown as AISDKPart),
  );
  const seed = process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) };

  it("[F34] every event fits the log, and a stream that breaks off leaves nothing open", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 30 }), async (all) => {
        const { events, error } = await collect(fromAISDK(parts(...all), { run: "r" }));
        expect(error).toBeInstanceOf(AgentFailure);
        expectWhole(withoutStrayEnds(events));
      }),
      seed,
    );
  });

  it("[F34] what is run again in a log takes no id that is taken there", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(part, { maxLength: 20 }),
        fc.array(part, { maxLength: 20 }),
        async (one, other) => {
          const before = (await collect(fromAISDK(parts(...one), { run: "r" }))).events;
          const entries = before.map((event, index) => ({ seq: index + 1, at: 0, event }));
          const after = (await collect(fromAISDK(parts(...other), { run: "r", entries }))).events;
          const ids = (events: readonly AgentEvent[]) => events.flatMap((event) => startedIn(event));
          expect(ids(before).filter((id) => ids(after).includes(id))).toEqual([]);
        },
      ),
      seed,
    );
  });
});

function startedIn(event: AgentEvent): string[] {
  switch (event.type) {
    case "text.started":
    case "reasoning.started":
      return [event.id];
    case "tool.started":
      return [event.callId];
    case "step.started":
      return [`step ${event.step}`];
    default:
      return [];
  }
}
