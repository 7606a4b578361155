export type { AgentOutput, AgentOutputType, ToolAction } from "../protocols/agentor/agent-output.ts";
export { Agentor, type ServeOptions, type StreamChatOptions } from "./agentor/agentor.ts";
export { type FormatOptions, formatStreamEvents } from "./agentor/format-stream-events.ts";
export type { RunOptions } from "./own-run.ts";
export type { RunResult } from "./run-result.ts";
