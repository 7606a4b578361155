import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AgentEvent, Entry, StreamEvent } from "../events.ts";
import { Summary } from "../summary.ts";
import { Spans, spansOf } from "./spans.ts";
import { parseTraceParent, traceparentOf } from "./trace-parent.ts";

/** Entries of these events, each 10 ms after the one before. */
const entriesOf = (events: readonly StreamEvent[]): Entry[] =>
  events.map((event, index) => ({ seq: index + 1, at: 1_000 + index * 10, event }));

const spans = (...events: StreamEvent[]) => spansOf("r1", entriesOf(events));
const started: StreamEvent = { type: "run.started", v: 1, agent: "assistant", input: "hello" };
const finished: StreamEvent = {
  type: "run.finished",
  cost: 0.002,
  usage: { inputTokens: 30, outputTokens: 7 },
};
const stepStarted: StreamEvent = { type: "step.started", step: 1, model: "openai/gpt-5.1" };
const stepFinished: StreamEvent = {
  type: "step.finished",
  step: 1,
  finishReason: "stop",
  model: "openai/gpt-5.1-2026",
  usage: { inputTokens: 30, outputTokens: 7, cacheReadTokens: 20, reasoningTokens: 3 },
  cost: 0.002,
  ttftMs: 250,
};
const called: StreamEvent = { type: "tool.called", callId: "c1", name: "clock", input: { secret: 1 } };
const returned: StreamEvent = {
  type: "tool.returned",
  callId: "c1",
  name: "clock",
  output: "noon",
  durationMs: 4,
};

describe("the spans of a log", () => {
  it("[F112] are the run, a chat for each step and an execute_tool for each call, at the times of the log", () => {
    const [run, chat, tool, ...others] = spans(
      started,
      stepStarted,
      called,
      stepFinished,
      returned,
      finished,
    );
    expect(others).toEqual([]);
    expect(run).toMatchObject({
      name: "invoke_agent assistant",
      kind: "internal",
      startedAt: 1_000,
      endedAt: 1_050,
    });
    expect(chat).toMatchObject({ name: "chat gpt-5.1", kind: "client", startedAt: 1_010, endedAt: 1_030 });
    expect(tool).toMatchObject({
      name: "execute_tool clock",
      kind: "internal",
      startedAt: 1_020,
      endedAt: 1_040,
    });
    expect([chat?.parentSpanId, tool?.parentSpanId]).toEqual([run?.spanId, run?.spanId]);
    expect(run?.parentSpanId).toBeUndefined();
  });

  it("[F112] [F22] carry what the conventions for generative AI name, and nothing that was said", () => {
    const [run, chat, tool] = spans(started, stepStarted, called, stepFinished, returned, finished);
    expect(run?.attributes).toEqual({
      "gen_ai.operation.name": "invoke_agent",
      "gen_ai.agent.name": "assistant",
      "gen_ai.usage.input_tokens": 30,
      "gen_ai.usage.output_tokens": 7,
      "runlog.run": "r1",
      "runlog.status": "finished",
      "runlog.cost_usd": 0.002,
    });
    expect(chat?.attributes).toEqual({
      "gen_ai.operation.name": "chat",
      "gen_ai.provider.name": "openai",
      "gen_ai.request.model": "gpt-5.1",
      "gen_ai.response.model": "gpt-5.1-2026",
      "gen_ai.response.finish_reasons": ["stop"],
      "gen_ai.response.time_to_first_chunk": 0.25,
      "gen_ai.usage.input_tokens": 30,
      "gen_ai.usage.output_tokens": 7,
      "gen_ai.usage.cache_read.input_tokens": 20,
      "gen_ai.usage.reasoning.output_tokens": 3,
      "runlog.step": 1,
      "runlog.cost_usd": 0.002,
    });
    expect(tool?.attributes).toEqual({
      "gen_ai.operation.name": "execute_tool",
      "gen_ai.tool.name": "clock",
      "gen_ai.tool.call.id": "c1",
      "gen_ai.tool.type": "function",
      "runlog.tool.duration_ms": 4,
    });
  });

  it("[F9] [F112] say what failed, and why", () => {
    const failure = { code: "overloaded", message: "try later" };
    const [run, chat, tool] = spans(
      started,
      stepStarted,
      called,
      { type: "tool.failed", callId: "c1", name: "clock", code: "no_battery", message: "it stands still" },
      { ...(stepFinished as AgentEvent), finishReason: "error" } as StreamEvent,
      { type: "run.failed", ...failure, cost: null },
    );
    expect(run?.error).toEqual(failure);
    expect(run?.attributes).toMatchObject({ "error.type": "overloaded", "runlog.status": "failed" });
    expect(run?.attributes).not.toHaveProperty("runlog.cost_usd");
    expect(chat?.error).toMatchObject({ code: "model_error" });
    expect(tool?.error).toEqual({ code: "no_battery", message: "it stands still" });
  });

  it("[F78] [F112] a cancelled run is no failure", () => {
    const [run] = spans(started, { type: "run.cancelled", reason: "enough", cost: 0 });
    expect(run?.error).toBeUndefined();
    expect(run?.attributes["runlog.status"]).toBe("cancelled");
  });

  it("[F84] [F112] note the attempts of a step, and approvals of a call, with their times", () => {
    const [, chat, tool] = spans(
      started,
      stepStarted,
      { type: "step.retried", step: 1, attempt: 1, code: "overloaded", message: "try later" },
      called,
      stepFinished,
      { type: "approval.requested", approvalId: "a", callId: "c1", name: "clock", input: {} },
      { type: "input.approval", approvalId: "a", approved: true },
      returned,
      finished,
    );
    expect(chat?.events).toEqual([
      { name: "step.retried", at: 1_020, attributes: { "error.type": "overloaded", "runlog.attempt": 1 } },
    ]);
    expect(tool?.events).toEqual([
      { name: "approval.requested", at: 1_050, attributes: { "gen_ai.tool.name": "clock" } },
      { name: "input.approval", at: 1_060, attributes: { "runlog.approved": true } },
    ]);
  });

  it("[F112] a step that another agent makes on behalf of a call hangs on that call", () => {
    const helper = { agent: "helper", parent: "c1" };
    const all = spans(
      started,
      stepStarted,
      called,
      stepFinished,
      { type: "step.started", step: 1, model: "demo", ...helper },
      { type: "step.started", step: 1, model: "demo", agent: "other" },
      { type: "step.finished", step: 1, finishReason: "stop", usage: null, cost: null, ...helper },
      returned,
      { type: "step.finished", step: 1, finishReason: "stop", usage: null, cost: null, agent: "other" },
      finished,
    );
    const [run, , tool, nested, other] = all;
    expect(nested).toMatchObject({ name: "chat demo", parentSpanId: tool?.spanId, endedAt: 1_060 });
    expect(nested?.attributes["gen_ai.agent.name"]).toBe("helper");
    expect(other).toMatchObject({ parentSpanId: run?.spanId, endedAt: 1_080 });
  });

  it("[F112] what a dead process left open ends when another goes on", () => {
    const all = spans(
      started,
      stepStarted,
      { type: "run.resumed", fromStep: 1 },
      stepStarted,
      stepFinished,
      finished,
    );
    expect(all.map(({ name, endedAt, error }) => [name, endedAt, error?.code])).toEqual([
      ["invoke_agent assistant", 1_050, undefined],
      ["chat gpt-5.1", 1_020, "producer_lost"],
      ["chat gpt-5.1", 1_040, undefined],
    ]);
  });

  it("[F112] are the same whoever looks, and whenever", () => {
    const log = [started, stepStarted, stepFinished, finished];
    expect(spans(...log)).toEqual(spans(...log));
    const live = new Spans("r1");
    const seen = entriesOf(log).flatMap((entry) => live.apply(entry).ended);
    expect(seen).toEqual([spans(...log)[1], spans(...log)[0]]);
    expect(spansOf("r2", entriesOf(log))[0]?.spanId).not.toBe(spans(...log)[0]?.spanId);
  });

  it("[F112] begin once and end once, in every log that the hub can write", () => {
    const step = fc.constantFrom<AgentEvent>(
      stepStarted as AgentEvent,
      stepFinished as AgentEvent,
      called as AgentEvent,
      { ...(called as AgentEvent), callId: "c2", agent: "helper", parent: "c1" } as AgentEvent,
      returned as AgentEvent,
      { ...(stepStarted as AgentEvent), agent: "helper", parent: "c1" } as AgentEvent,
      { type: "text.delta", id: "1", text: "x" },
    );
    fc.assert(
      fc.property(fc.array(step), fc.constantFrom(finished.type, "run.cancelled" as const), (events, how) => {
        const summary = new Summary();
        const all = [started, ...events];
        for (const event of all) summary.apply(event, 0);
        const end: StreamEvent = { type: how as "run.finished", cost: 0 };
        const log = entriesOf([...all, ...summary.close("over"), end]);
        const folded = new Spans("r1");
        const begun = new Set<string>();
        const ended = new Set<string>();
        for (const entry of log) {
          const changes = folded.apply(entry);
          for (const span of changes.started) {
            expect(begun.has(span.spanId)).toBe(false);
            if (span.parentSpanId !== undefined) expect(begun.has(span.parentSpanId)).toBe(true);
            begun.add(span.spanId);
          }
          for (const span of changes.ended) {
            expect(begun.has(span.spanId)).toBe(true);
            expect(ended.has(span.spanId)).toBe(false);
            expect(span.endedAt).toBeGreaterThanOrEqual(span.startedAt);
            ended.add(span.spanId);
          }
        }
        expect(ended).toEqual(begun);
        expect(folded.stop()).toEqual({ started: [], ended: [] });
      }),
    );
  });
});

describe("trace context", () => {
  const header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

  it("[F112] comes in with the run's metadata", () => {
    const [run] = spans({ ...started, metadata: { traceparent: header } } as StreamEvent, finished);
    expect(run).toMatchObject({
      traceId: "0af7651916cd43dd8448eb211c80319c",
      parentSpanId: "b7ad6b7169203331",
    });
  });

  it("[F112] goes out as a header that comes in as the same", () => {
    expect(traceparentOf({ traceId: header.slice(3, 35), spanId: header.slice(36, 52) })).toBe(header);
    const [run] = spans(started, finished);
    expect(parseTraceParent(traceparentOf(run!))).toEqual({
      traceId: run?.traceId,
      spanId: run?.spanId,
      sampled: true,
    });
  });

  it.each([
    ["", false],
    [header.replace("00-", "ff-"), false],
    [`${header}-more`, false],
    [`${header.replace("00-", "01-")}-more`, true],
    [header.replace("0af7651916cd43dd8448eb211c80319c", "0".repeat(32)), false],
    [header.replace("b7ad6b7169203331", "0".repeat(16)), false],
    [header.toUpperCase(), false],
  ])("%j is a traceparent: %s", (text, valid) => {
    expect(parseTraceParent(text) !== undefined).toBe(valid);
  });
});
