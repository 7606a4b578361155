import type { GeneratedFile, TextStreamPart, ToolSet } from "ai";
import { describe, expect, test } from "vitest";
import type { AgentEvent } from "../events.ts";
import { encodeEvent } from "../schema.ts";
import { type Call, PartReader } from "./parts.ts";

type StreamPart = TextStreamPart<ToolSet>;
type PartOf<Type extends StreamPart["type"]> = Extract<StreamPart, { type: Type }>;

function readerOf(tools: readonly string[] = ["look"]): PartReader {
  return new PartReader({ prefix: "1-", messageId: "m1", tools: new Set(tools), callIds: new Set() });
}

/** What a reader makes of parts, each event checked as a log checks it. */
function read(parts: readonly StreamPart[], reader = readerOf()): AgentEvent[] {
  const events = [...parts.flatMap((part) => reader.read(part)), ...reader.close()];
  for (const event of events) encodeEvent(event);
  return events;
}

const file: GeneratedFile = { base64: "aGk=", uint8Array: new Uint8Array(), mediaType: "image/png" };
const call = { toolCallId: "c1", toolName: "look", input: { at: 1 } };
const startedCall: StreamPart[] = [{ type: "tool-call", ...call, dynamic: true, providerExecuted: true }];
const noUsage: PartOf<"finish-step">["usage"] = {
  inputTokens: 3,
  outputTokens: 2,
  totalTokens: 5,
  inputTokenDetails: { noCacheTokens: 1, cacheReadTokens: 2, cacheWriteTokens: undefined },
  outputTokenDetails: { textTokens: 2, reasoningTokens: undefined },
};
const performance: PartOf<"finish-step">["performance"] = {
  stepTimeMs: 0,
  responseTimeMs: 0,
  effectiveOutputTokensPerSecond: 0,
  outputTokensPerSecond: undefined,
  inputTokensPerSecond: undefined,
  effectiveTotalTokensPerSecond: 0,
  timeToFirstOutputMs: undefined,
  toolExecutionMs: {},
};

/** One of each type the AI SDK streams, with the parts before it that make sense of it, and what it becomes. */
const every: {
  [Type in StreamPart["type"]]: { before?: StreamPart[]; part: PartOf<Type>; becomes: object[] };
} = {
  start: { part: { type: "start" }, becomes: [] },
  "start-step": {
    part: {
      type: "start-step",
      request: {},
      warnings: [{ type: "unsupported", feature: "seed", details: "ignored" }],
    },
    becomes: [
      {
        type: "error",
        code: "warning",
        message: 'The model does not support "seed": ignored',
        retryable: false,
      },
    ],
  },
  "text-start": {
    part: { type: "text-start", id: "0" },
    becomes: [{ type: "text.started", id: "1-0", messageId: "m1" }],
  },
  "text-delta": {
    before: [{ type: "text-start", id: "0" }],
    part: { type: "text-delta", id: "0", text: "Hi" },
    becomes: [{ type: "text.delta", id: "1-0", text: "Hi" }],
  },
  "text-end": {
    before: [{ type: "text-start", id: "0" }],
    part: { type: "text-end", id: "0" },
    becomes: [{ type: "text.finished", id: "1-0" }],
  },
  "reasoning-start": {
    part: { type: "reasoning-start", id: "0" },
    becomes: [{ type: "reasoning.started", id: "1-0", messageId: "m1" }],
  },
  "reasoning-delta": {
    before: [{ type: "reasoning-start", id: "0" }],
    part: { type: "reasoning-delta", id: "0", text: "Hm" },
    becomes: [{ type: "reasoning.delta", id: "1-0", text: "Hm" }],
  },
  "reasoning-end": {
    before: [{ type: "reasoning-start", id: "0" }],
    part: { type: "reasoning-end", id: "0", providerMetadata: { anthropic: { signature: "s" } } },
    becomes: [{ type: "reasoning.finished", id: "1-0", providerMetadata: { anthropic: { signature: "s" } } }],
  },
  "tool-input-start": {
    part: { type: "tool-input-start", id: "c1", toolName: "look" },
    becomes: [{ type: "tool.started", callId: "c1", name: "look", messageId: "m1" }],
  },
  "tool-input-delta": {
    before: [{ type: "tool-input-start", id: "c1", toolName: "look" }],
    part: { type: "tool-input-delta", id: "c1", delta: "{" },
    becomes: [{ type: "tool.delta", callId: "c1", text: "{" }],
  },
  "tool-input-end": {
    before: [{ type: "tool-input-start", id: "c1", toolName: "look" }],
    part: { type: "tool-input-end", id: "c1" },
    becomes: [],
  },
  "tool-call": {
    before: [{ type: "tool-input-start", id: "c1", toolName: "look" }],
    part: { type: "tool-call", ...call, dynamic: true, providerMetadata: { openai: { itemId: "i" } } },
    becomes: [
      {
        type: "tool.called",
        callId: "c1",
        name: "look",
        input: { at: 1 },
        messageId: "m1",
        providerMetadata: { openai: { itemId: "i" } },
      },
    ],
  },
  "tool-approval-request": {
    before: startedCall,
    part: {
      type: "tool-approval-request",
      approvalId: "a1",
      toolCall: { type: "tool-call", ...call, dynamic: true },
      reason: "costs",
    },
    becomes: [
      {
        type: "approval.requested",
        approvalId: "a1",
        callId: "c1",
        name: "look",
        input: { at: 1 },
        reason: "costs",
      },
    ],
  },
  "tool-approval-response": {
    part: {
      type: "tool-approval-response",
      approvalId: "a1",
      approved: true,
      toolCall: { type: "tool-call", ...call, dynamic: true },
    },
    becomes: [],
  },
  "tool-result": {
    before: startedCall,
    part: { type: "tool-result", ...call, output: { seen: true }, dynamic: true, providerExecuted: true },
    becomes: [
      {
        type: "tool.returned",
        callId: "c1",
        name: "look",
        output: { seen: true },
        durationMs: expect.any(Number),
      },
    ],
  },
  "tool-error": {
    before: startedCall,
    part: { type: "tool-error", ...call, error: new Error("blind"), dynamic: true, providerExecuted: true },
    becomes: [
      {
        type: "tool.failed",
        callId: "c1",
        name: "look",
        code: "tool_error",
        message: "blind",
        durationMs: expect.any(Number),
      },
    ],
  },
  "tool-output-denied": {
    before: startedCall,
    part: { type: "tool-output-denied", toolCallId: "c1", toolName: "look" },
    becomes: [
      {
        type: "tool.failed",
        callId: "c1",
        name: "look",
        code: "denied",
        message: "The call was not allowed",
      },
    ],
  },
  source: {
    part: { type: "source", sourceType: "url", id: "s1", url: "https://example.com", title: "Example" },
    becomes: [{ type: "source", id: "1-s1", url: "https://example.com", title: "Example" }],
  },
  file: {
    part: { type: "file", file },
    becomes: [{ type: "file", id: "1-file-1", mediaType: "image/png", data: "aGk=" }],
  },
  "reasoning-file": {
    part: { type: "reasoning-file", file },
    becomes: [{ type: "file", id: "1-file-1", mediaType: "image/png", data: "aGk=" }],
  },
  custom: {
    part: { type: "custom", kind: "openai.compaction", providerMetadata: { openai: { itemId: "i" } } },
    becomes: [{ type: "custom", name: "provider.openai.compaction", data: { openai: { itemId: "i" } } }],
  },
  "steering-message": {
    part: { type: "steering-message", id: "s", message: { role: "user", content: "Hi" }, stepNumber: 1 },
    becomes: [],
  },
  "finish-step": {
    part: {
      type: "finish-step",
      finishReason: "stop",
      rawFinishReason: "stop",
      usage: noUsage,
      performance,
      providerMetadata: undefined,
      response: { id: "r", timestamp: new Date(0), modelId: "model-1" },
    },
    becomes: [],
  },
  finish: {
    part: { type: "finish", finishReason: "stop", rawFinishReason: "stop", totalUsage: noUsage },
    becomes: [],
  },
  abort: { part: { type: "abort", reason: "TimeoutError" }, becomes: [] },
  error: { part: { type: "error", error: new Error("no") }, becomes: [] },
  ping: { part: { type: "ping" }, becomes: [] },
  raw: {
    part: { type: "raw", rawValue: { usage: { prompt_tokens: 4, completion_tokens: 1 } } },
    becomes: [],
  },
};

describe("each of the 28 types of the AI SDK's stream", () => {
  test("there are 28", () => expect(Object.keys(every)).toHaveLength(28));

  test.each(Object.entries(every))("%s", (_, { before = [], part, becomes }) => {
    const reader = readerOf();
    for (const each of before) reader.read(each);
    const events = reader.read(part);
    for (const event of events) encodeEvent(event);
    expect(events).toEqual(becomes);
  });

  test("a type that is not known passes", () => {
    const part = { type: "hologram", id: "0" } as unknown as StreamPart;
    expect(readerOf().read(part)).toEqual([]);
  });
});

test("the end of a step tells reason, usage and the model that answered", () => {
  const reader = readerOf();
  reader.read(every["finish-step"].part);
  expect(reader).toMatchObject({
    finishReason: "stop",
    responseModel: "model-1",
    usage: { inputTokens: 3, outputTokens: 2, cacheReadTokens: 2 },
  });
});

test("errors are kept for the end to judge: a stream may go on after one", () => {
  const reader = readerOf();
  read([every.error.part, { type: "text-start", id: "0" }], reader);
  expect(reader.errors).toEqual([new Error("no")]);
});

describe("whatever order a provider speaks in", () => {
  test("blocks that were left open are closed", () => {
    const events = read([
      { type: "reasoning-start", id: "0" },
      { type: "text-start", id: "1" },
      { type: "text-delta", id: "1", text: "Hi" },
    ]);
    expect(events.slice(-2)).toEqual([
      { type: "reasoning.finished", id: "1-0" },
      { type: "text.finished", id: "1-1" },
    ]);
  });

  test("[F4] text and reasoning of one id are two blocks", () => {
    const reader = readerOf();
    const events = read(
      [
        { type: "reasoning-start", id: "0" },
        { type: "text-start", id: "0" },
        { type: "reasoning-delta", id: "0", text: "Hm" },
        { type: "text-delta", id: "0", text: "Hi" },
        { type: "text-end", id: "0" },
        { type: "reasoning-end", id: "0" },
      ],
      reader,
    );
    expect(events.filter((event) => event.type.endsWith(".delta"))).toEqual([
      { type: "reasoning.delta", id: "1-0", text: "Hm" },
      { type: "text.delta", id: "1-0.2", text: "Hi" },
    ]);
    expect(reader.message()).toEqual([
      { type: "reasoning", text: "Hm" },
      { type: "text", text: "Hi" },
    ]);
  });

  test("an id that is used again is another block, and one begun again was ended", () => {
    const events = read([
      { type: "text-start", id: "0" },
      { type: "text-end", id: "0" },
      { type: "text-start", id: "0" },
      { type: "text-start", id: "0" },
    ]);
    expect(events.map((event) => [event.type, "id" in event && event.id])).toEqual([
      ["text.started", "1-0"],
      ["text.finished", "1-0"],
      ["text.started", "1-0.2"],
      ["text.finished", "1-0.2"],
      ["text.started", "1-0.3"],
      ["text.finished", "1-0.3"],
    ]);
  });

  test("[F4] a piece that comes before its start is not lost", () => {
    const events = read([{ type: "reasoning-delta", id: "0", text: "Hm" }]);
    expect(events.map((event) => event.type)).toEqual([
      "reasoning.started",
      "reasoning.delta",
      "reasoning.finished",
    ]);
  });

  test("an end without a start and an empty piece say nothing", () => {
    expect(read([{ type: "text-end", id: "0" }])).toEqual([]);
    expect(
      read([every["text-start"].part, { type: "text-delta", id: "0", text: "" }]).map((event) => event.type),
    ).toEqual(["text.started", "text.finished"]);
  });

  test("[F5] a call that comes in one piece is started all the same, and one that comes twice is one", () => {
    const part: StreamPart = { type: "tool-call", ...call, dynamic: true };
    const reader = readerOf();
    expect(read([part, part], reader).map((event) => event.type)).toEqual(["tool.started", "tool.called"]);
    expect(reader.calls.map((each: Call) => each.callId)).toEqual(["c1"]);
  });

  test("a call that was started and never made has failed", () => {
    const events = read([every["tool-input-start"].part]);
    expect(events.at(-1)).toMatchObject({
      type: "tool.failed",
      callId: "c1",
      name: "look",
      code: "interrupted",
    });
  });

  test("[F6] arguments that are streamed as text are told once, whole", () => {
    const events = read([
      { type: "tool-input-start", id: "c1", toolName: "look", inputEncoding: "text" },
      { type: "tool-input-delta", id: "c1", delta: "plain" },
      { type: "tool-call", ...call, dynamic: true },
    ]);
    expect(events.map((event) => event.type)).toEqual(["tool.started", "tool.called"]);
  });

  test("the signature of a thought that comes as a piece without text is kept", () => {
    const reader = readerOf();
    const signature = { anthropic: { signature: "s" } };
    read(
      [
        { type: "reasoning-start", id: "0" },
        { type: "reasoning-delta", id: "0", text: "Hm" },
        { type: "reasoning-delta", id: "0", text: "", providerMetadata: signature },
        { type: "reasoning-end", id: "0" },
      ],
      reader,
    );
    expect(reader.message()).toEqual([{ type: "reasoning", text: "Hm", providerMetadata: signature }]);
  });
});

test("[F11] a provider's own call tells how far it is, and its last word once", () => {
  const result = { type: "tool-result" as const, ...call, dynamic: true as const, providerExecuted: true };
  const reader = readerOf();
  const events = read(
    [...startedCall, { ...result, output: 1, preliminary: true }, { ...result, output: 2 }],
    reader,
  );
  expect(events.slice(2)).toMatchObject([
    { type: "tool.progressed", callId: "c1", data: 1 },
    { type: "tool.returned", callId: "c1", output: 2 },
  ]);
  expect(reader.message()).toMatchObject([
    { type: "tool", callId: "c1", output: 2, providerMetadata: { runlog: { byProvider: true } } },
  ]);
});

test("a file that does not fit an event is told and left out", () => {
  const large: GeneratedFile = { ...file, base64: "A".repeat(1_000_000) };
  const reader = readerOf();
  expect(read([{ type: "file", file: large }], reader)).toMatchObject([{ type: "error", code: "too_large" }]);
  expect(reader.message()).toEqual([]);
});

describe("usage before the provider's last word", () => {
  test("Anthropic's first chunk counts what is cached beside the input, and a later one adds the output", () => {
    const reader = readerOf();
    reader.readRaw({
      type: "message_start",
      message: {
        usage: {
          input_tokens: 5,
          cache_read_input_tokens: 90,
          cache_creation_input_tokens: 5,
          output_tokens: 1,
        },
      },
    });
    reader.readRaw({ type: "message_delta", usage: { output_tokens: 7 } });
    expect(reader.usage).toEqual({
      inputTokens: 100,
      outputTokens: 7,
      cacheReadTokens: 90,
      cacheWriteTokens: 5,
    });
  });

  test("OpenAI's chunks count what is cached within the input", () => {
    const chat = {
      prompt_tokens: 9,
      completion_tokens: 3,
      prompt_tokens_details: { cached_tokens: 4 },
      completion_tokens_details: { reasoning_tokens: 2 },
    };
    const responses = {
      input_tokens: 9,
      output_tokens: 3,
      input_tokens_details: { cached_tokens: 4 },
      output_tokens_details: { reasoning_tokens: 2 },
    };
    for (const rawValue of [
      { usage: chat },
      { type: "response.completed", response: { usage: responses } },
    ]) {
      const reader = readerOf();
      reader.readRaw(rawValue);
      expect(reader.usage).toEqual({
        inputTokens: 9,
        outputTokens: 3,
        cacheReadTokens: 4,
        reasoningTokens: 2,
      });
    }
  });

  test.each([undefined, null, "data", 7, {}, { usage: null }, { usage: { prompt_tokens: "9" } }])(
    "a chunk that tells none is none: %j",
    (rawValue) => {
      const reader = readerOf();
      reader.readRaw(rawValue);
      expect(reader.usage).toBeUndefined();
    },
  );
});
