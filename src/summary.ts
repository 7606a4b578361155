import { Attempts } from "./attempts.ts";
import { RunError } from "./errors.ts";
import type { AgentStatus, EventOf, Input, Origin, StreamEvent, Usage } from "./events.ts";
import { speakerOf } from "./speaker.ts";

/** `waiting`: for the answer to an `approval.requested`. */
export type RunStatus = "running" | "waiting" | "finished" | "failed" | "cancelled";

/** How an agent's reported status may change. The same again is always allowed: its progress may have moved. */
export const statusTransitions: Readonly<Record<AgentStatus, readonly AgentStatus[]>> = {
  starting: ["idle", "working", "waiting", "failed"],
  idle: ["starting", "working", "completed", "failed"],
  working: ["idle", "waiting", "completed", "failed"],
  waiting: ["idle", "working", "completed", "failed"],
  completed: ["starting", "working"],
  failed: ["starting", "working"],
};

/** What has begun and not ended, by its id. */
type Open<Begun> = ReadonlyMap<string, Begun>;

const NONE: ReadonlyMap<string, never> = new Map<string, never>();

/**
 * What a log amounts to: its status and totals, and what is open. A fold: the same entries give the same
 * summary in any process. The writer of a run keeps one to know what the end has to close; lists show one.
 */
export class Summary {
  started: EventOf<"run.started"> | undefined;
  terminal: EventOf<"run.finished" | "run.failed" | "run.cancelled"> | undefined;
  /** The last step started. */
  step = 0;
  usage: Usage | undefined;
  /** USD; null once a part of it is unknown. */
  cost: number | null = 0;
  /** USD; what is not known counts as 0. */
  knownCost = 0;
  /** How many messages came while the run was open. */
  messages = 0;
  /** The last complete `output.delta`. */
  output: EventOf<"output.delta">["value"] | undefined;
  startedAt = 0;
  endedAt: number | undefined;
  cancel: EventOf<"input.cancel"> | undefined;
  /** How often the run was taken over in the step that it is in: an agent that kills its process ends sometime. */
  resumes = 0;
  #resumedFrom: number | undefined;
  /** Steps under way: one, unless several agents write one log. They count their steps each on its own. */
  #steps: Open<EventOf<"step.started">> = NONE;
  #blocks: Open<EventOf<"text.started" | "reasoning.started">> = NONE;
  #calls: Open<EventOf<"tool.started" | "tool.called">> = NONE;
  /** Approvals without an answer, by id. */
  approvals: Open<EventOf<"approval.requested">> = NONE;
  /** What is open of steps that are under way, as `block ID`, `call ID` and `approval ID`; made with the first step. */
  #attempts: Attempts<string> | undefined;
  /** Whether the run's own agent counts steps: then those of agents inside it are theirs alone. */
  #countsSteps = false;
  #answered: ReadonlyMap<string, true> = NONE;
  #statuses: ReadonlyMap<string, AgentStatus> = NONE;

  /** A copy, to see what more events would make of it. What is open is never changed, only replaced: the two share it. */
  clone(): Summary {
    const copy = Object.assign(new Summary(), this);
    copy.#steps = this.#steps;
    copy.#blocks = this.#blocks;
    copy.#calls = this.#calls;
    copy.#answered = this.#answered;
    copy.#attempts = this.#attempts?.clone();
    copy.#countsSteps = this.#countsSteps;
    copy.#statuses = this.#statuses;
    copy.#resumedFrom = this.#resumedFrom;
    return copy;
  }

  get status(): RunStatus {
    if (this.terminal) return this.terminal.type.slice("run.".length) as RunStatus;
    return this.waiting ? "waiting" : "running";
  }

  /** Nothing is under way and a person is asked. */
  get waiting(): boolean {
    return !this.terminal && this.#steps.size === 0 && this.approvals.size > 0;
  }

  /** The step that another process begins with: the one that is open, else the next. */
  get nextStep(): number {
    const open = [...this.#steps.values()].filter((step) => !this.#countsSteps || speakerOf(step) === "");
    return open.length > 0 ? Math.min(...open.map(({ step }) => step)) : this.step + 1;
  }

  /** Takes one more event. Returns whether what lists show has changed. */
  apply(event: StreamEvent, at: number): boolean {
    if (event.type === "step.started") this.#attempts ??= new Attempts();
    for (const gone of this.#attempts?.apply(event) ?? []) this.#withdraw(gone);
    switch (event.type) {
      case "run.started":
        this.started = event;
        this.startedAt = at;
        return true;
      case "run.finished":
      case "run.failed":
      case "run.cancelled":
        this.terminal = event;
        this.endedAt = at;
        return true;
      case "step.retried":
        return true;
      case "run.resumed":
        this.#steps = NONE;
        this.resumes = event.fromStep === this.#resumedFrom ? this.resumes + 1 : 1;
        this.#resumedFrom = event.fromStep;
        return true;
      case "step.started":
        this.#countsSteps ||= speakerOf(event) === "";
        if (!this.#countsSteps || speakerOf(event) === "") this.step = event.step;
        this.#steps = put(this.#steps, `${event.step} ${speakerOf(event)}`, event);
        return true;
      case "step.finished":
        this.#steps = without(this.#steps, `${event.step} ${speakerOf(event)}`);
        // A step that was cut off before its provider told anything leaves what is known as it is.
        if (event.usage === null && event.finishReason === "interrupted") {
          if (!this.usage) this.cost = null;
          return true;
        }
        this.usage = addUsage(this.usage, event.usage ?? undefined);
        this.cost = this.cost === null || event.cost === null ? null : this.cost + event.cost;
        this.knownCost += event.cost ?? 0;
        return true;
      case "text.started":
      case "reasoning.started":
        this.#blocks = put(this.#blocks, event.id, event);
        this.#say(`block ${event.id}`, event);
        return false;
      case "text.finished":
      case "reasoning.finished":
        this.#blocks = without(this.#blocks, event.id);
        this.#attempts?.forget(`block ${event.id}`);
        return false;
      case "tool.started":
      case "tool.called":
        this.#calls = put(this.#calls, event.callId, event);
        this.#say(`call ${event.callId}`, event);
        return false;
      case "tool.returned":
      case "tool.failed":
        this.#calls = without(this.#calls, event.callId);
        this.#attempts?.forget(`call ${event.callId}`);
        return false;
      case "approval.requested":
        this.approvals = put(this.approvals, event.approvalId, event);
        this.#say(`approval ${event.approvalId}`, event);
        return true;
      case "input.approval":
        this.#answered = put(this.#answered, event.approvalId, true);
        this.#attempts?.forget(`approval ${event.approvalId}`);
        if (!this.approvals.has(event.approvalId)) return false;
        this.approvals = without(this.approvals, event.approvalId);
        return true;
      case "input.cancel":
        this.cancel ??= event;
        return false;
      case "input.message":
        this.messages++;
        return false;
      case "output.delta":
        if (event.complete) this.output = event.value;
        return false;
      case "status":
        this.#statuses = put(this.#statuses, event.agent ?? "", event.status);
        return false;
      default:
        return false;
    }
  }

  /** Keeps in mind that something was opened in a step that is under way. */
  #say(what: string, event: Origin): void {
    if (this.#attempts?.underWay) this.#attempts.say(what, event);
  }

  #withdraw(what: string): void {
    const id = what.slice(what.indexOf(" ") + 1);
    if (what.startsWith("block ")) this.#blocks = without(this.#blocks, id);
    else if (what.startsWith("call ")) this.#calls = without(this.#calls, id);
    else this.approvals = without(this.approvals, id);
  }

  /** Refuses with `invalid_event` or `not_waiting` what cannot come next. */
  check(event: StreamEvent): void {
    if (event.type === "status") {
      const from = this.#statuses.get(event.agent ?? "");
      if (from && from !== event.status && !statusTransitions[from].includes(event.status)) {
        throw new RunError(
          "invalid_event",
          `Cannot accept status "${event.status}": it cannot follow "${from}"`,
        );
      }
    } else if (event.type === "input.approval" && !this.approvals.has(event.approvalId)) {
      const why = this.#answered.has(event.approvalId) ? "it was answered already" : "nothing asked for it";
      throw new RunError("not_waiting", `Cannot answer approval "${event.approvalId}": ${why}`);
    }
  }

  /** The events that close what is open, to stand before the terminal one. */
  close(message: string): StreamEvent[] {
    const events: StreamEvent[] = [];
    for (const { type, id, ...of } of this.#blocks.values()) {
      const kind = type === "text.started" ? "text" : "reasoning";
      events.push({ type: `${kind}.finished`, id, interrupted: true, ...whose(of) });
    }
    for (const { callId, name, ...of } of this.#calls.values()) {
      events.push({ type: "tool.failed", callId, name, code: "interrupted", message, ...whose(of) });
    }
    for (const { step, ...of } of this.#steps.values()) {
      const unknown = { usage: null, cost: null };
      events.push({ type: "step.finished", step, finishReason: "interrupted", ...unknown, ...whose(of) });
    }
    return events;
  }

  /** The end of a run that was asked to cancel. */
  cancelled(): EventOf<"run.cancelled"> {
    const reason = this.cancel?.reason;
    return { type: "run.cancelled", ...(reason !== undefined && { reason }), ...this.totals };
  }

  /** Usage and cost, as every terminal event carries them. */
  get totals(): { readonly usage?: Usage; readonly cost: number | null } {
    return this.usage ? { usage: this.usage, cost: this.cost } : { cost: this.cost };
  }
}

function put<Value>(map: ReadonlyMap<string, Value>, key: string, value: Value): ReadonlyMap<string, Value> {
  return new Map(map).set(key, value);
}

function without<Value>(map: ReadonlyMap<string, Value>, key: string): ReadonlyMap<string, Value> {
  const rest = new Map(map);
  rest.delete(key);
  return rest.size === 0 ? NONE : rest;
}

function whose({ agent, parent }: Origin): Origin {
  return { ...(agent !== undefined && { agent }), ...(parent !== undefined && { parent }) };
}

/** What no summary looks at: by far the most of what is written. */
const passing: ReadonlySet<string> = new Set(["text.delta", "reasoning.delta", "tool.delta", "custom"]);

/** Whether an event may change what a log amounts to. */
export function isFolded({ type }: StreamEvent): boolean {
  return !passing.has(type);
}

/** The sum of what is known of two usages. */
export function addUsage(one: Usage | undefined, other: Usage | undefined): Usage | undefined {
  if (!one || !other) return one ?? other;
  const sum: Record<string, number> = { ...one };
  for (const [part, tokens] of Object.entries(other)) sum[part] = (sum[part] ?? 0) + tokens;
  return sum as unknown as Usage;
}

/** The beginning of what a run was asked, on one line: how lists name it. */
export function titleOf(input: Input): string {
  const text =
    typeof input === "string"
      ? input
      : ((input.findLast((message) => message.role === "user") ?? input.at(-1))?.parts
          .map((part) => (part.type === "text" ? part.text : ""))
          .join("") ?? "");
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > 120 ? `${line.slice(0, 119).toWellFormed()}…` : line;
}
