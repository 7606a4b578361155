// "Quick Start": all events of a run, or only its text.
import assert from "node:assert/strict";
import { demoAgent, demoModel } from "runlog/ai";
import { runStream, StreamEventType, streamText } from "runlog/compat/pydantic-deep";

const agent = demoAgent({ model: demoModel({ firstTokenMs: 0, tokensPerSecond: 2_000 }) });

// #region snippet
const seen = { text: "", tools: [] as string[], iterations: [] as number[] };
for await (const event of runStream(agent, "What is 17% of 2340?")) {
  if (event.event_type === StreamEventType.LLM_CHUNK) {
    process.stdout.write(event.data.text);
    seen.text += event.data.text;
  } else if (event.event_type === StreamEventType.TOOL_START) {
    console.log(`\n[Calling ${event.data.tool_name}]`);
    seen.tools.push(event.data.tool_name);
  } else if (event.event_type === StreamEventType.PROGRESS) {
    console.log(`\nIteration: ${event.data.iteration}`);
    seen.iterations.push(event.data.iteration);
  }
}

let text = "";
for await (const chunk of streamText(agent, "Hello")) {
  process.stdout.write(chunk);
  text += chunk;
}
// #endregion

assert.match(seen.text, /17% of 2340 is \*\*397.8\*\*/);
assert.deepEqual(seen.tools, ["calculator"]);
assert.deepEqual(seen.iterations, [1, 2]);
assert.match(text, /Hello!/);
