// "Building a Dashboard": events sorted by what they are, and the run's result.
import assert from "node:assert/strict";
import type { AgentLike } from "runlog";
import { demoAgent, demoModel } from "runlog/ai";
import {
  collectStreamResult,
  type EventData,
  type StreamEvent,
  StreamEventType,
} from "runlog/compat/pydantic-deep";

// #region snippet
async function runWithDashboard(agent: AgentLike, prompt: string) {
  const dashboard = {
    chunks: [] as string[],
    toolCalls: new Map<string, { name: string; status: "running" | "done" | "failed" }>(),
    progress: [] as EventData["progress"][],
    errors: [] as string[],
  };
  const update = (event: StreamEvent) => {
    switch (event.event_type) {
      case StreamEventType.LLM_CHUNK:
        dashboard.chunks.push(event.data.text);
        break;
      case StreamEventType.TOOL_START:
        dashboard.toolCalls.set(event.data.tool_call_id!, { name: event.data.tool_name, status: "running" });
        break;
      case StreamEventType.TOOL_END:
        dashboard.toolCalls.get(event.data.tool_call_id!)!.status =
          event.data.error === undefined ? "done" : "failed";
        break;
      case StreamEventType.PROGRESS:
        dashboard.progress.push(event.data);
        break;
      case StreamEventType.ERROR:
        dashboard.errors.push(event.data.error);
    }
  };
  const { result } = await collectStreamResult(agent, prompt, { onEvent: update });
  return { result, dashboard };
}
// #endregion

const agent = demoAgent({ model: demoModel({ firstTokenMs: 0, tokensPerSecond: 2_000 }) });
const { result, dashboard } = await runWithDashboard(agent, "What is 2 + 2, and what time is it in Tokyo?");
assert.equal(dashboard.chunks.join(""), result.output);
assert.deepEqual(
  [...dashboard.toolCalls.values()],
  [
    { name: "calculator", status: "done" },
    { name: "clock", status: "done" },
  ],
);
assert.deepEqual(
  dashboard.progress.map(({ iteration }) => iteration),
  [1, 2],
);
assert.deepEqual(dashboard.errors, []);
console.log(result.output);
