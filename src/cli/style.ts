import { styleText } from "node:util";

export type Style = (
  format: "bold" | "dim" | "red" | "green" | "yellow" | "cyan" | "magenta",
  text: string,
) => string;

/** Colours, where the stream is a terminal that has them and nobody said NO_COLOR. */
export function styleFor(stream: NodeJS.WriteStream): Style {
  if (process.env.CLICOLOR === "0") return plain;
  return (format, text) => styleText(format, text, { stream, validateStream: true });
}

export const plain: Style = (_format, text) => text;

/** The marks of the pretty printer, in what the terminal can show. */
export interface Marks {
  readonly call: string;
  readonly done: string;
  readonly failed: string;
  readonly again: string;
  readonly asks: string;
  readonly dot: string;
}

export function marksFor(term = process.env.TERM): Marks {
  return term === "dumb" || term === "linux"
    ? { call: "->", done: "<-", failed: "x", again: "~", asks: "?", dot: "-" }
    : { call: "→", done: "←", failed: "✖", again: "↺", asks: "?", dot: "·" };
}
