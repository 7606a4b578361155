import type { EventOf, EventType, Json, JsonObject, Message, StreamEvent } from "../../events.ts";
import { contentOf, toVibexFile, toVibexParts, type VibexPart } from "./message.ts";

/** A call as far as it is known. */
export interface Call {
  readonly agent: string;
  readonly name: string;
  readonly input: Json;
}

/** What a payload needs to know beside its event. */
export interface Context {
  /** The run's id: VibeX calls it the project's. */
  readonly run: string;
  /** When the entry was appended, in ms since the epoch. */
  readonly at: number;
  /** Who speaks. */
  readonly agent: string;
  /** The message that the event's block belongs to. */
  readonly messageId: string;
  /** The text of the block so far. */
  readonly text: string;
  readonly call: Call | undefined;
}

type Payload<Type extends EventType = EventType> = (event: EventOf<Type>, context: Context) => JsonObject;
type Payloads = { readonly [Type in EventType]?: Payload<Type> };

const stamp = ({ at }: Context) => ({ timestamp: new Date(at).toISOString() });

const toolCall = (
  { callId: _, ...event }: { readonly callId: string; readonly name?: string },
  { agent, call }: Context,
  status: string,
  result: Json,
) => ({
  agent_id: agent,
  tool_name: event.name ?? call?.name ?? "",
  parameters: call?.input ?? {},
  result: result ?? null,
  status,
});

const part = (messageId: string, each: VibexPart, context: Context): JsonObject => ({
  message_id: messageId,
  part: each as unknown as Json,
  ...stamp(context),
});

export function messagePayload(message: Message, context: Pick<Context, "at">): JsonObject {
  return {
    id: message.id,
    role: message.role,
    content: contentOf(message),
    parts: toVibexParts(message.parts) as unknown as Json,
    timestamp: new Date(context.at).toISOString(),
    metadata: {},
  };
}

/** The end of a text that is streamed under `stream_chunk`. */
export function lastChunk(messageId: string, { at }: Pick<Context, "at">, error?: string): JsonObject {
  return {
    message_id: messageId,
    chunk: "",
    is_final: true,
    timestamp: new Date(at).toISOString(),
    ...(error !== undefined && { error }),
  };
}

/** Each event of VibeX's wire: its payload, by the event of the log that it is made of. Keys in VibeX's order. */
const payloads: Readonly<Record<string, Payloads>> = {
  agent_status: {
    status: ({ status, progress = 0 }, { agent }) => ({ agent_id: agent, status, progress }),
  },
  project_update: {
    "run.started": (_, { run }) => ({ project_id: run, status: "running", result: null }),
    "run.finished": ({ output = null }, { run }) => ({
      project_id: run,
      status: "completed",
      result: output,
    }),
    "run.failed": ({ message }, { run }) => ({
      project_id: run,
      status: "failed",
      result: { error: message },
    }),
    "run.cancelled": ({ reason }, { run }) => ({
      project_id: run,
      status: "cancelled",
      result: reason === undefined ? null : { reason },
    }),
  },
  artifact_update: {
    artifact: ({ name, action, metadata = {} }, context) => ({
      project_id: context.run,
      artifact_name: name,
      action,
      metadata,
      ...stamp(context),
    }),
  },
  tool_call: {
    "tool.called": (event, context) => toolCall(event, context, "pending", null),
    "tool.progressed": (event, context) => toolCall(event, context, "running", event.data),
    "tool.returned": (event, context) => toolCall(event, context, "completed", event.output),
    "tool.failed": (event, context) => toolCall(event, context, "failed", { error: event.message }),
  },
  tool_call_start: {
    "tool.called": ({ callId, name, input }, context) => ({
      tool_call_id: callId,
      tool_name: name,
      args: input ?? {},
      ...stamp(context),
    }),
  },
  tool_call_delta: {
    "tool.delta": ({ callId, text }, context) => ({
      tool_call_id: callId,
      args_delta: text,
      ...stamp(context),
    }),
  },
  tool_call_result: {
    "tool.returned": ({ callId, name, output }, context) => ({
      tool_call_id: callId,
      tool_name: name,
      result: output ?? null,
      is_error: false,
      ...stamp(context),
    }),
    "tool.failed": ({ callId, name, message }, context) => ({
      tool_call_id: callId,
      tool_name: name,
      result: message,
      is_error: true,
      ...stamp(context),
    }),
  },
  stream_chunk: {
    "text.delta": ({ text }, context) => ({
      message_id: context.messageId,
      chunk: text,
      is_final: false,
      ...stamp(context),
    }),
    "text.finished": (_, context) => lastChunk(context.messageId, context),
  },
  message_chunk: {
    "text.delta": ({ text }, context) => ({
      step_id: context.messageId,
      agent_name: context.agent,
      text,
      is_final: false,
      token_count: null,
      ...stamp(context),
    }),
    "text.finished": (_, context) => ({
      step_id: context.messageId,
      agent_name: context.agent,
      text: "",
      is_final: true,
      token_count: null,
      ...stamp(context),
    }),
  },
  complete_message: {
    message: ({ message }, context) => ({
      message_id: message.id,
      role: message.role,
      content: contentOf(message),
      ...stamp(context),
    }),
  },
  message: {
    message: ({ message }, context) => messagePayload(message, context),
    "input.message": ({ message }, context) => messagePayload(message, context),
  },
  message_part: {
    "text.delta": ({ text }, context) => part(context.messageId, { type: "text", text }, context),
    "reasoning.finished": (_, context) =>
      part(context.messageId, { type: "reasoning", content: context.text }, context),
    "tool.called": ({ callId, name, input, messageId = callId }, context) =>
      part(messageId, { type: "tool-call", toolCallId: callId, toolName: name, args: input ?? {} }, context),
    "tool.returned": ({ callId, name, output }, context) =>
      part(
        callId,
        { type: "tool-result", toolCallId: callId, toolName: name, result: output ?? null, isError: false },
        context,
      ),
    "tool.failed": ({ callId, name, message }, context) =>
      part(
        callId,
        { type: "tool-result", toolCallId: callId, toolName: name, result: message, isError: true },
        context,
      ),
    file: (event, context) => part(event.id, toVibexFile(event), context),
    artifact: ({ id, metadata = {} }, context) => part(id, { type: "artifact", artifact: metadata }, context),
    custom: ({ data }, context) => part(context.messageId, data as unknown as VibexPart, context),
    error: ({ code, message }, context) =>
      part(context.messageId, { type: "error", error: message, errorCode: code }, context),
  },
};

/** The payload that an event has under a name of VibeX's; undefined where the two do not go together. */
export function payload(name: string, event: StreamEvent, context: Context): JsonObject | undefined {
  if (!Object.hasOwn(payloads, name)) return undefined;
  const make = payloads[name]?.[event.type] as Payload | undefined;
  return make?.(event, context);
}
