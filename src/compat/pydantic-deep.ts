export type { RunOptions } from "./own-run.ts";
export {
  agentEndEvent,
  agentStartEvent,
  type EventData,
  errorEvent,
  llmChunkEvent,
  partialResultEvent,
  progressEvent,
  type StreamEvent,
  type StreamEventOf,
  StreamEventType,
  toolEndEvent,
  toolStartEvent,
} from "./pydantic-deep/events.ts";
export {
  type CollectOptions,
  collectStreamResult,
  type RunStreamWithToolsOptions,
  runStream,
  runStreamWithTools,
  streamText,
} from "./pydantic-deep/run-stream.ts";
export {
  type StreamedToolCall,
  streamToolCalls,
  type ToolCallEnd,
  type ToolCallStart,
} from "./pydantic-deep/stream-tool-calls.ts";
export type { RunResult } from "./run-result.ts";
