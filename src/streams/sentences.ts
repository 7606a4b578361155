import { CLOSED } from "./reader.ts";
import { through } from "./through.ts";

/** What ends a sentence when a space follows, and what does so by itself. */
const END = /[.!?…]/;
const FULL_END = /[。！？｡]/;
/** What still belongs to a sentence after its end. */
const CLOSER = /["'”’»)\]*_」』）】]/;
/** What a full stop after it does not end: a title, an initial, an abbreviation with dots inside. */
const UNENDED = /^["'“‘«([*_]*(?:(?:Mr|Mrs|Ms|Dr|Prof|St|vs)|\p{L}|\S*\p{L}\.\p{L}+)$/u;
/** The number of an item in a list. */
const ITEM = /^\d{1,3}$/;
/** More of a word is not looked at. */
const MOST = 32;

/**
 * Text, however it was cut, as whole sentences, each with the space after it: for speech, or for a reader who
 * wants no half ones. A blank line ends one too. Put together it is the text that came, the tail included, also of a
 * source that fails; where it was cut makes no difference.
 */
export function sentences(source: AsyncIterable<string>): AsyncGenerator<string, void, undefined> {
  return through(source, async function* (reader) {
    let held = "";
    const boundaries = new Boundaries();
    let failure: { readonly error: unknown } | undefined;
    try {
      for (let result = await reader.next(); !result.done; result = await reader.next()) {
        const piece = result.value;
        let from = 0;
        for (let at = 0; at < piece.length; at++) {
          const boundary = boundaries.after(piece[at]!);
          if (boundary === undefined) continue;
          const cut = boundary === "before" ? at : at + 1;
          const sentence = held + piece.slice(from, cut);
          held = "";
          from = cut;
          if (sentence !== "") yield sentence;
        }
        held += piece.slice(from);
      }
    } catch (error) {
      if (error === CLOSED) throw error;
      failure = { error };
    }
    if (held !== "") yield held;
    if (failure) throw failure.error;
  });
}

/** Says, character by character, where a sentence ends. */
class Boundaries {
  /** The word so far, without its end; not more of it than matters. */
  #word = "";
  #wordStartsLine = true;
  #ended: "stop" | "other" | "full" | undefined;
  /** Whether the sentence has anything but space. */
  #said = false;
  /** Line ends since the last visible character. */
  #lines = 0;

  after(char: string): "before" | "after" | undefined {
    if (/\s/.test(char)) return this.#space(char);
    // A sentence of a script without spaces ends where the next one begins.
    const begins = this.#ended === "full" && !CLOSER.test(char) && !FULL_END.test(char) && !END.test(char);
    if (begins) this.#begin();
    if (this.#word === "" && !this.#ended) this.#wordStartsLine = this.#lines > 0 || !this.#said;
    this.#said = true;
    this.#lines = 0;
    if (FULL_END.test(char)) this.#ended = "full";
    else if (END.test(char)) {
      if (this.#ended === undefined) this.#ended = char === "." ? "stop" : "other";
      else if (this.#ended === "stop") this.#ended = "other";
    } else if (!this.#ended || !CLOSER.test(char)) {
      // "3.14" and "e.g": what looked like an end stands inside a word.
      if (this.#ended === "stop" && this.#word.length < MOST) this.#word += ".";
      this.#ended = undefined;
      if (this.#word.length < MOST) this.#word += char;
    }
    return begins ? "before" : undefined;
  }

  #space(char: string): "after" | undefined {
    const unended =
      this.#ended === "stop" && (UNENDED.test(this.#word) || (this.#wordStartsLine && ITEM.test(this.#word)));
    const ends = this.#ended !== undefined && !unended;
    this.#word = "";
    this.#ended = undefined;
    if (char === "\n") this.#lines++;
    if (!ends && !(this.#said && this.#lines >= 2)) return undefined;
    const lines = this.#lines;
    this.#begin();
    this.#lines = lines;
    return "after";
  }

  #begin(): void {
    this.#word = "";
    this.#ended = undefined;
    this.#said = false;
    this.#lines = 0;
  }
}
