/**
 * What a terminal may act on: C0 but tab and line end, DEL, C1, and what overrides the direction of text.
 * Taken out one by one, so that a sequence cut in two by a stream is as harmless as a whole one.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this is about
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g;

/** Text of models, tools and servers, fit for a terminal. */
export function strip(text: string): string {
  return text.replace(CONTROLS, "");
}

/** The same on one line, and cut off where it is longer than `most` characters. */
export function oneLine(text: string, most = Number.POSITIVE_INFINITY): string {
  const line = strip(text.replace(/\s+/g, " ")).trim();
  return line.length > most ? `${line.slice(0, most - 1).toWellFormed()}…` : line;
}

/** JSON fit for a terminal, and still the same JSON: what would be stripped is escaped. */
export function escapeControls(json: string): string {
  return json.replace(CONTROLS, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
