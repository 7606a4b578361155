// "Simple Text Streaming": a chat that shows text as it comes.
import assert from "node:assert/strict";
import type { AgentLike } from "runlog";
import { demoAgent, demoModel } from "runlog/ai";
import { streamText } from "runlog/compat/pydantic-deep";

// #region snippet
async function chat(agent: AgentLike, prompt: string, write: (text: string) => void): Promise<void> {
  write("Assistant: ");
  for await (const chunk of streamText(agent, prompt)) write(chunk);
  write("\n");
}
// #endregion

const agent = demoAgent({ model: demoModel({ firstTokenMs: 0, tokensPerSecond: 2_000 }) });
const written: string[] = [];
await chat(agent, "Count to 10", (text) => written.push(text));
assert.ok(written.length > 3);
assert.match(written.join(""), /^Assistant: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10\..*\n$/s);
console.log(written.join(""));
