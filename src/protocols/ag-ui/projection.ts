import type { Interrupt, TokenUsage } from "@ag-ui/core";
import { Attempts } from "../../attempts.ts";
import type { Entry, EventOf, Message, StreamEvent, Usage } from "../../events.ts";
import { Summary } from "../../summary.ts";
import { AG_UI_VERSION, type AgUiEvent, type AgUiEventOf, type AgUiMessage, metadataKeys } from "./events.ts";
import { failureOf, resultOf, textOf, toAgUiMessages } from "./messages.ts";
import { Transcript } from "./transcript.ts";

export interface ProjectionOptions {
  readonly run: string;
  /** The conversation before the run, for snapshots. @default the history that the run was started with */
  readonly history?: readonly AgUiMessage[] | undefined;
}

/** Whose an event is: nothing for the run's own agent. */
type Owner = { readonly subagentRunId?: string };

interface Block {
  readonly id: string;
  readonly kind: "text" | "reasoning";
  readonly owner: Owner;
  readonly name: string | undefined;
  open: boolean;
}

interface Call {
  readonly id: string;
  readonly callId: string;
  readonly name: string;
  readonly owner: Owner;
  readonly parent: string;
  /** `calling` while its arguments come. */
  state: "calling" | "called" | "answered";
  open: boolean;
}

interface Subagent {
  /** The call or run that it works for, as the log names it. */
  readonly parent: string;
  readonly started: AgUiEventOf<"SUBAGENT_STARTED">;
}

/**
 * A run as AG-UI events: a fold of its log. Where the run comes to wait for a person, AG-UI's run ends with an
 * interrupt; when it goes on, the next one starts, under the id of the request that answered.
 */
export class Projection {
  readonly #run: string;
  readonly #history: readonly AgUiMessage[] | undefined;
  readonly #summary = new Summary();
  #transcript: Transcript;
  #out: AgUiEvent[] = [];
  #at = 0;

  #state: "new" | "open" | "paused" | "ended" = "new";
  #runId: string;
  /** The id of the AG-UI run before this one. */
  #parentRunId: string | undefined;
  #end: AgUiEvent | undefined;
  /** What happened while nobody could be told: between an interrupt and its answer. */
  #held: StreamEvent[] = [];

  readonly #ids = new Set<string>();
  readonly #blocks = new Map<string, Block>();
  readonly #calls = new Map<string, Call>();
  /** Open steps, by name and owner. */
  readonly #steps = new Map<string, { readonly stepName: string; readonly owner: Owner }>();
  readonly #subagents = new Map<string, Subagent>();
  /** The message that the next call belongs to: by message, and by owner where the log names none. */
  readonly #parents = new Map<string, string>();
  /** The texts that were streamed, by the message they are of. */
  readonly #streamed = new Map<string, string[]>();
  /** Messages and calls that a retry may withdraw, by their ids. */
  readonly #attempts = new Attempts<string>();
  readonly #usage = new Map<string, TokenUsage>();
  readonly #shared: Record<string, unknown> = {};
  #sharedSent = false;

  constructor({ run, history }: ProjectionOptions) {
    this.#run = run;
    this.#runId = run;
    this.#history = history;
    this.#transcript = new Transcript(history);
  }

  /** The conversation up to here, that before the run included. */
  get messages(): readonly AgUiMessage[] {
    return this.#transcript.messages;
  }

  /** Whether nothing can come before somebody does something: the run has ended, or waits for a person. */
  get resting(): boolean {
    return this.#state === "paused" || this.#state === "ended";
  }

  /** The events that an entry amounts to. */
  apply({ event, at }: Entry): readonly AgUiEvent[] {
    this.#out = [];
    this.#at = at;
    this.#summary.apply(event, at);
    this.#take(event);
    return this.#out;
  }

  /**
   * A stream for a reader who has nothing: what was said as a snapshot, the custom events that were shown, what
   * is open, and if the run rests, its end.
   */
  join(customs: readonly AgUiEventOf<"CUSTOM">[]): readonly AgUiEvent[] {
    if (this.#state === "new") return [];
    return [
      this.#started(),
      { type: "MESSAGES_SNAPSHOT", messages: [...this.messages] },
      ...(Object.keys(this.#shared).length > 0 ? [this.#sharedWhole()] : []),
      ...customs,
      ...this.#openings(),
      ...(this.#end && this.resting ? [this.#end] : []),
    ];
  }

  /** A stream for a reader who has all up to here, in which what is open begins anew. */
  reopen(): readonly AgUiEvent[] {
    return this.#state === "open" ? [this.#started(), ...this.#openings()] : [];
  }

  #take(event: StreamEvent): void {
    switch (this.#state) {
      case "ended":
        return;
      case "paused": {
        if (this.#summary.waiting) {
          this.#held.push(event);
          return;
        }
        const held = [...this.#held, event];
        this.#held = [];
        // The request that gave the last answer names the run that goes on.
        const answer = held.findLast((each) => each.type === "input.approval");
        this.#parentRunId = this.#runId;
        this.#runId = answer?.parent ?? this.#run;
        // As part of the start, for a front end that has them already.
        const said = held.flatMap((each) => (each.type === "input.message" ? [each.message] : []));
        this.#begin(toAgUiMessages(said));
        for (const each of held) if (each.type !== "input.message") this.#show(each);
        break;
      }
      case "new":
        if (event.type === "run.started") {
          if (event.history && !this.#history)
            this.#transcript = new Transcript(toAgUiMessages(event.history));
          this.#begin(toAgUiMessages(inputOf(event, this.#run)));
        } else {
          this.#begin([]);
          this.#show(event);
        }
        break;
      default:
        this.#show(event);
    }
    if (this.#state === "open" && this.#summary.waiting) this.#pause();
  }

  #show(event: StreamEvent): void {
    this.#withdraw(new Set(this.#attempts.apply(event)));
    switch (event.type) {
      case "run.finished":
      case "run.failed":
      case "run.cancelled":
        this.#finish(event);
        break;
      case "run.resumed":
        for (const key of [...this.#steps.keys()]) this.#closeStep(key);
        break;
      case "step.started": {
        const owner = this.#ownerOf(event);
        const key = stepKey(event.step, owner);
        this.#closeStep(key);
        this.#mark();
        const stepName = `step-${event.step}`;
        this.#steps.set(key, { stepName, owner });
        this.#emit({ type: "STEP_STARTED", stepName, ...owner });
        break;
      }
      case "step.finished":
        this.#finishStep(event);
        break;
      case "step.retried":
        this.#mark();
        this.#custom("runlog.retried", event);
        break;
      case "text.started":
      case "reasoning.started":
        this.#startBlock(event);
        break;
      case "text.delta":
      case "reasoning.delta": {
        const block = this.#blocks.get(event.id);
        if (!block || event.text === "") return;
        if (!block.open) this.#openBlock(block);
        const { id: messageId, owner } = block;
        const type = block.kind === "text" ? "TEXT_MESSAGE_CONTENT" : "REASONING_MESSAGE_CONTENT";
        this.#emit({ type, messageId, delta: event.text, ...owner });
        break;
      }
      case "text.finished":
      case "reasoning.finished": {
        const block = this.#blocks.get(event.id);
        if (block) this.#closeBlock(block);
        this.#blocks.delete(event.id);
        break;
      }
      case "message":
        this.#showMessage(event);
        break;
      case "tool.started":
        this.#startCall(event);
        break;
      case "tool.delta": {
        const call = this.#calls.get(event.callId);
        if (call?.state !== "calling" || event.text === "") return;
        if (!call.open) this.#openCall(call);
        this.#emit({ type: "TOOL_CALL_ARGS", toolCallId: call.id, delta: event.text, ...call.owner });
        break;
      }
      case "tool.called":
      case "approval.requested":
        this.#called(event);
        break;
      case "tool.progressed": {
        const call = this.#calls.get(event.callId);
        const toolCallId = call?.id ?? `${this.#run}.${event.callId}`;
        const content = { toolCallId, data: event.data };
        this.#activity("TOOL_PROGRESS", `${toolCallId}.progress`, content, call?.owner ?? {});
        break;
      }
      case "tool.returned":
        this.#answer(event, resultOf(event.output));
        break;
      case "tool.failed":
        this.#answer(event, failureOf(event.message));
        break;
      case "input.message": {
        const messageId = this.#newId(event.message.id);
        this.#emit({ type: "TEXT_MESSAGE_START", messageId, role: "user" });
        const delta = textOf(event.message.parts);
        if (delta !== "") this.#emit({ type: "TEXT_MESSAGE_CONTENT", messageId, delta });
        this.#emit({ type: "TEXT_MESSAGE_END", messageId });
        break;
      }
      case "plan": {
        const owner = this.#ownerOf(event);
        const id = `${owner.subagentRunId ?? this.#run}.plan`;
        this.#activity("PLAN", id, { items: event.items }, owner);
        break;
      }
      case "artifact": {
        const { type: _, agent: __, parent: ___, ...content } = event;
        this.#activity("ARTIFACT", `${this.#run}.artifact.${event.id}`, content, this.#ownerOf(event));
        break;
      }
      case "status":
        this.#share("status", {
          status: event.status,
          ...(event.progress !== undefined && { progress: event.progress }),
          ...(event.agent !== undefined && { agent: event.agent }),
        });
        break;
      case "progress": {
        const { type: _, agent: __, parent: ___, ...progress } = event;
        this.#share("progress", progress);
        break;
      }
      case "output.delta":
        this.#share("output", event.value);
        break;
      case "custom":
        this.#emit({ type: "CUSTOM", name: event.name, value: event.data ?? null, ...this.#ownerOf(event) });
        break;
      case "source":
      case "file":
      case "error":
        this.#custom(`runlog.${event.type}`, event);
        break;
      case "agent.changed":
        this.#custom("runlog.agent-changed", event);
        break;
      default:
      // Answers and cancels show by what follows from them; of what is not known nothing can be said.
    }
  }

  // Runs

  #begin(messages: readonly AgUiMessage[]): void {
    this.#state = "open";
    this.#end = undefined;
    this.#sharedSent = false;
    this.#usage.clear();
    const { threadId, runId } = this.#names();
    const input = { threadId, runId, messages: [...messages], tools: [], context: [] };
    this.#emit({ ...this.#started(), ...(messages.length > 0 && { input }) });
    for (const { id } of messages) this.#ids.add(id);
    this.#mark();
  }

  #started(): AgUiEventOf<"RUN_STARTED"> {
    const parentRunId = this.#parentRunId;
    return {
      type: "RUN_STARTED",
      ...this.#names(),
      protocolVersion: AG_UI_VERSION,
      ...(parentRunId !== undefined && parentRunId !== this.#runId && { parentRunId }),
      metadata: { [metadataKeys.run]: this.#run },
    };
  }

  #names(): { threadId: string; runId: string } {
    return { threadId: this.#summary.started?.thread ?? this.#run, runId: this.#runId };
  }

  /** What is open, begun anew. */
  *#openings(): Generator<AgUiEvent> {
    if (this.#state !== "open") return;
    const working = new Set<string>();
    for (const { started } of this.#subagents.values()) {
      const { parentSubagentRunId: above, ...rest } = started;
      // The one above may have ended, and is unknown to who comes now.
      yield above !== undefined && working.has(above) ? started : rest;
      working.add(started.subagentRunId);
    }
    for (const { stepName, owner } of this.#steps.values())
      yield { type: "STEP_STARTED", stepName, ...owner };
    for (const block of this.#blocks.values()) if (block.open) yield* blockStarts(block);
    for (const call of this.#calls.values()) if (call.open) yield callStart(call);
  }

  /** Closes all that is open: AG-UI's run may not end before. */
  #closeAll(end: { readonly error?: string; readonly interrupts?: readonly Interrupt[] }): void {
    for (const block of this.#blocks.values()) this.#closeBlock(block);
    for (const call of this.#calls.values()) this.#closeCall(call);
    for (const key of [...this.#steps.keys()]) this.#closeStep(key);
    for (const key of [...this.#subagents.keys()].reverse()) {
      const { subagentRunId } = this.#subagents.get(key)!.started;
      this.#subagents.delete(key);
      const { error, interrupts } = end;
      if (error !== undefined) this.#emit({ type: "SUBAGENT_ERROR", subagentRunId, message: error });
      else if (interrupts) {
        const interruptIds = interrupts.flatMap((each) =>
          each.subagentRunId === subagentRunId ? [each.id] : [],
        );
        this.#emit({
          type: "SUBAGENT_FINISHED",
          subagentRunId,
          outcome: { type: "suspended", interruptIds },
        });
      } else this.#emit({ type: "SUBAGENT_FINISHED", subagentRunId });
    }
  }

  /** The run waits for people: AG-UI's run ends with what they are asked. */
  #pause(): void {
    const interrupts = [...this.#summary.approvals.values()].map((asked): Interrupt => {
      const call = this.#calls.get(asked.callId);
      return {
        id: asked.approvalId,
        reason: "tool_call",
        message: asked.reason ?? `May "${asked.name}" be called?`,
        ...(call && { toolCallId: call.id, ...call.owner }),
        responseSchema: answerSchema,
        metadata: { [metadataKeys.tool]: { name: asked.name, input: asked.input } },
      };
    });
    this.#closeAll({ interrupts });
    this.#emit({
      type: "RUN_FINISHED",
      ...this.#names(),
      outcome: { type: "interrupt", interrupts },
      ...this.#totals(undefined),
    });
    this.#end = this.#out.at(-1);
    this.#state = "paused";
  }

  #finish(event: EventOf<"run.finished" | "run.failed" | "run.cancelled">): void {
    this.#closeAll(event.type === "run.failed" ? { error: event.message } : {});
    const totals = this.#totals(event.usage);
    const metadata = { [metadataKeys.cost]: event.cost ?? null };
    if (event.type === "run.failed") {
      this.#emit({ type: "RUN_ERROR", message: event.message, code: event.code, ...totals, metadata });
    } else {
      const output = event.type === "run.finished" ? event.output : undefined;
      this.#emit({
        type: "RUN_FINISHED",
        ...this.#names(),
        outcome: { type: event.type === "run.finished" ? "success" : "cancelled" },
        ...(output !== undefined && output !== null && { result: output }),
        ...totals,
        metadata,
      });
    }
    this.#end = this.#out.at(-1);
    this.#state = "ended";
  }

  /** The usage of this AG-UI run's own model calls; of a run that has no steps, that of the whole. */
  #totals(whole: Usage | undefined): { usage?: TokenUsage[] } {
    const usage = [...this.#usage.values()];
    if (usage.length > 0) return { usage };
    return whole && this.#parentRunId === undefined
      ? { usage: [addTokens(undefined, whole, undefined)] }
      : {};
  }

  // Steps

  #finishStep(event: EventOf<"step.finished">): void {
    const { usage, model, cost, finishReason, ttftMs, durationMs } = event;
    if (usage) {
      const key = model ?? "";
      this.#usage.set(key, addTokens(this.#usage.get(key), usage, model));
    }
    // A later event of the step may leave out whose it is.
    const own = stepKey(event.step, this.#knownOwnerOf(event));
    const name = `step-${event.step}`;
    const key = this.#steps.has(own)
      ? own
      : [...this.#steps].find(([, { stepName }]) => stepName === name)?.[0];
    if (key !== undefined) {
      const figures = { finishReason, cost, model, ttftMs, durationMs };
      this.#closeStep(key, { [metadataKeys.step]: withoutUndefined(figures) });
    }
    this.#mark();
  }

  #closeStep(key: string, metadata?: Record<string, unknown>): void {
    const step = this.#steps.get(key);
    if (!step) return;
    this.#steps.delete(key);
    this.#emit({
      type: "STEP_FINISHED",
      stepName: step.stepName,
      ...step.owner,
      ...(metadata && { metadata }),
    });
  }

  /** A step or an attempt begins or ends: its calls are not those of the message before. */
  #mark(): void {
    for (const owner of [...this.#parents.keys()])
      if (owner.startsWith(BY_OWNER)) this.#parents.delete(owner);
  }

  /** An attempt failed: AG-UI has no word for that, but for a snapshot without what it said. */
  #withdraw(ids: ReadonlySet<string>): void {
    if (ids.size === 0) return;
    for (const [id, block] of this.#blocks) {
      if (!ids.has(block.id)) continue;
      this.#closeBlock(block);
      this.#blocks.delete(id);
    }
    for (const [callId, call] of this.#calls) {
      if (!ids.has(call.id)) continue;
      this.#closeCall(call);
      this.#calls.delete(callId);
    }
    for (const [key, id] of this.#parents) if (ids.has(id)) this.#parents.delete(key);
    for (const [key, streamed] of this.#streamed) {
      const left = streamed.filter((id) => !ids.has(id));
      if (left.length > 0) this.#streamed.set(key, left);
      else this.#streamed.delete(key);
    }
    this.#transcript.withdraw(ids);
    this.#snapshot();
  }

  /** What was said, as it is to be now. Clients keep their activities, which it leaves out. */
  #snapshot(): void {
    const messages = this.messages.filter((message) => message.role !== "activity");
    this.#emit({ type: "MESSAGES_SNAPSHOT", messages });
  }

  // Texts and thoughts

  #startBlock(event: EventOf<"text.started" | "reasoning.started">): void {
    const before = this.#blocks.get(event.id);
    if (before) this.#closeBlock(before);
    const kind = event.type === "text.started" ? "text" : "reasoning";
    const owner = this.#ownerOf(event);
    const name = kind === "text" && owner.subagentRunId === undefined ? event.agent : undefined;
    const block: Block = { id: this.#newId(event.id), kind, owner, name, open: false };
    this.#blocks.set(event.id, block);
    this.#attempts.say(block.id, event);
    this.#openBlock(block);
    if (kind === "reasoning") return;
    this.#parents.set(parentKey(event.messageId, owner), block.id);
    if (event.messageId === undefined) return;
    this.#parents.set(parentKey(undefined, owner), block.id);
    this.#streamed.set(event.messageId, [...(this.#streamed.get(event.messageId) ?? []), block.id]);
  }

  #openBlock(block: Block): void {
    block.open = true;
    for (const event of blockStarts(block)) this.#emit(event);
  }

  #closeBlock(block: Block): void {
    if (!block.open) return;
    block.open = false;
    const { id: messageId, owner } = block;
    if (block.kind === "text") {
      this.#emit({ type: "TEXT_MESSAGE_END", messageId, ...owner });
      return;
    }
    this.#emit({ type: "REASONING_MESSAGE_END", messageId, ...owner });
    this.#emit({ type: "REASONING_END", messageId, ...owner });
  }

  /** A whole message: said if nothing of it was streamed, and put right if it was streamed otherwise. */
  #showMessage(event: EventOf<"message">): void {
    const { message } = event;
    for (const part of message.parts) {
      if (part.type !== "data") continue;
      const value = { name: part.name ?? null, data: part.data ?? null };
      this.#emit({ type: "CUSTOM", name: "runlog.data", value, ...this.#ownerOf(event) });
    }
    const whole = textOf(message.parts);
    const streamed = this.#streamed.get(message.id);
    if (!streamed) this.#sayWhole(event, whole);
    else if (streamed.map((id) => this.#transcript.textOf(id)).join("") !== whole) {
      for (const [id, block] of this.#blocks) {
        if (!streamed.includes(block.id)) continue;
        this.#closeBlock(block);
        this.#blocks.delete(id);
      }
      for (const [index, id] of streamed.entries()) this.#transcript.setText(id, index === 0 ? whole : "");
      this.#snapshot();
    }
  }

  #sayWhole(event: EventOf<"message">, whole: string): void {
    const { id, role, parts } = event.message;
    const owner = this.#ownerOf(event);
    if (whole !== "") {
      const messageId = this.#newId(id);
      this.#attempts.say(messageId, event);
      this.#emit({ type: "TEXT_MESSAGE_START", messageId, role, ...owner });
      this.#emit({ type: "TEXT_MESSAGE_CONTENT", messageId, delta: whole, ...owner });
      this.#emit({ type: "TEXT_MESSAGE_END", messageId, ...owner });
      this.#streamed.set(id, [messageId]);
    }
    const origin = { ...(event.agent !== undefined && { agent: event.agent }), messageId: id };
    for (const part of parts) {
      if (part.type === "file") {
        const { type: _, ...value } = part;
        this.#emit({ type: "CUSTOM", name: "runlog.file", value, ...owner });
      }
      if (part.type !== "tool" || this.#calls.has(part.callId)) continue;
      const { callId, name, input, output, error } = part;
      this.#called({ type: "tool.called", callId, name, input, ...origin });
      if (error !== undefined) this.#answer({ callId, name, failed: error }, failureOf(error));
      else if (output !== undefined) this.#answer({ callId, name }, resultOf(output));
    }
  }

  // Calls

  #startCall(
    event: Origin & { readonly callId: string; readonly name: string; readonly messageId?: string },
  ): Call {
    const { callId, name, messageId } = event;
    const known = this.#calls.get(callId);
    if (known && known.state !== "answered") return known;
    const owner = this.#ownerOf(event);
    const key = parentKey(messageId, owner);
    let parent = this.#parents.get(key);
    if (parent === undefined) {
      parent = this.#newId(messageId ?? `${callId}.calls`);
      this.#parents.set(key, parent);
      this.#attempts.say(parent, event);
    }
    const call: Call = {
      id: this.#newId(callId),
      callId,
      name,
      owner,
      parent,
      state: "calling",
      open: false,
    };
    this.#calls.set(callId, call);
    this.#attempts.say(call.id, event);
    this.#openCall(call);
    return call;
  }

  #openCall(call: Call): void {
    call.open = true;
    this.#emit(callStart(call));
  }

  #closeCall(call: Call): void {
    if (!call.open) return;
    call.open = false;
    this.#emit({ type: "TOOL_CALL_END", toolCallId: call.id, ...call.owner });
  }

  #called(event: EventOf<"tool.called" | "approval.requested">): void {
    // A question repeats the call that it is about.
    if (event.type === "approval.requested" && this.#calls.has(event.callId)) {
      if (this.#calls.get(event.callId)!.state !== "calling") return;
    }
    const call = this.#startCall(event);
    if (call.state !== "calling") return;
    call.state = "called";
    const whole = JSON.stringify(event.input ?? null);
    const streamed = this.#transcript.argumentsOf(call.id);
    const toolCallId = call.id;
    if (whole.startsWith(streamed)) {
      const delta = whole.slice(streamed.length);
      if (delta !== "") {
        if (!call.open) this.#openCall(call);
        this.#emit({ type: "TOOL_CALL_ARGS", toolCallId, delta, ...call.owner });
      }
      this.#closeCall(call);
      return;
    }
    this.#closeCall(call);
    if (sameJson(streamed, whole)) return;
    this.#transcript.setArguments(call.id, whole);
    this.#snapshot();
  }

  #answer(
    event: Origin & {
      readonly callId: string;
      readonly name: string;
      readonly type?: string;
      readonly failed?: string;
    },
    content: string,
  ): void {
    const { type: _, ...origin } = event;
    const known = this.#calls.get(event.callId);
    if (known?.state === "answered") return;
    const call = known ?? this.#startCall(origin);
    this.#closeCall(call);
    call.state = "answered";
    const failed = event.type === "tool.failed" ? content : event.failed;
    this.#closeSubagents(event.callId, failed);
    const messageId = this.#newId(`${event.callId}.result`);
    this.#emit({
      type: "TOOL_CALL_RESULT",
      messageId,
      toolCallId: call.id,
      content,
      role: "tool",
      ...call.owner,
    });
    // The next call is of another message, unless the log says which.
    this.#parents.delete(parentKey(undefined, call.owner));
  }

  // Sub-agents

  /** Whose an event is. One that speaks for the first time is started. */
  #ownerOf(event: Origin): Owner {
    const { agent, parent } = event;
    if (typeof agent !== "string" || typeof parent !== "string") return {};
    const key = subagentKey(agent, parent);
    const known = this.#subagents.get(key);
    if (known) return { subagentRunId: known.started.subagentRunId };
    const subagentRunId = this.#newId(`${parent}.${agent}`);
    const call = this.#calls.get(parent);
    const above = call?.owner.subagentRunId;
    const working = [...this.#subagents.values()].some(({ started }) => started.subagentRunId === above);
    const started: AgUiEventOf<"SUBAGENT_STARTED"> = {
      type: "SUBAGENT_STARTED",
      subagentRunId,
      name: agent,
      ...(call && { parentToolCallId: call.id }),
      ...(above !== undefined && working && { parentSubagentRunId: above }),
    };
    this.#subagents.set(key, { parent, started });
    this.#emit(started);
    return { subagentRunId };
  }

  /** Whose an event is, if whoever it names is at work. */
  #knownOwnerOf({ agent, parent }: Origin): Owner {
    const subagent = this.#subagents.get(subagentKey(agent ?? "", parent ?? ""));
    return subagent ? { subagentRunId: subagent.started.subagentRunId } : {};
  }

  /** Those that worked for a call have ended with it. */
  #closeSubagents(callId: string, error: string | undefined): void {
    for (const [key, { parent, started }] of this.#subagents) {
      if (parent !== callId) continue;
      const { subagentRunId } = started;
      for (const [step, { owner }] of this.#steps) {
        if (owner.subagentRunId === subagentRunId) this.#closeStep(step);
      }
      this.#subagents.delete(key);
      if (error !== undefined) this.#emit({ type: "SUBAGENT_ERROR", subagentRunId, message: error });
      else this.#emit({ type: "SUBAGENT_FINISHED", subagentRunId });
    }
  }

  // Everything else

  /** A key of the state that agent and front end share, under one name: the rest of it is the front end's. */
  #share(key: string, value: unknown): void {
    this.#shared[key] = value;
    if (!this.#sharedSent) this.#emit(this.#sharedWhole());
    else this.#emit({ type: "STATE_DELTA", delta: [{ op: "add", path: `/runlog/${key}`, value }] });
    this.#sharedSent = true;
  }

  #sharedWhole(): AgUiEvent {
    return { type: "STATE_DELTA", delta: [{ op: "add", path: "/runlog", value: { ...this.#shared } }] };
  }

  #activity(activityType: string, messageId: string, content: Record<string, unknown>, owner: Owner): void {
    this.#emit({ type: "ACTIVITY_SNAPSHOT", messageId, activityType, content, ...owner });
  }

  #custom(name: string, event: Origin & { readonly type: string }): void {
    const { type: _, agent: __, parent: ___, ...value } = event;
    this.#emit({ type: "CUSTOM", name, value, ...this.#ownerOf(event) });
  }

  #emit(event: AgUiEvent): void {
    this.#transcript.apply(event);
    const { type, ...fields } = event;
    this.#out.push({ type, timestamp: this.#at, ...fields } as AgUiEvent);
  }

  /** An id that no other run of the thread has, nor any other message or call of this one. */
  #newId(id: string): string {
    const base = `${this.#run}.${id}`;
    let unique = base;
    for (let n = 2; this.#ids.has(unique); n++) unique = `${base}~${n}`;
    this.#ids.add(unique);
    return unique;
  }
}

interface Origin {
  readonly agent?: string;
  readonly parent?: string;
}

/** What an interrupt is to be answered with. */
const answerSchema = {
  type: "object",
  properties: { approved: { type: "boolean" }, reason: { type: "string" } },
  required: ["approved"],
};

const BY_OWNER = "owner ";

function parentKey(messageId: string | undefined, { subagentRunId = "" }: Owner): string {
  return messageId === undefined
    ? `${BY_OWNER}${subagentRunId}`
    : `message ${JSON.stringify([messageId, subagentRunId])}`;
}

function stepKey(step: number, { subagentRunId }: Owner): string {
  return JSON.stringify([step, subagentRunId]);
}

function subagentKey(agent: string, parent: string): string {
  return JSON.stringify([agent, parent]);
}

function* blockStarts({ id: messageId, kind, owner, name }: Block): Generator<AgUiEvent> {
  if (kind === "text") {
    const named = name === undefined ? {} : { name };
    yield { type: "TEXT_MESSAGE_START", messageId, role: "assistant", ...named, ...owner };
    return;
  }
  yield { type: "REASONING_START", messageId, ...owner };
  yield { type: "REASONING_MESSAGE_START", messageId, role: "reasoning", ...owner };
}

function callStart({ id: toolCallId, name: toolCallName, parent: parentMessageId, owner }: Call): AgUiEvent {
  return { type: "TOOL_CALL_START", toolCallId, toolCallName, parentMessageId, ...owner };
}

function inputOf({ input }: EventOf<"run.started">, run: string): readonly Message[] {
  if (typeof input !== "string") return input;
  return [{ id: `${run}.input`, role: "user", parts: [{ type: "text", text: input }] }];
}

function addTokens(before: TokenUsage | undefined, usage: Usage, model: string | undefined): TokenUsage {
  const counts = {
    inputTokens: usage.inputTokens,
    outputTokens: usage.outputTokens,
    totalTokens: usage.inputTokens + usage.outputTokens,
    reasoningTokens: usage.reasoningTokens,
    cachedInputTokens: usage.cacheReadTokens,
    cacheWriteInputTokens: usage.cacheWriteTokens,
  };
  const sum: TokenUsage = { ...before, ...(model !== undefined && { model }) };
  for (const [name, tokens] of Object.entries(counts) as [keyof typeof counts, number | undefined][]) {
    if (tokens === undefined || !Number.isSafeInteger(tokens) || tokens < 0) continue;
    sum[name] = (before?.[name] ?? 0) + tokens;
  }
  return sum;
}

function withoutUndefined(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** Whether a text is the JSON of a value, written in whatever way. */
function sameJson(text: string, json: string): boolean {
  try {
    return JSON.stringify(JSON.parse(text)) === json;
  } catch {
    return false;
  }
}
