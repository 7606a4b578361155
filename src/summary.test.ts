import { describe, expect, it } from "vitest";
import { event, type StreamEvent } from "./events.ts";
import { toMessages } from "./messages.ts";
import { isFolded, Summary } from "./summary.ts";
import { toEntries } from "./testing/logs.ts";

function summaryOf(...events: readonly StreamEvent[]): Summary {
  const summary = new Summary();
  for (const each of events) summary.apply(each, 0);
  return summary;
}

const inside = (each: StreamEvent): StreamEvent => ({ ...each, agent: "helper", parent: "c-1" });
const done = { finishReason: "stop", usage: null, cost: 0 } as const;

describe("Summary", () => {
  const open = () => [
    event.stepStarted({ step: 1 }),
    event.textStarted({ id: "1" }),
    event.toolStarted({ callId: "c", name: "search" }),
    event.approvalRequested({ approvalId: "a", callId: "c", name: "search", input: {} }),
  ];
  const stateOf = (summary: Summary) => [
    summary.status,
    summary.waiting,
    summary.step,
    [...summary.approvals],
    summary.totals,
    summary.close("over"),
  ];

  it("says of no event that it passes which changes what a log amounts to", () => {
    const passing = [
      event.textDelta({ id: "1", text: "x" }),
      event.reasoningDelta({ id: "1", text: "x" }),
      event.toolDelta({ callId: "c", text: "{" }),
      event.custom({ name: "app.x", data: null }),
    ];
    for (const each of passing) {
      expect(isFolded(each)).toBe(false);
      expect(stateOf(summaryOf(...open(), each))).toEqual(stateOf(summaryOf(...open())));
    }
    for (const each of open()) expect(isFolded(each)).toBe(true);
  });

  it("knows nothing of what a copy of it was told, nor the copy of what it was", () => {
    const summary = summaryOf(...open());
    const before = stateOf(summary);
    const copy = summary.clone();
    copy.apply(event.textFinished({ id: "1" }), 0);
    copy.apply({ type: "input.approval", approvalId: "a", approved: true }, 0);
    expect(stateOf(summary)).toEqual(before);
    const after = stateOf(copy);
    summary.apply(event.textStarted({ id: "2" }), 0);
    expect(stateOf(copy)).toEqual(after);
  });
});

describe("Summary, of an attempt that is withdrawn", () => {
  const asked = event.approvalRequested({ approvalId: "a", callId: "c", name: "pay", input: {} });
  const open = [event.stepStarted({ step: 1 }), asked];

  it("[F12] waits no more for what was asked in it, whether it is tried again or taken over", () => {
    for (const withdrawn of [
      event.stepRetried({ step: 1, attempt: 2, code: "overloaded", message: "no" }),
      { type: "run.resumed", fromStep: 1 } as const,
    ]) {
      const summary = summaryOf(...open, withdrawn);
      expect(summary.approvals.size).toBe(0);
      summary.apply(event.stepFinished({ step: 1, ...done }), 0);
      expect(summary.waiting).toBe(false);
    }
  });

  it("[F12] goes on waiting for what was asked in a step that was finished", () => {
    const finished = event.stepFinished({ step: 1, ...done });
    const next = event.stepStarted({ step: 2 });
    for (const withdrawn of [
      event.stepRetried({ step: 2, attempt: 1, code: "overloaded", message: "no" }),
      { type: "run.resumed", fromStep: 2 } as const,
    ]) {
      const summary = summaryOf(...open, finished, next, withdrawn);
      expect([...summary.approvals.keys()]).toEqual(["a"]);
    }
  });
});

describe("Summary, of agents inside an agent", () => {
  it("[F21] goes on with the step of the agent itself, whatever those inside it count", () => {
    const sub = [1, 2].flatMap((step) => [
      inside(event.stepStarted({ step })),
      inside(event.stepFinished({ step, ...done })),
    ]);
    const summary = summaryOf(event.stepStarted({ step: 3 }), ...sub);
    expect([summary.step, summary.nextStep]).toEqual([3, 3]);
    summary.apply(event.stepFinished({ step: 3, ...done }), 0);
    expect(summary.nextStep).toBe(4);
  });

  it("[F21] knows their steps apart: the end of one is not the end of another of the same number", () => {
    const asked = event.approvalRequested({ approvalId: "a", callId: "c-2", name: "delete", input: {} });
    const steps = [event.stepStarted({ step: 1 }), inside(event.stepStarted({ step: 1 })), asked];
    const inner = summaryOf(...steps, inside(event.stepFinished({ step: 1, ...done })));
    expect(inner.waiting).toBe(false);
    expect(inner.close("over")).toMatchObject([{ type: "step.finished", step: 1 }]);
    inner.apply(event.stepFinished({ step: 1, ...done }), 0);
    expect(inner.waiting).toBe(true);
  });

  it("[F21] [F84] withdraws with a retry only what the one that tries again has said", () => {
    const open = [
      event.stepStarted({ step: 1 }),
      event.textStarted({ id: "outer" }),
      inside(event.stepStarted({ step: 1 })),
      inside(event.textStarted({ id: "inner" })),
      inside(event.stepRetried({ step: 1, attempt: 1, code: "overloaded", message: "Busy" })),
    ];
    const closed = summaryOf(...open).close("over");
    expect(closed.filter(({ type }) => type === "text.finished")).toEqual([
      { type: "text.finished", id: "outer", interrupted: true },
    ]);
  });

  it("[F21] [F84] closes what is left open of a step before, whatever is withdrawn after it", () => {
    const call = event.toolCalled({ callId: "c", name: "search", input: {} });
    const finished = event.stepFinished({ step: 1, ...done });
    const retried = event.stepRetried({ step: 2, attempt: 1, code: "overloaded", message: "Busy" });
    const log = [event.stepStarted({ step: 1 }), call, finished, event.stepStarted({ step: 2 }), retried];
    expect(summaryOf(...log).close("over")[0]).toMatchObject({ type: "tool.failed", callId: "c" });
  });

  it("closes what they left open as theirs", () => {
    expect(summaryOf(inside(event.textStarted({ id: "1" }))).close("over")).toEqual([
      { type: "text.finished", id: "1", interrupted: true, agent: "helper", parent: "c-1" },
    ]);
  });
});

describe("Summary, of a run that was taken over", () => {
  it("[F95] begins the open step anew, and the next one where none is open", () => {
    expect(summaryOf(event.stepStarted({ step: 2 })).nextStep).toBe(2);
    expect(summaryOf(event.stepStarted({ step: 2 }), event.stepFinished({ step: 2, ...done })).nextStep).toBe(
      3,
    );
  });

  it("[F95] keeps what was said outside of a step, and what waits", () => {
    const said = [event.textStarted({ id: "1" }), event.textDelta({ id: "1", text: "Hi" })];
    const taken = [...said, event.runResumed({ fromStep: 1 })];
    expect(summaryOf(...taken).close("over")).toHaveLength(1);
    expect(toMessages(toEntries(taken))).toMatchObject([{ parts: [{ type: "text", text: "Hi" }] }]);
  });

  it("[F95] counts how often it was taken over in one step", () => {
    const again = [event.runResumed({ fromStep: 1 }), event.runResumed({ fromStep: 1 })];
    expect(summaryOf(...again).resumes).toBe(2);
    expect(summaryOf(...again, event.runResumed({ fromStep: 2 })).resumes).toBe(1);
  });
});

describe("toMessages, of agents inside an agent", () => {
  it("[F21] [F40] leaves out what one says that is a tool: its result says it", () => {
    const said = [
      event.toolCalled({ callId: "c-1", name: "ask", input: {} }),
      ...[
        event.textStarted({ id: "1" }),
        event.textDelta({ id: "1", text: "Hm" }),
        event.textFinished({ id: "1" }),
      ].map(inside),
      event.toolReturned({ callId: "c-1", name: "ask", output: "Hm", durationMs: 1 }),
    ];
    expect(toMessages(toEntries(said))).toMatchObject([{ parts: [{ type: "tool", output: "Hm" }] }]);
  });
});
