// "Error Handling": a timeout, any other failure, and what is done in any case.
import assert from "node:assert/strict";
import type { AgentStream } from "runlog";
import { demoModel } from "runlog/ai";
import { Agentor } from "runlog/compat/agentor";
import { withTimeout } from "runlog/streams";

const lines: string[] = [];

// #region snippet
async function safeStream(agent: Agentor, timeoutMs: number): Promise<void> {
  try {
    const stream = agent.streamChat("Your query", { serialize: false });
    for await (const event of withTimeout(stream, { totalMs: timeoutMs }))
      if (event.message) lines.push(event.message);
  } catch (error) {
    if ((error as Error).name === "TimeoutError") lines.push("Streaming timeout");
    else lines.push(`Streaming error: ${(error as Error).message}`);
  } finally {
    lines.push("Stream closed");
  }
}
// #endregion

class Broken extends Agentor {
  override async *run(): AgentStream {
    yield { type: "text.started", id: "1" };
    throw new Error("It broke");
  }
}

await safeStream(new Broken({ name: "broken", model: "demo" }), 10_000);
await safeStream(new Agentor({ name: "slow", model: demoModel({ firstTokenMs: 3_600_000 }) }), 50);
await safeStream(
  new Agentor({ name: "well", model: demoModel({ firstTokenMs: 0, tokensPerSecond: 2_000 }) }),
  10_000,
);
console.log(lines.join("\n"));
assert.deepEqual(lines.slice(0, 4), [
  "Streaming error: The run failed with agent_error: It broke",
  "Stream closed",
  "Streaming timeout",
  "Stream closed",
]);
assert.match(lines[4]!, /Hello!/);
assert.equal(lines[5], "Stream closed");
