import type { Json, JsonObject } from "../events.ts";
import { newId } from "../internal/id.ts";
import { toJson } from "../json.ts";
import type { SentEvent } from "./event-stream.ts";
import type { Written } from "./written.ts";

/** A tool call at any stage, as AgentX and VibeX tell it: without an id. */
export interface ToolCallUpdate {
  readonly agentId: string;
  readonly toolName: string;
  readonly parameters: unknown;
  readonly result: unknown;
  readonly status: string;
}

/** Marks an event with what was sent; null: it is told with another event. */
type Mark = (sent: JsonObject | null) => Pick<SentEvent, "agentx" | "vibex">;

/**
 * The events of a tool call's stage. `pending` begins a call; any other stage belongs to the oldest open call of the
 * same agent and tool, with the same parameters if there is one, and begins one where there is none.
 * `completed` is the tool's return, `failed` and `error` its failure, any other word a report on its way.
 */
export function toolCallEvents(written: Written, update: ToolCallUpdate, mark: Mark): SentEvent[] {
  const { agentId: agent, toolName: name, status } = update;
  const [input, result] = [toJson(update.parameters), toJson(update.result)];
  if (status === "pending") {
    const sent: JsonObject = result === null ? {} : { result };
    return [{ type: "tool.called", callId: newId(), name, input, agent, ...mark(sent) }];
  }
  const open = written.callOf(agent, name, input);
  const callId = open?.callId ?? newId();
  const begun: SentEvent[] = open ? [] : [{ type: "tool.called", callId, name, input, agent, ...mark(null) }];
  const other = open && JSON.stringify(open.input) !== JSON.stringify(input) ? { parameters: input } : {};
  const durationMs = msSince(open?.startedAt);
  switch (status) {
    case "completed":
      return [
        ...begun,
        { type: "tool.returned", callId, name, output: result, durationMs, agent, ...mark(other) },
      ];
    case "failed":
    case "error": {
      const message = errorText(result);
      const same = status === "failed" && JSON.stringify(result) === JSON.stringify({ error: message });
      const sent = same ? other : { ...other, result, status };
      return [
        ...begun,
        {
          type: "tool.failed",
          callId,
          name,
          code: "tool_failed",
          message,
          durationMs,
          agent,
          ...mark(sent),
        },
      ];
    }
    default: {
      const sent = status === "running" ? other : { ...other, status };
      return [...begun, { type: "tool.progressed", callId, data: result, agent, ...mark(sent) }];
    }
  }
}

/** How long a call took; 0 for one that is told only once it is over. */
export function msSince(startedAt: number | undefined): number {
  return startedAt === undefined ? 0 : performance.now() - startedAt;
}

/** What a result says went wrong: a text, or its `error`. */
export function errorText(result: Json): string {
  if (typeof result === "string") return result;
  if (result === null) return "Failed";
  const error = typeof result === "object" && "error" in result ? result.error : undefined;
  return typeof error === "string" ? error : JSON.stringify(result);
}
