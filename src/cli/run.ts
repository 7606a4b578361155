import { text as readAll } from "node:stream/consumers";
import { defineCommand } from "citty";
import { CliError, usageError } from "./failure.ts";
import type { FoundRun } from "./find-run.ts";
import { onInterrupt } from "./interrupts.ts";
import { formatOf, notice, outputArgs, write } from "./output.ts";
import { httpFor, serverArgs } from "./server-args.ts";
import { watch } from "./watch.ts";

export const examples = [
  'runlog run "What is 17% of 2340?"',
  "cat question.md | runlog run",
  'runlog run "Count to 200" | jq .event.type',
];

export const words = "question";

export const command = defineCommand({
  meta: {
    name: "run",
    description: "Start a run and follow it; Ctrl-C cancels it, Ctrl-C again detaches",
  },
  args: {
    question: {
      type: "positional",
      required: false,
      description: "What is asked; - or left out: what stdin says",
    },
    agent: { type: "string", valueHint: "name", description: "Who is asked; the server's first agent" },
    detach: { type: "boolean", alias: "d", description: "Print the run's id alone and leave it running" },
    input: {
      type: "boolean",
      default: true,
      description: "Ask for approvals on a terminal",
      negativeDescription: "Never ask: exit 8 where an answer is needed",
    },
    ...outputArgs,
    ...serverArgs,
  },
  async run({ args }) {
    const http = httpFor(args);
    const format = formatOf(args, "jsonl");
    const input = await inputFrom(args._);
    const { agent } = args;
    const body = { input, ...(agent !== undefined && { agent }) };
    const leave = new AbortController();
    using starting = onInterrupt(() => leave.abort());
    let run: string;
    try {
      ({ run } = await http.json<FoundRun>("/runs", { method: "POST", body, signal: leave.signal }));
    } catch (error) {
      if (leave.signal.aborted)
        throw new CliError("interrupted", "Interrupted before the server answered: the run may go on", 130);
      throw error;
    }
    starting[Symbol.dispose]();
    if (args.detach) return write(`${run}\n`);
    if (format !== "pretty") notice(`run ${run}`);
    await watch({ http, flags: args, run, format, owner: true, input: args.input });
  },
});

async function inputFrom(words: readonly string[]): Promise<string> {
  if (words.length > 0 && !(words.length === 1 && words[0] === "-")) return words.join(" ");
  if (words.length === 0 && process.stdin.isTTY)
    throw usageError('Cannot start a run without a question: npx runlog run "What is 17% of 2340?"');
  const text = (await readAll(process.stdin)).trim();
  if (text === "") throw usageError("Cannot start a run without a question: stdin is empty");
  return text;
}
