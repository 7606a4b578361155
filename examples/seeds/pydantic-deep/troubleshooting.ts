// "Events Not Streaming", "Missing Events": what goes wrong, and how it is done.
import assert from "node:assert/strict";
import { demoAgent, demoModel } from "runlog/ai";
import { runStream, runStreamWithTools } from "runlog/compat/pydantic-deep";

const agent = demoAgent({ model: demoModel({ firstTokenMs: 0, tokensPerSecond: 2_000 }) });
const prompt = "What is 2 + 2?";

// #region snippet
// Wrong: without `await` it is refused, by the compiler and at run time.
assert.throws(() => {
  // @ts-expect-error
  for (const _ of runStream(agent, prompt));
}, TypeError);

// Right.
const types = new Set<string>();
for await (const event of runStream(agent, prompt)) types.add(event.event_type);
// #endregion

// Tools and progress are in both; `emitProgress` is true unless it is said otherwise.
assert.ok(types.has("tool_start") && types.has("tool_end") && types.has("progress"));
const detailed = new Set<string>();
for await (const event of runStreamWithTools(agent, prompt)) detailed.add(event.event_type);
assert.deepEqual(detailed, types);
console.log([...types]);
