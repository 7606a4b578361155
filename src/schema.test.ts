import fc from "fast-check";
import { describe, expect, expectTypeOf, it } from "vitest";
import { type EventOf, event, isTerminal, type StreamEvent } from "./events.ts";
import { checkId, encodeEvent, MAX_EVENT_BYTES, parseEvent } from "./schema.ts";

/** One of each: what a factory makes is what `parseEvent` takes. */
const samples: StreamEvent[] = [
  event.runStarted({ v: 1, agent: "demo", input: "Hello", tags: ["a"], metadata: { user: 1 } }),
  event.runResumed({ fromStep: 2 }),
  event.runFinished({ cost: 0.25, usage: { inputTokens: 1, outputTokens: 2 } }),
  event.runFailed({ code: "timeout", message: "late", cost: null }),
  event.runCancelled({ reason: "stop", cost: 0 }),
  event.stepStarted({ step: 1, model: "demo" }),
  event.stepFinished({ step: 1, finishReason: "stop", usage: null, cost: null }),
  event.stepRetried({ step: 1, attempt: 1, code: "overloaded", message: "busy", model: "other" }),
  event.agentChanged({ from: "a", to: "b" }),
  event.textStarted({ id: "1", messageId: "m1" }),
  event.textDelta({ id: "1", text: "Hi" }),
  event.textFinished({ id: "1" }),
  event.reasoningStarted({ id: "2" }),
  event.reasoningDelta({ id: "2", text: "Hm" }),
  event.reasoningFinished({ id: "2", interrupted: true }),
  event.outputDelta({ value: { a: [1] }, complete: false }),
  event.source({ id: "s", url: "http://localhost" }),
  event.file({ id: "f", mediaType: "image/png", data: "AAAA" }),
  event.message({ message: { id: "m1", role: "assistant", parts: [{ type: "text", text: "Hi" }] } }),
  event.toolStarted({ callId: "c", name: "clock" }),
  event.toolDelta({ callId: "c", text: "{" }),
  event.toolCalled({ callId: "c", name: "clock", input: {} }),
  event.toolProgressed({ callId: "c", data: { done: 1 } }),
  event.toolReturned({ callId: "c", name: "clock", output: "now", durationMs: 3.5 }),
  event.toolFailed({ callId: "c", name: "clock", code: "timeout", message: "late" }),
  event.approvalRequested({ approvalId: "a", callId: "c", name: "pay", input: { eur: 3 } }),
  event.inputApproval({ approvalId: "a", approved: true }),
  event.inputMessage({ message: { id: "u", role: "user", parts: [] } }),
  event.inputCancel({ reason: "no" }),
  event.progress({ iteration: 1, totalTokens: 10, totalCost: null, fraction: 0.5 }),
  event.status({ status: "working", progress: 10 }),
  event.plan({ items: [{ id: "1", title: "Look", status: "running" }] }),
  event.artifact({ id: "x", action: "created", name: "report.md", parts: [], version: 1 }),
  event.error({ code: "warning", message: "odd", retryable: true }),
  event.custom({ name: "app.thing", data: { any: [true] } }),
];

describe("parseEvent", () => {
  it("[F29] takes what each factory makes, and there is a sample of every type", () => {
    expect(samples.map((each) => each.type).sort()).toEqual(
      Object.values(event)
        .map((make) => (make as (fields: object) => StreamEvent)({}).type)
        .sort(),
    );
    for (const sample of samples) expect(parseEvent(JSON.parse(encodeEvent(sample)))).toEqual(sample);
  });

  it("[F27] refuses a wrong field, names it and says what was there", () => {
    const refused = (value: unknown, message: string) => expect(() => parseEvent(value)).toThrow(message);
    refused(
      { type: "text.delta", id: "1", text: 5 },
      'Cannot accept event "text.delta": "text" must be a string, got 5',
    );
    refused({ type: "text.delta", text: "x" }, '"id" must be a string, got nothing');
    refused(
      { type: "step.finished", step: 1, finishReason: "done", usage: null, cost: 0 },
      '"finishReason" must be one of stop,',
    );
    refused(
      { type: "progress", iteration: 1, totalTokens: 1, totalCost: 0, fraction: 2 },
      '"fraction" must be a number from 0 to 1',
    );
    refused({ type: "status", status: "dancing" }, '"status" must be one of starting,');
    refused(
      { type: "message", message: { id: "m", role: "robot", parts: [] } },
      '"message" must be a message',
    );
    refused({ type: "text.delta", id: "1", text: "x", agent: 7 }, '"agent" must be a string');
    refused("text", "Cannot accept an event: it must be an object");
    refused(null, "it must be an object, got null");
  });

  it("[F18] refuses a type it does not know, and says how to send one's own", () => {
    expect(() => parseEvent({ type: "app.thing" })).toThrow(
      'there is no such type (use "custom" for your own)',
    );
  });

  it("[F26] lets fields pass that it does not know, and keeps them", () => {
    const value = { type: "text.delta", id: "1", text: "x", shade: { of: "blue" } };
    expect(JSON.parse(encodeEvent(parseEvent(value)))).toEqual(value);
  });

  it("[F27] never throws anything but invalid_event, whatever it is given", () => {
    const types = samples.map((each) => each.type);
    const event = fc.oneof(
      fc.anything(),
      fc.record({
        type: fc.constantFrom(...types),
        id: fc.anything(),
        text: fc.anything(),
        message: fc.anything(),
      }),
    );
    fc.assert(
      fc.property(event, (value) => {
        try {
          parseEvent(value);
        } catch (error) {
          expect(error).toMatchObject({ code: "invalid_event" });
        }
      }),
    );
  });
});

describe("plans and artifacts", () => {
  it("[F14] a plan is a list of items, each with one of four states", () => {
    const plan = (status: string) => ({ type: "plan", items: [{ id: "1", title: "Look", status }] });
    for (const status of ["pending", "running", "completed", "failed"])
      expect(parseEvent(plan(status))).toEqual(plan(status));
    expect(() => parseEvent(plan("maybe"))).toThrow('"items" must be an array of { id, title, status }');
  });

  it("[F15] an artifact is created, updated or deleted, with its parts", () => {
    const artifact = (action: string) => ({
      type: "artifact",
      id: "x",
      action,
      name: "a.md",
      parts: [{ type: "text", text: "Hi" }],
      version: 2,
    });
    for (const action of ["created", "updated", "deleted"])
      expect(parseEvent(artifact(action))).toEqual(artifact(action));
    expect(() => parseEvent(artifact("moved"))).toThrow('"action" must be one of created, updated, deleted');
    expect(() => parseEvent({ ...artifact("created"), parts: [{ type: "text" }] })).toThrow(
      '"parts" must be an array of parts',
    );
  });
});

describe("encodeEvent", () => {
  it("puts the type first, for readers that only look at the beginning", () => {
    expect(encodeEvent({ text: "x", id: "1", type: "text.delta" })).toBe(
      '{"type":"text.delta","text":"x","id":"1"}',
    );
  });

  it("[F27] refuses what cannot be delivered before it is kept", () => {
    const cycle: unknown[] = [];
    cycle.push(cycle);
    const returned = (output: unknown) =>
      ({ type: "tool.returned", callId: "c", name: "t", output, durationMs: 1 }) as StreamEvent;
    expect(() => encodeEvent(returned(cycle))).toThrow("it contains a cycle");
    expect(() => encodeEvent({ type: "text.delta", id: "1", text: "x".repeat(MAX_EVENT_BYTES) })).toThrow(
      "is more than",
    );
    expect(encodeEvent(returned(undefined))).toContain('"output":null');
  });

  it("[F110] makes one line of any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const line = encodeEvent({ type: "text.delta", id: "1", text });
        expect(line).not.toMatch(/[\r\n\0]/);
        expect(JSON.parse(line).text).toBe(text);
      }),
    );
  });

  it("[F31] writes the same camelCase names that the types have", () => {
    for (const sample of samples)
      expect(Object.keys(JSON.parse(encodeEvent(sample))).join()).not.toMatch(/[_-]/);
  });
});

describe("checkId", () => {
  it("takes words, and nothing that could be a path or end a line", () => {
    for (const id of ["a", "run_1-B", "x".repeat(64)]) expect(checkId(id)).toBe(id);
    for (const id of ["", "..", "a/b", "a\r\nb", "a\0", "é", "x".repeat(65), 5, undefined]) {
      expect(() => checkId(id)).toThrow("must match");
    }
  });
});

describe("types", () => {
  it("narrow by the type of the event", () => {
    const one = samples[0] as StreamEvent;
    if (one.type === "text.delta") expectTypeOf(one.text).toEqualTypeOf<string>();
    if (isTerminal(one))
      expectTypeOf(one).toEqualTypeOf<EventOf<"run.finished" | "run.failed" | "run.cancelled">>();
    expect(isTerminal(one)).toBe(false);
  });
});
