// "Handle Backpressure": a slow consumer holds the producer back. An async iterable does that by itself; `queued`
// lets it be some events ahead.
import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import type { AgentLike } from "runlog";
import { demoAgent, demoModel } from "runlog/ai";
import { runStream, type StreamEvent } from "runlog/compat/pydantic-deep";
import { queued } from "runlog/streams";

let ahead = 0;
let most = 0;

/** Counts the events that were made and not yet processed. */
async function* counted(events: AsyncIterable<StreamEvent>): AsyncGenerator<StreamEvent> {
  for await (const event of events) {
    most = Math.max(most, ++ahead);
    yield event;
  }
}

// #region snippet
async function streamWithBackpressure(
  agent: AgentLike,
  prompt: string,
  processEvent: (event: StreamEvent) => Promise<void>,
): Promise<void> {
  const events = queued(counted(runStream(agent, prompt)), { limit: 10, whenFull: "wait" });
  for await (const event of events) await processEvent(event);
}
// #endregion

const agent = demoAgent({ model: demoModel({ firstTokenMs: 0, tokensPerSecond: 20_000 }) });
const processed: StreamEvent[] = [];
await streamWithBackpressure(agent, "Count to 100", async (event) => {
  for (let turns = 0; turns < 5; turns++) await turn();
  processed.push(event);
  ahead--;
});
assert.equal(processed[0]?.event_type, "agent_start");
assert.equal(processed.at(-1)?.event_type, "agent_end");
assert.match(
  processed.map((event) => (event.event_type === "llm_chunk" ? event.data.text : "")).join(""),
  /99, 100\./,
);
// Ten wait, one is being put, and one is at work.
assert.ok(most <= 12, `${most} events were ahead`);
console.log(`${processed.length} events, at most ${most} ahead`);
