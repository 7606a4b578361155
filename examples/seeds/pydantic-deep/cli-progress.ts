// "CLI with Rich Progress Bar": text as it comes, and a line below it that is written anew after each step.
import assert from "node:assert/strict";
import type { AgentLike } from "runlog";
import { demoAgent, demoModel } from "runlog/ai";
import { runStream, StreamEventType } from "runlog/compat/pydantic-deep";

// #region snippet
async function cliWithProgress(
  agent: AgentLike,
  prompt: string,
  write: (text: string) => void,
): Promise<void> {
  const status = (text: string) => write(`\r\x1b[2K${text}`);
  status("Processing...");
  for await (const event of runStream(agent, prompt)) {
    if (event.event_type === StreamEventType.LLM_CHUNK) write(event.data.text);
    else if (event.event_type === StreamEventType.PROGRESS)
      status(`Iteration ${event.data.iteration} (${event.data.total_tokens ?? 0} tokens)\n`);
  }
}
// #endregion

const agent = demoAgent({ model: demoModel({ firstTokenMs: 0, tokensPerSecond: 2_000 }) });
let shown = "";
await cliWithProgress(agent, "What is 2 + 2?", (text) => {
  shown += text;
});
assert.match(
  shown,
  /Processing\.\.\..*Iteration 1 \(\d+ tokens\).*2 \+ 2 is \*\*4\*\*.*Iteration 2 \(\d+ tokens\)/s,
);
process.stdout.write(shown);
