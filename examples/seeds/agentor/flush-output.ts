// "Flush Output": chunks shown one by one. Standard output of Node keeps nothing back.
import assert from "node:assert/strict";
import { demoModel } from "runlog/ai";
import { Agentor } from "runlog/compat/agentor";

const agent = new Agentor({
  name: "Assistant",
  model: demoModel({ firstTokenMs: 0, tokensPerSecond: 2_000 }),
});
let written = 0;

// #region snippet
for await (const event of agent.streamChat("Hello", { serialize: false })) {
  if (event.chunk) {
    process.stdout.write(event.chunk);
    written += 1;
  }
}
// #endregion

assert.ok(written > 10);
