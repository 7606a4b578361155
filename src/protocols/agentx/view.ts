import { Attempts } from "../../attempts.ts";
import type { EventOf, Json, JsonObject, Message, Origin, StreamEvent } from "../../events.ts";
import type { View } from "../../view.ts";
import { eventName } from "./event-name.ts";

export interface AgentxOptions {
  /** The run's id: AgentX has the task's id in its payloads. */
  readonly run: string;
}

/**
 * A field that AgentX's senders add to an event: what the payload said that the event does not, or null if
 * the payload is told with another event. Readers that do not know it ignore it.
 */
export interface SentByAgentx {
  readonly agentx?: JsonObject | null;
}

/** The tag of the runs that AgentX's senders write. */
export const AGENTX_TAG = "agentx";

/**
 * AgentX's stream: `task_update`, `agent_status`, `agent_message` and `tool_call`. Of a run that its senders
 * wrote it is what they sent, and the end.
 */
export function agentxView({ run }: AgentxOptions): View {
  return {
    name: "agentx",
    start: () => {
      const state: State = {
        agent: "agent",
        own: false,
        steps: 0,
        progress: 0,
        calls: new Map(),
        blocks: new Map(),
        drafts: new Map(),
        attempts: new Attempts(),
      };
      return ({ event }) =>
        asSent(show(state, event, run), event).map(([name, data]) => ({
          event: name,
          data: JSON.stringify(data ?? null),
        }));
    },
  };
}

interface State {
  /** Who speaks where an event does not say. */
  agent: string;
  /** Whether AgentX's senders write the run. */
  own: boolean;
  steps: number;
  /** From 0 to 100, as far as the run told it. */
  progress: number;
  readonly calls: Map<string, Call>;
  /** The message that an open block belongs to. */
  readonly blocks: Map<string, string>;
  /** Texts that were streamed and not shown yet: AgentX knows whole messages only. */
  readonly drafts: Map<string, Draft>;
  /** What a retry may withdraw. */
  readonly attempts: Attempts<Call | Draft>;
}

interface Call {
  readonly agent: string;
  readonly name: string;
  readonly input: Json;
}

interface Draft {
  readonly by: Origin;
  readonly agent: string;
  text: string;
  interrupted: boolean;
}

/** A name and a payload of AgentX. */
type Shown = readonly [event: string, data: Json];

/** What was sent stands for what an event alone would show. */
function asSent(shown: readonly Shown[], event: StreamEvent): readonly Shown[] {
  const { agentx } = event as SentByAgentx;
  if (agentx === null) return [];
  if (typeof agentx !== "object" || Array.isArray(agentx)) return shown;
  return shown.map(([name, data]) => [name, { ...(data as JsonObject), ...agentx }]);
}

function show(state: State, event: StreamEvent, run: string): Shown[] {
  const gone = new Set(state.attempts.apply(event));
  const agent = event.agent ?? state.agent;
  const status = (word: string, progress = state.progress): Shown => [
    "agent_status",
    { agent_id: agent, status: word, progress },
  ];
  const update = (word: string, result: Json): Shown => [
    "task_update",
    { task_id: run, status: word, result },
  ];
  switch (event.type) {
    case "run.started":
      state.agent = event.agent ?? state.agent;
      state.own = event.agent === null && (event.tags?.includes(AGENTX_TAG) ?? false);
      return state.own ? [] : [update("running", null)];
    case "agent.changed":
      state.agent = event.to;
      return [];

    case "step.started":
      state.steps = event.step;
      return [...messagesAt(state, event), status("working")];
    case "step.finished": {
      const cutOff = event.finishReason === "interrupted" || event.finishReason === "error";
      return [...messagesAt(state, event), cutOff ? status("failed") : status("completed", 100)];
    }
    case "status":
      state.progress = event.progress ?? state.progress;
      return [status(event.status, event.progress ?? 0)];
    case "progress":
      if (event.fraction === undefined) return [];
      state.progress = Math.round(event.fraction * 100);
      return [status("working")];
    case "approval.requested":
      return [status("waiting")];
    case "input.approval":
      return [status("working")];

    case "text.started": {
      const message = event.messageId ?? event.id;
      state.blocks.set(event.id, message);
      if (state.drafts.has(message)) return [];
      const draft = { by: event, agent, text: "", interrupted: false };
      state.drafts.set(message, draft);
      state.attempts.say(draft, event);
      return [];
    }
    case "text.delta": {
      const draft = state.drafts.get(state.blocks.get(event.id) ?? "");
      if (draft) draft.text += event.text;
      return [];
    }
    case "text.finished": {
      const message = state.blocks.get(event.id) ?? "";
      state.blocks.delete(event.id);
      const draft = state.drafts.get(message);
      if (draft && event.interrupted) draft.interrupted = true;
      // A block of no message is whole now; of others the message itself may still come.
      return message === event.id ? messagesLeft(state, ([id]) => id === message) : [];
    }
    case "message": {
      const { id, role, parts } = event.message;
      state.drafts.delete(id);
      if (role !== "assistant" || !parts.some(({ type }) => type === "text")) return [];
      return [message(agent, textOf(event.message), metadataOf(event.message))];
    }
    case "error":
      return [message(agent, event.message, { error: true, code: event.code })];

    case "tool.called": {
      const called = { agent, name: event.name, input: event.input };
      state.calls.set(event.callId, called);
      state.attempts.say(called, event);
      return [call(state, event, "pending", null)];
    }
    case "tool.progressed":
      return state.calls.has(event.callId) ? [call(state, event, "running", event.data)] : [];
    case "tool.returned": {
      const shown = call(state, event, "completed", event.output);
      state.calls.delete(event.callId);
      return [shown];
    }
    case "tool.failed": {
      const known = state.calls.has(event.callId);
      const shown = call(state, event, "failed", { error: event.message });
      state.calls.delete(event.callId);
      // The end of a run closes what its senders left open: that was not sent.
      if (event.code === "interrupted" && (state.own || !known)) return [];
      return [shown];
    }

    case "step.retried":
      return withdrawn(state, gone, event.message);
    case "run.resumed":
      return withdrawn(state, gone, "Another process went on with the run");

    case "custom": {
      const name = eventName(event.name);
      return name === undefined ? [] : [[name, event.data]];
    }

    case "run.finished": {
      const steps = state.steps > 0 ? { steps_executed: state.steps } : null;
      return [...messagesLeft(state), update("completed", event.output ?? steps)];
    }
    case "run.failed":
      return [...messagesLeft(state), update("failed", { error: event.message })];
    case "run.cancelled": {
      const reason = event.reason === undefined ? null : { reason: event.reason };
      return [...messagesLeft(state), update("cancelled", reason)];
    }
    default:
      return [];
  }
}

function message(agent: string, text: string, metadata: JsonObject): Shown {
  return ["agent_message", { agent_id: agent, message: text, metadata }];
}

/** The texts, or one of them, that no message stood for. Senders tell their messages themselves. */
function messagesLeft(
  { drafts, own }: State,
  only: (draft: [string, Draft]) => boolean = () => true,
): Shown[] {
  const left = [...drafts].filter(only);
  for (const [id] of left) drafts.delete(id);
  if (own) return [];
  return left
    .filter(([, { text }]) => text !== "")
    .map(([, { agent, text, interrupted }]) => message(agent, text, interrupted ? { interrupted } : {}));
}

/** The same where a step begins or ends: within one of somebody else, whole messages may still come. */
function messagesAt(state: State, step: EventOf<"step.started" | "step.finished">): Shown[] {
  return messagesLeft(state, ([, { by }]) => state.attempts.bounds(step, by));
}

/** A call at any stage: AgentX repeats its arguments, and has no id to tell calls apart. */
function call(
  { calls, agent }: State,
  event: StreamEvent & { readonly callId: string; readonly name?: string },
  status: string,
  result: Json,
): Shown {
  const known = calls.get(event.callId);
  return [
    "tool_call",
    {
      agent_id: event.agent ?? known?.agent ?? agent,
      tool_name: event.name ?? known?.name ?? "",
      parameters: known?.input ?? {},
      result: result ?? null,
      status,
    },
  ];
}

/** What an attempt had said was not shown; the calls it had made have ended. */
function withdrawn(state: State, gone: ReadonlySet<Call | Draft>, why: string): Shown[] {
  const calls = [...state.calls].filter(([, called]) => gone.has(called));
  const ends = calls.map(([callId, { agent, name }]) =>
    call(state, { type: "tool.failed", callId, name, code: "withdrawn", message: why, agent }, "failed", {
      error: why,
    }),
  );
  for (const [callId] of calls) state.calls.delete(callId);
  for (const [block, message] of state.blocks)
    if (gone.has(state.drafts.get(message)!)) state.blocks.delete(block);
  for (const [message, draft] of state.drafts) if (gone.has(draft)) state.drafts.delete(message);
  return ends;
}

function textOf({ parts }: Message): string {
  return parts.map((part) => (part.type === "text" ? part.text : "")).join("");
}

/** What `sendAgentMessage` keeps beside the text. */
function metadataOf({ parts }: Message): JsonObject {
  const part = parts.find((each) => each.type === "data" && each.name === "metadata");
  const data = part?.type === "data" ? part.data : undefined;
  return typeof data === "object" && data !== null && !Array.isArray(data) ? (data as JsonObject) : {};
}
