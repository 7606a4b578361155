import { CLOSED } from "./reader.ts";
import { through } from "./through.ts";

/** Letters of scripts that put no spaces between words, and the first half of those beyond U+FFFF. */
const UNSPACED =
  /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}\ud840-\ud888]/u;
const LETTER = /[\p{L}\ud840-\ud888]/u;

/**
 * Text, however it was cut, as whole words: each with the space after it, handed over as soon as that is
 * there. Scripts without spaces come letter by letter. Put together it is the text that came, the tail
 * included, also of a source that fails; where it was cut makes no difference.
 */
export function words(source: AsyncIterable<string>): AsyncGenerator<string, void, undefined> {
  return through(source, async function* (reader) {
    let held = "";
    let inWord = false;
    let failure: { readonly error: unknown } | undefined;
    try {
      for (let result = await reader.next(); !result.done; result = await reader.next()) {
        const piece = result.value;
        let from = 0;
        for (let at = 0; at < piece.length; at++) {
          const char = piece[at]!;
          if (/\s/.test(char)) {
            if (!inWord) continue;
            inWord = false;
            yield held + piece.slice(from, at + 1);
            held = "";
            from = at + 1;
          } else {
            if (inWord && UNSPACED.test(char) && LETTER.test(char)) {
              yield held + piece.slice(from, at);
              held = "";
              from = at;
            }
            inWord = true;
          }
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
