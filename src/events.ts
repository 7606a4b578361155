/**
 * Everything that can happen in a run. An event is named `noun.happened`; a bare noun is a whole value.
 * The union is the vocabulary of the whole package: agents yield it, stores keep it, views translate it.
 * To add a kind of event, add a member here and its check in `schema.ts`; the compiler then points at each
 * place that has to know. Readers let types they do not know pass.
 */

/** Anything `JSON.parse` can return. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

/** The version of the event vocabulary. Additions keep it; readers ignore what they do not know. */
export const SCHEMA_VERSION = 1;

/** Tokens of one model call, or of all calls of a run so far. Parts that a provider does not tell are left out. */
export interface Usage {
  /** All input tokens, cached ones included. */
  readonly inputTokens: number;
  /** All output tokens, reasoning included. */
  readonly outputTokens: number;
  readonly cacheReadTokens?: number;
  readonly cacheWriteTokens?: number;
  readonly reasoningTokens?: number;
}

/** A whole message of a conversation. */
export interface Message {
  readonly id: string;
  readonly role: "system" | "user" | "assistant";
  readonly parts: readonly Part[];
}

export type Part =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "reasoning"; readonly text: string; readonly providerMetadata?: Json }
  | {
      readonly type: "file";
      readonly mediaType: string;
      /** Base64. A file has `data` or a `url`. */
      readonly data?: string;
      readonly url?: string;
      readonly name?: string;
    }
  | { readonly type: "data"; readonly data: Json; readonly name?: string }
  | {
      readonly type: "tool";
      readonly callId: string;
      readonly name: string;
      readonly input: Json;
      /** Set once the tool has returned. A part with neither `output` nor `error` is a call without an answer. */
      readonly output?: Json;
      readonly error?: string;
      readonly providerMetadata?: Json;
    };

/** What a run is asked: a question, or the messages that end with one. */
export type Input = string | readonly Message[];

/** States an agent may report. What may follow what is `statusTransitions` in `open.ts`. */
export type AgentStatus = "starting" | "idle" | "working" | "waiting" | "completed" | "failed";

/** What any event may carry, so that several agents can write one log. */
export interface Origin {
  /** The agent that speaks, if it is not the run's own. */
  readonly agent?: string;
  /** The run or tool call on whose behalf it speaks. */
  readonly parent?: string;
}

export type FinishReason =
  | "stop"
  | "length"
  | "content-filter"
  | "tool-calls"
  | "error"
  | "interrupted"
  | "other";

/** The fields of each event, without what any event may carry. */
export interface EventFields {
  // The run itself. Written by the hub, never by an agent.
  "run.started": {
    readonly v: number;
    /** The agent's name; null if a producer elsewhere writes the run. */
    readonly agent: string | null;
    readonly input: Input;
    readonly history?: readonly Message[];
    readonly thread?: string;
    readonly tags?: readonly string[];
    readonly metadata?: JsonObject;
    /** What another process does once the owner is dead. Left out: `fail`. */
    readonly onProducerLost?: "fail" | "resume";
    /** A hash of what was asked: the same `Idempotency-Key` with another one is refused. */
    readonly fingerprint?: string;
    /** How long a producer elsewhere may be silent, in ms. */
    readonly leaseMs?: number;
  };
  /** Another process goes on with the run; what an open step had said and asked is withdrawn, and the step begins anew. */
  "run.resumed": { readonly fromStep: number };
  "run.finished": { readonly output?: Json; readonly usage?: Usage; readonly cost: number | null };
  "run.failed": {
    readonly code: string;
    readonly message: string;
    readonly usage?: Usage;
    readonly cost: number | null;
  };
  "run.cancelled": { readonly reason?: string; readonly usage?: Usage; readonly cost: number | null };

  // One turn of the model. Steps count from 1.
  "step.started": { readonly step: number; readonly model?: string };
  "step.finished": {
    readonly step: number;
    readonly finishReason: FinishReason;
    readonly model?: string;
    /** Null where the provider told none. */
    readonly usage: Usage | null;
    /** USD; null where the model's price is unknown. */
    readonly cost: number | null;
    /** From the request to the first piece of output, in ms. */
    readonly ttftMs?: number;
    readonly durationMs?: number;
  };
  /** The attempt failed and what it said and asked is withdrawn; another follows in the same step. */
  "step.retried": {
    readonly step: number;
    /** The number of the attempt that failed, from 1. */
    readonly attempt: number;
    readonly code: string;
    readonly message: string;
    /** The model that is asked next. */
    readonly model?: string;
  };
  "agent.changed": { readonly from: string; readonly to: string };

  // What the model says. `id` names a block, unique in its run; `messageId` the message it belongs to.
  "text.started": { readonly id: string; readonly messageId?: string };
  "text.delta": { readonly id: string; readonly text: string };
  "text.finished": { readonly id: string; readonly interrupted?: boolean };
  "reasoning.started": { readonly id: string; readonly messageId?: string };
  "reasoning.delta": { readonly id: string; readonly text: string };
  "reasoning.finished": {
    readonly id: string;
    readonly interrupted?: boolean;
    readonly providerMetadata?: Json;
  };
  /** Structured output as it grows: each value replaces the one before. */
  "output.delta": { readonly value: Json; readonly complete?: boolean };
  source: {
    readonly id: string;
    readonly url?: string;
    readonly mediaType?: string;
    readonly title?: string;
    readonly filename?: string;
  };
  file: { readonly id: string; readonly mediaType: string; readonly data?: string; readonly url?: string };
  /** A whole message; replaces what was streamed under the same id. */
  message: { readonly message: Message };

  // What the model does. `callId` is the provider's own.
  "tool.started": { readonly callId: string; readonly name: string; readonly messageId?: string };
  /** A fragment of the arguments' JSON. */
  "tool.delta": { readonly callId: string; readonly text: string };
  "tool.called": {
    readonly callId: string;
    readonly name: string;
    readonly input: Json;
    readonly messageId?: string;
    readonly providerMetadata?: Json;
  };
  "tool.progressed": { readonly callId: string; readonly data: Json };
  "tool.returned": {
    readonly callId: string;
    readonly name: string;
    readonly output: Json;
    /** By a monotonic clock, in ms. */
    readonly durationMs: number;
    /** Set if the output was longer than 256 KiB: `output` is then the beginning of its JSON, as a string. */
    readonly truncated?: { readonly bytes: number };
  };
  "tool.failed": {
    readonly callId: string;
    readonly name: string;
    readonly code: string;
    readonly message: string;
    readonly durationMs?: number;
  };

  // People. `input.*` comes from outside.
  "approval.requested": {
    readonly approvalId: string;
    readonly callId: string;
    readonly name: string;
    readonly input: Json;
    readonly reason?: string;
  };
  "input.approval": {
    readonly approvalId: string;
    readonly approved: boolean;
    readonly reason?: string;
    readonly by?: string;
  };
  "input.message": { readonly message: Message; readonly by?: string };
  "input.cancel": { readonly reason?: string; readonly by?: string };

  // How far.
  progress: {
    readonly iteration: number;
    readonly maxIterations?: number;
    readonly totalTokens: number;
    /** USD so far; null once a part of it is unknown. */
    readonly totalCost: number | null;
    /** From 0 to 1; left out where nobody knows. */
    readonly fraction?: number;
  };
  status: { readonly status: AgentStatus /** From 0 to 100. */; readonly progress?: number };
  plan: {
    readonly items: readonly {
      readonly id: string;
      readonly title: string;
      readonly status: "pending" | "running" | "completed" | "failed";
    }[];
  };

  // Things made.
  artifact: {
    readonly id: string;
    readonly action: "created" | "updated" | "deleted";
    readonly name: string;
    readonly parts?: readonly Part[];
    readonly version?: number;
    readonly metadata?: JsonObject;
  };

  // Anything else.
  /** Something went wrong and the run goes on. */
  error: { readonly code: string; readonly message: string; readonly retryable?: boolean };
  /** An event of the application's own; `name` as in `app.thing`. */
  custom: { readonly name: string; readonly data: Json };
}

export type EventType = keyof EventFields;
export type EventOf<Type extends EventType> = {
  [Each in Type]: { readonly type: Each } & EventFields[Each] & Omit<Origin, keyof EventFields[Each]>;
}[Type];
export type StreamEvent = EventOf<EventType>;

export type TerminalEvent = EventOf<"run.finished" | "run.failed" | "run.cancelled">;
/** What may be sent to a run from outside. */
export type InputEvent = EventOf<"input.approval" | "input.message" | "input.cancel">;
/** What an agent may yield: all but the life of the run, which is the hub's to write, and input. */
export type AgentEvent = Exclude<StreamEvent, { type: `run.${string}` | `input.${string}` }>;

export function isTerminal(event: { readonly type: string }): event is TerminalEvent {
  return isTerminalType(event.type);
}

export function isTerminalType(type: string): boolean {
  return type === "run.finished" || type === "run.failed" || type === "run.cancelled";
}

/** The factory of one type: its fields, and who speaks. */
type Factory<Type extends EventType> = (fields: Omit<EventOf<Type>, "type">) => EventOf<Type>;

// `type` comes first in every event: readers tell the type of a stored line by its beginning, without parsing.
const factory =
  <Type extends EventType>(type: Type): Factory<Type> =>
  (fields) =>
    ({ type, ...fields }) as unknown as EventOf<Type>;

/**
 * A factory for each event: `event.textDelta({ id: "1", text: "Hello" })`.
 * Writing the object literal is as good; the factories exist to be found by completion.
 */
export const event = {
  runStarted: factory("run.started"),
  runResumed: factory("run.resumed"),
  runFinished: factory("run.finished"),
  runFailed: factory("run.failed"),
  runCancelled: factory("run.cancelled"),
  stepStarted: factory("step.started"),
  stepFinished: factory("step.finished"),
  stepRetried: factory("step.retried"),
  agentChanged: factory("agent.changed"),
  textStarted: factory("text.started"),
  textDelta: factory("text.delta"),
  textFinished: factory("text.finished"),
  reasoningStarted: factory("reasoning.started"),
  reasoningDelta: factory("reasoning.delta"),
  reasoningFinished: factory("reasoning.finished"),
  outputDelta: factory("output.delta"),
  source: factory("source"),
  file: factory("file"),
  message: factory("message"),
  toolStarted: factory("tool.started"),
  toolDelta: factory("tool.delta"),
  toolCalled: factory("tool.called"),
  toolProgressed: factory("tool.progressed"),
  toolReturned: factory("tool.returned"),
  toolFailed: factory("tool.failed"),
  approvalRequested: factory("approval.requested"),
  inputApproval: factory("input.approval"),
  inputMessage: factory("input.message"),
  inputCancel: factory("input.cancel"),
  progress: factory("progress"),
  status: factory("status"),
  plan: factory("plan"),
  artifact: factory("artifact"),
  error: factory("error"),
  custom: factory("custom"),
};

/** An event with its place in the log. */
export interface Entry {
  /** 1, 2, 3, ... without gaps. */
  readonly seq: number;
  /** When it was appended, in ms since the epoch. */
  readonly at: number;
  /** Parsed on first use. */
  readonly event: StreamEvent;
}
