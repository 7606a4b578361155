import { once } from "node:events";
import { usageError } from "./failure.ts";
import { escapeControls, strip } from "./strip.ts";

export type Format = "pretty" | "text" | "json" | "jsonl";

/** The flags of every command that prints data. */
export const outputArgs = {
  output: {
    type: "string",
    alias: "o",
    valueHint: "pretty|text|json|jsonl",
    description: "How to print; pretty on a terminal, JSON when piped",
  },
  json: { type: "boolean", description: "JSON, as when piped" },
} as const;

/** The format that was asked for, else the one that fits where stdout leads. */
export function formatOf(
  { output, json }: { readonly output?: string | undefined; readonly json?: boolean | undefined },
  piped: "json" | "jsonl",
): Format {
  if (output !== undefined && !["pretty", "text", "json", "jsonl"].includes(output))
    throw usageError(`Cannot print as "${output}": --output is one of pretty, text, json, jsonl`);
  if (output !== undefined) return output as Format;
  return json || !process.stdout.isTTY ? piped : "pretty";
}

/** Data, to stdout. Resolves once there is room for more. */
export async function write(text: string): Promise<void> {
  if (text !== "" && !process.stdout.write(text)) await once(process.stdout, "drain");
}

/** One line of JSON, to stdout, in one write. */
export async function writeJson(json: string): Promise<void> {
  await write(`${process.stdout.isTTY ? escapeControls(json) : json}\n`);
}

/** Anything but data, to stderr. */
export function notice(text: string): void {
  process.stderr.write(`${strip(text)}\n`);
}

/** A reader that has gone, as `| head -1` does, is no error; `onLost` is told of one, as of a full disk. */
export function surviveClosedPipes(onLost: (error: Error) => void): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") return onLost(error);
    // Nothing more can be told, and nobody wants to know.
    process.exit(0);
  });
  process.stderr.on("error", () => {});
}
