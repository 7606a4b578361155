import { Attempts } from "./attempts.ts";
import type { Entry, EventOf, Json, Message, Origin, Part, StreamEvent } from "./events.ts";

/**
 * The conversation that a log holds: its input, then what the agent said, with each tool's answer in the
 * part of its call. A `message` event stands for what was streamed under its id; what was streamed without
 * one is put together from its blocks. Withdrawn attempts are left out, and what is said on behalf of a call;
 * `input.message` comes where it was sent. Pure: any prefix of a log has its messages.
 */
export function toMessages(entries: Iterable<Entry>): Message[] {
  const builder = new MessageBuilder();
  for (const { event } of entries) builder.apply(event);
  return builder.messages();
}

type Draft = { id: string; role: Message["role"]; parts: Part[] };

class MessageBuilder {
  #drafts: Draft[] = [];
  /** Where the open step began: what names no message belongs to the last one from here on. */
  #mark = 0;
  readonly #attempts = new Attempts<Part>();
  readonly #calls = new Set<string>();
  readonly #blocks = new Map<string, Part & { text: string }>();
  readonly #answers = new Map<string, { output: Json } | { error: string }>();

  messages(): Message[] {
    return this.#drafts
      .filter((draft) => draft.parts.length > 0)
      .map((draft) => ({ ...draft, parts: draft.parts.map((part) => this.#answered(part)) }));
  }

  apply(event: StreamEvent): void {
    // What an agent says that is a tool is its caller's to pass on, as the result of the call.
    if (event.parent !== undefined && this.#calls.has(event.parent)) return;
    this.#withdraw(new Set(this.#attempts.apply(event)));
    switch (event.type) {
      case "run.started":
        this.#drafts.push(...(event.history ?? []).map(draftOf));
        this.#drafts.push(
          ...(typeof event.input === "string"
            ? [{ id: "input", role: "user" as const, parts: [{ type: "text" as const, text: event.input }] }]
            : event.input.map(draftOf)),
        );
        this.#begin();
        break;
      case "input.message":
        this.#drafts.push(draftOf(event.message));
        break;
      case "step.started":
      case "step.finished":
        this.#begin();
        break;
      case "message": {
        const draft = draftOf(event.message);
        const at = this.#drafts.findIndex(({ id }) => id === draft.id);
        // One that stands for what is settled is settled too.
        const fresh = at < 0 || this.#drafts[at]!.parts.every((part) => this.#attempts.has(part));
        if (draft.role === "assistant" && fresh)
          for (const part of draft.parts) this.#attempts.say(part, event);
        if (at < 0) this.#drafts.push(draft);
        else this.#drafts[at] = draft;
        break;
      }
      case "text.started":
      case "reasoning.started": {
        const part = {
          type: event.type === "text.started" ? ("text" as const) : ("reasoning" as const),
          text: "",
        };
        this.#blocks.set(event.id, part);
        this.#add(part, event);
        break;
      }
      case "text.delta":
      case "reasoning.delta": {
        const part = this.#blocks.get(event.id);
        if (part) part.text += event.text;
        break;
      }
      case "file":
        this.#add(
          {
            type: "file",
            mediaType: event.mediaType,
            ...(event.data !== undefined && { data: event.data }),
            ...(event.url !== undefined && { url: event.url }),
          },
          event,
        );
        break;
      case "tool.called":
        this.#calls.add(event.callId);
        this.#keepAnswer(event);
        this.#add(
          {
            type: "tool",
            callId: event.callId,
            name: event.name,
            input: event.input,
            ...(event.providerMetadata !== undefined && { providerMetadata: event.providerMetadata }),
          },
          event,
        );
        break;
      case "tool.returned":
        this.#answers.set(event.callId, { output: event.output });
        break;
      case "tool.failed":
        this.#answers.set(event.callId, { error: event.message });
        break;
      default:
    }
  }

  /** The assistant's message that a block belongs to: by id, else the last one of this step. */
  #open(id: string | undefined): Draft {
    const known = this.#drafts.findLast(
      (draft, index) =>
        draft.role === "assistant" && (id === undefined ? index >= this.#mark : draft.id === id),
    );
    if (known) return known;
    const draft: Draft = { id: id ?? `message-${this.#drafts.length}`, role: "assistant", parts: [] };
    this.#drafts.push(draft);
    return draft;
  }

  #begin(): void {
    this.#mark = this.#drafts.length;
  }

  #add(part: Part, event: Origin & { readonly messageId?: string }): void {
    this.#open(event.messageId).parts.push(part);
    this.#attempts.say(part, event);
  }

  #withdraw(parts: ReadonlySet<Part>): void {
    if (parts.size === 0) return;
    // What people sent during the attempt stays.
    for (const [id, part] of this.#blocks) if (parts.has(part)) this.#blocks.delete(id);
    const isLeft = (draft: Draft) =>
      draft.parts.length === 0 || !draft.parts.every((part) => parts.has(part));
    this.#mark = this.#drafts.slice(0, this.#mark).filter(isLeft).length;
    this.#drafts = this.#drafts.filter(isLeft);
    for (const draft of this.#drafts) draft.parts = draft.parts.filter((part) => !parts.has(part));
  }

  /** Providers may use a call's id again, in another step: its answer stays with the call that it was for. */
  #keepAnswer({ callId, ...event }: EventOf<"tool.called">): void {
    if (!this.#answers.has(callId)) return;
    for (const { parts } of this.#drafts) {
      for (const [index, part] of parts.entries()) {
        if (part.type !== "tool" || part.callId !== callId) continue;
        const answered = this.#answered(part);
        if (this.#attempts.has(part)) this.#attempts.say(answered, event);
        parts[index] = answered;
      }
    }
    this.#answers.delete(callId);
  }

  #answered(part: Part): Part {
    if (part.type !== "tool" || part.output !== undefined || part.error !== undefined) return part;
    const answer = this.#answers.get(part.callId);
    return answer ? { ...part, ...answer } : part;
  }
}

function draftOf(message: Message): Draft {
  return { id: message.id, role: message.role, parts: [...message.parts] };
}

/** The text of the last message the agent wrote, or an empty string. */
export function finalText(messages: readonly Message[]): string {
  const last = messages.findLast((message) => message.role === "assistant");
  return last?.parts.map((part) => (part.type === "text" ? part.text : "")).join("") ?? "";
}
