import type { Json, JsonObject } from "../events.ts";
import { toJson } from "../json.ts";
import type { SentEvent } from "./event-stream.ts";
import { errorText } from "./tool-call.ts";

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
