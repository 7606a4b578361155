// "Tool Call Monitoring": each call at its start and at its end, told apart by their type and by the call's id.
import assert from "node:assert/strict";
import type { AgentLike } from "runlog";
import { demoAgent, demoModel } from "runlog/ai";
import { streamToolCalls } from "runlog/compat/pydantic-deep";

const lines: string[] = [];

// #region snippet
async function runWithToolMonitoring(agent: AgentLike, prompt: string): Promise<void> {
  for await (const call of streamToolCalls(agent, prompt)) {
    if (call.type === "start") lines.push(`Calling ${call.toolName} with ${JSON.stringify(call.args)}`);
    else if (call.error !== undefined) lines.push(`${call.toolName} failed: ${call.error}`);
    else lines.push(`${call.toolName} completed: ${JSON.stringify(call.result)}`);
  }
}
// #endregion

const agent = demoAgent({ model: demoModel({ firstTokenMs: 0, tokensPerSecond: 2_000 }) });
await runWithToolMonitoring(agent, "What is 2 + 2, and what is in nothing.md?");
assert.deepEqual(lines.slice(0, 2), [
  'Calling calculator with {"expression":"2 + 2"}',
  'Calling read_file with {"path":"nothing.md"}',
]);
assert.deepEqual(lines.slice(2).sort(), [
  'calculator completed: {"expression":"2 + 2","result":4}',
  'read_file failed: Cannot read "nothing.md": there is no such file',
]);
console.log(lines.join("\n"));
