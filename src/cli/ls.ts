import { defineCommand } from "citty";
import type { RunInfo } from "../run-info.ts";
import { usageError } from "./failure.ts";
import { type Format, formatOf, notice, outputArgs, write, writeJson } from "./output.ts";
import { httpFor, serverArgs } from "./server-args.ts";
import { oneLine } from "./strip.ts";
import { type Style, styleFor } from "./style.ts";
import { sayAgo, sayCost, sayDuration } from "./words.ts";

export const examples = [
  "runlog ls",
  "runlog ls --status running -o text | xargs -n 1 runlog cancel",
  "runlog ls --limit 100 | jq -r 'select(.cost > 0.1).run'",
];

/** The longest page that a server hands out. */
const PAGE = 500;

interface Page {
  readonly runs: readonly RunInfo[];
  readonly next?: string;
}

export const command = defineCommand({
  meta: { name: "ls", description: "List runs, the newest first" },
  args: {
    status: {
      type: "string",
      valueHint: "running|waiting|finished|failed|cancelled",
      description: "Only these",
    },
    agent: { type: "string", valueHint: "name", description: "Only this agent's" },
    limit: { type: "string", default: "20", valueHint: "n", description: "How many" },
    ...outputArgs,
    ...serverArgs,
  },
  async run({ args }) {
    const http = httpFor(args);
    const format = formatOf(args, "jsonl");
    const limit = Number(args.limit);
    if (!Number.isInteger(limit) || limit < 1)
      throw usageError(`Cannot list ${args.limit} runs: --limit is a whole number from 1`);
    const runs: RunInfo[] = [];
    let next: string | undefined;
    do {
      const query = new URLSearchParams({ limit: String(Math.min(PAGE, limit - runs.length)) });
      if (args.status !== undefined) query.set("status", args.status);
      if (args.agent !== undefined) query.set("agent", args.agent);
      if (next !== undefined) query.set("before", next);
      const page: Page = await http.json(`/runs?${query}`);
      runs.push(...page.runs);
      next = page.next;
    } while (next !== undefined && runs.length < limit);
    await print(runs, format);
    if (format !== "pretty") return;
    if (runs.length === 0) notice('no runs: start one with npx runlog run "What is 17% of 2340?"');
    else if (next !== undefined) notice(`there are more: npx runlog ls --limit ${limit * 2}`);
  },
});

async function print(runs: readonly RunInfo[], format: Format): Promise<void> {
  if (format === "json") return writeJson(JSON.stringify(runs));
  if (format === "pretty") return write(table(runs, styleFor(process.stdout), process.stdout.columns || 120));
  for (const run of runs) {
    if (format === "text") await write(`${run.run}\n`);
    else await writeJson(JSON.stringify(run));
  }
}

const colours = {
  running: "cyan",
  waiting: "yellow",
  finished: "green",
  failed: "red",
  cancelled: "dim",
} as const;

/** One line for each run, what it was asked last and cut off at the edge. */
function table(runs: readonly RunInfo[], style: Style, columns: number): string {
  const now = Date.now();
  const rows = runs.map(({ run, status, agent, startedAt, endedAt, cost, title, error }) => ({
    status,
    cells: [
      run,
      status,
      oneLine(agent ?? "-", 20),
      sayAgo(now - startedAt),
      sayDuration((endedAt ?? now) - startedAt),
      cost === null ? "-" : sayCost(cost),
    ],
    title: oneLine(error ? `${title} (${error.code})` : title),
  }));
  const widths = [0, 1, 2, 3, 4, 5].map((index) =>
    Math.max(0, ...rows.map(({ cells }) => cells[index]!.length)),
  );
  const left = Math.max(20, columns - widths.reduce((sum, width) => sum + width + 2, 0) - 1);
  return rows
    .map(({ status, cells, title }) => {
      const padded = cells.map((cell, index) => cell.padEnd(widths[index]!));
      padded[1] = style(colours[status] ?? "dim", padded[1]!);
      return `${padded.join("  ")}  ${oneLine(title, left)}\n`;
    })
    .join("");
}
