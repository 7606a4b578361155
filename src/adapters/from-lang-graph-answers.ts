import type { Entry, EventOf, Json } from "../events.ts";
import { fields, list } from "./fields.ts";

/** The name of the approval that a graph's `interruptBefore` or `interruptAfter` asks for. */
export const BREAKPOINT = "breakpoint";
/**
 * The `custom` event that stands before what a stopped graph asks: `{ approvals, messages }`, the ids of its approvals, and
 * the log's ids of the messages that were told, by the graph's.
 */
export const INTERRUPTS_EVENT = "langgraph.interrupts";

/** What a person said to one interrupt. */
export interface LangGraphAnswer extends Pick<EventOf<"input.approval">, "approved" | "reason" | "by"> {
  readonly interruptId: string;
  /** What the node passed to `interrupt`. */
  readonly value: Json;
}

export interface LangGraphAnswers {
  readonly answers: readonly LangGraphAnswer[];
  /** For `new Command({ resume })`: the answer to each interrupt, by its id. Null at a breakpoint: pass null as input. */
  readonly resume: { readonly [interruptId: string]: unknown } | null;
}

/**
 * What people answered to the interrupts that a run waited for, read from its log; undefined for a run that does not come
 * from a wait. `toValue` makes what a node's `interrupt` returns. @default `{ approved, reason? }`
 *
 *     const waited = langGraphAnswers(context.entries);
 *     const resume = waited && (waited.resume && new Command({ resume: waited.resume }));
 *     const stream = graph.stream(waited ? resume : { messages }, { ...options, configurable: { thread_id: context.run } });
 *
 * The graph needs a checkpointer that outlives the wait, and the same `thread_id`. What is rejected at a breakpoint goes
 * on all the same unless the program returns instead.
 */
export function langGraphAnswers(
  entries: readonly Entry[],
  toValue: (answer: LangGraphAnswer) => unknown = ({ approved, reason }) => ({
    approved,
    ...(reason !== undefined && { reason }),
  }),
): LangGraphAnswers | undefined {
  let approvals: ReadonlySet<string> | undefined;
  let answers: LangGraphAnswer[] = [];
  const asked = new Map<string, EventOf<"approval.requested">>();
  for (const { event } of entries) {
    if (event.type === "custom" && event.name === INTERRUPTS_EVENT) {
      approvals = new Set(list(fields(event.data).approvals).map(String));
      answers = [];
    } else if (event.type === "approval.requested") {
      asked.set(event.approvalId, event);
    } else if (event.type === "input.approval") {
      const request = asked.get(event.approvalId);
      if (!request || !approvals?.has(event.approvalId)) continue;
      const { approved, reason, by } = event;
      const said = { ...(reason !== undefined && { reason }), ...(by !== undefined && { by }) };
      answers.push({ interruptId: request.callId, value: request.input, approved, ...said });
    } else if (!event.type.startsWith("input.")) {
      // The graph went on since.
      approvals = undefined;
    }
  }
  if (!approvals || answers.length === 0) return undefined;
  if (answers.some(({ interruptId }) => interruptId.startsWith(BREAKPOINT))) return { answers, resume: null };
  return {
    answers,
    resume: Object.fromEntries(answers.map((answer) => [answer.interruptId, toValue(answer)])),
  };
}
