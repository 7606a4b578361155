import { type ModelMessage, modelMessageSchema } from "ai";
import { describe, expect, it } from "vitest";
import type { Message, StreamEvent } from "../events.ts";
import { logs, toEntries } from "../testing/logs.ts";
import { answeredCalls } from "./answered-calls.ts";
import { modelMessages } from "./model-messages.ts";

const history: readonly Message[] = [
  { id: "h1", role: "user", parts: [{ type: "text", text: "Before" }] },
  { id: "h2", role: "assistant", parts: [{ type: "text", text: "Yes?" }] },
];
const started = { type: "run.started", v: 1, agent: "a", input: "Delete a" } as const;
const called = { type: "tool.called", callId: "c1", name: "remove", input: { file: "a" } } as const;
const asked = { ...called, type: "approval.requested", approvalId: "p1" } as const;
const answered = { type: "input.approval", approvalId: "p1", approved: true } as const;

const of = (...events: readonly StreamEvent[]): ModelMessage[] =>
  modelMessages({ input: "Delete a", history: [], entries: toEntries(events) });

describe("modelMessages", () => {
  it("[F34] begins with the history of the thread and the input", () => {
    expect(modelMessages({ input: "Now", history, entries: [] })).toEqual([
      { role: "user", content: [{ type: "text", text: "Before" }] },
      { role: "assistant", content: [{ type: "text", text: "Yes?" }] },
      { role: "user", content: [{ type: "text", text: "Now" }] },
    ]);
    const input: Message[] = [
      {
        id: "u",
        role: "user",
        parts: [
          { type: "file", mediaType: "image/png", data: "aGk=", name: "a.png" },
          { type: "file", mediaType: "image/png", url: "https://example.com/a.png" },
          { type: "data", data: { n: 1 } },
        ],
      },
    ];
    expect(modelMessages({ input, history: [], entries: [] })).toEqual([
      {
        role: "user",
        content: [
          { type: "file", mediaType: "image/png", data: "aGk=", filename: "a.png" },
          { type: "file", mediaType: "image/png", data: new URL("https://example.com/a.png") },
          { type: "text", text: '{"n":1}' },
        ],
      },
    ]);
  });

  it("[F34] gives a history once, whether the log or the thread has it", () => {
    const texts = (entries: readonly StreamEvent[]) =>
      modelMessages({ input: "Delete a", history, entries: toEntries(entries) }).length;
    expect(texts([started])).toBe(3);
    expect(texts([{ ...started, history }])).toBe(3);
  });

  it("[F34] gives the answer to a call that has no result yet, and the result of one that has", () => {
    const call = { type: "tool-call", toolCallId: "c1", toolName: "remove", input: { file: "a" } };
    expect(of(started, called, asked, answered).slice(1)).toEqual([
      {
        role: "assistant",
        content: [call, { type: "tool-approval-request", approvalId: "p1", toolCallId: "c1" }],
      },
      { role: "tool", content: [{ type: "tool-approval-response", approvalId: "p1", approved: true }] },
    ]);
    const returned = {
      type: "tool.returned",
      callId: "c1",
      name: "remove",
      output: "gone",
      durationMs: 1,
    } as const;
    expect(of(started, called, asked, answered, returned).slice(1)).toEqual([
      { role: "assistant", content: [call] },
      {
        role: "tool",
        content: [
          {
            type: "tool-result",
            toolCallId: "c1",
            toolName: "remove",
            output: { type: "text", value: "gone" },
          },
        ],
      },
    ]);
  });

  it("[F34] gives a call that was broken off an error for a result", () => {
    expect(of(started, called).at(-1)).toMatchObject({
      role: "tool",
      content: [{ output: { type: "error-text", value: "The call was interrupted: it has no result" } }],
    });
  });

  it("[F34] gives a provider's own call back as one, with its result", () => {
    const providerMetadata = { openai: { id: "x" }, runlog: { byProvider: true } };
    const returned = {
      type: "tool.returned",
      callId: "c1",
      name: "remove",
      output: [1],
      durationMs: 1,
    } as const;
    const providerOptions = { openai: { id: "x" } };
    const call = { toolCallId: "c1", toolName: "remove", providerOptions };
    expect(of(started, { ...called, providerMetadata }, returned).slice(1)).toEqual([
      {
        role: "assistant",
        content: [
          { type: "tool-call", ...call, input: { file: "a" }, providerExecuted: true },
          { type: "tool-result", ...call, output: { type: "json", value: [1] } },
        ],
      },
    ]);
  });

  it("[F34] leaves out what agents said that were called", () => {
    const said = { type: "text.started", id: "n", agent: "scribe", parent: "c1" } as const;
    const text = { type: "text.delta", id: "n", text: "Roses", agent: "scribe", parent: "c1" } as const;
    expect(JSON.stringify(of(started, called, said, text))).not.toContain("Roses");
  });

  it.each(Object.entries(logs))("[F34] gives the AI SDK what it accepts, for the log %s", (_, events) => {
    const messages = modelMessages({ input: "Hello", history: [], entries: toEntries(events) });
    for (const message of messages) expect(modelMessageSchema.safeParse(message).error).toBeUndefined();
  });
});

describe("answeredCalls", () => {
  const entries = (...events: readonly StreamEvent[]) => toEntries([started, ...events]);

  it("[F34] are those that people have answered and nobody has made, the last answer last", () => {
    const other = { ...asked, callId: "c2", approvalId: "p2" };
    expect(answeredCalls(entries(asked, other))).toEqual([]);
    const refused = { type: "input.approval", approvalId: "p2", approved: false, reason: "No" } as const;
    const both = answeredCalls(entries(asked, other, refused, answered));
    expect(both).toEqual([
      { callId: "c2", name: "remove", input: { file: "a" }, approvalId: "p2", approved: false, reason: "No" },
      { callId: "c1", name: "remove", input: { file: "a" }, approvalId: "p1", approved: true },
    ]);
    const failed = {
      type: "tool.failed",
      callId: "c2",
      name: "remove",
      code: "denied",
      message: "No",
    } as const;
    expect(
      answeredCalls(entries(asked, other, refused, answered, failed)).map(({ callId }) => callId),
    ).toEqual(["c1"]);
  });

  it("[F34] gives the last answer to a call that was asked about twice", () => {
    const again = { ...asked, approvalId: "p2" };
    const no = { type: "input.approval", approvalId: "p2", approved: false } as const;
    expect(answeredCalls(entries(asked, answered, again, no))).toMatchObject([
      { approvalId: "p2", approved: false },
    ]);
  });
});
