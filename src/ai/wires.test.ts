import { describe, expect, test } from "vitest";
import { z } from "zod";
import {
  anthropicServer,
  openaiChatServer,
  openaiResponsesServer,
  type ProviderScript,
  type ProviderServer,
  type Reply,
} from "../testing/providers.ts";
import { TestRun } from "../testing/run-context.ts";
import { Agent, type AgentOptions } from "./agent.ts";
import { type ResolvedModel, resolveModel } from "./models.ts";
import { tool } from "./tool.ts";

interface Wire {
  readonly name: string;
  serve(script: ProviderScript): Promise<ProviderServer>;
  open(server: ProviderServer): Promise<ResolvedModel>;
  /** Whether a price is known for the model it names. */
  readonly priced: boolean;
}

const wires: readonly Wire[] = [
  {
    name: "openai-compatible",
    serve: openaiChatServer,
    open: (server) => resolveModel({ baseURL: server.url, name: "local-model" }),
    priced: false,
  },
  {
    name: "openai chat",
    serve: openaiChatServer,
    open: (server) =>
      resolveModel("openai-chat/gpt-4o", {
        env: { OPENAI_API_KEY: "test-key-123", OPENAI_BASE_URL: server.url },
      }),
    priced: true,
  },
  {
    name: "openai responses",
    serve: openaiResponsesServer,
    open: (server) =>
      resolveModel("openai/gpt-5.1", {
        env: { OPENAI_API_KEY: "test-key-123", OPENAI_BASE_URL: server.url },
      }),
    priced: true,
  },
  {
    name: "anthropic",
    serve: anthropicServer,
    open: (server) =>
      resolveModel("anthropic/claude-sonnet-4-5", {
        env: { ANTHROPIC_API_KEY: "test-key-123", ANTHROPIC_BASE_URL: server.url },
      }),
    priced: true,
  },
];

const weather = tool({
  description: "Tells the weather",
  input: z.object({ city: z.string() }),
  execute: ({ city }) => ({ city, celsius: 3 }),
});

const oslo = { id: "call_a", name: "weather", input: { city: "Oslo" } };
const bergen = { id: "call_b", name: "weather", input: { city: "Bergen" } };
const usage = { input: 1_000, output: 50, cached: 600, reasoning: 20 };

/** Without waiting between attempts. */
async function runOn(
  wire: Wire,
  server: ProviderServer,
  options: Partial<AgentOptions> = {},
): Promise<TestRun> {
  const { model } = await wire.open(server);
  const agent = new Agent({ name: "agent", model, tools: { weather }, sleep: async () => {}, ...options });
  return new TestRun(agent, { input: "How is the weather?" });
}

describe.each(wires)("[F35] $name", (wire) => {
  test("[F2] the pieces of text are the answer, byte for byte, and [F3] the message is whole under the same id", async () => {
    const pieces = ["Grüße ", "aus ", "\u{1f327}", "\n\n", "und  zwei Leerzeichen."];
    await using server = await wire.serve([{ text: pieces, usage }]);
    const run = await runOn(wire, server);

    expect(await run.go()).toEqual({ status: "finished" });

    expect(run.of("text.delta").map((event) => event.text)).toEqual(pieces);
    const [started] = run.of("text.started");
    const [message] = run.of("message");
    expect(message?.message.parts).toEqual([{ type: "text", text: pieces.join("") }]);
    expect(message?.message.id).toBe(started?.messageId);
    expect(run.of("text.finished").map((event) => event.id)).toEqual([started?.id]);
  });

  test("[F5] [F6] [F10] two calls at once are started, streamed, called and answered under the provider's ids", async () => {
    await using server = await wire.serve([
      { calls: [oslo, bergen], usage },
      { text: ["Cold."], usage },
    ]);
    const run = await runOn(wire, server);

    expect(await run.go()).toEqual({ status: "finished" });

    for (const { id, name, input } of [oslo, bergen]) {
      const events = run.events.filter((event) => "callId" in event && event.callId === id);
      expect(new Set(events.map((event) => event.type))).toEqual(
        new Set(["tool.started", "tool.delta", "tool.called", "tool.returned"]),
      );
      expect(events[0]).toMatchObject({ type: "tool.started", name });
      const json = run.of("tool.delta").filter((event) => event.callId === id);
      expect(JSON.parse(json.map((event) => event.text).join(""))).toEqual(input);
      expect(events.at(-2)).toMatchObject({ type: "tool.called", input });
      expect(events.at(-1)).toMatchObject({ type: "tool.returned", output: { ...input, celsius: 3 } });
    }
    expect(run.text).toBe("Cold.");
    // The provider is told both results with the second request.
    const second = JSON.stringify(server.requests[1]?.body);
    for (const each of ["call_a", "call_b", "Bergen", "celsius"]) expect(second).toContain(each);
  });

  test("[F22] [F23] a step tells its tokens, the cached ones as a part of the input, and its cost", async () => {
    await using server = await wire.serve([{ text: ["Hello"], usage: { ...usage, reasoning: 0 } }]);
    const run = await runOn(wire, server);
    await run.go();

    const [step] = run.of("step.finished");
    expect(step).toMatchObject({
      finishReason: "stop",
      usage: { inputTokens: 1_000, outputTokens: 50, cacheReadTokens: 600 },
    });
    expect(step?.ttftMs).toBeGreaterThanOrEqual(0);
    expect(step?.durationMs).toBeGreaterThanOrEqual(step?.ttftMs ?? Number.NaN);
    if (wire.priced) expect(step?.cost).toBeGreaterThan(0);
    else expect(step?.cost).toBeNull();
  });

  test("[F84] a 500 is tried again, and the run goes on as if it had not been", async () => {
    await using server = await wire.serve([{ status: 500 }, { text: ["Hello"], usage }]);
    const run = await runOn(wire, server);

    expect(await run.go()).toEqual({ status: "finished" });

    expect(run.of("step.retried")).toMatchObject([{ step: 1, attempt: 1, code: "provider_unavailable" }]);
    expect(run.text).toBe("Hello");
    expect(server.requests).toHaveLength(2);
  });

  test("[F17] a 500 that stays fails the run with a code", async () => {
    await using server = await wire.serve(() => ({ status: 500, message: "no luck" }));
    const run = await runOn(wire, server, { retries: 2 });

    expect(await run.go()).toMatchObject({
      status: "failed",
      code: "provider_unavailable",
      message: "no luck",
    });
    expect(server.requests).toHaveLength(3);
    expect(run.of("step.retried").map((event) => event.attempt)).toEqual([1, 2]);
  });

  test("[F17] a refused key is not tried again, and is not shown", async () => {
    await using server = await wire.serve(() => ({
      status: 401,
      message: "Incorrect API key provided: sk-abcdefghijk",
    }));
    const run = await runOn(wire, server);

    const outcome = await run.go();

    expect(outcome).toMatchObject({ status: "failed", code: "provider_unauthorized" });
    expect(JSON.stringify([outcome, run.events])).not.toContain("abcdefghijk");
    expect(server.requests).toHaveLength(1);
  });

  test.each([
    ["cut", "provider_disconnected"],
    ["no-finish", "model_interrupted"],
    ["overloaded", "provider_overloaded"],
  ] as const)(
    "[F84] an answer that breaks off (%s) is withdrawn and asked for again",
    async (fault, code) => {
      await using server = await wire.serve([
        { text: ["Hel", "lo wor"], fault },
        { text: ["Hello world"], usage },
      ]);
      const run = await runOn(wire, server);

      expect(await run.go()).toEqual({ status: "finished" });

      expect(run.of("step.retried")).toMatchObject([{ step: 1, attempt: 1, code }]);
      expect(run.of("message").map((event) => event.message.parts)).toEqual([
        [{ type: "text", text: "Hello world" }],
      ]);
      const ids = run.of("text.started").map((event) => event.id);
      expect(new Set(ids).size).toBe(2);
    },
  );

  test("[F79] cancelling closes the provider's connection and keeps what was said", async () => {
    await using server = await wire.serve([{ text: ["Hello"], fault: "hang", usage }]);
    const run = await runOn(wire, server);
    const going = run.go();
    await run.seen("text.delta");

    run.cancel();

    expect(await going).toEqual({ status: "cancelled" });
    expect(await (await server.request(0)).closed).toBe(true);
    expect(run.text).toBe("Hello");
    expect(run.of("step.retried")).toEqual([]);
  });

  test("[F84] when a model fails for good the fallback is asked", async () => {
    await using first = await wire.serve(() => ({ status: 400, message: "bad request" }));
    await using second = await openaiChatServer([{ text: ["Hello from the other one"], usage }]);
    const run = await runOn(wire, first, { fallback: [{ baseURL: second.url, name: "spare" }] });

    expect(await run.go()).toEqual({ status: "finished" });

    expect(run.of("step.retried")).toMatchObject([{ attempt: 1, code: "provider_rejected", model: "spare" }]);
    expect(run.of("step.finished")).toMatchObject([{ model: "spare" }]);
    expect(run.text).toBe("Hello from the other one");
  });
});

test.each(wires)(
  "[F17] a chunk that cannot be read is told, and does not end the run: $name",
  async (wire) => {
    await using server = await wire.serve([
      { text: ["Hello"], fault: "broken-chunk", usage },
      { text: ["Hello"], usage },
    ]);
    const run = await runOn(wire, server);

    expect(await run.go()).toEqual({ status: "finished" });

    const told = { code: "provider_garbled" };
    if (wire.name === "openai responses") {
      // To the AI SDK the whole answer has failed then, so it is asked for again.
      expect(run.of("step.retried")).toMatchObject([told]);
    } else {
      expect(run.of("error")).toMatchObject([{ ...told, retryable: false }]);
      expect(run.text).toBe("Hello");
    }
  },
);

/** Those whose stream tells reasoning. */
describe.each(wires.filter((wire) => wire.name !== "openai chat"))("$name with reasoning", (wire) => {
  const thinking: Reply = { reasoning: ["Let me ", "think."], calls: [oslo], usage };

  test("[F4] reasoning comes in a channel of its own, its first piece included", async () => {
    await using server = await wire.serve([{ reasoning: ["Let me ", "think."], text: ["Cold."], usage }]);
    const run = await runOn(wire, server);
    await run.go();

    expect(run.of("reasoning.delta").map((event) => event.text)).toEqual(["Let me ", "think."]);
    expect(run.text).toBe("Cold.");
    expect(run.of("message")[0]?.message.parts.map((part) => part.type)).toEqual(["reasoning", "text"]);
  });

  test("what the model thought goes back to it with the results of its calls", async () => {
    await using server = await wire.serve([thinking, { text: ["Cold."], usage }]);
    const run = await runOn(wire, server);
    await run.go();

    const second = JSON.stringify(server.requests[1]?.body);
    // By name for OpenAI's responses, which hands the thought over encrypted.
    const mark = { anthropic: "c2lnbmF0dXJl", "openai responses": "c2VjcmV0" }[wire.name] ?? "Let me think.";
    expect(second).toContain(mark);
  });
});

test("[F79] what Anthropic counted before a cancel is kept as the step's usage", async () => {
  await using server = await anthropicServer([{ text: ["Hello"], fault: "hang", usage }]);
  const run = await runOn(wires[3]!, server);
  const going = run.go();
  await run.seen("text.delta");
  run.cancel();
  await going;

  const [step] = run.of("step.finished");
  expect(step).toMatchObject({
    finishReason: "interrupted",
    usage: { inputTokens: 1_000, cacheReadTokens: 600 },
  });
  expect(step?.cost).toBeGreaterThan(0);
});

test("OpenAI is asked to keep nothing", async () => {
  await using server = await openaiResponsesServer([{ text: ["Hello"], usage }]);
  const run = await runOn(wires[2]!, server);
  await run.go();

  expect(server.requests[0]?.body).toMatchObject({ store: false, include: ["reasoning.encrypted_content"] });
});
