// "Error Handling": `runStream` tells a failure once, as an event, and then ends; `streamText` throws it.
import assert from "node:assert/strict";
import type { AgentFunction, AgentStream } from "runlog";
import { runStream, StreamEventType, streamText } from "runlog/compat/pydantic-deep";

async function* broken(): AgentStream {
  yield { type: "text.started", id: "1" };
  yield { type: "text.delta", id: "1", text: "I was about to say" };
  throw Object.assign(new Error("File not found"), { code: "file_not_found" });
}

const lines: string[] = [];

// #region snippet
async function runWithErrorHandling(agent: AgentFunction, prompt: string): Promise<void> {
  for await (const event of runStream(agent, prompt)) {
    if (event.event_type === StreamEventType.ERROR)
      lines.push(`Error: ${event.data.error}`, `   Type: ${event.data.exception_type}`);
    else if (event.event_type === StreamEventType.LLM_CHUNK) lines.push(event.data.text);
  }

  try {
    for await (const chunk of streamText(agent, prompt)) lines.push(chunk);
  } catch (error) {
    lines.push(`Fatal error: ${(error as Error).message}`);
  }
}
// #endregion

await runWithErrorHandling(broken, "Go");
assert.deepEqual(lines, [
  "I was about to say",
  "Error: File not found",
  "   Type: file_not_found",
  "I was about to say",
  "Fatal error: The run failed with file_not_found: File not found",
]);
console.log(lines.join("\n"));
