import type { Entry, EventOf, StreamEvent } from "../events.ts";
import { hashOf } from "../internal/id.ts";
import { parseTraceParent, type TraceParent } from "./trace-parent.ts";

export type AttributeValue = string | number | boolean | readonly string[];
export type Attributes = Readonly<Record<string, AttributeValue>>;

/** Something that happened at one moment within a span. */
export interface SpanEvent {
  readonly name: string;
  /** In ms since the epoch. */
  readonly at: number;
  readonly attributes: Attributes;
}

/**
 * A stretch of a run, as OpenTelemetry names it: `invoke_agent` is the run, `chat` a step, `execute_tool` a tool
 * call. The ids are made of the run's id: the same log has the same spans, wherever and whenever it is looked at.
 */
export interface RunSpan {
  /** 32 hex digits: of the `traceparent` in the run's metadata, else the run's own. */
  readonly traceId: string;
  /** 16 hex digits. */
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly name: string;
  readonly kind: "internal" | "client";
  /** In ms since the epoch, from the log. */
  readonly startedAt: number;
  /** Undefined while it is open. */
  endedAt: number | undefined;
  /** By the conventions for generative AI; what people and models say is not among them. */
  readonly attributes: Record<string, AttributeValue>;
  readonly events: SpanEvent[];
  /** Of what failed. */
  error: { readonly code: string; readonly message: string } | undefined;
}

/** What an entry does to the spans of its run: those that begin with it, and those that end. */
export interface SpanChanges {
  readonly started: readonly RunSpan[];
  readonly ended: readonly RunSpan[];
}

/**
 * The spans of a run, as a fold of its log: nothing is measured, every time is the `at` of an entry. Spans are
 * objects that fill up until they end.
 */
export class Spans {
  readonly #run: string;
  #root: RunSpan | undefined;
  #parent: TraceParent | undefined;
  #traceId: string;
  /** Open steps by the agent and the call that they belong to: several agents may write one log. */
  readonly #steps = new Map<string, RunSpan>();
  readonly #calls = new Map<string, RunSpan>();
  readonly #approvals = new Map<string, RunSpan>();
  #made = 0;
  #at = 0;
  #started: RunSpan[] = [];
  #ended: RunSpan[] = [];

  /** `run` is the run's id. */
  constructor(run: string) {
    this.#run = run;
    this.#traceId = hashOf(`trace\n${run}`);
  }

  /** The context that the run was started in; undefined without one, and before the first entry. */
  get parent(): TraceParent | undefined {
    return this.#parent;
  }

  /** Takes the next entry. */
  apply({ event, at }: Entry): SpanChanges {
    // Clocks may be set back; spans do not end before they begin.
    this.#at = Math.max(this.#at, at);
    this.#started = [];
    this.#ended = [];
    this.#take(event);
    return { started: this.#started, ended: this.#ended };
  }

  /** Ends what is open, at the last time known: where the log is not followed to its end. */
  stop(): SpanChanges {
    this.#started = [];
    this.#ended = [];
    this.#endOpen((span) => this.#cutOff(span));
    if (this.#root && this.#root.endedAt === undefined) this.#cutOff(this.#root);
    return { started: [], ended: this.#ended };
  }

  #take(event: StreamEvent): void {
    switch (event.type) {
      case "run.started":
        this.#startRun(event);
        break;
      case "run.finished":
      case "run.failed":
      case "run.cancelled":
        this.#endRun(event);
        break;
      case "run.resumed":
        // What the open step had said is withdrawn; the process that said it is dead.
        this.#endOpen((span) =>
          this.#end(span, { code: "producer_lost", message: "The process that ran the agent is gone" }),
        );
        break;
      case "step.started":
        this.#startStep(event);
        break;
      case "step.retried":
        this.#note(this.#steps.get(stepKey(event)), "step.retried", {
          "error.type": event.code,
          "runlog.attempt": event.attempt,
        });
        break;
      case "step.finished":
        this.#endStep(event);
        break;
      case "tool.called":
        this.#startCall(event);
        break;
      case "tool.returned":
      case "tool.failed":
        this.#endCall(event);
        break;
      case "approval.requested": {
        const call = this.#calls.get(event.callId) ?? this.#root;
        if (call) this.#approvals.set(event.approvalId, call);
        this.#note(call, event.type, { "gen_ai.tool.name": event.name });
        break;
      }
      case "input.approval":
        this.#note(this.#approvals.get(event.approvalId), event.type, { "runlog.approved": event.approved });
        break;
      case "agent.changed":
        this.#note(this.#root, event.type, { "runlog.agent.from": event.from, "runlog.agent.to": event.to });
        break;
      case "error":
        this.#note(this.#root, "error", { "error.type": event.code });
        break;
      default:
    }
  }

  #startRun(event: EventOf<"run.started">): void {
    const { traceparent } = event.metadata ?? {};
    this.#parent = typeof traceparent === "string" ? parseTraceParent(traceparent) : undefined;
    if (this.#parent) this.#traceId = this.#parent.traceId;
    const agent = event.agent ?? undefined;
    this.#root = this.#start(agent === undefined ? "invoke_agent" : `invoke_agent ${agent}`, "internal", {
      parent: this.#parent?.spanId,
      attributes: {
        "gen_ai.operation.name": "invoke_agent",
        ...(agent !== undefined && { "gen_ai.agent.name": agent }),
        ...(event.thread !== undefined && { "gen_ai.conversation.id": event.thread }),
        "runlog.run": this.#run,
      },
    });
  }

  #endRun(event: EventOf<"run.finished" | "run.failed" | "run.cancelled">): void {
    // What was open was closed by the entries before; this is for logs that are not ours.
    this.#endOpen((span) => this.#cutOff(span));
    if (!this.#root) return;
    const { usage, cost, type } = event;
    Object.assign(this.#root.attributes, {
      "runlog.status": type.slice("run.".length),
      ...(usage && usageAttributes(usage)),
      ...(cost !== null && { "runlog.cost_usd": cost }),
    });
    this.#end(this.#root, type === "run.failed" ? event : undefined);
  }

  #startStep(event: EventOf<"step.started">): void {
    const key = stepKey(event);
    const open = this.#steps.get(key);
    if (open) this.#cutOff(open);
    const { provider, model } = modelOf(event.model);
    const span = this.#start(model === undefined ? "chat" : `chat ${model}`, "client", {
      parent: this.#above(event),
      attributes: {
        "gen_ai.operation.name": "chat",
        ...(provider !== undefined && { "gen_ai.provider.name": provider }),
        ...(model !== undefined && { "gen_ai.request.model": model }),
        ...(event.agent !== undefined && { "gen_ai.agent.name": event.agent }),
        "runlog.step": event.step,
      },
    });
    this.#steps.set(key, span);
  }

  #endStep(event: EventOf<"step.finished">): void {
    const span = this.#steps.get(stepKey(event));
    if (!span) return;
    this.#steps.delete(stepKey(event));
    const { model } = modelOf(event.model);
    Object.assign(span.attributes, {
      "gen_ai.response.finish_reasons": [event.finishReason],
      ...(model !== undefined && { "gen_ai.response.model": model }),
      ...(event.usage && usageAttributes(event.usage)),
      ...(event.ttftMs !== undefined && { "gen_ai.response.time_to_first_chunk": event.ttftMs / 1_000 }),
      ...(event.cost !== null && { "runlog.cost_usd": event.cost }),
    });
    const failed = event.finishReason === "error";
    this.#end(
      span,
      failed ? { code: "model_error", message: "The model's answer ended in an error" } : undefined,
    );
  }

  #startCall(event: EventOf<"tool.called">): void {
    if (this.#calls.has(event.callId)) return;
    const span = this.#start(`execute_tool ${event.name}`, "internal", {
      parent: this.#above(event),
      attributes: {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": event.name,
        "gen_ai.tool.call.id": event.callId,
        "gen_ai.tool.type": "function",
        ...(event.agent !== undefined && { "gen_ai.agent.name": event.agent }),
      },
    });
    this.#calls.set(event.callId, span);
  }

  #endCall(event: EventOf<"tool.returned" | "tool.failed">): void {
    const span = this.#calls.get(event.callId);
    if (!span) return;
    this.#calls.delete(event.callId);
    // Without the wait for an approval, which the span has too.
    if (event.durationMs !== undefined) span.attributes["runlog.tool.duration_ms"] = event.durationMs;
    this.#end(span, event.type === "tool.failed" ? event : undefined);
  }

  /** The span that an event's span hangs on: the call on whose behalf it is said, else the run. */
  #above(event: StreamEvent): string | undefined {
    const call = event.parent === undefined ? undefined : this.#calls.get(event.parent);
    return (call ?? this.#root)?.spanId;
  }

  #start(
    name: string,
    kind: RunSpan["kind"],
    { parent, attributes }: { readonly parent: string | undefined; readonly attributes: Attributes },
  ): RunSpan {
    const span: RunSpan = {
      traceId: this.#traceId,
      spanId: hashOf(`span\n${this.#run}\n${this.#made++}`).slice(0, 16),
      parentSpanId: parent,
      name,
      kind,
      startedAt: this.#at,
      endedAt: undefined,
      attributes: { ...attributes },
      events: [],
      error: undefined,
    };
    this.#started.push(span);
    return span;
  }

  #end(span: RunSpan, error?: { readonly code: string; readonly message: string }): void {
    span.endedAt = this.#at;
    if (error) {
      span.error = { code: error.code, message: error.message };
      span.attributes["error.type"] = error.code;
    }
    this.#ended.push(span);
  }

  /** Ends steps and calls, those within others first. */
  #endOpen(end: (span: RunSpan) => void): void {
    for (const span of [...this.#steps.values(), ...this.#calls.values()]) end(span);
    this.#steps.clear();
    this.#calls.clear();
  }

  #cutOff(span: RunSpan): void {
    span.attributes["runlog.incomplete"] = true;
    this.#end(span);
  }

  #note(span: RunSpan | undefined, name: string, attributes: Attributes): void {
    span?.events.push({ name, at: this.#at, attributes });
  }
}

/** Every span of a log, in the order in which they began. What is still open has no `endedAt`. */
export function spansOf(run: string, entries: Iterable<Entry>): RunSpan[] {
  const spans = new Spans(run);
  const all: RunSpan[] = [];
  for (const entry of entries) all.push(...spans.apply(entry).started);
  return all;
}

const stepKey = ({ agent, parent }: { readonly agent?: string; readonly parent?: string }) =>
  `${agent ?? ""}\n${parent ?? ""}`;

/** Providers as the conventions name them, by the prefix that a model's name has here. */
const providers: Readonly<Record<string, string>> = {
  openai: "openai",
  "openai-chat": "openai",
  anthropic: "anthropic",
  google: "gcp.gemini",
  ollama: "ollama",
};

function modelOf(name: string | undefined): { provider?: string; model?: string } {
  if (name === undefined) return {};
  const slash = name.indexOf("/");
  const prefix = name.slice(0, Math.max(slash, 0));
  if (!Object.hasOwn(providers, prefix)) return { model: name };
  return { provider: providers[prefix]!, model: name.slice(slash + 1) };
}

function usageAttributes(usage: NonNullable<EventOf<"run.finished">["usage"]>): Attributes {
  const { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens, reasoningTokens } = usage;
  return {
    "gen_ai.usage.input_tokens": inputTokens,
    "gen_ai.usage.output_tokens": outputTokens,
    ...(cacheReadTokens !== undefined && { "gen_ai.usage.cache_read.input_tokens": cacheReadTokens }),
    ...(cacheWriteTokens !== undefined && { "gen_ai.usage.cache_creation.input_tokens": cacheWriteTokens }),
    ...(reasoningTokens !== undefined && { "gen_ai.usage.reasoning.output_tokens": reasoningTokens }),
  };
}
