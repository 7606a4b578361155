import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SpanKind, SpanStatusCode } from "@opentelemetry/api";
import {
  AlwaysOnSampler,
  BasicTracerProvider,
  InMemorySpanExporter,
  ParentBasedSampler,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";
import type { AgentStream } from "../agent.ts";
import { demoAgent, demoModel } from "../ai/index.ts";
import { createHub, type Hub } from "../hub.ts";
import { memoryStore } from "../stores/memory.ts";
import { consoleExporter, jsonlExporter, memoryExporter } from "./exporters.ts";
import { spansOf } from "./spans.ts";
import { traceparentOf } from "./trace-parent.ts";
import { traceRun } from "./trace-run.ts";

afterEach(() => void vi.useRealTimers());

// biome-ignore lint/correctness/useYield: it fails before it says anything
async function* failing(): AgentStream {
  throw Object.assign(new Error("no paper"), { code: "out_of_paper" });
}

async function* toolUser(): AgentStream {
  yield { type: "tool.called", callId: "c", name: "\x1b[31mclock", input: {} };
  yield { type: "tool.failed", callId: "c", name: "clock", code: "no_battery", message: "stands\nstill" };
}

async function openHub(): Promise<Hub> {
  const model = demoModel({ firstTokenMs: 0, tokensPerSecond: Number.POSITIVE_INFINITY });
  const hub = await createHub({
    store: memoryStore(),
    agents: [demoAgent({ model }), failing, toolUser],
  });
  onTestFinished(() => hub[Symbol.asyncDispose]());
  return hub;
}

function openTracer() {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({
    sampler: new ParentBasedSampler({ root: new AlwaysOnSampler() }),
    spanProcessors: [new SimpleSpanProcessor(exporter)],
  });
  onTestFinished(() => provider.shutdown());
  return { tracer: provider.getTracer("test"), ended: () => exporter.getFinishedSpans() };
}

const ms = ([seconds, nanos]: [number, number]) => seconds * 1_000 + nanos / 1e6;

describe("traceRun with a tracer", () => {
  it("[F112] makes a run's spans: names, kinds, parents and attributes, with the times of the log", async () => {
    const hub = await openHub();
    const { tracer, ended } = openTracer();
    const { run } = await hub.start({ input: "What is 17% of 2340?" });
    await traceRun(run, { tracer });
    const expected = spansOf(run.id, await run.log.entries());
    const seen = ended();
    expect(seen.map(({ name }) => name).sort()).toEqual([
      "chat demo",
      "chat demo",
      "execute_tool calculator",
      "invoke_agent demo",
    ]);
    const root = seen.find(({ name }) => name.startsWith("invoke_agent"))!;
    for (const each of seen) {
      const same = expected.find(
        (span) => span.name === each.name && span.startedAt === Math.round(ms(each.startTime)),
      );
      expect(each.attributes).toEqual(same?.attributes);
      expect(Math.round(ms(each.endTime))).toBe(same?.endedAt);
      expect(each.kind).toBe(each.name.startsWith("chat") ? SpanKind.CLIENT : SpanKind.INTERNAL);
      expect(each.spanContext().traceId).toBe(root.spanContext().traceId);
      expect(each.parentSpanContext?.spanId).toBe(each === root ? undefined : root.spanContext().spanId);
    }
  });

  it("[F112] shows a run that has ended long ago, at its own times", async () => {
    vi.useFakeTimers({ now: Date.UTC(2001, 1, 3), toFake: ["Date"] });
    const hub = await openHub();
    const { run } = await hub.start({ agent: "failing", input: "hello" });
    await run.ended();
    vi.useRealTimers();
    const { tracer, ended } = openTracer();
    await traceRun(run, { tracer });
    const [span] = ended();
    expect(ms(span!.startTime)).toBe(Date.UTC(2001, 1, 3));
    expect(span?.status).toEqual({ code: SpanStatusCode.ERROR, message: "no paper" });
    expect(span?.attributes["error.type"]).toBe("out_of_paper");
  });

  it("[F112] takes the trace context in, and gives it out", async () => {
    const hub = await openHub();
    const { tracer, ended } = openTracer();
    const above = tracer.startSpan("request");
    const { run } = await hub.start({
      input: "What is 17% of 2340?",
      metadata: { traceparent: traceparentOf(above) },
    });
    const headers: string[] = [];
    await traceRun(run, { tracer, onStart: (span) => headers.push(traceparentOf(span)) });
    above.end();
    const root = ended().find(({ name }) => name.startsWith("invoke_agent"))!;
    expect(root.parentSpanContext?.spanId).toBe(above.spanContext().spanId);
    expect(ended().every((span) => span.spanContext().traceId === above.spanContext().traceId)).toBe(true);
    expect(headers[0]).toBe(`00-${root.spanContext().traceId}-${root.spanContext().spanId}-01`);
    expect(headers).toHaveLength(4);
  });

  it("[F113] obeys a caller who does not sample, and shows nothing of runs that it was not asked to", async () => {
    const hub = await openHub();
    const { tracer, ended } = openTracer();
    const unsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    const one = await hub.start({ input: "Hello", metadata: { traceparent: unsampled } });
    await traceRun(one.run, { tracer });
    const other = await hub.start({ input: "Hello" });
    await other.run.ended();
    expect(ended()).toEqual([]);
    await traceRun(other.run, { tracer });
    expect(
      ended()
        .map(({ attributes }) => attributes["runlog.run"])
        .filter(Boolean),
    ).toEqual([other.run.id]);
  });

  it("[F112] a tracer that throws changes nothing", async () => {
    const hub = await openHub();
    const errors: unknown[] = [];
    const memory = memoryExporter();
    const tracer = {
      startSpan: () => {
        throw new Error("no spans today");
      },
      startActiveSpan: () => undefined as never,
    };
    const { run } = await hub.start({ input: "What is 17% of 2340?" });
    await traceRun(run, { tracer, exporters: [memory], onError: (error) => errors.push(error) });
    expect(memory.spans).toHaveLength(4);
    expect(errors).toHaveLength(4);
    expect((await run.info()).status).toBe("finished");
  });
});

describe("traceRun with exporters", () => {
  it("[F112] one that throws, rejects or hangs changes nothing for the run and for the others", async () => {
    const hub = await openHub();
    const { run } = await hub.start({ input: "What is 17% of 2340?" });
    const memory = memoryExporter();
    const errors: string[] = [];
    const tracing = traceRun(run, {
      exporters: [
        {
          export: () => {
            throw new Error("throws");
          },
        },
        { export: () => Promise.reject(new Error("rejects")) },
        { export: () => new Promise(() => {}) },
        memory,
      ],
      flushMs: 1,
      onError: (error) => {
        errors.push((error as Error).message);
        throw error;
      },
    });
    expect((await run.ended()).status).toBe("finished");
    await tracing;
    expect(memory.spans).toEqual(expect.arrayContaining(spansOf(run.id, await run.log.entries())));
    expect(errors.sort()).toEqual([...Array(4).fill("rejects"), ...Array(4).fill("throws")]);
  });

  it("[F112] appends a line of JSON for each span", async () => {
    const folder = mkdtempSync(join(tmpdir(), "runlog-spans-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, "spans.jsonl");
    const hub = await openHub();
    const memory = memoryExporter();
    for (const agent of ["failing", "toolUser"]) {
      const { run } = await hub.start({ agent, input: "hello" });
      await traceRun(run, { exporters: [jsonlExporter(path), memory] });
    }
    const lines = readFileSync(path, "utf8").trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toEqual(JSON.parse(JSON.stringify(memory.spans)));
    expect(lines).toHaveLength(3);
  });

  it("[F112] prints lines that no tool's name can break or colour", async () => {
    const hub = await openHub();
    const lines: string[] = [];
    const { run } = await hub.start({ agent: "toolUser", input: "hello" });
    await traceRun(run, { exporters: [consoleExporter((line) => lines.push(line))] });
    expect(lines.map((line) => line.replace(/\d+ ms/, "N ms"))).toEqual([
      "execute_tool [31mclock  N ms  no_battery: stands still",
      "invoke_agent toolUser  N ms",
    ]);
  });

  it("stops when it is told to, and says of what was open that it is incomplete", async () => {
    const hub = await openHub();
    const { run } = await hub.start({ agent: null, input: "hello" });
    await run.append([{ type: "step.started", step: 1 }]);
    const memory = memoryExporter();
    const stop = new AbortController();
    await traceRun(run, {
      exporters: [{ start: (span) => span.name === "chat" && stop.abort(), export: () => {} }, memory],
      signal: stop.signal,
    });
    expect(memory.spans.map(({ name, attributes }) => [name, attributes["runlog.incomplete"]])).toEqual([
      ["chat", true],
      ["invoke_agent", true],
    ]);
    expect((await run.info()).status).toBe("running");
  });

  it("reports a log that cannot be read, and resolves", async () => {
    const hub = await openHub();
    const errors: unknown[] = [];
    await traceRun(hub.run("nobody"), {
      exporters: [memoryExporter()],
      onError: (error) => errors.push(error),
    });
    expect(errors).toMatchObject([{ code: "run_not_found" }]);
  });
});
