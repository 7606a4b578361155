// "Buffered Streaming": chunks five at a time, and what is left at the end.
import assert from "node:assert/strict";
import { demoModel } from "runlog/ai";
import { Agentor } from "runlog/compat/agentor";
import { buffered } from "runlog/streams";

const agent = new Agentor({
  name: "Writer",
  model: demoModel({ firstTokenMs: 0, tokensPerSecond: 2_000 }),
});

// #region snippet
const allowedEvents = ["raw_response_event"] as const;
const groups: string[][] = [];
const stream = agent.streamChat("Count to 30", { serialize: false, allowedEvents });
for await (const group of buffered(stream, { count: 5 })) {
  const pieces = group.map(({ chunk }) => chunk ?? "");
  console.log(pieces.join(""));
  groups.push(pieces);
}
// #endregion

assert.ok(groups.length > 1);
assert.ok(groups.slice(0, -1).every(({ length }) => length === 5));
assert.ok(groups.at(-1)!.length >= 1 && groups.at(-1)!.length <= 5);
assert.match(groups.flat().join(""), /^1, 2, .*29, 30\./);
