import type { EventOf, JsonObject } from "../../events.ts";
import type { WirePart } from "./wire.ts";

/** What a person is asked: a text to read, and for each approval a data part that says which it is. */
export function questionOf(approvals: readonly EventOf<"approval.requested">[]): WirePart[] {
  const lines = approvals.map(({ name, input, reason }) => {
    const why = reason === undefined ? "" : ` (${short(reason)})`;
    return `May I call ${short(name)} with ${short(JSON.stringify(input) ?? "nothing")}?${why}`;
  });
  const how =
    approvals.length === 1
      ? 'Answer with the same taskId: "yes" or "no", or a data part { approvalId, approved, reason? }.'
      : "Answer with the same taskId and, for each question, a data part { approvalId, approved, reason? }.";
  return [
    { text: [...lines, how].join("\n") },
    ...approvals.map(({ approvalId, name, input, reason }) => {
      const data: JsonObject = { approvalId, name, input, ...(reason !== undefined && { reason }) };
      return { data };
    }),
  ];
}

function short(text: unknown): string {
  const whole = String(text);
  return whole.length > 300 ? `${whole.slice(0, 299).toWellFormed()}…` : whole;
}
