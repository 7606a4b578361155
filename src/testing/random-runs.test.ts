import { describe, expect, it } from "vitest";
import { event, isTerminal, type StreamEvent } from "../events.ts";
import { encodeChecked } from "../schema.ts";
import { Summary } from "../summary.ts";
import { randomRuns } from "./random-runs.ts";

const runs = randomRuns(1_000);
const count = (test: (run: readonly StreamEvent[]) => boolean) => runs.filter(test).length;

/** How many calls a run has open at once, at most. */
function mostCalls(run: readonly StreamEvent[]): number {
  const open = new Set<string>();
  let most = 0;
  for (const each of run) {
    if (each.type === "tool.started" || each.type === "tool.called") open.add(each.callId);
    if (each.type === "tool.returned" || each.type === "tool.failed") open.delete(each.callId);
    most = Math.max(most, open.size);
  }
  return most;
}

describe("randomRuns", () => {
  it("reaches every type of event", () => {
    const reached = new Set(runs.flat().map(({ type }) => type));
    const types = Object.values(event).map((make) => make({} as never).type);
    expect([...reached].sort()).toEqual([...types].sort());
  });

  it("makes runs of 20 to 100 events that the schema accepts, and the same ones for a seed", () => {
    for (const run of runs) {
      expect(run.length).toBeGreaterThanOrEqual(20);
      expect(run.length).toBeLessThanOrEqual(100);
      for (const each of run) expect(() => encodeChecked(each)).not.toThrow();
    }
    expect(randomRuns(5, 7)).toEqual(randomRuns(5, 7));
    expect(randomRuns(5, 7)).not.toEqual(randomRuns(5, 8));
  });

  it("begins with the start and has one terminal event, last, or none", () => {
    for (const run of runs) {
      expect(run[0]!.type).toBe("run.started");
      const ends = run.flatMap((each, index) => (isTerminal(each) ? [index] : []));
      expect([[], [run.length - 1]]).toContainEqual(ends);
    }
    expect(count((run) => !isTerminal(run.at(-1)!))).toBeGreaterThan(100);
  });

  it("has parallel calls, ends with something open, agents inside agents, and runs that wait", () => {
    expect(count((run) => mostCalls(run) >= 3)).toBeGreaterThan(300);
    expect(
      count((run) => run.some((each) => each.type === "tool.failed" && each.code === "interrupted")),
    ).toBeGreaterThan(100);
    expect(
      count((run) => run.some((each) => each.type === "text.finished" && each.interrupted)),
    ).toBeGreaterThan(100);
    expect(
      count((run) => run.some(({ agent, parent }) => agent !== undefined && parent !== undefined)),
    ).toBeGreaterThan(100);
    expect(
      count((run) => {
        const summary = new Summary();
        return run.some((each) => summary.apply(each, 0) && summary.waiting);
      }),
    ).toBeGreaterThan(100);
  });
});
