import { Attempts } from "../../attempts.ts";
import type { Entry, EventOf, Json, Message, Origin, Part, StreamEvent } from "../../events.ts";
import type { Chunk, MessageMetadata } from "./chunk.ts";
import { dataType } from "./data-type.ts";
import {
  type Block,
  blockDelta,
  blockEnd,
  blockStart,
  type Call,
  callDelta,
  callStart,
  chunksOf,
  type MessagePart,
  type Metadata,
  type Whole,
} from "./message-part.ts";
import { dataUrl, isSafeUrl } from "./safe-url.ts";

/** Said of a call that the log does not end. */
const UNENDED = "The run ended before the call did";

/**
 * The chunks of one run, entry by entry. Clients only append, and take back with `reset-step` all parts since the
 * last `start-step`: what was not withdrawn of them is sent again. So the parts of that stretch are kept here; those
 * before it are out of reach.
 */
export class Projection {
  readonly #run: string;
  readonly #after: number;
  #chunks: Chunk[] = [];
  #started = false;
  #ended = false;
  /** Parts since the last `start-step`, in the client's order. */
  #parts: MessagePart[] = [];
  /** Whether there was a `start-step` yet. */
  #stepped = false;
  #inStep = false;
  #finishReason: EventOf<"step.finished">["finishReason"] | undefined;
  readonly #blocks = new Map<string, Block>();
  readonly #calls = new Map<string, Call>();
  /** Calls by the approvals that were asked for them. */
  readonly #approvals = new Map<string, Call>();
  /** Data parts by type and id; undefined for those out of reach. */
  readonly #data = new Map<string, Whole | undefined>();
  readonly #artifacts = new Map<string, { readonly [name: string]: Json }>();
  readonly #attempts = new Attempts<MessagePart>();
  /** Messages of the log: those before the step under way, and those of it. */
  readonly #settled = new Set<string>();
  #fresh: string[] = [];
  /** Messages with parts that are out of reach. */
  readonly #sealed = new Set<string>();

  constructor(run: string, after: number) {
    this.#run = run;
    this.#after = after;
  }

  apply({ seq, at, event }: Entry): readonly Chunk[] {
    if (this.#ended) return [];
    this.#chunks = [];
    if (!this.#started && seq > this.#after) this.#start(event, at);
    this.#show(event, seq);
    return seq > this.#after ? this.#chunks : [];
  }

  #start(event: StreamEvent, startedAt: number): void {
    this.#started = true;
    const first = event.type === "run.started" ? event : undefined;
    const metadata: MessageMetadata = {
      run: this.#run,
      ...(first && { ...(typeof first.agent === "string" && { agent: first.agent }), startedAt }),
    };
    // `after` is for those who reconnect: the AI SDK passes by what it does not know in a chunk.
    const after = this.#after > 0 ? { after: this.#after } : {};
    const start: Chunk = { type: "start", messageId: this.#run, messageMetadata: metadata };
    this.#say({ ...start, ...after });
    // A client that goes on with a message does not know which blocks were open in it.
    for (const block of this.#blocks.values()) block.open = false;
    for (const call of this.#calls.values()) if (call.state === "streaming") call.state = "cut";
  }

  #show(event: StreamEvent, seq: number): void {
    this.#withdraw(new Set(this.#attempts.apply(event)));
    switch (event.type) {
      case "step.started":
        this.#startStep(event);
        break;
      case "step.finished":
        this.#finishReason = event.finishReason;
        this.#finishStep();
        break;
      case "run.resumed":
        this.#inStep = false;
        break;
      case "text.started":
      case "reasoning.started":
        this.#startBlock(event);
        break;
      case "text.delta":
      case "reasoning.delta":
        this.#grow(event);
        break;
      case "text.finished":
      case "reasoning.finished":
        this.#finishBlock(this.#blocks.get(event.id));
        break;
      case "tool.started":
        this.#startCall(event);
        break;
      case "tool.delta":
        this.#growCall(event);
        break;
      case "tool.called":
        this.#call(event, this.#draft(event.messageId));
        break;
      case "tool.progressed":
        this.#put(
          "data-tool-progress",
          event.callId,
          { callId: event.callId, data: event.data },
          event,
          true,
        );
        break;
      case "tool.returned":
        this.#endCall(event.callId, {
          type: "tool-output-available",
          toolCallId: event.callId,
          output: event.output,
        });
        break;
      case "tool.failed":
        this.#endCall(
          event.callId,
          event.code === "denied" && this.#calls.get(event.callId)?.asked
            ? { type: "tool-output-denied", toolCallId: event.callId }
            : { type: "tool-output-error", toolCallId: event.callId, errorText: event.message || event.code },
        );
        break;
      case "approval.requested":
        this.#ask(event);
        break;
      case "input.approval":
        this.#answer(event);
        break;
      case "input.message":
        this.#steer(event.message);
        break;
      case "message":
        this.#message(event.message, event);
        break;
      case "source":
        this.#source(event);
        break;
      case "file":
        this.#file(event, this.#draft(undefined), event);
        break;
      case "output.delta":
        this.#put("data-output", "output", { value: event.value, complete: event.complete === true }, event);
        break;
      case "plan":
        this.#put("data-plan", "plan", { items: event.items }, event);
        break;
      case "progress": {
        const { type: _, agent: _agent, parent: _parent, ...progress } = event;
        this.#put("data-progress", "progress", progress, event);
        break;
      }
      case "status": {
        const { status, progress } = event;
        this.#put("data-status", "status", { status, ...(progress !== undefined && { progress }) }, event);
        break;
      }
      case "artifact":
        this.#artifact(event);
        break;
      case "agent.changed":
        this.#put("data-agent", "agent", { from: event.from, to: event.to }, {});
        break;
      case "error": {
        const { code, message, retryable } = event;
        const data = { code, message, ...(retryable !== undefined && { retryable }) };
        this.#put("data-error", `error-${seq}`, data, event, true);
        break;
      }
      case "custom":
        this.#put(dataType(event.name), idOf(event.data) ?? `custom-${seq}`, event.data, {});
        break;
      case "run.finished":
      case "run.failed":
      case "run.cancelled":
        this.#end(event);
        break;
      default:
    }
  }

  // Steps.

  #startStep(event: Origin): void {
    this.#settle();
    // One inside the step of another is none of the message's: so a retry of the other reaches all of it.
    if (this.#attempts.besides(event)) return;
    if (this.#inStep) this.#say({ type: "finish-step" });
    this.#inStep = true;
    // A call whose arguments still come is known to clients only in the step where it began.
    if (this.#parts.some((part) => part.is === "call" && part.state === "streaming")) return;
    if (this.#stepped && this.#parts.length === 0) return;
    for (const part of this.#parts) this.#seal(part);
    this.#parts = [];
    this.#stepped = true;
    this.#say({ type: "start-step" });
  }

  /** What is out of reach is never sent again. */
  #seal(part: MessagePart): void {
    if (part.draft !== undefined) this.#sealed.add(part.draft);
    if (part.is === "block") part.text = "";
    else if (part.is === "call") part.told = [];
    else if (part.key !== undefined) this.#data.set(part.key, undefined);
  }

  #finishStep(): void {
    this.#settle();
    if (this.#attempts.underWay) return;
    if (this.#inStep) this.#say({ type: "finish-step" });
    this.#inStep = false;
  }

  #settle(): void {
    for (const draft of this.#fresh) this.#settled.add(draft);
    this.#fresh = [];
  }

  #withdraw(parts: ReadonlySet<MessagePart>): void {
    if (parts.size === 0) return;
    for (const part of parts) {
      if (part.is === "block") {
        this.#finishBlock(part);
        if (this.#blocks.get(part.id) === part) this.#blocks.delete(part.id);
      } else if (part.is === "call") {
        if (this.#calls.get(part.callId) === part) this.#calls.delete(part.callId);
        for (const [approvalId, call] of this.#approvals)
          if (call === part) this.#approvals.delete(approvalId);
      }
    }
    const left = this.#parts.filter((part) => !parts.has(part));
    this.#fresh = this.#fresh.filter((draft) => left.some((part) => part.draft === draft));
    if (left.length < this.#parts.length) this.#replace(left);
  }

  /** Makes the parts of the open stretch those that are given. */
  #replace(parts: MessagePart[]): void {
    for (const block of this.#blocks.values()) {
      // One that began before is out of reach afterwards: what still comes of it begins a part of its own.
      if (block.open && !this.#parts.includes(block)) this.#finishBlock(block);
    }
    this.#parts = parts;
    this.#say({ type: "reset-step" }, ...parts.flatMap(chunksOf));
  }

  // Text.

  #startBlock(event: EventOf<"text.started" | "reasoning.started">): void {
    this.#finishBlock(this.#blocks.get(event.id));
    const kind = event.type === "text.started" ? "text" : "reasoning";
    this.#attempts.say(this.#openBlock(kind, event.id, originOf(event), this.#draft(event.messageId)), event);
  }

  #openBlock(kind: Block["kind"], id: string, metadata: Metadata, draft: string | undefined): Block {
    const block: Block = { is: "block", kind, id, metadata, text: "", open: true, draft };
    this.#blocks.set(id, block);
    this.#add(block, blockStart(block));
    return block;
  }

  #grow({ id, text }: EventOf<"text.delta" | "reasoning.delta">): void {
    let block = this.#blocks.get(id);
    if (!block || text === "") return;
    if (!block.open) {
      const before = block;
      block = this.#openBlock(before.kind, id, before.metadata, before.draft);
      if (this.#attempts.has(before))
        this.#attempts.say(block, before.metadata.providerMetadata?.runlog ?? {});
    }
    block.text += text;
    this.#say(blockDelta(block, text));
  }

  #finishBlock(block: Block | undefined): void {
    if (!block?.open) return;
    block.open = false;
    this.#say(blockEnd(block));
  }

  // Calls.

  #startCall(event: EventOf<"tool.started">): void {
    const known = this.#calls.get(event.callId);
    if (known && this.#parts.includes(known)) return;
    const call = this.#newCall(event, "streaming", undefined);
    this.#attempts.say(call, event);
    this.#add(call, callStart(call));
  }

  #growCall({ callId, text }: EventOf<"tool.delta">): void {
    const call = this.#calls.get(callId);
    if (call?.state !== "streaming" || text === "") return;
    call.args += text;
    this.#say(callDelta(call, text));
  }

  #call(
    event: Pick<EventOf<"tool.called">, "callId" | "name" | "input" | "agent" | "parent">,
    draft: string | undefined,
    fresh = true,
  ): Call {
    const { callId, name, input } = event;
    const known = this.#calls.get(callId);
    const chunk: Chunk = {
      type: "tool-input-available",
      toolCallId: callId,
      toolName: name,
      input,
      ...originOf(event),
    };
    if (known && known.state !== "ended" && this.#parts.includes(known)) {
      Object.assign(known, { name, state: "called", args: "", told: [chunk] });
      // Withdrawn with the step that it is made in, not with the one that its arguments began in.
      if (fresh) this.#attempts.say(known, event);
      this.#say(chunk);
      return known;
    }
    const call = this.#newCall(event, "called", draft);
    if (fresh) this.#attempts.say(call, event);
    call.told.push(chunk);
    this.#add(call, chunk);
    return call;
  }

  #newCall(
    event: Pick<EventOf<"tool.started">, "callId" | "name" | "agent" | "parent">,
    state: Call["state"],
    draft: string | undefined,
  ): Call {
    const { callId, name } = event;
    const call: Call = {
      is: "call",
      callId,
      name,
      metadata: originOf(event),
      state,
      args: "",
      asked: false,
      told: [],
      draft,
    };
    this.#calls.set(callId, call);
    return call;
  }

  #endCall(callId: string, chunk: Chunk): void {
    const call = this.#calls.get(callId);
    // A call that was withdrawn may still have been under way.
    if (!call) return;
    call.state = "ended";
    call.told.push(chunk);
    this.#say(chunk);
  }

  #ask(event: EventOf<"approval.requested">): void {
    const { approvalId, callId, reason } = event;
    const call = this.#calls.get(callId) ?? this.#call(event, this.#draft(undefined));
    // A part holds one question at a time.
    for (const [id, each] of this.#approvals) if (each === call) this.#approvals.delete(id);
    this.#approvals.set(approvalId, call);
    call.asked = true;
    this.#tell(call, {
      type: "tool-approval-request",
      approvalId,
      toolCallId: callId,
      ...(reason !== undefined && { reason }),
    });
  }

  #answer({ approvalId, approved, reason }: EventOf<"input.approval">): void {
    const call = this.#approvals.get(approvalId);
    if (!call || call.state === "ended") return;
    this.#tell(call, {
      type: "tool-approval-response",
      approvalId,
      approved,
      ...(reason !== undefined && { reason }),
    });
  }

  #tell(call: Call, chunk: Chunk): void {
    call.told.push(chunk);
    this.#say(chunk);
  }

  // Whole messages.

  #message(message: Message, origin: Origin): void {
    if (message.role === "user") this.#steer(message);
    if (message.role !== "assistant") return;
    const { id } = message;
    const streamed = this.#parts.filter((part) => part.draft === id);
    const sealed = this.#sealed.has(id);
    const isNew = streamed.length === 0 && !sealed;
    // What stands for something that is settled is settled too.
    const fresh = !sealed && streamed.every((part) => this.#attempts.has(part));
    this.#draft(id);
    const texts = textBlocks(message, originOf(origin));
    if (fresh) for (const block of texts) this.#attempts.say(block, origin);
    if (isNew) for (const block of texts) this.#addWhole(block);
    else if (!sealed && textOf(streamed) !== textOf(texts)) this.#correct(streamed, texts);
    for (const [index, part] of message.parts.entries())
      this.#rest(part, { id, index, isNew, fresh }, origin);
  }

  /** A message that says another text than was streamed for it, as one that was redacted. */
  #correct(streamed: readonly MessagePart[], texts: readonly Block[]): void {
    const wrong = streamed.filter((part) => part.is === "block" && part.kind === "text");
    for (const part of wrong)
      if (part.is === "block" && this.#blocks.get(part.id) === part) this.#blocks.delete(part.id);
    const at = wrong[0] ? this.#parts.indexOf(wrong[0]) : this.#parts.length;
    const parts = this.#parts.filter((part) => !wrong.includes(part));
    this.#replace([...parts.slice(0, at), ...texts, ...parts.slice(at)]);
  }

  /** What a message holds beside its text, unless it was shown as it came. */
  #rest(part: Part, place: Place, origin: Origin): void {
    const { id: draft, isNew, fresh } = place;
    const partId = `message:${draft}/${place.index}`;
    switch (part.type) {
      case "reasoning": {
        if (!isNew) return;
        const metadata = originOf(origin);
        const { text } = part;
        const block: Block = {
          is: "block",
          kind: "reasoning",
          id: partId,
          metadata,
          text,
          open: false,
          draft,
        };
        if (fresh) this.#attempts.say(block, origin);
        this.#addWhole(block);
        break;
      }
      case "file":
        this.#file(part, draft, origin, fresh);
        break;
      case "data":
        this.#put(dataType(part.name ?? "data"), partId, part.data, {});
        break;
      case "tool": {
        const { callId, name, input, output, error } = part;
        if (this.#calls.has(callId)) return;
        this.#call({ callId, name, input, ...fieldsOf(origin) }, draft, fresh);
        if (error !== undefined) {
          this.#endCall(callId, { type: "tool-output-error", toolCallId: callId, errorText: error });
        } else if (output !== undefined) {
          this.#endCall(callId, { type: "tool-output-available", toolCallId: callId, output });
        }
        break;
      }
      default:
    }
  }

  #steer(message: Message): void {
    const parts = message.parts.flatMap((part): Steering[] => {
      if (part.type === "text") return [{ type: "text", text: part.text }];
      const url = part.type === "file" ? urlOf(part) : undefined;
      if (part.type !== "file" || url === undefined) return [];
      const { mediaType, name } = part;
      return [{ type: "file", mediaType, url, ...(name !== undefined && { filename: name }) }];
    });
    if (parts.length === 0) return;
    this.#addWhole({ is: "whole", chunk: { type: "steering-message", id: message.id, parts } });
  }

  // Things.

  #source(event: EventOf<"source">): void {
    const { id, url, mediaType, title, filename } = event;
    const chunk: Chunk =
      url !== undefined && isSafeUrl(url)
        ? { type: "source-url", sourceId: id, url, ...(title !== undefined && { title }), ...originOf(event) }
        : {
            type: "source-document",
            sourceId: id,
            mediaType: mediaType ?? "application/octet-stream",
            title: title ?? filename ?? url ?? id,
            ...(filename !== undefined && { filename }),
            ...originOf(event),
          };
    const part: Whole = { is: "whole", chunk };
    this.#attempts.say(part, event);
    this.#addWhole(part);
  }

  #file(file: FileLike, draft: string | undefined, origin: Origin, fresh = true): void {
    const url = urlOf(file);
    if (url === undefined) return;
    // A message tells again of the files that came before it.
    if (
      this.#parts.some((part) => part.is === "whole" && part.chunk.type === "file" && part.chunk.url === url)
    )
      return;
    const chunk: Chunk = { type: "file", mediaType: file.mediaType, url, ...originOf(origin) };
    const part: Whole = { is: "whole", chunk, draft };
    if (fresh) this.#attempts.say(part, origin);
    this.#addWhole(part);
  }

  #artifact(event: EventOf<"artifact">): void {
    const { type: _, agent: _agent, parent: _parent, ...fields } = event;
    const known = event.action === "deleted" ? {} : this.#artifacts.get(event.id);
    const artifact = { ...known, ...(fields as unknown as { readonly [name: string]: Json }) };
    this.#artifacts.set(event.id, artifact);
    this.#put("data-artifact", event.id, artifact, event, true);
  }

  /**
   * A data part. The same type and id replaces what there is, wherever it stands. Each agent has its own, unless
   * the id is one already.
   */
  #put(type: `data-${string}`, id: string, data: unknown, origin: Origin, unique = false): void {
    const { agent, parent } = fieldsOf(origin);
    const partId = agent === undefined || unique ? id : `${id}:${agent}`;
    const extended =
      agent === undefined && parent === undefined ? data : { ...(data as object), ...fieldsOf(origin) };
    const chunk: Chunk = { type, id: partId, data: extended };
    const key = `${type} ${partId}`;
    if (this.#data.has(key)) {
      const known = this.#data.get(key);
      if (known) known.chunk = chunk;
      this.#say(chunk);
      return;
    }
    const part: Whole = { is: "whole", chunk, key };
    this.#data.set(key, part);
    this.#addWhole(part);
  }

  // The end.

  #end(event: EventOf<"run.finished" | "run.failed" | "run.cancelled">): void {
    for (const block of this.#blocks.values()) this.#finishBlock(block);
    for (const { state, callId } of this.#calls.values()) {
      if (state !== "ended")
        this.#endCall(callId, { type: "tool-output-error", toolCallId: callId, errorText: UNENDED });
    }
    if (event.type === "run.finished" && event.output !== undefined)
      this.#put("data-output", "output", { value: event.output, complete: true }, {});
    if (this.#inStep) this.#say({ type: "finish-step" });
    this.#ended = true;
    const metadata: MessageMetadata = {
      run: this.#run,
      status: event.type.slice("run.".length) as "finished" | "failed" | "cancelled",
      ...(event.usage && { usage: event.usage }),
      ...(event.cost !== undefined && { cost: event.cost }),
      ...(event.type === "run.failed" && { error: { code: event.code, message: event.message } }),
    };
    if (event.type === "run.finished") {
      this.#say({ type: "finish", finishReason: this.#finishReason ?? "stop", messageMetadata: metadata });
      return;
    }
    // Clients stop reading at an error: what they are to know of the run comes before it.
    this.#say({ type: "message-metadata", messageMetadata: metadata });
    if (event.type === "run.failed") this.#say({ type: "error", errorText: event.message || event.code });
    else this.#say({ type: "abort", ...(event.reason !== undefined && { reason: event.reason }) });
  }

  /** The message of the log that something belongs to. */
  #draft(id: string | undefined): string {
    const draft = id ?? this.#fresh.at(-1) ?? `${this.#settled.size} without an id`;
    if (!this.#settled.has(draft) && !this.#fresh.includes(draft)) this.#fresh.push(draft);
    return draft;
  }

  #addWhole(part: MessagePart): void {
    this.#add(part, ...chunksOf(part));
  }

  #add(part: MessagePart, ...chunks: readonly Chunk[]): void {
    this.#parts.push(part);
    this.#say(...chunks);
  }

  #say(...chunks: readonly Chunk[]): void {
    this.#chunks.push(...chunks);
  }
}

/** Where a part of a whole message stands: the message's id, and its place in it. */
interface Place {
  readonly id: string;
  readonly index: number;
  /** Whether nothing of the message was there before. */
  readonly isNew: boolean;
  /** Whether it may yet be withdrawn. */
  readonly fresh: boolean;
}
type Steering = Extract<Chunk, { type: "steering-message" }>["parts"][number];

/** Who spoke, if not the run's own agent, as fields. */
function fieldsOf({ agent, parent }: Origin): Origin {
  return { ...(agent !== undefined && { agent }), ...(parent !== undefined && { parent }) };
}

/** Who spoke, if not the run's own agent, where parts of the AI SDK have room for it. */
function originOf(origin: Origin): Metadata {
  const runlog = fieldsOf(origin);
  return Object.keys(runlog).length > 0 ? { providerMetadata: { runlog } } : {};
}

function urlOf({ mediaType, data, url }: FileLike): string | undefined {
  if (url === undefined) return dataUrl(mediaType, data ?? "");
  return isSafeUrl(url) ? url : undefined;
}

interface FileLike {
  readonly mediaType: string;
  readonly data?: string;
  readonly url?: string;
}

/** The id that an application gave its data, to be replaced by. */
function idOf(data: Json): string | undefined {
  const { id } = Object(data) as { readonly id?: unknown };
  return typeof id === "string" ? id : undefined;
}

function textBlocks({ id, parts }: Message, metadata: Metadata): Block[] {
  return parts.flatMap((part, index): Block[] =>
    part.type === "text"
      ? [
          {
            is: "block",
            kind: "text",
            id: `message:${id}/${index}`,
            metadata,
            text: part.text,
            open: false,
            draft: id,
          },
        ]
      : [],
  );
}

function textOf(parts: readonly MessagePart[]): string {
  return parts.map((part) => (part.is === "block" && part.kind === "text" ? part.text : "")).join("");
}
