// "Integration with Tracing": a trace is one more reader of the run that is being streamed.
import assert from "node:assert/strict";
import { createHub } from "runlog";
import { demoAgent, demoModel } from "runlog/ai";
import { runStream, StreamEventType } from "runlog/compat/pydantic-deep";
import { memoryStore } from "runlog/stores/memory";
import { memoryExporter, traceRun } from "runlog/tracing";

const agent = demoAgent({ model: demoModel({ firstTokenMs: 0, tokensPerSecond: 2_000 }) });

// #region snippet
await using hub = await createHub({ store: memoryStore(), agents: [agent] });
const exporter = memoryExporter();
let traced: Promise<unknown> | undefined;
let text = "";
for await (const event of runStream(agent, "What is 2 + 2?", { hub, id: "task" })) {
  traced ??= traceRun(hub.run("task"), { exporters: [exporter] });
  if (event.event_type === StreamEventType.LLM_CHUNK) text += event.data.text;
}
await traced;
// #endregion

const names = exporter.spans.map(({ name }) => name);
console.log(text, names);
assert.match(text, /2 \+ 2 is \*\*4\*\*/);
assert.deepEqual(names.sort(), ["chat demo", "chat demo", "execute_tool calculator", "invoke_agent demo"]);
