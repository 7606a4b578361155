import { appendFile } from "node:fs/promises";
import type { RunSpan } from "./spans.ts";

/** Where spans go. */
export interface SpanExporter {
  /** Told of a span that begins, before any that hang on it. */
  start?(span: RunSpan): void;
  /** Given each span once it has ended. What it returns is waited for, if it is a promise, before the next. */
  export(span: RunSpan): unknown;
}

/** Keeps spans, for tests. */
export interface MemoryExporter extends SpanExporter {
  /** In the order in which they ended. */
  readonly spans: readonly RunSpan[];
}

export function memoryExporter(): MemoryExporter {
  const spans: RunSpan[] = [];
  return { spans, export: (span) => void spans.push(span) };
}

/** Appends each span to a file, as one line of JSON; `endedAt` and `startedAt` in ms since the epoch. */
export function jsonlExporter(path: string): SpanExporter {
  return { export: (span) => appendFile(path, `${JSON.stringify(span)}\n`) };
}

/** Prints a line for each span: its name, how long it took, its tokens, and why it failed. `write` is given lines. */
export function consoleExporter(write: (line: string) => void = console.log): SpanExporter {
  return { export: (span) => write(sayLine(span)) };
}

function sayLine({ name, startedAt, endedAt = startedAt, attributes, error }: RunSpan): string {
  const input = attributes["gen_ai.usage.input_tokens"];
  const output = attributes["gen_ai.usage.output_tokens"];
  const parts = [
    name,
    `${endedAt - startedAt} ms`,
    input !== undefined && `${input} tokens in, ${output} out`,
    error && `${error.code}: ${error.message}`,
  ];
  // Names and messages come from models and tools: a terminal must not act on them.
  return parts
    .filter((part) => typeof part === "string")
    .join("  ")
    .replace(/\s/g, " ")
    .replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, "");
}
