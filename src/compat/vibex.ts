import type { Json, JsonObject, Message, Part, StreamEvent } from "../events.ts";
import { newId } from "../internal/id.ts";
import { toJson } from "../json.ts";
import type { Appended, ProducedEvent } from "../producers.ts";
import {
  contentOf,
  fromVibexFile,
  fromVibexParts,
  textOf,
  type VibexPart,
} from "../protocols/vibex/message.ts";
import { messagePayload, payload } from "../protocols/vibex/payload.ts";
import { endEvent } from "./end-event.ts";
import type { ProjectEventStream, SentEvent } from "./event-stream.ts";
import { msSince, toolCallEvents } from "./tool-call.ts";
import type { Written } from "./written.ts";

export type { VibexPart } from "../protocols/vibex/message.ts";
export {
  type CreateOptions,
  type ProjectEvent,
  ProjectEventStream,
  type StreamEventsOptions,
} from "./event-stream.ts";
export { sendAgentStatus } from "./send-agent-status.ts";

/** A piece of what an agent says in a step. */
export interface StreamChunk {
  readonly stepId: string;
  readonly agentName: string;
  readonly text: string;
  /** @default false */
  readonly isFinal?: boolean;
  /** @default null */
  readonly tokenCount?: number | null;
  /** @default the time at which it is committed */
  readonly timestamp?: Date | string;
}

/** A whole message of VibeX. */
export interface VibexMessage {
  readonly id: string;
  readonly role: "system" | "user" | "assistant" | "tool";
  readonly content: string;
  /** @default none */
  readonly parts?: readonly VibexPart[];
  /** @default the time at which it is committed */
  readonly timestamp?: Date | string;
  readonly metadata?: JsonObject;
}

// Each sender resolves once what it sent is committed. All open the stream if it is not, and throw `run_closed`
// after its end. Times in payloads are those of the commit.

/** Sends how the project is: `project_update`. `completed`, `failed` and `cancelled` end the stream. */
export function sendProjectUpdate(
  stream: ProjectEventStream,
  projectId: string,
  status: string,
  result: unknown = null,
): Promise<Appended> {
  const end = endEvent(status, result, (sent) => as("project_update", sent));
  if (end) return stream.write(projectId, () => [end]);
  return stream.sendEvent(projectId, "project_update", { project_id: projectId, status, result });
}

/** Sends how one of the project's tasks is: `task_update`. It ends nothing: a project has many. */
export function sendTaskUpdate(
  stream: ProjectEventStream,
  projectId: string,
  status: string,
  result: unknown = null,
): Promise<Appended> {
  const timestamp = new Date().toISOString();
  return stream.sendEvent(projectId, "task_update", { project_id: projectId, status, result, timestamp });
}

/** Sends word of something made: `artifact_update`. */
export function sendArtifactUpdate(
  stream: ProjectEventStream,
  projectId: string,
  artifactName: string,
  action: "created" | "updated" | "deleted" = "created",
  metadata: JsonObject = {},
): Promise<Appended> {
  return stream.write(projectId, () => [
    { type: "artifact", id: artifactName, action, name: artifactName, metadata: metadata ?? {} },
  ]);
}

/**
 * Sends a tool call at any stage, without an id: `tool_call`. `pending` begins it, `completed` and `failed` end it; a
 * stage belongs to the oldest open call of the agent and tool.
 */
export function sendToolCall(
  stream: ProjectEventStream,
  projectId: string,
  agentId: string,
  toolName: string,
  parameters: JsonObject,
  result: unknown = null,
  status = "pending",
): Promise<Appended> {
  const update = { agentId, toolName, parameters, result, status };
  return stream.write(projectId, (written) =>
    toolCallEvents(written, update, (sent) => (sent === null ? hidden : as("tool_call", sent))),
  );
}

/** Sends the beginning of a tool call, with its id: `tool_call_start`. */
export function sendToolCallStart(
  stream: ProjectEventStream,
  projectId: string,
  toolCallId: string,
  toolName: string,
  args: JsonObject,
): Promise<Appended> {
  return stream.write(projectId, () => [
    { type: "tool.called", callId: toolCallId, name: toolName, input: args },
  ]);
}

/** Sends a piece of a call's arguments: `tool_call_delta`. */
export function sendToolCallDelta(
  stream: ProjectEventStream,
  projectId: string,
  toolCallId: string,
  argsDelta: string,
): Promise<Appended> {
  return stream.write(projectId, () => [{ type: "tool.delta", callId: toolCallId, text: argsDelta }]);
}

/** Sends the end of a tool call: `tool_call_result`. */
export function sendToolCallResult(
  stream: ProjectEventStream,
  projectId: string,
  toolCallId: string,
  toolName: string,
  result: unknown,
  isError = false,
): Promise<Appended> {
  const json = toJson(result);
  return stream.write(projectId, (written) => [
    {
      ...resultEvent(written, toolCallId, toolName, json, isError),
      ...(isError && typeof json !== "string" && as("tool_call_result", { result: json })),
    },
  ]);
}

/**
 * Sends a piece of what an agent says in a step: `message_chunk`. The pieces of a step become one message, which is
 * whole with the final one. All of it is in the log: after a crash the message has the pieces that were sent.
 */
export function sendStreamingChunk(
  stream: ProjectEventStream,
  projectId: string,
  chunk: StreamChunk,
): Promise<Appended> {
  const { stepId, agentName: agent, text, isFinal = false, tokenCount = null } = chunk;
  const mark = as("message_chunk", {
    step_id: stepId,
    is_final: isFinal,
    token_count: tokenCount,
    ...timeOf(chunk),
  });
  return stream.write(projectId, (written) => {
    // What comes after the final piece of a step is another message.
    let key = `${stepId}-${agent}`;
    for (let count = 2; written.ended(key); count++) key = `${stepId}-${agent}-${count}`;
    return chunkEvents(written, { key, agent, text, isFinal, mark });
  });
}

/**
 * Sends a piece of a message: `stream_chunk`. The pieces become the message of this id, which is whole with the final
 * one; with an `error` they stay as they are.
 */
export function sendStreamChunk(
  stream: ProjectEventStream,
  projectId: string,
  chunk: string,
  messageId: string,
  isFinal = false,
  error: string | null = null,
): Promise<Appended> {
  const mark = as("stream_chunk", { is_final: isFinal, ...(error && { error }) });
  return stream.write(projectId, (written) => [
    ...chunkEvents(written, { key: messageId, text: chunk, isFinal, mark, failed: Boolean(error) }),
    ...(error ? [{ type: "error" as const, code: "stream_error", message: error, ...hidden }] : []),
  ]);
}

/** Sends a whole message, without its parts: `complete_message`. They are kept with it. */
export function sendCompleteMessage(
  stream: ProjectEventStream,
  projectId: string,
  message: VibexMessage,
): Promise<Appended> {
  const kept = fromVibexMessage(message);
  const { role, content } = message;
  const sent = {
    ...changed({ role: kept.role, content: contentOf(kept) }, { role, content }),
    ...timeOf(message),
  };
  return stream.write(projectId, (written) => [
    ...textEnd(written, message.id),
    { type: "message", message: kept, ...as("complete_message", sent) },
  ]);
}

/** Sends a whole message with its parts: `message`. It stands for what was streamed under its id. */
export function sendMessageObject(
  stream: ProjectEventStream,
  projectId: string,
  message: VibexMessage,
): Promise<Appended> {
  const kept = fromVibexMessage(message);
  const { role, content, parts = [], metadata = {} } = message;
  const { timestamp: _, ...shown } = messagePayload(kept, { at: 0 });
  const said = toJson({ role, content, parts, metadata }) as JsonObject;
  const sent = { ...changed(shown, said), ...timeOf(message) };
  return stream.write(projectId, (written) => [
    ...textEnd(written, message.id),
    { type: "message", message: kept, ...as("message", sent) },
  ]);
}

/** Sends one part of a message, whole: `message_part`. */
export function sendMessagePart(
  stream: ProjectEventStream,
  projectId: string,
  messageId: string,
  part: VibexPart,
): Promise<Appended> {
  return stream.write(projectId, (written) => partEvents(written, messageId, part));
}

type Mark = Pick<SentEvent, "vibex">;

/** Told with another event of the same append. */
const hidden: Mark = { vibex: null };

function as(event: string, data: JsonObject): Mark {
  return { vibex: Object.keys(data).length > 0 ? { event, data } : { event } };
}

/** Those fields of what was sent that an event alone would show otherwise. */
function changed(shown: JsonObject, sent: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(sent).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(shown[name])),
  );
}

function timeOf({ timestamp }: { readonly timestamp?: Date | string }): { readonly timestamp?: string } {
  if (timestamp === undefined) return {};
  return { timestamp: typeof timestamp === "string" ? timestamp : timestamp.toISOString() };
}

interface Chunk {
  /** The message's id, or what names it until it is whole. */
  readonly key: string;
  readonly agent?: string;
  readonly text: string;
  readonly isFinal: boolean;
  readonly failed?: boolean;
  readonly mark: Mark;
}

/** A piece of a message: opens its text with the first, and writes the whole message with the last. */
function chunkEvents(written: Written, { key, agent, text, isFinal, failed, mark }: Chunk): SentEvent[] {
  const by = agent === undefined ? {} : { agent };
  const open = written.textOf(key);
  const id = open?.id ?? written.nextBlock;
  const events: SentEvent[] = [];
  if (!open) events.push({ type: "text.started", id, messageId: key, ...by, ...hidden });
  const ends = isFinal || failed;
  if (!ends || text !== "") events.push({ type: "text.delta", id, text, ...by, ...mark });
  if (!ends) return events;
  events.push({
    type: "text.finished",
    id,
    ...(failed && { interrupted: true }),
    ...by,
    ...(text === "" ? mark : hidden),
  });
  // Of a message that holds more than this, the event would take the rest away.
  const parts = failed ? undefined : written.whole(key, text);
  if (parts)
    events.push({ type: "message", message: { id: key, role: "assistant", parts }, ...by, ...hidden });
  return events;
}

/** A text that the whole message stands for from now on. */
function textEnd(written: Written, messageId: string): SentEvent[] {
  const open = written.textOf(messageId);
  return open ? [{ type: "text.finished", id: open.id, ...hidden }] : [];
}

function resultEvent(
  written: Written,
  callId: string,
  name: string,
  result: Json,
  isError: boolean,
): SentEvent {
  const durationMs = msSince(written.call(callId)?.startedAt);
  return isError
    ? { type: "tool.failed", callId, name, code: "tool_failed", message: textOf(result), durationMs }
    : { type: "tool.returned", callId, name, output: result, durationMs };
}

/** A part as the events that it is made of: one tells it, the others only give it its place. */
function partEvents(written: Written, messageId: string, part: VibexPart): SentEvent[] {
  switch (part.type) {
    case "text": {
      const id = written.nextBlock;
      return [
        { type: "text.started", id, messageId, ...hidden },
        toldAsPart({ type: "text.delta", id, text: part.text }, messageId, part),
        { type: "text.finished", id, ...hidden },
      ];
    }
    case "reasoning": {
      const id = newId();
      return [
        { type: "reasoning.started", id, messageId, ...hidden },
        { type: "reasoning.delta", id, text: part.content, ...hidden },
        toldAsPart({ type: "reasoning.finished", id }, messageId, part),
      ];
    }
    case "tool-call": {
      const { toolCallId: callId, toolName: name, args: input } = part;
      return [toldAsPart({ type: "tool.called", callId, name, input, messageId }, messageId, part)];
    }
    case "tool-result": {
      const { toolCallId, toolName, result, isError = false } = part;
      return [
        toldAsPart(resultEvent(written, toolCallId, toolName, toJson(result), isError), messageId, part),
      ];
    }
    case "image":
    case "file":
      return [toldAsPart({ ...fromVibexFile(part), type: "file", id: newId() }, messageId, part)];
    case "artifact": {
      const { uri } = part.artifact;
      const name = typeof uri === "string" ? uri : "artifact";
      const made = { type: "artifact", id: name, action: "created", name, metadata: part.artifact } as const;
      return [toldAsPart(made, messageId, part)];
    }
    case "error":
      return [
        toldAsPart({ type: "error", code: part.errorCode ?? "error", message: part.error }, messageId, part),
      ];
    default:
      return [
        toldAsPart({ type: "custom", name: "vibex.message_part", data: toJson(part) }, messageId, part),
      ];
  }
}

/** The event that a part is shown by, with what it alone would show otherwise. */
function toldAsPart(event: ProducedEvent, messageId: string, part: VibexPart): SentEvent {
  const text = part.type === "reasoning" ? part.content : "";
  const context = { run: "", at: 0, agent: "", messageId, text, call: undefined };
  const { message_id, ...alone } = payload("message_part", event as StreamEvent, context) ?? {};
  // Blocks and calls know their message, other events do not.
  const known = part.type === "text" || part.type === "reasoning" || part.type === "tool-call";
  const shown = known ? { message_id: message_id!, ...alone } : alone;
  const sent = toJson({ message_id: messageId, part }) as JsonObject;
  return { ...event, ...as("message_part", changed(shown, sent)) };
}

/** The message as the log keeps it: its parts, or its content where it has none. A tool's message is of the assistant. */
function fromVibexMessage({ id, role, content, parts = [] }: VibexMessage): Message {
  const kept = fromVibexParts(parts);
  const told = kept.some((part) => part.type === "text") || content === "";
  const text: Part =
    role === "tool" ? { type: "data", name: "tool", data: content } : { type: "text", text: content };
  const tools = role === "tool" && kept.length > 0;
  return {
    id,
    role: role === "tool" ? "assistant" : role,
    parts: told || tools ? kept : [text, ...kept],
  };
}
