import type { Entry, EventOf, Json } from "../events.ts";

/** A call that a person has answered, and that has no end yet. */
export interface AnsweredCall {
  readonly callId: string;
  readonly name: string;
  readonly input: Json;
  readonly approvalId: string;
  readonly approved: boolean;
  readonly reason?: string;
}

/**
 * The calls that people have answered and nobody has made or refused yet, in the order of the answers: what an agent
 * has to do when it is run again. `entries` are those of its context; empty for a new run.
 */
export function answeredCalls(entries: readonly Entry[]): AnsweredCall[] {
  const asked = new Map<string, EventOf<"approval.requested">>();
  const answered = new Map<string, AnsweredCall>();
  for (const { event } of entries) {
    if (event.type === "approval.requested") asked.set(event.approvalId, event);
    else if (event.type === "tool.returned" || event.type === "tool.failed") answered.delete(event.callId);
    else if (event.type === "input.approval") {
      const question = asked.get(event.approvalId);
      if (!question) continue;
      const { callId, name, input } = question;
      const { approvalId, approved, reason } = event;
      const why = reason === undefined ? {} : { reason };
      // A call that is asked about twice was answered last.
      answered.delete(callId);
      answered.set(callId, { callId, name, input, approvalId, approved, ...why });
    }
  }
  return [...answered.values()];
}
