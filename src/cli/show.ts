import { defineCommand } from "citty";
import { readEntries } from "../client/entries.ts";
import type { Entry } from "../events.ts";
import { finalText, toMessages } from "../messages.ts";
import { type FoundRun, findRun } from "./find-run.ts";
import { formatOf, outputArgs, write, writeJson } from "./output.ts";
import { httpFor, serverArgs } from "./server-args.ts";
import { oneLine, strip } from "./strip.ts";
import { type Style, styleFor } from "./style.ts";
import { sayCost, sayDuration, sayUsage } from "./words.ts";

export const examples = [
  "runlog show last",
  "runlog show last -o text | pbcopy",
  "runlog show last --json | jq .usage",
];

export const command = defineCommand({
  meta: { name: "show", description: "Tell what a run was asked, how it stands, and its last words" },
  args: {
    run: { type: "positional", required: true, description: "The run's id, a beginning of it, or last" },
    ...outputArgs,
    ...serverArgs,
  },
  async run({ args }) {
    const http = httpFor(args);
    const format = formatOf(args, "json");
    const run = await findRun(http, args.run);
    const entries: Entry[] = [];
    for await (const page of readEntries(http, run.run)) entries.push(...page);
    const text = finalText(toMessages(entries));
    if (format === "pretty") await write(card(run, text, styleFor(process.stdout)));
    else if (format === "text") await write(text === "" ? "" : `${strip(text).trimEnd()}\n`);
    else await writeJson(JSON.stringify({ ...run, text }));
  },
});

function card(run: FoundRun, text: string, style: Style): string {
  const lines: [string, string | undefined][] = [
    ["run", run.run],
    ["status", run.error ? `${run.status}: ${run.error.code}: ${run.error.message}` : run.status],
    ["agent", run.agent ?? "a producer elsewhere"],
    ["started", new Date(run.startedAt).toLocaleString()],
    ["took", run.endedAt === undefined ? undefined : sayDuration(run.endedAt - run.startedAt)],
    ["steps", run.steps > 0 ? String(run.steps) : undefined],
    ["usage", run.usage && sayUsage(run.usage)],
    ["cost", run.cost === 0 && !run.usage ? undefined : sayCost(run.cost)],
    ["thread", run.thread],
    ["tags", run.tags?.join(", ")],
    ["asked", run.title],
  ];
  const head = lines.flatMap(([name, value]) =>
    value === undefined ? [] : [`${style("dim", name.padEnd(8))} ${oneLine(value)}\n`],
  );
  return `${head.join("")}${text === "" ? "" : `\n${strip(text).trimEnd()}\n`}`;
}
