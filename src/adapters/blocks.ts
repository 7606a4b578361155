import { messageOf } from "../errors.ts";
import type { AgentEvent, Entry, FinishReason, Json, Origin, Part, StreamEvent, Usage } from "../events.ts";
import { newId } from "../internal/id.ts";
import { toJson } from "../json.ts";

/**
 * What an adapter may know of the run it speaks in. A `RunContext` is such an object: passed whole, steps and ids
 * go on where the log ends when the agent is run again after an approval.
 */
export interface AdapterOptions extends Origin {
  /** The run's id, for the ids of messages. @default a random one */
  readonly run?: string;
  /** The run's signal: a stream that is aborted by it just ends. Any other abort fails the run. */
  readonly signal?: AbortSignal;
  /** What the log holds already. @default nothing */
  readonly entries?: readonly Entry[];
}

/** How a step ended. */
export interface StepEnd {
  readonly finishReason: FinishReason;
  readonly usage?: Usage | undefined;
  /** USD, if somebody told. @default null */
  readonly cost?: number | null;
  readonly model?: string | undefined;
  /** In ms, as in `step.finished`; what is no time is left out. */
  readonly ttftMs?: number | undefined;
  readonly durationMs?: number | undefined;
}

export interface CallOptions {
  readonly providerMetadata?: unknown;
  readonly providerExecuted?: boolean | undefined;
}

export type BlockKind = "text" | "reasoning";

interface Block {
  readonly id: string;
  readonly kind: BlockKind;
  text: string;
  providerMetadata?: Json;
}

interface Call {
  readonly callId: string;
  readonly name: string;
  /** When its arguments were whole. */
  startedAt: number;
  /** Its arguments are whole. */
  called: boolean;
  ended: boolean;
}

/** The last stream that was read with a context, by who speaks in it. */
const latest = new WeakMap<readonly Entry[], Map<string, Blocks>>();

/** Base64 of a file that fits an event (1 MiB) with room for the rest. */
const MAX_FILE_CHARS = 900_000;
/** An event holds 1 MiB; this leaves room for what is not a part. */
const MAX_MESSAGE_BYTES = 1_000_000;

/**
 * What a foreign stream has open. Each method takes what the stream says, under the stream's own key (its id for a
 * block or a call), and returns the events of it: in whatever order the stream speaks, each block, call and step is
 * opened once and ended once, under ids that are unique in the run. Every event carries the options' `agent` and
 * `parent`.
 *
 * `finishStep` closes what a step left open and tells its message. `abandon` closes everything: an adapter yields it
 * before it throws, so that a nested agent that fails leaves nothing open in a run that goes on.
 */
export class Blocks {
  /** The last step that was started; 0 before the first. */
  step = 0;
  /** The id of the open step's message; undefined between steps. */
  messageId: string | undefined;
  readonly #options: AdapterOptions;
  readonly #origin: Origin;
  readonly #scope: string;
  readonly #run: string;
  /** The attempt under way, from 1; 0 between steps. */
  #attempt = 0;
  /** Ids of blocks, calls, files and sources that are taken. */
  #ids = new Set<string>();
  readonly #approvals = new Set<string>();
  readonly #open = new Map<string, Block>();
  /** By the stream's key: the call it means now. */
  readonly #calls = new Map<string, Call>();
  /** All calls without an end: a key may have moved on to another call. */
  readonly #openCalls = new Set<Call>();
  #parts: (Block | Part)[] = [];

  constructor(options: AdapterOptions = {}) {
    const { run, entries = [], agent, parent } = options;
    this.#options = options;
    this.#origin = { ...(agent !== undefined && { agent }), ...(parent !== undefined && { parent }) };
    const scope = parent ?? agent;
    this.#scope = scope === undefined ? "" : `${scope}-`;
    this.#run = run ?? newId();
    for (const { event } of entries) this.#recall(event);
    // A step that was broken off is tried again.
    if (this.#attempt > 0) this.step -= 1;
    if (options.entries) this.#follow(options.entries);
  }

  /** Goes on where the stream before it ended, which an agent has read with the same context. */
  #follow(entries: readonly Entry[]): void {
    const streams = latest.get(entries) ?? new Map<string, Blocks>();
    const before = streams.get(this.#scope);
    if (before) {
      this.step = before.step;
      this.#ids = before.#ids;
    }
    latest.set(entries, streams.set(this.#scope, this));
  }

  /** What an agent says that a call of this one runs: with steps of its own, and ids that neither has. */
  child(agent: string, key: string): Blocks {
    const child = new Blocks({ ...this.#options, run: this.#run, agent, parent: this.callId(key) });
    for (const id of child.#ids) this.#ids.add(id);
    child.#ids = this.#ids;
    return child;
  }

  get inStep(): boolean {
    return this.messageId !== undefined;
  }

  /** Begins the next step; one that is still open is finished first, as `other`. */
  startStep(model?: string): AgentEvent[] {
    const before = this.finishStep({ finishReason: "other" });
    this.step += 1;
    this.#attempt += 1;
    this.#begin();
    const { step } = this;
    return [...before, this.#said({ type: "step.started", step, ...(model !== undefined && { model }) })];
  }

  /** Ends the step: closes its blocks, fails the calls that never became whole, and tells its message. */
  finishStep({ finishReason, usage, cost = null, model, ttftMs, durationMs }: StepEnd): AgentEvent[] {
    if (!this.inStep) return [];
    const events = [
      ...this.#endBlocks(finishReason === "error" || finishReason === "interrupted"),
      ...this.#failCalls((call) => !call.called, "The model did not finish the call"),
      ...this.message(this.parts),
      this.#said({
        type: "step.finished",
        step: this.step,
        finishReason,
        ...(model !== undefined && { model }),
        usage: usage ?? null,
        cost,
        ...(isTime(ttftMs) && { ttftMs }),
        ...(isTime(durationMs) && { durationMs }),
      }),
    ];
    this.messageId = undefined;
    this.#attempt = 0;
    return events;
  }

  /** Withdraws what the open step has said: another attempt follows in it. */
  retryStep(code: string, message: string): AgentEvent[] {
    if (!this.inStep) return [];
    const { step } = this;
    const event: AgentEvent = { type: "step.retried", step, attempt: this.#attempt, code, message };
    this.#open.clear();
    this.#withdrawCalls();
    this.#attempt += 1;
    this.#begin();
    return [this.#said(event)];
  }

  /** Closes all that is open, as cut off. */
  abandon(message: string): AgentEvent[] {
    const events = [...this.#endBlocks(true), ...this.#failCalls(() => true, message)];
    if (!this.inStep) return events;
    this.messageId = undefined;
    this.#attempt = 0;
    const cut = { finishReason: "interrupted", usage: null, cost: null } as const;
    return [...events, this.#said({ type: "step.finished", step: this.step, ...cut })];
  }

  /** Opens a block; one of the same key that is open is closed first. */
  start(kind: BlockKind, key: string, metadata?: unknown): AgentEvent[] {
    const before = this.end(kind, key);
    const block: Block = { id: this.#id(key), kind, text: "", ...metadataOf(metadata) };
    this.#open.set(`${kind} ${key}`, block);
    this.#parts.push(block);
    return [...before, this.#said({ type: `${kind}.started`, id: block.id, ...this.#ofMessage })];
  }

  /** A piece of a block, which is opened if it is not. A piece without text may still carry metadata. */
  delta(kind: BlockKind, key: string, text: string, metadata?: unknown): AgentEvent[] {
    const name = `${kind} ${key}`;
    const events = this.#open.has(name) ? [] : this.start(kind, key);
    const block = this.#open.get(name)!;
    if (metadata) Object.assign(block, metadataOf(metadata));
    if (text === "") return events;
    block.text += text;
    events.push(this.#said({ type: `${kind}.delta`, id: block.id, text }));
    return events;
  }

  /** Closes a block, if it is open. */
  end(kind: BlockKind, key: string, metadata?: unknown): AgentEvent[] {
    const block = this.#open.get(`${kind} ${key}`);
    if (!block) return [];
    this.#open.delete(`${kind} ${key}`);
    Object.assign(block, metadataOf(metadata));
    return [this.#ended(block, false)];
  }

  /** The arguments of a call begin; that a call begins again is left out. */
  startCall(key: string, name: string): AgentEvent[] {
    const known = this.#calls.get(key);
    if (known && !known.called && !known.ended) return [];
    const call = newCall(unique(key, this.#ids), name);
    this.#calls.set(key, call);
    this.#openCalls.add(call);
    return [this.#said({ type: "tool.started", callId: call.callId, name, ...this.#ofMessage })];
  }

  /** A piece of a call's arguments, as JSON. Left out unless the call has begun and is not whole. */
  callDelta(key: string, text: string): AgentEvent[] {
    const call = this.#calls.get(key);
    if (!call || call.called || call.ended || text === "") return [];
    return [this.#said({ type: "tool.delta", callId: call.callId, text })];
  }

  /** A whole call. One that the provider makes itself is marked, so that it can be given back to it as one. */
  call(
    key: string,
    name: string,
    input: unknown,
    { providerMetadata, providerExecuted }: CallOptions = {},
  ): AgentEvent[] {
    const before = this.startCall(key, name);
    const call = this.#calls.get(key)!;
    call.called = true;
    call.startedAt = performance.now();
    const metadata = providerExecuted
      ? { ...(providerMetadata as object | undefined), runlog: { byProvider: true } }
      : providerMetadata;
    const whole = { callId: call.callId, name, input: toJson(input), ...metadataOf(metadata) };
    this.#parts.push({ type: "tool", ...whole });
    return [...before, this.#said({ type: "tool.called", ...whole, ...this.#ofMessage })];
  }

  /** What a call tells before it ends. Left out if there is no such call. */
  progressed(key: string, data: unknown): AgentEvent[] {
    const call = this.#calls.get(key);
    if (!call || call.ended) return [];
    return [this.#said({ type: "tool.progressed", callId: call.callId, data: toJson(data) })];
  }

  /** The result of a call; what ends a call again is left out. A result that has no JSON is a failure. */
  returned(key: string, name: string, output: unknown): AgentEvent[] {
    let json: Json;
    try {
      json = toJson(output);
    } catch (error) {
      return this.failed(key, name, "invalid_output", messageOf(error));
    }
    const end = this.#endCall(key, name);
    return end ? [this.#said({ type: "tool.returned", ...end, output: json })] : [];
  }

  /** The failure of a call. `made` is false for a call that was refused before it was made: it has no duration. */
  failed(key: string, name: string, code: string, message: string, made = true): AgentEvent[] {
    const end = this.#endCall(key, name);
    if (!end) return [];
    const { durationMs, ...call } = end;
    return [this.#said({ type: "tool.failed", ...call, code, message, ...(made && { durationMs }) })];
  }

  /** Asks a person about a call, which then stays open after its step. */
  ask(key: string, approvalId: string, name: string, input: unknown, reason?: string): AgentEvent[] {
    const known = this.#calls.get(key);
    const before = known?.called && !known.ended ? [] : this.call(key, name, input);
    const { callId } = this.#calls.get(key)!;
    const asked = {
      approvalId: unique(approvalId, this.#approvals),
      callId,
      name,
      input: toJson(input),
      ...(reason !== undefined && { reason }),
    };
    return [...before, this.#said({ type: "approval.requested", ...asked })];
  }

  /** The run's id of a call, by the stream's key. */
  callId(key: string): string {
    return this.#calls.get(key)?.callId ?? key;
  }

  /** A file, by its Base64. `said` is false for what belongs to a thought: it is shown, but is no part of the answer. */
  file(mediaType: string, data: string, said = true): AgentEvent[] {
    if (data.length > MAX_FILE_CHARS) {
      const bytes = Math.round(data.length * 0.75);
      const message = `A file of ${mediaType} with about ${bytes} bytes is too large for the log`;
      return [this.#said({ type: "error", code: "too_large", message, retryable: false })];
    }
    if (said) this.#parts.push({ type: "file", mediaType, data });
    return [this.#said({ type: "file", id: this.#id("file"), mediaType, data })];
  }

  /** Where an answer comes from. */
  source(
    key: string,
    about: { readonly [Field in "url" | "mediaType" | "title" | "filename"]?: string | undefined },
  ): AgentEvent[] {
    const known = Object.fromEntries(Object.entries(about).filter(([, value]) => value !== undefined));
    return [this.#said({ type: "source", id: this.#id(key), ...known })];
  }

  /** Structured output as it grows; `complete` makes it the run's output. */
  output(value: unknown, complete: boolean): AgentEvent[] {
    return [this.#said({ type: "output.delta", value: toJson(value), ...(complete && { complete }) })];
  }

  /** An event that only the framework has. */
  custom(name: string, data: unknown): AgentEvent[] {
    return [this.#said({ type: "custom", name, data: toJson(data ?? null) })];
  }

  /** Any other event, with who speaks. */
  other(event: AgentEvent): AgentEvent[] {
    return [this.#said(event)];
  }

  /** The parts of the step's message so far. The results of its calls are not among them: the log has those. */
  get parts(): Part[] {
    return this.#parts.flatMap((part): Part[] => {
      if ("type" in part) return [part];
      const { kind, text, providerMetadata } = part;
      if (kind === "text") return text === "" ? [] : [{ type: "text", text }];
      if (text === "" && providerMetadata === undefined) return [];
      return [{ type: "reasoning", text, ...(providerMetadata !== undefined && { providerMetadata }) }];
    });
  }

  /** A whole message, by default the open step's. One that no event can hold is left out: its blocks tell it. */
  message(parts: readonly Part[], id = this.messageId): AgentEvent[] {
    if (id === undefined || parts.length === 0) return [];
    if (Buffer.byteLength(JSON.stringify(parts)) > MAX_MESSAGE_BYTES) return [];
    return [this.#said({ type: "message", message: { id, role: "assistant", parts } })];
  }

  get #ofMessage(): { readonly messageId?: string } {
    return this.messageId === undefined ? {} : { messageId: this.messageId };
  }

  #recall(event: StreamEvent): void {
    if (event.type === "text.started" || event.type === "reasoning.started") this.#ids.add(event.id);
    else if (event.type === "file" || event.type === "source") this.#ids.add(event.id);
    else if (event.type === "tool.started" || event.type === "tool.called") this.#ids.add(event.callId);
    else if (event.type === "approval.requested") this.#approvals.add(event.approvalId);
    // Between two steps nothing is open that could be withdrawn.
    else if (event.type === "run.resumed" && this.#attempt > 0) this.#withdrawCalls();
    if (event.agent !== this.#origin.agent || event.parent !== this.#origin.parent) return;
    switch (event.type) {
      case "step.started":
        this.#attempt = event.step === this.step ? this.#attempt + 1 : 1;
        this.step = event.step;
        break;
      case "step.retried":
        this.#attempt += 1;
        this.#withdrawCalls();
        break;
      case "step.finished":
        this.#attempt = 0;
        break;
      case "tool.started":
      case "tool.called": {
        const call = this.#calls.get(event.callId) ?? newCall(event.callId, event.name);
        call.called ||= event.type === "tool.called";
        this.#calls.set(event.callId, call);
        this.#openCalls.add(call);
        break;
      }
      case "tool.returned":
      case "tool.failed": {
        const call = this.#calls.get(event.callId);
        if (call) this.#openCalls.delete(call);
        this.#calls.delete(event.callId);
        break;
      }
      default:
    }
  }

  #begin(): void {
    this.#parts = [];
    this.messageId = `${this.#run}-${this.#scope}${this.#name}`;
  }

  /** Names the attempt at a step, as blocks and messages are named after it. */
  get #name(): string {
    return this.#attempt > 1 ? `${this.step}.${this.#attempt}` : `${this.step}`;
  }

  #id(key: string): string {
    return unique(`${this.#scope}${this.#name}-${key}`, this.#ids);
  }

  #endBlocks(interrupted: boolean): AgentEvent[] {
    const events = [...this.#open.values()].map((block) => this.#ended(block, interrupted));
    this.#open.clear();
    return events;
  }

  #ended({ id, kind, providerMetadata }: Block, interrupted: boolean): AgentEvent {
    const cut = interrupted ? { interrupted } : {};
    if (kind === "text") return this.#said({ type: "text.finished", id, ...cut });
    const metadata = providerMetadata === undefined ? {} : { providerMetadata };
    return this.#said({ type: "reasoning.finished", id, ...cut, ...metadata });
  }

  #endCall(key: string, name: string): { callId: string; name: string; durationMs: number } | undefined {
    // Also of a call that nobody told of, unless it is somebody else's.
    const call = this.#calls.get(key) ?? (this.#ids.has(key) ? undefined : newCall(key, name));
    if (!call || call.ended) return undefined;
    this.#calls.set(key, call);
    this.#ids.add(call.callId);
    this.#end(call);
    return { callId: call.callId, name, durationMs: performance.now() - call.startedAt };
  }

  #withdrawCalls(): void {
    this.#calls.clear();
    this.#openCalls.clear();
  }

  #end(call: Call): void {
    call.ended = true;
    this.#openCalls.delete(call);
  }

  #failCalls(which: (call: Call) => boolean, message: string): AgentEvent[] {
    return [...this.#openCalls].filter(which).map((call) => {
      this.#end(call);
      const { callId, name } = call;
      return this.#said({ type: "tool.failed", callId, name, code: "interrupted", message });
    });
  }

  #said(event: AgentEvent): AgentEvent {
    return { ...event, ...this.#origin } as AgentEvent;
  }
}

function newCall(callId: string, name: string): Call {
  return { callId, name, startedAt: performance.now(), called: false, ended: false };
}

function metadataOf(metadata: unknown): { providerMetadata?: Json } {
  return metadata === undefined || metadata === null ? {} : { providerMetadata: toJson(metadata) };
}

function isTime(ms: number | undefined): ms is number {
  return ms !== undefined && Number.isFinite(ms) && ms >= 0;
}

function unique(id: string, taken: Set<string>): string {
  let free = id;
  for (let n = 2; taken.has(free); n++) free = `${id}.${n}`;
  taken.add(free);
  return free;
}
