import type { AgentStatus, Json, JsonObject } from "../events.ts";
import { toJson } from "../json.ts";
import { statusTransitions } from "../summary.ts";
import type { SentEvent } from "./event-stream.ts";
import { errorText } from "./tool-call.ts";

/** A report of `status` as an event; undefined for a word or a figure that Runlog's own has no room for. */
export function statusEvent(agentId: string, status: string, progress: number): SentEvent | undefined {
  if (!isAgentStatus(status) || !(progress >= 0 && progress <= 100)) return undefined;
  return { type: "status", status, progress, agent: agentId };
}

function isAgentStatus(status: string): status is AgentStatus {
  return Object.hasOwn(statusTransitions, status);
}

/** The end of a run that an update tells of; undefined for an update that is no end. `mark` keeps the result as it was sent. */
export function endEvent(
  status: string,
  value: unknown,
  mark: (sent: JsonObject) => Pick<SentEvent, "agentx" | "vibex">,
): SentEvent | undefined {
  const result: Json = toJson(value);
  switch (status) {
    case "completed":
      return result === null
        ? { type: "run.finished", ...mark({ result }) }
        : { type: "run.finished", output: result };
    case "failed":
      return { type: "run.failed", code: "task_failed", message: errorText(result), ...mark({ result }) };
    case "cancelled":
      return { type: "run.cancelled", ...mark({ result }) };
    default:
      return undefined;
  }
}
