import { Attempts } from "../../attempts.ts";
import type { StoredEntry } from "../../batch.ts";
import type { EventType, Json, JsonObject, Origin, StreamEvent } from "../../events.ts";
import type { View } from "../../view.ts";
import { eventName } from "./event-name.ts";
import { type Call, type Context, lastChunk, messagePayload, payload } from "./payload.ts";

export interface VibexOptions {
  /** The run's id: VibeX has the project's id in its payloads. */
  readonly run: string;
}

/**
 * A field that VibeX's senders add to an event: the name of VibeX's event that it is shown as, and what its
 * payload said that the event does not; or null if that is told with another event. Readers that do not know
 * it ignore it.
 */
export interface SentByVibex {
  readonly vibex?: { readonly event: string; readonly data?: JsonObject } | null;
}

/** The tag of the runs that VibeX's senders write. */
export const VIBEX_TAG = "vibex";

/** What an event is shown as, where its sender does not say otherwise. */
const shownAs: { readonly [Type in EventType]?: string } = {
  "text.delta": "stream_chunk",
  "reasoning.finished": "message_part",
  file: "message_part",
  error: "message_part",
  message: "message",
  "input.message": "message",
  "tool.called": "tool_call_start",
  "tool.delta": "tool_call_delta",
  "tool.returned": "tool_call_result",
  "tool.failed": "tool_call_result",
  status: "agent_status",
  artifact: "artifact_update",
  "run.started": "project_update",
  "run.finished": "project_update",
  "run.failed": "project_update",
  "run.cancelled": "project_update",
};

/**
 * VibeX's stream: pieces of text as `stream_chunk`, whole messages, tools by call id, statuses, artifacts, and
 * the project's updates. Of a run that its senders wrote it is what they sent, and the end.
 */
export function vibexView({ run }: VibexOptions): View {
  return {
    name: "vibex",
    start: () => {
      const state: State = {
        run,
        agent: "agent",
        own: false,
        progress: 0,
        calls: new Map(),
        blocks: new Map(),
        drafts: new Map(),
        attempts: new Attempts(),
      };
      return (entry) =>
        show(state, entry).map(([event, data]) => ({ event, data: JSON.stringify(data ?? null) }));
    },
  };
}

interface State {
  readonly run: string;
  /** Who speaks where an event does not say. */
  agent: string;
  /** Whether VibeX's senders write the run. */
  own: boolean;
  /** From 0 to 100, as far as the run told it. */
  progress: number;
  readonly calls: Map<string, Call>;
  readonly blocks: Map<string, Block>;
  /** Texts of which chunks were shown, and neither a last one nor a whole message. */
  readonly drafts: Map<string, Draft>;
  /** What a retry may withdraw. */
  readonly attempts: Attempts<Call | Block | Draft>;
}

interface Block {
  readonly messageId: string;
  readonly by: Origin;
  text: string;
}

interface Draft {
  readonly by: Origin;
  text: string;
  interrupted: boolean;
}

/** A name and a payload of VibeX. */
type Shown = readonly [event: string, data: Json];

function show(state: State, entry: StoredEntry): Shown[] {
  const { event } = entry;
  const { vibex } = event as SentByVibex;
  // Null too was written by a sender.
  const sent = typeof vibex === "object";
  const gone = new Set(state.attempts.apply(event));
  take(state, event, sent);
  const context = contextOf(state, entry);
  const shown = sent
    ? asSent(event, vibex, context)
    : [...messagesBefore(state, event, gone, entry.at), ...asShown(state, event, context)];
  leave(state, event, gone);
  return shown;
}

/** Under the name that the sender gave it, with what it said beside the event. */
function asSent(event: StreamEvent, vibex: SentByVibex["vibex"], context: Context): Shown[] {
  if (typeof vibex?.event !== "string" || eventName(`vibex.${vibex.event}`) === undefined) return [];
  return [[vibex.event, { ...payload(vibex.event, event, context), ...vibex.data }]];
}

function asShown(state: State, event: StreamEvent, context: Context): Shown[] {
  const { agent } = context;
  const status = (word: string, progress = state.progress): Shown => [
    "agent_status",
    { agent_id: agent, status: word, progress },
  ];
  switch (event.type) {
    case "step.started":
      return [status("working")];
    case "step.finished":
      return event.finishReason === "interrupted" || event.finishReason === "error"
        ? [status("failed")]
        : [status("completed", 100)];
    case "progress":
      return event.fraction === undefined ? [] : [status("working")];
    case "approval.requested":
      return [status("waiting")];
    case "input.approval":
      return [status("working")];
    case "run.started":
      if (state.own) return [];
      break;
    case "tool.failed":
      // The end of a run closes what its senders left open, and calls that were never shown.
      if (event.code === "interrupted" && (state.own || !context.call)) return [];
      break;
    case "custom": {
      const name = eventName(event.name);
      return name === undefined ? [] : [[name, event.data]];
    }
    default:
  }
  const name = shownAs[event.type];
  const data = name === undefined ? undefined : payload(name, event, context);
  return data === undefined ? [] : [[name!, data]];
}

/** What the event changes before it is shown. A sender tells the end of its texts itself. */
function take(state: State, event: StreamEvent, sent: boolean): void {
  switch (event.type) {
    case "run.started":
      state.agent = event.agent ?? state.agent;
      state.own = event.agent === null && (event.tags?.includes(VIBEX_TAG) ?? false);
      break;
    case "agent.changed":
      state.agent = event.to;
      break;
    case "status":
      state.progress = event.progress ?? state.progress;
      break;
    case "progress":
      if (event.fraction !== undefined) state.progress = Math.round(event.fraction * 100);
      break;
    case "text.started":
    case "reasoning.started": {
      const block = { messageId: event.messageId ?? event.id, by: event, text: "" };
      state.blocks.set(event.id, block);
      state.attempts.say(block, event);
      break;
    }
    case "text.delta": {
      const block = state.blocks.get(event.id);
      if (sent || state.own || !block) break;
      const known = state.drafts.get(block.messageId);
      const draft = known ?? { by: block.by, text: "", interrupted: false };
      draft.text += event.text;
      state.drafts.set(block.messageId, draft);
      if (!known) state.attempts.say(draft, block.by);
      break;
    }
    case "text.finished": {
      const draft = state.drafts.get(state.blocks.get(event.id)?.messageId ?? "");
      if (draft && event.interrupted) draft.interrupted = true;
      break;
    }
    case "reasoning.delta": {
      const block = state.blocks.get(event.id);
      if (block) block.text += event.text;
      break;
    }
    case "tool.called": {
      const call = { agent: event.agent ?? state.agent, name: event.name, input: event.input };
      state.calls.set(event.callId, call);
      state.attempts.say(call, event);
      break;
    }
    default:
  }
}

/** What the event has ended, once it was shown. */
function leave({ blocks, calls, drafts }: State, event: StreamEvent, gone: Withdrawn): void {
  if (gone.size > 0) for (const map of [blocks, calls, drafts]) dropFrom(map, gone);
  switch (event.type) {
    case "text.finished":
    case "reasoning.finished":
      blocks.delete(event.id);
      break;
    case "tool.returned":
    case "tool.failed":
      calls.delete(event.callId);
      break;
    default:
  }
}

type Withdrawn = ReadonlySet<Call | Block | Draft>;

function dropFrom(map: Map<string, Call | Block | Draft>, gone: Withdrawn): void {
  for (const [id, each] of map) if (gone.has(each)) map.delete(id);
}

/** The ends of what was streamed, which an event is the sign of: a last chunk, and the whole message. */
function messagesBefore(state: State, event: StreamEvent, gone: Withdrawn, at: number): Shown[] {
  const { drafts, blocks } = state;
  const end = (id: string, error?: string): Shown => ["stream_chunk", lastChunk(id, { at }, error)];
  switch (event.type) {
    case "message":
      return drafts.delete(event.message.id) ? [end(event.message.id)] : [];
    case "text.finished":
      // A block of no message is whole now; of others the message itself may still come.
      return blocks.get(event.id)?.messageId === event.id
        ? messagesLeft(state, at, ([id]) => id === event.id)
        : [];
    case "step.started":
    case "step.finished":
      // Within a step of somebody else, whole messages may still come.
      return messagesLeft(state, at, ([, { by }]) => state.attempts.bounds(event, by));
    case "run.finished":
    case "run.failed":
    case "run.cancelled":
      return messagesLeft(state, at);
    case "step.retried":
      return withdrawn(state, gone, event.message, at);
    case "run.resumed":
      return withdrawn(state, gone, "Another process went on with the run", at);
    default:
      return [];
  }
}

function messagesLeft(
  { drafts }: State,
  at: number,
  only: (draft: [string, Draft]) => boolean = () => true,
): Shown[] {
  const left = [...drafts].filter(only);
  return left.flatMap(([id, { text, interrupted }]): Shown[] => {
    drafts.delete(id);
    const message = messagePayload({ id, role: "assistant", parts: [{ type: "text", text }] }, { at });
    return [
      ["stream_chunk", lastChunk(id, { at }, interrupted ? "interrupted" : undefined)],
      ["message", interrupted ? { ...message, metadata: { interrupted } } : message],
    ];
  });
}

/** Texts and calls of an attempt that is withdrawn end with an error. */
function withdrawn({ drafts, calls }: State, gone: Withdrawn, why: string, at: number): Shown[] {
  const texts = [...drafts].filter(([, draft]) => gone.has(draft));
  const ended = [...calls].filter(([, call]) => gone.has(call));
  return [
    ...texts.map(([id]): Shown => ["stream_chunk", lastChunk(id, { at }, why)]),
    ...ended.map(
      ([callId, { name }]): Shown => [
        "tool_call_result",
        {
          tool_call_id: callId,
          tool_name: name,
          result: why,
          is_error: true,
          timestamp: new Date(at).toISOString(),
        },
      ],
    ),
  ];
}

function contextOf(state: State, { event, at, seq }: StoredEntry): Context {
  const { blocks, calls, run } = state;
  const block = "id" in event ? blocks.get(event.id) : undefined;
  const call = "callId" in event ? calls.get(event.callId) : undefined;
  return {
    run,
    at,
    agent: event.agent ?? call?.agent ?? state.agent,
    // An error belongs to no message: it is a message of its own.
    messageId: block?.messageId ?? ("id" in event ? event.id : `${event.type}-${seq}`),
    text: block?.text ?? "",
    call,
  };
}
