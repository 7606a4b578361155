// "Handle Partial Content": whole words, the last one included.
import assert from "node:assert/strict";
import { demoModel } from "runlog/ai";
import { Agentor } from "runlog/compat/agentor";
import { words } from "runlog/streams";

const agent = new Agentor({
  name: "Assistant",
  model: demoModel({ firstTokenMs: 0, tokensPerSecond: 2_000 }),
});

// #region snippet
async function* text(): AsyncGenerator<string> {
  for await (const { chunk } of agent.streamChat("Hello", { serialize: false })) if (chunk) yield chunk;
}

const processed: string[] = [];
for await (const word of words(text())) processed.push(word);
// #endregion

assert.ok(processed.every((word) => /^\s*\S+\s?$/.test(word)));
const { output } = await agent.chat("Hello");
assert.equal(processed.join(""), output);
assert.equal(processed.at(-1), "back");
console.log(processed);
