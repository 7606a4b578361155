// "Progress Tracking": how many chunks and tool calls there were so far.
import assert from "node:assert/strict";
import { demoModel, tool } from "runlog/ai";
import { Agentor } from "runlog/compat/agentor";
import { z } from "zod";

const calculator = tool({
  input: z.object({ expression: z.string() }),
  execute: ({ expression }) => ({ expression, result: 42 }),
});
const agent = new Agentor({
  name: "Researcher",
  model: demoModel({ firstTokenMs: 0, tokensPerSecond: 2_000 }),
  tools: { calculator },
});

// #region snippet
const chunks: string[] = [];
const messages: string[] = [];
let toolCalls = 0;
for await (const event of agent.streamChat("What is 6 * 7?", { serialize: false })) {
  if (event.chunk) {
    chunks.push(event.chunk);
    process.stdout.write(`Progress: ${chunks.length} chunks\r`);
  }
  if (event.tool_action?.type === "tool_called") {
    toolCalls += 1;
    console.log(`Tool call #${toolCalls}: ${event.tool_action.name}`);
  }
  if (event.message) messages.push(event.message);
}
console.log(`\nComplete! Total chunks: ${chunks.length}, Tool calls: ${toolCalls}`);
// #endregion

assert.ok(chunks.length > 5);
assert.equal(toolCalls, 1);
assert.equal(chunks.join(""), messages.at(-1));
