import { Attempts } from "../../attempts.ts";
import type { StoredEntry } from "../../batch.ts";
import type { EventOf, Input, Json, TerminalEvent, Usage } from "../../events.ts";
import { addUsage } from "../../summary.ts";
import type { View, ViewMessage } from "../../view.ts";

/** What each `data:` line holds, as pydantic-deep's `StreamEvent` does. Optional keys are left out of `data`. */
interface StreamEvent {
  readonly event_type:
    | "llm_chunk"
    | "tool_start"
    | "tool_end"
    | "progress"
    | "partial_result"
    | "error"
    | "agent_start"
    | "agent_end";
  /** RFC 3339, in UTC. */
  readonly timestamp: string;
  readonly data: { readonly [key: string]: Json };
}

type Said = Omit<StreamEvent, "timestamp">;

/** pydantic-deep's stream of events: text as it comes, tools at both ends, progress after each step. */
export const pydanticDeepView: View = {
  name: "pydantic-deep",
  start: () => {
    const state: State = {
      agent: "agent",
      startedAt: undefined,
      steps: 0,
      usage: undefined,
      cost: 0,
      calls: new Map(),
      attempts: new Attempts(),
      step: undefined,
      tellsProgress: false,
    };
    return (entry) => show(state, entry).map((said) => message(said, entry.at));
  },
};

interface State {
  agent: string;
  startedAt: number | undefined;
  /** The last step that began. */
  steps: number;
  /** Of the steps that ended, for runs that tell no progress themselves. */
  usage: Usage | undefined;
  cost: number | null;
  /** Names of the tools at work, by call. */
  readonly calls: Map<string, string>;
  /** Calls that a retry may withdraw. */
  readonly attempts: Attempts<string>;
  /** A step that ended, of which the next entry says whether its progress is told. */
  step: EventOf<"step.finished"> | undefined;
  /** Whether the run tells its progress itself. */
  tellsProgress: boolean;
}

function message({ event_type, data }: Said, at: number): ViewMessage {
  const event: StreamEvent = { event_type, timestamp: new Date(at).toISOString(), data };
  return { data: JSON.stringify(event) };
}

function show(state: State, entry: StoredEntry): Said[] {
  const { event } = entry;
  if (event.type === "progress") state.tellsProgress = true;
  return [...progressBefore(state), ...showEvent(state, entry)];
}

/** The progress of a step after which the run told none of its own. */
function progressBefore(state: State): Said[] {
  const { step, usage, cost } = state;
  state.step = undefined;
  if (!step || state.tellsProgress) return [];
  return [said("progress", { iteration: step.step, ...totals(usage, cost) })];
}

function showEvent(state: State, { event, at }: StoredEntry): Said[] {
  const gone = state.attempts.apply(event);
  switch (event.type) {
    case "run.started":
      state.agent = event.agent ?? state.agent;
      state.startedAt = at;
      return [said("agent_start", { agent_name: state.agent, prompt: promptOf(event.input) })];
    case "step.started":
      state.steps = event.step;
      return [];
    case "step.finished":
      state.usage = addUsage(state.usage, event.usage ?? undefined);
      state.cost = state.cost === null || event.cost === null ? null : state.cost + event.cost;
      if (event.finishReason !== "interrupted") state.step = event;
      return [];
    case "text.delta":
      return [said("llm_chunk", { text: event.text })];
    case "tool.called":
      state.calls.set(event.callId, event.name);
      state.attempts.say(event.callId, event);
      return [
        said("tool_start", { tool_name: event.name, args: event.input ?? null, tool_call_id: event.callId }),
      ];
    case "tool.returned":
    case "tool.failed":
      // A call of which only the name was known has not begun here.
      if (!state.calls.delete(event.callId)) return [];
      return [
        said("tool_end", {
          tool_name: event.name,
          ...(event.type === "tool.returned"
            ? { result: event.output ?? null }
            : { error: event.message ?? "" }),
          ...(event.durationMs !== undefined && { duration_seconds: event.durationMs / 1000 }),
          tool_call_id: event.callId,
        }),
      ];
    case "step.retried":
      return [
        ...withdrawn(state, gone, event.message),
        said("error", { error: event.message, exception_type: event.code }),
      ];
    case "run.resumed":
      return withdrawn(state, gone, "Another process went on with the run");
    case "progress": {
      const { iteration, totalTokens, totalCost, maxIterations } = event;
      return [
        said("progress", {
          iteration,
          total_tokens: totalTokens,
          ...(totalCost !== null && { total_cost_usd: totalCost }),
          ...(maxIterations !== undefined && { max_iterations: maxIterations }),
        }),
      ];
    }
    case "output.delta":
      return [said("partial_result", { result: event.value ?? null, complete: event.complete ?? false })];
    case "error":
      return [said("error", { error: event.message, exception_type: event.code })];
    case "run.finished":
      return [end(state, event, at)];
    case "run.failed":
      return [said("error", { error: event.message, exception_type: event.code }), end(state, event, at)];
    case "run.cancelled":
      return [
        said("error", { error: event.reason ?? "The run was cancelled", exception_type: "run_cancelled" }),
        end(state, event, at),
      ];
    default:
      return [];
  }
}

function said(event_type: Said["event_type"], data: Said["data"]): Said {
  return { event_type, data };
}

/** Each tool that began ends, also if what the step had done is withdrawn. */
function withdrawn({ calls }: State, gone: readonly string[], why: string): Said[] {
  return gone.flatMap((callId) => {
    const name = calls.get(callId);
    if (!calls.delete(callId)) return [];
    return [said("tool_end", { tool_name: name ?? "", error: why, tool_call_id: callId })];
  });
}

function end({ agent, steps, startedAt }: State, event: TerminalEvent, at: number): Said {
  return said("agent_end", {
    agent_name: agent,
    success: event.type === "run.finished",
    total_iterations: steps,
    ...totals(event.usage, event.cost),
    ...(startedAt !== undefined && { duration_seconds: Math.max(0, at - startedAt) / 1000 }),
  });
}

function totals(usage: Usage | undefined, cost: number | null): Said["data"] {
  return {
    ...(usage && { total_tokens: usage.inputTokens + usage.outputTokens }),
    ...(cost !== null && { total_cost_usd: cost }),
  };
}

/** What the run was asked: of messages, the text of the last one of a user. */
function promptOf(input: Input): string {
  if (typeof input === "string") return input;
  const asked = input.findLast(({ role }) => role === "user") ?? input.at(-1);
  return asked?.parts.map((part) => (part.type === "text" ? part.text : "")).join("") ?? "";
}
