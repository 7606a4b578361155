import type { RunContext } from "../agent.ts";
import type { EventOf, Json, Message, StreamEvent } from "../events.ts";
import { toMessages } from "../messages.ts";
import { speakerOf } from "../speaker.ts";
import type { CallEnd, ToolCall } from "./calls.ts";
import type { ProviderApproval } from "./model-messages.ts";
import { BY_PROVIDER } from "./parts.ts";
import { withEnds } from "./step-message.ts";

/** A call of the log, as far as its story goes. */
interface KnownCall extends ToolCall {
  readonly step: number;
  readonly byProvider: boolean;
  end?: CallEnd;
  approvalId?: string;
  approval?: { approved: boolean; reason?: string };
  /** Its attempt was taken back, by a retry or because its process died. */
  withdrawn?: "retried" | "resumed";
  /** The process died after a person had agreed: it may have been made. */
  doubtful?: boolean;
}

/** Where a run stands, by its log: all that an agent needs to go on. Grows as the run does. */
export class Recall {
  /** The conversation so far. */
  readonly messages: Message[];
  /** The last step that was finished. */
  step = 0;
  /** How often the next step was tried already. */
  tries = 0;
  totalTokens = 0;
  /** USD; what is not known counts as 0. */
  knownCost = 0;
  /** Set once a step's cost was not known. */
  costUnknown = false;
  /** Call ids that were used. */
  readonly callIds = new Set<string>();
  readonly #calls = new Map<string, KnownCall>();

  constructor(context: RunContext) {
    for (const { event } of context.entries) this.#apply(event);
    this.messages = context.entries.length > 0 ? goOn(context) : start(context);
  }

  /** Calls that a person has answered, and nobody has made. */
  get answered(): readonly KnownCall[] {
    return this.#unanswered().filter((call) => call.approval && !call.byProvider);
  }

  /** Whether a person has still to answer. */
  get waiting(): boolean {
    return this.#unanswered().some((call) => call.approvalId !== undefined && !call.approval);
  }

  /** What people said to calls that the provider makes itself, by call id. */
  get providerApprovals(): ReadonlyMap<string, ProviderApproval> {
    const approvals = new Map<string, ProviderApproval>();
    for (const { byProvider, callId, approvalId, approval } of this.#calls.values()) {
      if (byProvider && approvalId !== undefined && approval)
        approvals.set(callId, { approvalId, ...approval });
    }
    return approvals;
  }

  /** Calls that may have been made by a process that died, in a step that will be asked again. */
  get maybeMade(): readonly KnownCall[] {
    return [...this.#calls.values()].filter((call) => {
      if (call.withdrawn !== "resumed" || call.byProvider) return false;
      // A call that was refused before it was made has no duration; one that its process left open neither.
      const { end } = call;
      const never = end?.type === "tool.failed" && end.durationMs === undefined && end.code !== "interrupted";
      // What people are asked about is made once its step has been finished, and that of this one never was.
      return !never && call.approvalId === undefined;
    });
  }

  /** Whether the model has the next word: it was asked something, or its calls were answered. */
  get modelIsNext(): boolean {
    const last = this.messages.at(-1);
    if (last?.role !== "assistant") return true;
    if (this.step === 0) return true;
    return last.parts.some(
      (part) =>
        part.type === "tool" &&
        (!isByProvider(part.providerMetadata) || this.providerApprovals.has(part.callId)),
    );
  }

  /** Adds a message; one that is known is not added again. */
  add(message: Message): void {
    if (this.messages.some((known) => known.id === message.id)) return;
    this.messages.push(message);
  }

  /** Puts the ends of calls into the parts of the calls. */
  answer(ends: readonly CallEnd[]): void {
    for (const end of ends) {
      const call = this.#calls.get(end.callId);
      if (call) call.end = end;
    }
    for (const [at, message] of this.messages.entries()) {
      this.messages[at] = { ...message, parts: withEnds(message.parts, ends) };
    }
  }

  /** Counts a step that is finished. */
  finish(step: EventOf<"step.finished">): void {
    this.step = step.step;
    this.tries = 0;
    this.#add(step);
  }

  #add({ usage, cost }: EventOf<"step.finished">): void {
    this.totalTokens += usage ? usage.inputTokens + usage.outputTokens : 0;
    this.knownCost += cost ?? 0;
    this.costUnknown ||= cost === null;
  }

  #unanswered(): readonly KnownCall[] {
    return [...this.#calls.values()].filter((call) => !call.end && !call.withdrawn);
  }

  #apply(event: StreamEvent): void {
    // Agents inside a tool count their steps on their own.
    const isOwn = speakerOf(event) === "";
    switch (event.type) {
      case "step.started":
        if (isOwn) this.tries += 1;
        break;
      case "step.retried":
        if (!isOwn) break;
        this.tries += 1;
        this.#withdraw("retried");
        break;
      case "run.resumed": {
        // While an answer is missing no call is made: then the process that asked is not gone, another was given the answer.
        const waited = this.waiting;
        this.#withdraw("resumed");
        if (!waited) for (const call of this.#unanswered()) if (call.approval) call.doubtful = true;
        break;
      }
      case "step.finished":
        if (isOwn) this.finish(event);
        else this.#add(event);
        break;
      case "tool.started":
        this.callIds.add(event.callId);
        break;
      case "tool.called": {
        const { callId, name, input, providerMetadata } = event;
        this.callIds.add(callId);
        this.#calls.set(callId, {
          callId,
          name,
          input,
          byProvider: isByProvider(providerMetadata),
          step: this.step + 1,
        });
        break;
      }
      case "tool.returned":
      case "tool.failed": {
        const call = this.#calls.get(event.callId);
        if (call) call.end = event;
        break;
      }
      case "approval.requested": {
        const call = this.#calls.get(event.callId);
        if (call) call.approvalId = event.approvalId;
        break;
      }
      case "input.approval": {
        const call = this.#calls.values().find((each) => each.approvalId === event.approvalId);
        const { approved, reason } = event;
        if (call) call.approval = { approved, ...(reason !== undefined && { reason }) };
        break;
      }
      default:
    }
  }

  #withdraw(by: "retried" | "resumed"): void {
    for (const call of this.#calls.values()) {
      if (call.step > this.step && !call.withdrawn) call.withdrawn = by;
    }
  }
}

function start({ run, input, history }: RunContext): Message[] {
  if (typeof input !== "string") return [...history, ...input];
  return [...history, { id: `${run}-input`, role: "user", parts: [{ type: "text", text: input }] }];
}

function goOn({ entries, history }: RunContext): Message[] {
  const [first] = entries;
  // A history that came with the question is in the log; that of a thread is in the logs before.
  const told = first?.event.type === "run.started" && first.event.history !== undefined;
  return [...(told ? [] : history), ...toMessages(entries)];
}

function isByProvider(metadata: Json | undefined): boolean {
  return typeof metadata === "object" && metadata !== null && BY_PROVIDER in metadata;
}
