import type { Entry, EventOf, Json, StreamEvent } from "../events.ts";
import { titleOf } from "../summary.ts";
import { oneLine, strip } from "./strip.ts";
import { type Marks, marksFor, plain, type Style } from "./style.ts";
import { sayApproval, sayTotals } from "./words.ts";

export interface PrinterOptions {
  /** Named in the first line. */
  readonly run?: string;
  /** @default no colours */
  readonly style?: Style;
  readonly marks?: Marks;
}

/** The longest one-line piece of a tool's input or output, in characters. */
const PIECE = 160;

/**
 * A run as text for people, entry by entry, to be appended: text as it streams, thoughts dimmed, a line for
 * each call and for each answer. What models and tools say cannot move the cursor or change a colour.
 */
export class Printer {
  readonly #style: Style;
  readonly #marks: Marks;
  readonly #run: string | undefined;
  /** The text block that the cursor stands in. */
  #block: string | undefined;
  #atLineStart = true;
  /** Messages whose text has streamed. */
  readonly #streamed = new Set<string>();
  readonly #messageOf = new Map<string, string>();
  readonly #calledAt = new Map<string, number>();
  #startedAt: number | undefined;
  #steps = 0;
  #spoke = false;

  constructor({ run, style = plain, marks = marksFor() }: PrinterOptions = {}) {
    this.#run = run;
    this.#style = style;
    this.#marks = marks;
  }

  /** What this entry adds. */
  apply({ event, at }: Entry): string {
    this.#startedAt ??= at;
    const who = event.agent === undefined || event.type === "run.started" ? "" : `[${oneLine(event.agent)}] `;
    switch (event.type) {
      case "text.started":
        if (event.messageId !== undefined) this.#messageOf.set(event.id, event.messageId);
        return "";
      case "text.delta":
        this.#spoke = true;
        this.#streamed.add(this.#messageOf.get(event.id) ?? "");
        return this.#stream(event.id, who, event.text);
      case "reasoning.delta":
        return this.#stream(event.id, who, event.text, "dim");
      case "text.finished":
      case "reasoning.finished":
        return this.break();
      default: {
        const line = this.#line(event, at);
        return line === "" ? "" : `${this.break()}${who}${line}\n`;
      }
    }
  }

  /** Ends the line that text may be in the middle of, for something else to be written. */
  break(): string {
    this.#block = undefined;
    if (this.#atLineStart) return "";
    this.#atLineStart = true;
    return "\n";
  }

  #stream(block: string, who: string, text: string, format?: "dim"): string {
    const start = this.#block === block ? "" : `${this.break()}${who}`;
    this.#block = block;
    const clean = strip(text);
    if (clean === "") return start;
    this.#atLineStart = clean.endsWith("\n");
    return `${start}${format ? this.#style(format, clean) : clean}`;
  }

  /** Everything that is not streamed, as whole lines without the last line end. */
  #line(event: StreamEvent, at: number): string {
    const { call, done, failed, again, asks } = this.#marks;
    const dim = (text: string) => this.#style("dim", text);
    const bad = (text: string) => this.#style("red", text);
    switch (event.type) {
      case "run.started": {
        const names = [this.#run && `run ${this.#run}`, oneLine(event.agent ?? "a producer elsewhere")];
        return `${dim(names.filter(Boolean).join(` ${this.#marks.dot} `))}\n${this.#style("bold", `> ${strip(titleOf(event.input))}`)}`;
      }
      case "run.resumed":
        this.#streamed.clear();
        return this.#style(
          "yellow",
          `${again} another process went on: what step ${event.fromStep} had said above is withdrawn`,
        );
      case "step.started":
        this.#steps = event.step;
        return "";
      case "step.retried":
        this.#streamed.clear();
        return this.#style(
          "yellow",
          `${again} attempt ${event.attempt} failed (${oneLine(`${event.code}: ${event.message}`, PIECE)}): what it said above is withdrawn`,
        );
      case "agent.changed":
        return dim(`agent ${oneLine(event.from)} ${call} ${oneLine(event.to)}`);
      case "message":
        if (event.message.role !== "assistant" || this.#streamed.has(event.message.id)) return "";
        this.#spoke = true;
        return strip(textOf(event)).trimEnd();
      case "source":
        return dim(
          `source ${oneLine([event.title ?? event.filename, event.url].filter(Boolean).join(" "), PIECE)}`,
        );
      case "file":
        return dim(`file ${oneLine([event.mediaType, event.url].filter(Boolean).join(" "), PIECE)}`);
      case "tool.called":
        this.#calledAt.set(event.callId, at);
        return `${this.#style("cyan", `${call} ${oneLine(event.name)}`)} ${dim(piece(event.input))}`;
      case "tool.returned":
        return `${this.#style("cyan", `${done} ${oneLine(event.name)}`)} ${duration(event.durationMs)} ${dim(piece(event.output))}`;
      case "tool.failed": {
        const ms = event.durationMs ?? at - (this.#calledAt.get(event.callId) ?? at);
        const why = oneLine(`${event.code}: ${event.message}`, PIECE);
        return `${bad(`${failed} ${oneLine(event.name)}`)} ${duration(ms)} ${bad(why)}`;
      }
      case "approval.requested":
        return this.#style("yellow", `${asks} waits for approval: ${oneLine(sayApproval(event), PIECE)}`);
      case "input.approval":
        return this.#style(
          "yellow",
          oneLine(
            `${event.approved ? "approved" : "denied"}${by(event)}${event.reason ? `: ${event.reason}` : ""}`,
          ),
        );
      case "input.message":
        return this.#style("bold", `> ${strip(textOf(event))}`);
      case "input.cancel":
        return this.#style(
          "yellow",
          oneLine(`cancel was asked for${by(event)}${event.reason ? `: ${event.reason}` : ""}`),
        );
      case "artifact":
        return this.#style("magenta", `artifact ${event.action}: ${oneLine(event.name, PIECE)}`);
      case "plan":
        return event.items.map((item) => dim(`${item.status.padEnd(9)} ${oneLine(item.title)}`)).join("\n");
      case "error":
        return bad(oneLine(`${event.code}: ${event.message}`));
      case "custom":
        return dim(`${oneLine(event.name)} ${piece(event.data)}`);
      case "run.finished": {
        const output = event.output === undefined || this.#spoke ? "" : `${sayOutput(event.output)}\n`;
        return `${output}${this.#end(event, at, this.#style("green", "finished"))}`;
      }
      case "run.failed":
        return this.#end(event, at, bad(`failed: ${oneLine(`${event.code}: ${event.message}`)}`));
      case "run.cancelled":
        return this.#end(
          event,
          at,
          this.#style("yellow", `cancelled${event.reason ? `: ${oneLine(event.reason)}` : ""}`),
        );
      default:
        return "";
    }
  }

  #end(event: EventOf<"run.finished" | "run.failed" | "run.cancelled">, at: number, how: string): string {
    const { dot } = this.#marks;
    const totals = sayTotals(event, this.#steps, at - (this.#startedAt ?? at), dot);
    return `${how} ${this.#style("dim", `${dot} ${totals}`)}`;
  }
}

const duration = (ms: number) => `${Math.round(ms)} ms`;

const by = (event: { readonly by?: string }) => (event.by === undefined ? "" : ` by ${event.by}`);

function piece(value: Json): string {
  return oneLine(typeof value === "string" ? value : JSON.stringify(value), PIECE);
}

function sayOutput(output: Json): string {
  return strip(typeof output === "string" ? output : JSON.stringify(output, null, 2));
}

function textOf({ message }: EventOf<"message" | "input.message">): string {
  return message.parts.map((part) => (part.type === "text" ? part.text : "")).join("");
}
