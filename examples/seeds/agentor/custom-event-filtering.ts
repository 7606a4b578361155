// "Custom Event Filtering": only the events of some types.
import assert from "node:assert/strict";
import { createHub } from "runlog";
import { demoModel } from "runlog/ai";
import { Agentor, formatStreamEvents } from "runlog/compat/agentor";
import { memoryStore } from "runlog/stores/memory";

const agent = new Agentor({
  name: "Assistant",
  model: demoModel({ firstTokenMs: 0, tokensPerSecond: 2_000 }),
});
const messages: string[] = [];

// #region snippet
await using hub = await createHub({ store: memoryStore(), agents: [agent] });
const { run } = await hub.start({ input: "Hello" });

for await (const event of formatStreamEvents(run, { allowedEvents: ["run_item_stream_event"] })) {
  assert.equal(event.type, "run_item_stream_event");
  if (event.message) messages.push(event.message);
}
// #endregion

assert.equal(messages.length, 1);
assert.match(messages[0]!, /Hello!/);
const none = [];
for await (const event of formatStreamEvents(run, { allowedEvents: [] })) none.push(event);
assert.deepEqual(none, []);
console.log(messages[0]);
