// "Use Async/Await": `for await` works, `for` does not.
import assert from "node:assert/strict";
import { demoModel } from "runlog/ai";
import { Agentor } from "runlog/compat/agentor";

const agent = new Agentor({
  name: "Assistant",
  model: demoModel({ firstTokenMs: 0, tokensPerSecond: 2_000 }),
});

// #region snippet
// Good.
const events: string[] = [];
for await (const event of agent.streamChat("Hello")) {
  console.log(event);
  events.push(event);
}

// Will not work.
assert.throws(() => {
  // @ts-expect-error
  for (const event of agent.streamChat("Hello")) console.log(event);
}, TypeError);
// #endregion

assert.ok(events.length > 1);
