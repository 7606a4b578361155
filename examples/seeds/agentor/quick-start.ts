// "Quick Start": a run as texts of JSON, the first of them long before the answer is whole.
import assert from "node:assert/strict";
import { demoModel } from "runlog/ai";
import { Agentor } from "runlog/compat/agentor";

// #region snippet
const agent = new Agentor({
  name: "Assistant",
  model: demoModel({ firstTokenMs: 0, tokensPerSecond: 2_000 }),
  instructions: "You are a helpful assistant.",
});

const chunks: string[] = [];
for await (const chunk of agent.streamChat("Explain quantum computing")) {
  console.log(chunk);
  chunks.push(chunk);
}
// #endregion

const outputs = chunks.map((chunk) => JSON.parse(chunk));
const pieces = outputs.flatMap(({ chunk }) => chunk ?? []);
assert.ok(pieces.length > 10);
assert.equal(pieces.join(""), outputs.at(-1).message);
