import { RunError } from "../../errors.ts";
import type { EventOf, InputEvent, Message } from "../../events.ts";
import type { Log } from "../../log.ts";
import { Summary } from "../../summary.ts";

export type Questions = ReadonlyMap<string, EventOf<"approval.requested">>;

/** What a run asks and nobody has answered, and where its log stands. */
export async function openQuestions(
  log: Log,
): Promise<{ readonly seq: number; readonly questions: Questions }> {
  const summary = new Summary();
  let seq = 0;
  for await (const entries of log.read()) {
    for (const { event, at } of entries) summary.apply(event, at);
    seq = entries.at(-1)!.seq;
  }
  return { seq, questions: summary.approvals };
}

/**
 * What a message to a task says: its data parts `{ approvalId, approved, reason? }` answer approvals; a text that is
 * "yes" or "no", or "approve" or "deny", answers the only one; all else reaches the agent as a message.
 * Throws `invalid_request` for an answer that is none, and `not_waiting` for one that nobody asked for.
 */
export function answersIn(message: Message, questions: Questions): InputEvent[] {
  const approvals = message.parts.flatMap((part) => {
    const data = part.type === "data" ? part.data : undefined;
    return isObject(data) && "approvalId" in data ? [approvalFrom(data, questions)] : [];
  });
  if (approvals.length > 0) {
    // The first of two would be given before the second is refused.
    if (new Set(approvals.map(({ approvalId }) => approvalId)).size < approvals.length)
      throw invalid("an approval is answered twice");
    const rest = message.parts.filter(
      (part) => part.type !== "data" || !isObject(part.data) || !("approvalId" in part.data),
    );
    // Said first, so that the agent has it when it goes on.
    const said =
      rest.length > 0 ? [{ type: "input.message" as const, message: { ...message, parts: rest } }] : [];
    return [...said, ...approvals];
  }
  const approved = message.parts.every(({ type }) => type === "text") ? decisionOf(message) : undefined;
  const [question, another] = questions.keys();
  if (approved === undefined || question === undefined) return [{ type: "input.message", message }];
  if (another !== undefined) {
    throw invalid(
      `${questions.size} questions are open: answer each with a data part { approvalId, approved }, of ${shown(questions)}`,
    );
  }
  return [{ type: "input.approval", approvalId: question, approved }];
}

function approvalFrom(fields: Record<string, unknown>, questions: Questions): EventOf<"input.approval"> {
  const { approvalId, approved, reason } = fields;
  if (typeof approvalId !== "string" || !questions.has(approvalId)) {
    const asked = JSON.stringify(approvalId)?.slice(0, 80).toWellFormed();
    const open = questions.size > 0 ? `open are ${shown(questions)}` : "no question is open";
    throw new RunError("not_waiting", `Cannot answer approval ${asked}: ${open}`);
  }
  if (typeof approved !== "boolean") throw invalid('"approved" must be true or false');
  if (reason !== undefined && reason !== null && typeof reason !== "string")
    throw invalid('"reason" must be a text');
  return { type: "input.approval", approvalId, approved, ...(typeof reason === "string" && { reason }) };
}

function decisionOf({ parts }: Message): boolean | undefined {
  const text = parts.map((part) => (part.type === "text" ? part.text : "")).join("");
  const word = text.trim().toLowerCase();
  if (word === "yes" || word === "approve") return true;
  return word === "no" || word === "deny" ? false : undefined;
}

function shown(questions: Questions): string {
  return [...questions.keys()]
    .slice(0, 10)
    .map((id) => JSON.stringify(id))
    .join(", ");
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(why: string): RunError {
  return new RunError("invalid_request", `Cannot read the answer: ${why}`);
}
