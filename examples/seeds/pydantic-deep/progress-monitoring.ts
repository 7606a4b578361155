// "Progress Monitoring": tokens and cost after each step, while the run goes on.
import assert from "node:assert/strict";
import type { AgentLike } from "runlog";
import { demoAgent, demoModel } from "runlog/ai";
import { runStream, StreamEventType } from "runlog/compat/pydantic-deep";

const lines: string[] = [];

// #region snippet
async function runWithProgress(agent: AgentLike, prompt: string): Promise<void> {
  for await (const event of runStream(agent, prompt)) {
    switch (event.event_type) {
      case StreamEventType.LLM_CHUNK:
        process.stdout.write(event.data.text);
        break;
      case StreamEventType.PROGRESS: {
        // Left out where the price of the model is not known.
        const { total_tokens = 0, total_cost_usd = 0 } = event.data;
        lines.push(`[Progress: ${total_tokens} tokens, $${total_cost_usd.toFixed(4)}]`);
        break;
      }
      case StreamEventType.AGENT_END:
        lines.push(`[Completed in ${event.data.duration_seconds!.toFixed(1)}s]`);
    }
  }
}
// #endregion

const agent = demoAgent({ model: demoModel({ firstTokenMs: 0, tokensPerSecond: 2_000 }) });
await runWithProgress(agent, "What is 17% of 2340?");
const [first, second, end] = lines;
assert.equal(lines.length, 3);
const tokens = [first, second].map((line) =>
  Number(/^\[Progress: (\d+) tokens, \$0.0000\]$/.exec(line!)?.[1]),
);
assert.ok(tokens[0]! > 0 && tokens[1]! > tokens[0]!);
assert.match(end!, /^\[Completed in \d+\.\ds\]$/);
console.log(lines.join("\n"));
