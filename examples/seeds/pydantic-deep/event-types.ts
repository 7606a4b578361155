// "Event Types": each kind of event has the name and the data that its heading prints.
import assert from "node:assert/strict";
import type { AgentStream } from "runlog";
import { collectStreamResult, type StreamEvent } from "runlog/compat/pydantic-deep";

async function* assistant(): AgentStream {
  yield { type: "step.started", step: 1 };
  yield { type: "text.started", id: "1" };
  yield { type: "text.delta", id: "1", text: "Hello" };
  yield { type: "text.finished", id: "1" };
  const call = { callId: "call-1", name: "read_file" };
  yield { type: "tool.called", ...call, input: { file_path: "/tmp/test.txt" } };
  yield { type: "tool.returned", ...call, output: "file contents...", durationMs: 500 };
  const usage = { inputTokens: 100, outputTokens: 50 };
  yield { type: "step.finished", step: 1, finishReason: "stop", usage, cost: 0.005 };
  yield { type: "progress", iteration: 1, totalTokens: 150, totalCost: 0.005 };
  yield { type: "error", code: "file_not_found", message: "File not found" };
}

const { events } = await collectStreamResult(assistant, "Read it");

// #region snippet
const printed = [
  { event_type: "agent_start", data: { agent_name: "assistant", prompt: "Read it" } },
  { event_type: "llm_chunk", data: { text: "Hello" } },
  { event_type: "tool_start", data: { tool_name: "read_file", args: { file_path: "/tmp/test.txt" } } },
  {
    event_type: "tool_end",
    data: { tool_name: "read_file", result: "file contents...", duration_seconds: 0.5 },
  },
  { event_type: "progress", data: { iteration: 1, total_tokens: 150, total_cost_usd: 0.005 } },
  { event_type: "error", data: { error: "File not found", exception_type: "file_not_found" } },
  { event_type: "agent_end", data: { agent_name: "assistant", success: true, total_iterations: 1 } },
];
// #endregion

assert.equal(events.length, printed.length);
for (const [index, { event_type, data }] of printed.entries()) {
  const event = events[index] as StreamEvent;
  assert.equal(event.event_type, event_type);
  assert.partialDeepStrictEqual(event.data, data);
  assert.ok(!Number.isNaN(Date.parse(event.timestamp)));
}
const end = events.at(-1)!;
assert.ok(end.event_type === "agent_end" && end.data.duration_seconds! >= 0);
assert.equal(end.data.total_tokens, 150);
console.log(events);
