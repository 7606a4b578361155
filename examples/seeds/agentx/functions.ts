// "Functions": send_agent_message, send_agent_status, send_task_update, send_tool_call, as a browser gets them.
import assert from "node:assert/strict";
import { createParser } from "eventsource-parser";
import { createHub } from "runlog";
import {
  sendAgentMessage,
  sendAgentStatus,
  sendTaskUpdate,
  sendToolCall,
  TaskEventStream,
} from "runlog/compat/agentx";
import { listen } from "runlog/server";
import { memoryStore } from "runlog/stores/memory";

await using hub = await createHub({ store: memoryStore() });
await using server = await listen({ hub, port: 0 });
const stream = new TaskEventStream(hub);
await stream.createStream("task-1");
const response = await fetch(`${server.url}/tasks/task-1/stream`);

// #region snippet
await sendTaskUpdate(stream, "task-1", "running");
await sendAgentStatus(stream, "task-1", "writer", "working", 10);
await sendAgentMessage(stream, "task-1", "writer", "I look it up.", { step: 1 });
await sendToolCall(stream, "task-1", "writer", "search", { query: "haiku" });
await sendToolCall(stream, "task-1", "writer", "search", { query: "haiku" }, ["a haiku"], "completed");
await sendAgentStatus(stream, "task-1", "writer", "completed", 100);
await sendTaskUpdate(stream, "task-1", "completed", { steps_executed: 1 });
// #endregion

const events: [string | undefined, unknown][] = [];
createParser({ onEvent: ({ event, data }) => events.push([event, JSON.parse(data)]) }).feed(
  await response.text(),
);
console.log(events);
const sent = events.filter(([name]) => name !== "task_update");
const call = { agent_id: "writer", tool_name: "search", parameters: { query: "haiku" } };
assert.deepEqual(sent, [
  ["agent_status", { agent_id: "writer", status: "working", progress: 10 }],
  ["agent_message", { agent_id: "writer", message: "I look it up.", metadata: { step: 1 } }],
  ["tool_call", { ...call, result: null, status: "pending" }],
  ["tool_call", { ...call, result: ["a haiku"], status: "completed" }],
  ["agent_status", { agent_id: "writer", status: "completed", progress: 100 }],
]);
assert.deepEqual(events.at(0), ["task_update", { task_id: "task-1", status: "running", result: null }]);
assert.deepEqual(events.at(-1), [
  "task_update",
  { task_id: "task-1", status: "completed", result: { steps_executed: 1 } },
]);
