import type { JsonObject } from "../events.ts";
import { newId } from "../internal/id.ts";
import { toJson } from "../json.ts";
import type { Appended } from "../producers.ts";
import { endEvent } from "./end-event.ts";
import type { TaskEventStream } from "./event-stream.ts";
import { toolCallEvents } from "./tool-call.ts";

export {
  type CreateOptions,
  type StreamEventsOptions,
  TaskEventStream,
} from "./event-stream.ts";
export { sendAgentStatus } from "./send-agent-status.ts";

// Each sender resolves once what it sent is committed. All open the stream if it is not, and throw `run_closed`
// after its end.

/** Sends what an agent said: `agent_message`. */
export function sendAgentMessage(
  stream: TaskEventStream,
  taskId: string,
  agentId: string,
  message: string,
  metadata: JsonObject = {},
): Promise<Appended> {
  const kept = toJson(metadata ?? {}) as JsonObject;
  const parts = [
    { type: "text" as const, text: message },
    ...(Object.keys(kept).length > 0 ? [{ type: "data" as const, name: "metadata", data: kept }] : []),
  ];
  return stream.write(taskId, () => [
    { type: "message", message: { id: newId(), role: "assistant", parts }, agent: agentId },
  ]);
}

/** Sends how the task is: `task_update`. `completed`, `failed` and `cancelled` end the stream. */
export function sendTaskUpdate(
  stream: TaskEventStream,
  taskId: string,
  status: string,
  result: unknown = null,
): Promise<Appended> {
  const end = endEvent(status, result, (sent) => ({ agentx: sent }));
  if (end) return stream.write(taskId, () => [end]);
  return stream.sendEvent(taskId, "task_update", { task_id: taskId, status, result });
}

/**
 * Sends a tool call at any stage: `tool_call`. `pending` begins it, `completed` and `failed` end it; AgentX has no call
 * ids, so a stage belongs to the oldest open call of the agent and tool.
 */
export function sendToolCall(
  stream: TaskEventStream,
  taskId: string,
  agentId: string,
  toolName: string,
  parameters: JsonObject,
  result: unknown = null,
  status = "pending",
): Promise<Appended> {
  const update = { agentId, toolName, parameters, result, status };
  return stream.write(taskId, (written) =>
    toolCallEvents(written, update, (sent) =>
      sent === null || Object.keys(sent).length > 0 ? { agentx: sent } : {},
    ),
  );
}
