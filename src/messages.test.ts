import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Entry, Message, StreamEvent } from "./events.ts";
import { finalText, toMessages } from "./messages.ts";

const started: StreamEvent = { type: "run.started", v: 1, agent: "a", input: "Hello" };
const asked: Message = { id: "input", role: "user", parts: [{ type: "text", text: "Hello" }] };

const messagesOf = (...events: StreamEvent[]) =>
  toMessages([started, ...events].map((event, index): Entry => ({ seq: index + 1, at: 0, event })));

const text = (id: string, ...pieces: string[]): StreamEvent[] => [
  { type: "text.started", id, messageId: "m1" },
  ...pieces.map((piece): StreamEvent => ({ type: "text.delta", id, text: piece })),
  { type: "text.finished", id },
];

describe("toMessages", () => {
  it("[F40] puts blocks together by their ids, however they are interleaved", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom("a", "b", "c"), fc.string())), (pieces) => {
        const blocks = ["a", "b", "c"];
        const [, message] = messagesOf(
          ...blocks.map((id): StreamEvent => ({ type: "text.started", id, messageId: "m1" })),
          ...pieces.map(([id, piece]): StreamEvent => ({ type: "text.delta", id, text: piece })),
        );
        const whole = blocks.map((id) => pieces.map(([of, piece]) => (of === id ? piece : "")).join(""));
        expect(message?.parts.map((part) => part.type === "text" && part.text)).toEqual(whole);
      }),
    );
  });

  it("[F3] takes a whole message in place of what was streamed under its id", () => {
    const whole: Message = { id: "m1", role: "assistant", parts: [{ type: "text", text: "Hello you" }] };
    expect(messagesOf(...text("1", "Hello", " you"), { type: "message", message: whole })).toEqual([
      asked,
      whole,
    ]);
    expect(messagesOf(...text("1", "Hello", " you"))).toEqual([asked, whole]);
  });

  it("[F4] keeps reasoning apart from text", () => {
    const [, message] = messagesOf(
      { type: "reasoning.started", id: "r", messageId: "m1" },
      { type: "reasoning.delta", id: "r", text: "Hm" },
      ...text("1", "Yes"),
    );
    expect(message?.parts).toEqual([
      { type: "reasoning", text: "Hm" },
      { type: "text", text: "Yes" },
    ]);
  });

  it("[F10] puts each answer of a tool into the part of its own call", () => {
    const call = (callId: string): StreamEvent => ({
      type: "tool.called",
      callId,
      name: "clock",
      input: {},
      messageId: "m1",
    });
    const [, message] = messagesOf(
      call("a"),
      call("b"),
      { type: "tool.failed", callId: "b", name: "clock", code: "timeout", message: "late" },
      { type: "tool.returned", callId: "a", name: "clock", output: "noon", durationMs: 1 },
    );
    expect(message?.parts).toMatchObject([
      { callId: "a", output: "noon" },
      { callId: "b", error: "late" },
    ]);
  });

  it("[F84] leaves out an attempt that was withdrawn, and keeps what people said meanwhile", () => {
    const said: Message = { id: "u1", role: "user", parts: [{ type: "text", text: "Hurry" }] };
    const messages = messagesOf(
      { type: "step.started", step: 1 },
      ...text("1", "Wro"),
      { type: "input.message", message: said },
      { type: "step.retried", step: 1, attempt: 1, code: "overloaded", message: "busy" },
      ...text("1.2", "Right"),
    );
    expect(messages.map(({ parts }) => parts)).toEqual([
      asked.parts,
      said.parts,
      [{ type: "text", text: "Right" }],
    ]);
  });

  it("[F95] withdraws nothing of a finished step when another process goes on", () => {
    const messages = messagesOf(
      { type: "step.started", step: 1 },
      ...text("1", "Done"),
      { type: "step.finished", step: 1, finishReason: "stop", usage: null, cost: null },
      { type: "run.resumed", fromStep: 2 },
    );
    expect(finalText(messages)).toBe("Done");
  });

  it("[F84] leaves out what an attempt added to the message of a step before", () => {
    const messages = messagesOf(
      { type: "step.started", step: 1 },
      ...text("1", "First. "),
      { type: "step.finished", step: 1, finishReason: "stop", usage: null, cost: null },
      { type: "step.started", step: 2 },
      ...text("2", "Wrong."),
      { type: "step.retried", step: 2, attempt: 1, code: "overloaded", message: "busy" },
      ...text("2.2", "Right."),
    );
    expect(finalText(messages)).toBe("First. Right.");
  });

  it("[F84] leaves out what an agent inside the run withdrew, and keeps what another one says", () => {
    const inside = (parent: string, ...events: StreamEvent[]) =>
      events.map((each) => ({ ...each, agent: "helper", parent }) as StreamEvent);
    const messages = messagesOf(
      ...inside("task-1", { type: "step.started", step: 1 }, ...text("1", "Wrong")),
      ...inside("task-2", { type: "step.started", step: 1 }, { type: "text.started", id: "2" }),
      ...inside("task-1", { type: "step.retried", step: 1, attempt: 1, code: "overloaded", message: "busy" }),
      ...inside("task-2", { type: "text.delta", id: "2", text: "Right" }),
    );
    expect(finalText(messages)).toBe("Right");
  });

  it("[F10] keeps the answer of each call where a provider uses an id again", () => {
    const call = (step: number, output: string): StreamEvent[] => [
      { type: "step.started", step },
      { type: "tool.called", callId: "call_0", name: "clock", input: {} },
      { type: "tool.returned", callId: "call_0", name: "clock", output, durationMs: 1 },
      { type: "step.finished", step, finishReason: "tool-calls", usage: null, cost: null },
    ];
    const [, first, second] = messagesOf(...call(1, "noon"), ...call(2, "night"));
    expect(first?.parts).toMatchObject([{ output: "noon" }]);
    expect(second?.parts).toMatchObject([{ output: "night" }]);
  });

  it("[F41] begins with the history that the run was given", () => {
    const before: Message = { id: "h1", role: "assistant", parts: [{ type: "text", text: "Earlier" }] };
    const entry: Entry = { seq: 1, at: 0, event: { ...started, history: [before] } as StreamEvent };
    expect(toMessages([entry])).toEqual([before, asked]);
  });
});
