import { describe, expect, it } from "vitest";
import type { StreamEvent } from "./events.ts";
import { timelineOf } from "./timeline.ts";

const typesOf = (...events: StreamEvent[]) =>
  timelineOf(events.map((event, index) => ({ seq: index + 1, at: index, event }))).map(
    ({ event }) => event.type,
  );

describe("timelineOf", () => {
  const begun: StreamEvent[] = [
    { type: "run.started", v: 1, agent: "a", input: "Hi" },
    { type: "step.started", step: 1 },
    { type: "approval.requested", approvalId: "a", callId: "c", name: "rm", input: {} },
  ];

  it("[F20] withdraws no question that was answered in another process", () => {
    const types = typesOf(
      ...begun,
      { type: "step.finished", step: 1, finishReason: "tool-calls", usage: null, cost: null },
      { type: "run.resumed", fromStep: 2 },
      { type: "input.approval", approvalId: "a", approved: true },
    );
    expect(types).toEqual(["step.started", "approval.requested", "step.finished", "input.approval"]);
  });
});
