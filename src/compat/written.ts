import type { Json, Part, StreamEvent } from "../events.ts";

/** A call that was begun and has not ended. */
export interface OpenCall {
  readonly callId: string;
  readonly agent: string | undefined;
  readonly name: string;
  readonly input: Json;
  /** By `performance.now()`; of a call that another process began, worked out from the time of its entry. */
  readonly startedAt: number;
}

/** A text that has not ended. */
export interface OpenText {
  readonly id: string;
  readonly messageId: string;
  readonly text: string;
}

/**
 * What a program has left open in a log that it writes itself: a fold, so that another process goes on with
 * the calls and texts of one that died.
 */
export class Written {
  readonly #calls = new Map<string, OpenCall>();
  readonly #texts = new Map<string, OpenText>();
  /** The calls of each message of the assistant that is not whole, in their order. */
  readonly #callParts = new Map<string, Part[]>();
  /** Those that hold more than one open text and calls. */
  readonly #mixed = new Set<string>();
  readonly #messages = new Set<string>();
  /** What names no message belongs to the newest one: `toMessages` has it so too. */
  #newest: string | undefined;
  #blocks = 0;

  /** Takes one more event, which happened `msAgo` before now. */
  apply(event: StreamEvent, msAgo = 0): void {
    switch (event.type) {
      case "tool.called": {
        const { callId, name, input, messageId = this.#newest } = event;
        const startedAt = performance.now() - Math.max(0, msAgo);
        this.#calls.set(callId, { callId, agent: event.agent, name, input, startedAt });
        if (messageId === undefined) break;
        this.#begin(messageId);
        const parts = this.#callParts.get(messageId);
        if (parts) parts.push({ type: "tool", callId, name, input });
        else this.#mixed.add(messageId);
        break;
      }
      case "tool.returned":
      case "tool.failed":
        this.#calls.delete(event.callId);
        break;
      case "text.started": {
        const { id, messageId = id } = event;
        this.#blocks += 1;
        this.#begin(messageId);
        this.#texts.set(id, { id, messageId, text: "" });
        if (!this.#mixed.has(messageId)) this.#callParts.set(messageId, []);
        break;
      }
      case "text.delta": {
        const open = this.#texts.get(event.id);
        if (open) this.#texts.set(event.id, { ...open, text: open.text + event.text });
        break;
      }
      case "text.finished": {
        const { messageId = event.id } = this.#texts.get(event.id) ?? {};
        this.#texts.delete(event.id);
        this.#end(messageId);
        break;
      }
      case "reasoning.started":
      case "file": {
        const messageId = event.type === "file" ? undefined : event.messageId;
        const held = messageId ?? this.#newest;
        if (held === undefined) break;
        this.#begin(held);
        this.#mixed.add(held);
        break;
      }
      case "message":
        if (event.message.role === "assistant") this.#begin(event.message.id);
        this.#end(event.message.id);
        break;
      default:
    }
  }

  call(callId: string): OpenCall | undefined {
    return this.#calls.get(callId);
  }

  /** The oldest open call of a tool by an agent: one with these arguments, if there is one. */
  callOf(agent: string, name: string, input: Json): OpenCall | undefined {
    const open = [...this.#calls.values()].filter((call) => call.agent === agent && call.name === name);
    return open.find((call) => JSON.stringify(call.input) === JSON.stringify(input)) ?? open[0];
  }

  /** The text that is open in a message. */
  textOf(messageId: string): OpenText | undefined {
    return [...this.#texts.values()].find((open) => open.messageId === messageId);
  }

  /**
   * The message as it is once its open text ends with `last`; undefined for one that holds more than that text
   * and calls, and that only its events can tell.
   */
  whole(messageId: string, last: string): Part[] | undefined {
    if (this.#mixed.has(messageId)) return undefined;
    const text = (this.textOf(messageId)?.text ?? "") + last;
    return [{ type: "text", text }, ...(this.#callParts.get(messageId) ?? [])];
  }

  /** Whether the message, or a text of it, has ended. */
  ended(messageId: string): boolean {
    return this.#messages.has(messageId) && !this.textOf(messageId);
  }

  /** An id for a block that no other of the run has: of those that the senders write. */
  get nextBlock(): string {
    return `sent-${this.#blocks}`;
  }

  #begin(messageId: string): void {
    if (!this.#messages.has(messageId)) this.#newest = messageId;
    this.#messages.add(messageId);
  }

  /** What comes to it later is one more part. */
  #end(messageId: string): void {
    this.#messages.add(messageId);
    this.#mixed.add(messageId);
    this.#callParts.delete(messageId);
  }
}
