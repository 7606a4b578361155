import type { AgentStatus } from "../events.ts";
import type { Appended } from "../producers.ts";
import { statusTransitions } from "../summary.ts";
import type { ProjectEventStream, SentEvent, TaskEventStream } from "./event-stream.ts";

/**
 * Sends an agent's status: `agent_status`. One of the words of `AgentStatus` is checked for what it may follow, and
 * refused with `invalid_event`; any other word is passed on as it is. `progress` is from 0 to 100.
 */
export function sendAgentStatus(
  stream: TaskEventStream | ProjectEventStream,
  streamId: string,
  agentId: string,
  status: string,
  progress = 0,
): Promise<Appended> {
  const event = statusEvent(agentId, status, progress);
  if (event) return stream.write(streamId, () => [event]);
  return stream.sendEvent(streamId, "agent_status", { agent_id: agentId, status, progress });
}

/** A report of `status` as an event; undefined for a word or a figure that Runlog's own has no room for. */
function statusEvent(agentId: string, status: string, progress: number): SentEvent | undefined {
  if (!isAgentStatus(status) || !(progress >= 0 && progress <= 100)) return undefined;
  return { type: "status", status, progress, agent: agentId };
}

function isAgentStatus(status: string): status is AgentStatus {
  return Object.hasOwn(statusTransitions, status);
}
