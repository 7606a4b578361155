// "Event Factory Functions": a function makes each kind of event.
import assert from "node:assert/strict";
import {
  agentEndEvent,
  agentStartEvent,
  errorEvent,
  llmChunkEvent,
  partialResultEvent,
  progressEvent,
  toolEndEvent,
  toolStartEvent,
} from "runlog/compat/pydantic-deep";

// #region snippet
const events = [
  llmChunkEvent({ text: "Hello" }),
  toolStartEvent({ tool_name: "read_file", args: { path: "/tmp/test.txt" } }),
  toolEndEvent({ tool_name: "read_file", result: "contents", duration_seconds: 0.5 }),
  progressEvent({ iteration: 2, total_tokens: 150 }),
  partialResultEvent({ result: { title: "Rep" } }),
  errorEvent({ error: "Something went wrong", exception_type: "ValueError" }),
  agentStartEvent({ agent_name: "assistant", prompt: "Hello" }),
  agentEndEvent({ agent_name: "assistant", total_iterations: 3 }),
];
// #endregion

assert.deepEqual(
  events.map(({ event_type }) => event_type),
  ["llm_chunk", "tool_start", "tool_end", "progress", "partial_result", "error", "agent_start", "agent_end"],
);
assert.deepEqual(events[1]?.data, { tool_name: "read_file", args: { path: "/tmp/test.txt" } });
assert.deepEqual(events[4]?.data, { result: { title: "Rep" }, complete: false });
console.log(events);
