import { Attempts } from "../../attempts.ts";
import type { StoredEntry } from "../../batch.ts";
import type { EventOf, Input, Json, JsonObject, Message, Origin, Part, StreamEvent } from "../../events.ts";
import { Summary } from "../../summary.ts";
import { toWireFile, toWireParts } from "./parts.ts";
import { questionOf } from "./question.ts";
import type { Update, WireMessage, WirePart, WireState } from "./wire.ts";

/** An update before it is known whose it is, and when. */
type Draft =
  | { readonly kind: "task"; readonly history: WireMessage[] }
  | { readonly kind: "status"; readonly message?: WireMessage; readonly metadata: JsonObject }
  | {
      readonly kind: "artifact";
      readonly id: string;
      readonly name: string;
      readonly parts: readonly WirePart[];
      readonly append?: boolean;
      readonly last?: boolean;
      readonly about?: JsonObject;
      readonly metadata?: JsonObject;
    };

/** A text that the model says or has said, until it is known whether a whole message stands for it. */
interface Block {
  /** Who says it. */
  readonly by: Origin;
  readonly messageId: string | undefined;
  text: string;
  open: boolean;
}

const NOTHING: readonly WirePart[] = [{ text: "" }];

/**
 * A run as a task of A2A: a fold of its log that says, for each entry, what a client is to be told. Answers are
 * artifacts, one for each text; all else that happens is a status update with the run's own event in its metadata.
 */
export class Projection {
  readonly #run: string;
  #context: string;
  #state: WireState = "TASK_STATE_SUBMITTED";
  readonly #summary = new Summary();
  readonly #blocks = new Map<string, Block>();
  /** Artifacts that a client has heard of, by id, with their names: what follows is appended. */
  readonly #told = new Map<string, string>();
  /** Artifacts that a retry may withdraw, by id. */
  readonly #attempts = new Attempts<string>();
  readonly #withdrawn = new Set<string>();
  /** The parts of the agent's artifacts, for an update that changes something else. */
  readonly #made = new Map<string, readonly WirePart[]>();
  /** What a message or the end of the run may repeat: by artifact, files as JSON, and whole texts. */
  readonly #files = new Map<string, string>();
  readonly #answers = new Map<string, string>();
  /** The structured output so far, as JSON. */
  #output: string | undefined;
  /** What a person is asked, and for which approvals. */
  #question: { readonly asked: string; readonly message: WireMessage } | undefined;

  constructor(run: string) {
    this.#run = run;
    this.#context = run;
  }

  /** What one more entry has to tell, in order. */
  apply({ seq, at, cursor, event }: StoredEntry): Update[] {
    this.#summary.apply(event, at);
    const before = this.#state;
    this.#move(event, seq);
    const drafts = this.#drafts(event);
    // A client hears of each state once it is reached.
    if (this.#state !== before && !drafts.some(({ kind }) => kind === "status"))
      drafts.unshift({ kind: "status", metadata: {} });
    const { agent, parent } = event as { agent?: string; parent?: string };
    const origin = { ...(agent !== undefined && { agent }), ...(parent !== undefined && { parent }) };
    return drafts.map((draft, index) => {
      const place = { seq, ...(index === drafts.length - 1 && { cursor }) };
      return this.#update(draft, new Date(at).toISOString(), place, origin);
    });
  }

  /** A message of the task, as its history has it. */
  message(message: Message): WireMessage {
    return this.#message(
      message.id,
      message.role === "assistant" ? "ROLE_AGENT" : "ROLE_USER",
      toWireParts(message.parts),
    );
  }

  /** What a person answered, as a message of the history. */
  answer({ approvalId, approved, reason }: EventOf<"input.approval">, seq: number): WireMessage {
    const data = { approvalId, approved, ...(reason !== undefined && { reason }) };
    return this.#message(`${this.#run}:${seq}`, "ROLE_USER", [{ data }]);
  }

  #move(event: StreamEvent, seq: number): void {
    const { terminal, waiting, approvals } = this.#summary;
    if (terminal) {
      this.#state = ended[terminal.type];
      this.#question = undefined;
    } else if (waiting) {
      const asked = JSON.stringify([...approvals.keys()]);
      this.#state = "TASK_STATE_INPUT_REQUIRED";
      if (this.#question?.asked === asked) return;
      const parts = questionOf([...approvals.values()]);
      this.#question = { asked, message: this.#message(`${this.#run}:${seq}`, "ROLE_AGENT", parts) };
    } else if (this.#question || !/^(run\.started$|input\.)/.test(event.type)) {
      this.#state = "TASK_STATE_WORKING";
      this.#question = undefined;
    }
  }

  #drafts(event: StreamEvent): Draft[] {
    const withdrawn = this.#attempts.apply(event);
    switch (event.type) {
      case "run.started":
        this.#context = event.thread ?? this.#run;
        return [{ kind: "task", history: this.#asked(event.input) }];
      case "text.started":
        this.#blocks.set(event.id, { by: event, messageId: event.messageId, text: "", open: true });
        this.#withdrawn.delete(textId(event.id));
        return [];
      case "text.delta":
        return this.#said(event);
      case "text.finished": {
        const block = this.#blocks.get(event.id);
        if (block) block.open = false;
        const id = textId(event.id);
        if (block) this.#answers.set(id, block.text);
        if (!this.#told.has(id) || this.#withdrawn.has(id)) return [];
        const about = event.interrupted ? { metadata: { interrupted: true } } : {};
        return [{ kind: "artifact", id, name: ANSWER, parts: NOTHING, append: true, last: true, ...about }];
      }
      case "message":
        return this.#whole(event.message, event);
      case "file": {
        const parts = toWireFile(event);
        const id = `file:${event.id}`;
        for (const part of parts) this.#files.set(id, contentOf(part));
        return parts.length === 0 ? [] : [this.#new(id, "file", parts, event)];
      }
      case "output.delta":
        return this.#put(event.value, event.complete ?? false);
      case "artifact":
        return [this.#artifact(event)];
      case "step.started":
      case "step.finished":
        this.#begin(event);
        return [statusOf(event)];
      case "step.retried":
      case "run.resumed":
        return [...this.#withdraw(withdrawn), statusOf(event)];
      case "run.finished":
        return [...this.#result(event.output), endOf(event)];
      case "run.failed":
        return [{ ...endOf(event), message: this.#end(event.message) }];
      case "run.cancelled":
        return [{ ...endOf(event), ...(event.reason && { message: this.#end(event.reason) }) }];
      case "reasoning.started":
      case "reasoning.finished":
      case "tool.started":
      case "tool.delta":
        return [];
      default:
        return [statusOf(event)];
    }
  }

  /** A piece of an answer. */
  #said(event: EventOf<"text.delta">): Draft[] {
    const { id: block, text } = event;
    const id = textId(block);
    if (this.#withdrawn.has(id) || !text) return [];
    const known = this.#blocks.get(block);
    if (known) known.text += text;
    const append = this.#told.has(id);
    if (!append) this.#tell(id, ANSWER, known?.by ?? event);
    return [{ kind: "artifact", id, name: ANSWER, parts: [{ text }], append }];
  }

  /** A whole message: told where it says more, or something else, than what was streamed for it. */
  #whole({ id, role, parts }: Message, by: Origin): Draft[] {
    if (role !== "assistant") return [];
    const all = [...this.#blocks];
    const own = all.filter(([, block]) => block.messageId === id);
    const streamed = own.length > 0 ? own : all.filter(([, block]) => block.messageId === undefined);
    const said = streamed.map(([, block]) => block.text).join("");
    const text = parts.map((part) => (part.type === "text" ? part.text : "")).join("");
    const artifact = `message:${id}`;
    if (said === text && !this.#told.has(artifact)) {
      const files = new Set(this.#files.values());
      const more = toWireParts(parts.filter(({ type }) => type !== "text")).filter(
        (part) => !files.has(contentOf(part)),
      );
      return more.length === 0 ? [] : [this.#new(artifact, ANSWER, more, by)];
    }
    const replaced = own.map(([block]) => textId(block)).filter((each) => this.#told.has(each));
    const content = toWireParts(parts);
    this.#answers.set(artifact, text);
    return [
      ...this.#withdraw(replaced),
      ...(content.length === 0 ? [] : [this.#new(artifact, ANSWER, content, by)]),
    ];
  }

  /** Structured output as it grows: each value replaces the one before. */
  #put(value: Json, last: boolean): Draft[] {
    this.#output = JSON.stringify(value);
    return [{ kind: "artifact", id: "output", name: "output", parts: [{ data: value }], last }];
  }

  /** The run's result, where it was not told yet. */
  #result(output: Json | undefined): Draft[] {
    if (output === undefined || output === null || JSON.stringify(output) === this.#output) return [];
    if (typeof output !== "string") return this.#put(output, true);
    const answers = [...this.#answers.values()];
    if (answers.includes(output) || answers.join("") === output) return [];
    return [{ kind: "artifact", id: "output", name: "output", parts: [{ text: output }], last: true }];
  }

  #artifact(event: EventOf<"artifact">): Draft {
    const { id, name, action, parts, version, metadata } = event;
    const about = { ...metadata, action, ...(version !== undefined && { version }) };
    const given = parts && toWireParts(parts as readonly Part[]);
    const content = given ?? this.#made.get(id) ?? NOTHING;
    if (action === "deleted") this.#made.delete(id);
    else this.#made.set(id, content);
    const shown = action === "deleted" || content.length === 0 ? NOTHING : content;
    return {
      kind: "artifact",
      // A2A wants both.
      id: id || "artifact",
      name: name || "artifact",
      parts: shown,
      last: true,
      about,
      ...(action === "deleted" && { metadata: { deleted: true } }),
    };
  }

  /** No whole message will stand for what was said before; within a step of somebody else it may yet. */
  #begin(step: Origin): void {
    for (const [id, { open, by }] of this.#blocks)
      if (!open && this.#attempts.bounds(step, by)) this.#blocks.delete(id);
  }

  /** Empties artifacts that no longer hold. */
  #withdraw(artifacts: readonly string[]): Draft[] {
    const drafts = artifacts.map((id): Draft => {
      const name = this.#told.get(id) ?? ANSWER;
      this.#withdrawn.add(id);
      this.#told.delete(id);
      this.#attempts.forget(id);
      this.#answers.delete(id);
      this.#files.delete(id);
      return { kind: "artifact", id, name, parts: NOTHING, last: true, metadata: { withdrawn: true } };
    });
    for (const block of this.#blocks.keys())
      if (this.#withdrawn.has(textId(block))) this.#blocks.delete(block);
    return drafts;
  }

  /** A whole artifact of the open step. */
  #new(id: string, name: string, parts: readonly WirePart[], by: Origin): Draft {
    this.#tell(id, name, by);
    this.#withdrawn.delete(id);
    return { kind: "artifact", id, name, parts, last: true };
  }

  #tell(id: string, name: string, by: Origin): void {
    this.#told.set(id, name);
    this.#attempts.say(id, by);
  }

  #asked(input: Input): WireMessage[] {
    if (typeof input === "string")
      return [this.#message(`${this.#run}:input`, "ROLE_USER", [{ text: input }])];
    return input.filter(({ role }) => role !== "system").map((each) => this.message(each));
  }

  #end(text: string): WireMessage {
    return this.#message(`${this.#run}:end`, "ROLE_AGENT", [{ text }]);
  }

  #message(messageId: string, role: WireMessage["role"], parts: readonly WirePart[]): WireMessage {
    return { messageId, contextId: this.#context, taskId: this.#run, role, parts };
  }

  #update(draft: Draft, timestamp: string, place: JsonObject, origin: JsonObject): Update {
    const ids = { taskId: this.#run, contextId: this.#context };
    switch (draft.kind) {
      case "task": {
        const { agent, metadata } = this.#summary.started ?? {};
        return {
          task: {
            id: this.#run,
            contextId: this.#context,
            status: { state: "TASK_STATE_SUBMITTED", timestamp },
            history: draft.history,
            metadata: { ...metadata, ...(agent != null && { agent }), ...place },
          },
        };
      }
      case "status": {
        const message = draft.message ?? this.#question?.message;
        const status = { state: this.#state, ...(message && { message }), timestamp };
        return { statusUpdate: { ...ids, status, metadata: { ...place, ...draft.metadata } } };
      }
      case "artifact": {
        const { id: artifactId, name, parts, about, append, last } = draft;
        return {
          artifactUpdate: {
            ...ids,
            artifact: { artifactId, name, parts, ...(about && { metadata: about }) },
            ...(append && { append }),
            ...(last && { lastChunk: last }),
            metadata: { ...place, ...origin, ...draft.metadata },
          },
        };
      }
    }
  }
}

const ANSWER = "answer";

const ended = {
  "run.finished": "TASK_STATE_COMPLETED",
  "run.failed": "TASK_STATE_FAILED",
  "run.cancelled": "TASK_STATE_CANCELED",
} as const;

// A text and an artifact of the agent's own may have the same id.
function textId(block: string): string {
  return `text:${block}`;
}

/** What a part holds, whatever it is called. */
function contentOf(part: WirePart): string {
  const { filename: _, ...content } = part;
  return JSON.stringify(content);
}

/** An event that A2A has no word for, as it is; but for what only the model's provider can read. */
function statusOf(event: StreamEvent): Draft & { readonly kind: "status" } {
  const { providerMetadata: _, ...shown } = event as StreamEvent & { providerMetadata?: Json };
  return { kind: "status", metadata: { event: shown as unknown as JsonObject } };
}

function endOf(
  event: EventOf<"run.finished" | "run.failed" | "run.cancelled">,
): Draft & { readonly kind: "status" } {
  const { usage, cost } = event;
  return {
    kind: "status",
    metadata: {
      ...(event.type === "run.failed" && { code: event.code }),
      ...(usage && { usage: usage as unknown as JsonObject }),
      cost: cost ?? null,
    },
  };
}
