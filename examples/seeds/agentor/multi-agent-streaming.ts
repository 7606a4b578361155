// "Multi-Agent Streaming": several agents at once, each event with the name of who says it.
import assert from "node:assert/strict";
import { demoModel } from "runlog/ai";
import { Agentor } from "runlog/compat/agentor";
import { mergeStreams } from "runlog/streams";

// #region snippet
const model = () => demoModel({ firstTokenMs: 0, tokensPerSecond: 2_000 });
const agent1 = new Agentor({ name: "Agent 1", model: model() });
const agent2 = new Agentor({ name: "Agent 2", model: model() });

const said = { A1: "", A2: "" };
const messages: string[] = [];
const both = mergeStreams({
  A1: agent1.streamChat("Count to 20", { serialize: false }),
  A2: agent2.streamChat("Count to 10", { serialize: false }),
});
for await (const { source, value } of both) {
  if (value.chunk) said[source] += value.chunk;
  if (value.message) messages.push(`[${source}] ${value.message}`);
}
// #endregion

console.log(messages.join("\n"));
assert.match(said.A1, /^1, 2, .*19, 20\./);
assert.match(said.A2, /^1, 2, .*9, 10\./);
assert.deepEqual(messages.sort(), [`[A1] ${said.A1}`, `[A2] ${said.A2}`]);
