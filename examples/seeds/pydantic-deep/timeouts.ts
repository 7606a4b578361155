// "Implement Timeouts": the time is over, the loop ends, and the run that it owned is cancelled.
import assert from "node:assert/strict";
import { type AgentLike, createHub } from "runlog";
import { demoAgent, demoModel } from "runlog/ai";
import { runStream } from "runlog/compat/pydantic-deep";
import { memoryStore } from "runlog/stores/memory";
import { withTimeout } from "runlog/streams";

const agent = demoAgent({ model: demoModel({ firstTokenMs: 3_600_000 }) });
await using hub = await createHub({ store: memoryStore(), agents: [agent] });

// #region snippet
async function streamWithTimeout(agent: AgentLike, prompt: string, timeoutMs = 30_000): Promise<string> {
  try {
    for await (const event of withTimeout(runStream(agent, prompt, { hub, id: "slow" }), {
      totalMs: timeoutMs,
    }))
      console.log(event.event_type);
    return "Completed";
  } catch (error) {
    if ((error as Error).name !== "TimeoutError") throw error;
    return `Operation timed out after ${timeoutMs} ms`;
  }
}
// #endregion

assert.equal(await streamWithTimeout(agent, "A long task", 50), "Operation timed out after 50 ms");
assert.equal((await hub.run("slow").ended()).status, "cancelled");
