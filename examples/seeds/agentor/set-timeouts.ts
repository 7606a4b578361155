// "Set Timeouts": a stream that takes too long is left, and its run is cancelled.
import assert from "node:assert/strict";
import { createHub } from "runlog";
import { demoModel } from "runlog/ai";
import { Agentor } from "runlog/compat/agentor";
import { memoryStore } from "runlog/stores/memory";
import { withTimeout } from "runlog/streams";

const agent = new Agentor({ name: "Assistant", model: demoModel({ firstTokenMs: 3_600_000 }) });
await using hub = await createHub({ store: memoryStore(), agents: [agent] });

// #region snippet
async function streamWithTimeout(totalMs = 30_000): Promise<string> {
  try {
    for await (const event of withTimeout(agent.streamChat("Long task", { hub, id: "long" }), { totalMs }))
      console.log(event);
    return "Done";
  } catch (error) {
    if ((error as Error).name !== "TimeoutError") throw error;
    return "Stream timeout";
  }
}
// #endregion

assert.equal(await streamWithTimeout(50), "Stream timeout");
assert.equal((await hub.run("long").ended()).status, "cancelled");
