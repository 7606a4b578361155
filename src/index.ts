export type {
  AgentFunction,
  AgentInfo,
  AgentLike,
  AgentStream,
  RunContext,
  RunLimits,
} from "./agent.ts";
export { formatCursor, type Producer, parseCursor, StoredEntry } from "./batch.ts";
export { type ErrorCode, errorTable, RunError } from "./errors.ts";
export {
  type AgentEvent,
  type AgentStatus,
  type Entry,
  type EventOf,
  type EventType,
  event,
  type FinishReason,
  type Input,
  type InputEvent,
  isTerminal,
  type Json,
  type JsonObject,
  type Message,
  type Origin,
  type Part,
  SCHEMA_VERSION,
  type StreamEvent,
  type TerminalEvent,
  type Usage,
} from "./events.ts";
export { AgentFailure } from "./failure.ts";
export {
  createHub,
  Hub,
  type HubOptions,
  Run,
  type RunPage,
  type StartOptions,
} from "./hub.ts";
export { toJson } from "./json.ts";
export { type FollowOptions, Log, type Slice } from "./log.ts";
export { finalText, toMessages } from "./messages.ts";
export type { Appended, ProducedEvent } from "./producers.ts";
export type { Retention } from "./retention.ts";
export type { ListFilter, RunInfo } from "./run-info.ts";
export { parseEvent } from "./schema.ts";
export type { Batch, Durability, DurabilityClass, RunRecord, Store, Tail } from "./store.ts";
export { type RunStatus, Summary, statusTransitions } from "./summary.ts";
export type { ThreadPolicy } from "./thread.ts";
export {
  type Frame,
  type Frames,
  type ProjectOptions,
  project,
  type View,
  type ViewMessage,
} from "./view.ts";
