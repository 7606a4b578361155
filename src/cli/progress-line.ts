import { stripVTControlCharacters } from "node:util";
import type { Entry } from "../events.ts";
import { Summary } from "../summary.ts";
import { plain, type Style } from "./style.ts";
import { sayCost, sayDuration } from "./words.ts";

export interface ProgressLineOptions {
  /** How wide the terminal is, in characters. */
  readonly columns: () => number;
  /** In ms, by a clock that never jumps. @default performance.now */
  readonly now?: () => number;
  /** @default no colours */
  readonly style?: Style;
  readonly dot?: string;
}

/** Between two drawings, in ms. */
export const REDRAW_MS = 100;
/** A token is about so many characters, where nobody tells. */
const TOKEN_CHARS = 4;
/** A rate is not told of less than this, in ms. */
const RATE_MS = 500;

/** Characters that take one column on any terminal. */
const NARROW = /^[\x20-\x7e\u00a0-\u00ac\u00ae-\u024f\u0370-\u03ff\u0400-\u0482\u048a-\u04ff\u2010-\u2027]*$/;

/**
 * One live line about a run that is shown on a terminal: step, tokens, tokens per second, cost, time. It stands
 * where the next line of text will be, and below a line that text is in the middle of. Everything here returns
 * what is to be written.
 */
export class ProgressLine {
  readonly #columns: () => number;
  readonly #now: () => number;
  readonly #style: Style;
  readonly #dot: string;
  /** What is known of the run. */
  #summary = new Summary();
  #arrivedAt = 0;
  #lastAt: number | undefined;
  /** What the open step has said, in characters, and when it began and was last heard. */
  #chars = 0;
  #spokeFrom = 0;
  #spokeTo = 0;
  #rate: number | undefined;
  /** Where the text ends: the column, or undefined where that cannot be told. */
  #column: number | undefined = 0;
  #width = 0;
  #shown: "here" | "below" | undefined;
  #drawn = "";
  #drawnAt = Number.NEGATIVE_INFINITY;

  constructor({ columns, now = () => performance.now(), style = plain, dot = "·" }: ProgressLineOptions) {
    this.#columns = columns;
    this.#now = now;
    this.#style = style;
    this.#dot = dot;
  }

  /** Takes the next entry of the run. */
  apply({ event, at }: Entry): void {
    this.#summary.apply(event, at);
    this.#lastAt = at;
    this.#arrivedAt = this.#now();
    switch (event.type) {
      case "text.delta":
      case "reasoning.delta":
      case "tool.delta":
        if (this.#chars === 0) this.#spokeFrom = at;
        this.#spokeTo = at;
        this.#chars += event.text.length;
        break;
      case "step.started":
      case "step.retried":
      case "run.resumed":
        this.#chars = 0;
        break;
      case "step.finished": {
        const ms = (event.durationMs ?? 0) - (event.ttftMs ?? 0);
        if (event.usage && ms >= RATE_MS) this.#rate = event.usage.outputTokens / (ms / 1_000);
        if (event.usage) this.#chars = 0;
        break;
      }
      default:
    }
  }

  /** Text with what keeps the line apart from it. */
  around(text: string): string {
    if (text === "") return "";
    const width = this.#columns();
    const visible = stripVTControlCharacters(text);
    const stays =
      this.#shown === "below" &&
      this.#column !== undefined &&
      width === this.#width &&
      NARROW.test(visible) &&
      this.#column + visible.length < width;
    const before = stays ? "" : this.#erase();
    this.#move(visible, width);
    return `${before}${text}${this.draw()}`;
  }

  /** What shows the line as it is now; nothing if it was drawn a moment ago, or there is nothing to show. */
  draw(): string {
    const now = this.#now();
    if (now - this.#drawnAt < REDRAW_MS || this.#lastAt === undefined) return "";
    if (this.#summary.terminal || this.#summary.waiting) return this.#erase();
    const width = this.#columns();
    // Text that stood there has moved when the window was made wider or narrower.
    if (width !== this.#width && this.#column !== 0) this.#column = undefined;
    this.#width = width;
    // In the last column a terminal is between two lines.
    if (this.#column === undefined || this.#column >= width) return this.#erase();
    const line = this.#say(now).slice(0, width - 1);
    if (line === this.#drawn && this.#shown) return "";
    this.#drawn = line;
    this.#drawnAt = now;
    const styled = this.#style("dim", line);
    if (this.#column === 0) {
      this.#shown = "here";
      return `\r\x1b[2K${styled}\r`;
    }
    this.#shown = "below";
    return `\r\n\x1b[2K${styled}\x1b[A\x1b[${this.#column + 1}G`;
  }

  /** What makes room for something else: `end` ends the line that text may be in the middle of. */
  hide(end = ""): string {
    const before = this.#erase();
    this.#move(end, this.#columns());
    this.#drawnAt = this.#now();
    return `${before}${end}`;
  }

  /** Forgets the run, for its log to come again from the start. The text stays where it is. */
  reset(): void {
    this.#summary = new Summary();
    this.#lastAt = undefined;
    this.#chars = 0;
    this.#rate = undefined;
  }

  #erase(): string {
    const shown = this.#shown;
    this.#shown = undefined;
    if (shown === undefined) return "";
    // From where the text ends there is nothing else to the end of the screen.
    return shown === "here" ? "\r\x1b[2K" : "\x1b[J";
  }

  #move(visible: string, width: number): void {
    if (width !== this.#width && this.#column !== 0) this.#column = undefined;
    this.#width = width;
    const lineEnd = visible.lastIndexOf("\n");
    const rest = visible.slice(lineEnd + 1);
    const from = lineEnd < 0 ? this.#column : 0;
    if (from === undefined || !NARROW.test(rest)) this.#column = undefined;
    else if (rest !== "") this.#column = ((from + rest.length - 1) % width) + 1;
    else this.#column = from;
  }

  #say(now: number): string {
    const { step, usage, cost, startedAt } = this.#summary;
    const estimate = Math.round(this.#chars / TOKEN_CHARS);
    const tokens = (usage?.outputTokens ?? 0) + estimate;
    const spoke = this.#spokeTo - this.#spokeFrom;
    const rate = estimate > 0 && spoke >= RATE_MS ? estimate / (spoke / 1_000) : this.#rate;
    const elapsed = Math.max(0, (this.#lastAt ?? 0) - startedAt) + now - this.#arrivedAt;
    const parts = [
      step > 0 && `step ${step}`,
      tokens > 0 && `${estimate > 0 ? "~" : ""}${tokens.toLocaleString("en")} tokens`,
      rate !== undefined && `${Math.round(rate)} tokens/s`,
      usage && sayCost(cost),
      sayDuration(elapsed),
    ];
    return parts.filter((part) => typeof part === "string").join(` ${this.#dot} `);
  }
}

/** Whether a stream is a terminal on which a line can be drawn anew, and nobody said no to that. */
export function drawsProgress(stream: NodeJS.WriteStream): boolean {
  const { NO_COLOR, CLICOLOR, TERM } = process.env;
  return Boolean(stream.isTTY) && !NO_COLOR && CLICOLOR !== "0" && TERM !== "dumb";
}
