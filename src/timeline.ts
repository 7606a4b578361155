import { Attempts } from "./attempts.ts";
import type { Entry, StreamEvent } from "./events.ts";

/** An event of a recording, and when it is due. */
export interface Due {
  /** In ms after the start of the run, at its own speed. */
  readonly due: number;
  readonly seq: number;
  readonly event: StreamEvent;
}

/**
 * What happened in a run after its `run.started`, for it to happen again elsewhere. Time that only went by until
 * a person answered is left out. A `run.resumed` in a step becomes the `step.retried` that says the same, as
 * only the hub may write the other: what the open step had said is withdrawn. Between two steps nothing is.
 */
export function timelineOf(entries: readonly Entry[]): Due[] {
  const timeline: Due[] = [];
  let due = 0;
  let before = entries[0]?.at ?? 0;
  const attempts = new Attempts();
  for (const { seq, at, event } of entries) {
    if (event.type !== "input.approval") due += Math.max(0, at - before);
    before = at;
    const inStep = attempts.underWay;
    attempts.apply(event);
    if (event.type === "run.started") continue;
    if (event.type !== "run.resumed") timeline.push({ due, seq, event });
    else if (inStep) timeline.push({ due, seq, event: retriedBy(event.fromStep) });
  }
  return timeline;
}

function retriedBy(step: number): StreamEvent {
  const message = "Another process went on with the run";
  return { type: "step.retried", step, attempt: 1, code: "producer_lost", message };
}
