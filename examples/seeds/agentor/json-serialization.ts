// "JSON Serialization": each event is one line of JSON, with the five fields that the page prints.
import assert from "node:assert/strict";
import { demoModel } from "runlog/ai";
import { Agentor } from "runlog/compat/agentor";

const agent = new Agentor({
  name: "Assistant",
  model: demoModel({ firstTokenMs: 0, tokensPerSecond: 2_000 }),
});

// #region snippet
const events: string[] = [];
for await (const jsonEvent of agent.streamChat("Write a haiku", { serialize: true })) {
  console.log(jsonEvent);
  events.push(jsonEvent);
}
// #endregion

for (const event of events) {
  assert.ok(!event.includes("\n"));
  assert.deepEqual(Object.keys(JSON.parse(event)), ["type", "message", "chunk", "tool_action", "reasoning"]);
}
const { message, ...rest } = JSON.parse(events.at(-1)!);
assert.match(message, /demo model/);
assert.deepEqual(rest, { type: "run_item_stream_event", chunk: null, tool_action: null, reasoning: null });
