// Spans are read from the log, after the fact or live: the agent knows nothing of it, and needs nothing for it.
import assert from "node:assert/strict";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { createHub } from "runlog";
import { demoAgent, demoModel } from "runlog/ai";
import { memoryStore } from "runlog/stores/memory";
import { consoleExporter, memoryExporter, spansOf, traceparentOf, traceRun } from "runlog/tracing";

const model = demoModel({ firstTokenMs: 0, tokensPerSecond: Number.POSITIVE_INFINITY });
await using hub = await createHub({ store: memoryStore(), agents: [demoAgent({ model })] });
const collected = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(collected)] });
const tracer = provider.getTracer("example");

// #region context
const request = tracer.startSpan("POST /ask");
const { run } = await hub.start({
  input: "What is 17% of 2340?",
  metadata: { traceparent: traceparentOf(request) },
});
// #endregion

// #region trace
await traceRun(run, { tracer });
// #endregion

request.end();
const spans = collected.getFinishedSpans();
assert.deepEqual(spans.map(({ name }) => name).sort(), [
  "POST /ask",
  "chat demo",
  "chat demo",
  "execute_tool calculator",
  "invoke_agent demo",
]);
assert.equal(new Set(spans.map((span) => span.spanContext().traceId)).size, 1);

// #region exporters
const memory = memoryExporter();
await traceRun(run, { exporters: [consoleExporter(), memory] });
// #endregion
assert.equal(memory.spans.length, 4);

// #region fold
const [agent, ...others] = spansOf(run.id, await run.log.entries());
// #endregion
assert.equal(agent?.attributes["runlog.status"], "finished");
assert.equal(others.length, 3);
await provider.shutdown();
