// "API Reference", "Core Functions": runStream, streamText, runStreamWithTools, streamToolCalls, collectStreamResult.
import assert from "node:assert/strict";
import { demoAgent, demoModel } from "runlog/ai";
import {
  collectStreamResult,
  runStream,
  runStreamWithTools,
  StreamEventType,
  streamText,
  streamToolCalls,
} from "runlog/compat/pydantic-deep";

const agent = demoAgent({ model: demoModel({ firstTokenMs: 0, tokensPerSecond: 2_000 }) });
const prompt = "What is 6 * 7?";

// #region run-stream
const types: string[] = [];
for await (const event of runStream(agent, prompt)) {
  console.log(`${event.event_type}: ${JSON.stringify(event.data)}`);
  types.push(event.event_type);
}
// #endregion
assert.equal(types[0], "agent_start");
assert.equal(types.at(-1), "agent_end");

// #region stream-text
const chunks: string[] = [];
for await (const chunk of streamText(agent, "Count to 20")) {
  process.stdout.write(chunk);
  chunks.push(chunk);
}
// #endregion
assert.ok(chunks.length > 1);
assert.match(chunks.join(""), /^1, 2, 3,.* 20\./);

// #region run-stream-with-tools
const called: string[] = [];
for await (const event of runStreamWithTools(agent, prompt, { emitProgress: false })) {
  assert.notEqual(event.event_type, StreamEventType.PROGRESS);
  if (event.event_type === StreamEventType.TOOL_START) {
    console.log(`Calling ${event.data.tool_name}...`);
    called.push(event.data.tool_name);
  }
}
// #endregion
assert.deepEqual(called, ["calculator"]);

// #region stream-tool-calls
const calls: string[] = [];
for await (const call of streamToolCalls(agent, prompt)) {
  if (call.type === "start") calls.push(`Calling ${call.toolName}(${JSON.stringify(call.args)})...`);
  else calls.push(`  -> ${JSON.stringify(call.result)}`);
}
// #endregion
assert.deepEqual(calls, [
  'Calling calculator({"expression":"6 * 7"})...',
  '  -> {"expression":"6 * 7","result":42}',
]);

// #region collect-stream-result
const told: string[] = [];
const { result, events } = await collectStreamResult(agent, prompt, {
  onEvent: (event) => told.push(`Event: ${event.event_type}`),
});
// #endregion
assert.match(String(result.output), /6 \* 7 is \*\*42\*\*/);
assert.deepEqual(
  told,
  events.map((event) => `Event: ${event.event_type}`),
);
