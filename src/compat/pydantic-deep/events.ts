import type { Json } from "../../events.ts";

/** The kinds of events, by the names that pydantic-deep's code has for them. */
export const StreamEventType = {
  LLM_CHUNK: "llm_chunk",
  TOOL_START: "tool_start",
  TOOL_END: "tool_end",
  PROGRESS: "progress",
  PARTIAL_RESULT: "partial_result",
  ERROR: "error",
  AGENT_START: "agent_start",
  AGENT_END: "agent_end",
} as const;
export type StreamEventType = (typeof StreamEventType)[keyof typeof StreamEventType];

/** The data of each kind, under the names it has on the wire. What is not known is left out. */
export interface EventData {
  llm_chunk: { readonly text: string };
  tool_start: { readonly tool_name: string; readonly args?: Json; readonly tool_call_id?: string };
  /** Has a `result`, or an `error` if the call failed. */
  tool_end: {
    readonly tool_name: string;
    readonly result?: Json;
    readonly error?: string;
    readonly duration_seconds?: number;
    readonly tool_call_id?: string;
  };
  progress: {
    readonly iteration: number;
    readonly total_tokens?: number;
    readonly total_cost_usd?: number;
    readonly max_iterations?: number;
  };
  partial_result: { readonly result: Json; readonly complete: boolean };
  error: { readonly error: string; readonly exception_type?: string };
  agent_start: { readonly agent_name: string; readonly prompt: string };
  agent_end: {
    readonly agent_name: string;
    readonly success: boolean;
    readonly total_iterations?: number;
    readonly total_tokens?: number;
    readonly total_cost_usd?: number;
    readonly duration_seconds?: number;
  };
}

export type StreamEventOf<Type extends StreamEventType> = {
  [Each in Type]: {
    readonly event_type: Each;
    /** RFC 3339, in UTC. */
    readonly timestamp: string;
    readonly data: EventData[Each];
  };
}[Type];
export type StreamEvent = StreamEventOf<StreamEventType>;

/** Whatever else is to be in the data. */
type Extra = { readonly [extra: string]: Json | undefined };

/** What each kind cannot do without. */
const required = {
  llm_chunk: ["text"],
  tool_start: ["tool_name"],
  tool_end: ["tool_name"],
  progress: ["iteration"],
  partial_result: ["result"],
  error: ["error"],
  agent_start: ["agent_name", "prompt"],
  agent_end: ["agent_name"],
} as const satisfies { [Type in StreamEventType]: readonly (keyof EventData[Type])[] };

function make<Type extends StreamEventType>(event_type: Type, given: object): StreamEventOf<Type> {
  const data = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const missing = required[event_type].find((field) => !(field in data));
  if (missing !== undefined)
    throw new TypeError(`Cannot make an event "${event_type}": it needs "${missing}" in its data`);
  return { event_type, timestamp: new Date().toISOString(), data } as unknown as StreamEventOf<Type>;
}

// Each throws `TypeError` without what its kind needs. Fields that are undefined are left out; others are kept.
export const llmChunkEvent = (data: EventData["llm_chunk"] & Extra) => make("llm_chunk", data);
export const toolStartEvent = (data: EventData["tool_start"] & Extra) => make("tool_start", data);
export const toolEndEvent = (data: EventData["tool_end"] & Extra) => make("tool_end", data);
export const progressEvent = (data: EventData["progress"] & Extra) => make("progress", data);
/** `complete` is false if it is left out. */
export const partialResultEvent = (data: { result: Json; complete?: boolean } & Extra) =>
  make("partial_result", { complete: false, ...data });
export const errorEvent = (data: EventData["error"] & Extra) => make("error", data);
export const agentStartEvent = (data: EventData["agent_start"] & Extra) => make("agent_start", data);
/** `success` is true if it is left out. */
export const agentEndEvent = (
  data: Omit<EventData["agent_end"], "success"> & { success?: boolean } & Extra,
) => make("agent_end", { success: true, ...data });
