import type { Entry } from "../events.ts";
import { strip } from "./strip.ts";

/**
 * A run as nothing but the agent's words, for `-o text`. Where they go to a file or another program they are
 * held back until their step has ended: what a retry withdraws cannot be taken back there.
 */
export class WordsOnly {
  readonly #live: boolean;
  #held = "";
  /** The block that spoke last, and the last one of which nothing can be withdrawn. */
  #block: string | undefined;
  #released: string | undefined;
  #atLineStart = true;
  readonly #streamed = new Set<string>();
  readonly #messageOf = new Map<string, string>();

  constructor({ live }: { readonly live: boolean }) {
    this.#live = live;
  }

  /** What this entry adds. */
  apply({ event }: Entry): string {
    switch (event.type) {
      case "text.started":
        if (event.messageId !== undefined) this.#messageOf.set(event.id, event.messageId);
        return "";
      case "text.delta":
        this.#streamed.add(this.#messageOf.get(event.id) ?? event.id);
        return this.#say(event.id, event.text);
      case "message": {
        const { id, role, parts } = event.message;
        if (role !== "assistant" || this.#streamed.has(id)) return "";
        return this.#say(id, parts.map((part) => (part.type === "text" ? part.text : "")).join(""));
      }
      case "step.retried":
      case "run.resumed":
        this.#held = "";
        this.#block = this.#released;
        this.#streamed.clear();
        return this.#live ? this.#endLine() : "";
      case "step.finished":
        return this.#release();
      case "run.finished":
      case "run.failed":
      case "run.cancelled":
        return this.break();
      default:
        return "";
    }
  }

  /** What is held back, and the end of its line: nothing may follow. */
  break(): string {
    return `${this.#release()}${this.#endLine()}`;
  }

  #say(block: string, text: string): string {
    if (text === "") return "";
    // Blocks stand on lines of their own.
    const between = this.#block !== undefined && this.#block !== block ? "\n" : "";
    this.#block = block;
    this.#held += between + strip(text);
    return this.#live ? this.#release() : "";
  }

  #release(): string {
    const text = this.#held;
    this.#held = "";
    this.#released = this.#block;
    if (text !== "") this.#atLineStart = text.endsWith("\n");
    return text;
  }

  #endLine(): string {
    const end = this.#atLineStart ? "" : "\n";
    this.#atLineStart = true;
    this.#block = undefined;
    return end;
  }
}
