// "Integration with Tracing": one log, read twice. A trace is one more reader of the run that is being streamed.
import assert from "node:assert/strict";
import { createHub, type Run } from "runlog";
import { demoAgent, demoModel } from "runlog/ai";
import { runStream, StreamEventType } from "runlog/compat/pydantic-deep";
import { memoryStore } from "runlog/stores/memory";

const agent = demoAgent({ model: demoModel({ firstTokenMs: 0, tokensPerSecond: 2_000 }) });
const trace: string[] = [];

// #region snippet
async function exportTrace(run: Run): Promise<void> {
  for await (const { event } of run) {
    if (event.type === "step.finished") trace.push(`llm ${event.step}: ${event.usage?.outputTokens} tokens`);
    else if (event.type === "tool.returned") trace.push(`tool ${event.name}: ${event.durationMs} ms`);
    else if (event.type.startsWith("run.")) trace.push(event.type);
  }
}

await using hub = await createHub({ store: memoryStore(), agents: [agent] });
let traced: Promise<void> | undefined;
let text = "";
for await (const event of runStream(agent, "What is 2 + 2?", { hub, id: "task" })) {
  traced ??= exportTrace(hub.run("task"));
  if (event.event_type === StreamEventType.LLM_CHUNK) text += event.data.text;
}
await traced;
// #endregion

console.log(text, trace);
assert.match(text, /2 \+ 2 is \*\*4\*\*/);
assert.equal(trace.length, 5);
assert.equal(trace[0], "run.started");
assert.match(trace[1]!, /^tool calculator: [\d.e-]+ ms$/);
assert.match(trace[2]!, /^llm 1: \d+ tokens$/);
assert.match(trace[3]!, /^llm 2: \d+ tokens$/);
assert.equal(trace[4], "run.finished");
