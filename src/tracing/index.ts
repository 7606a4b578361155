export {
  consoleExporter,
  jsonlExporter,
  type MemoryExporter,
  memoryExporter,
  type SpanExporter,
} from "./exporters.ts";
export {
  type Attributes,
  type AttributeValue,
  type RunSpan,
  type SpanChanges,
  type SpanEvent,
  Spans,
  spansOf,
} from "./spans.ts";
export { parseTraceParent, type TraceParent, traceparentOf } from "./trace-parent.ts";
export { type TraceOptions, traceRun } from "./trace-run.ts";
