import { stripVTControlCharacters } from "node:util";
import { renderUsage } from "citty";
import { commands } from "./commands.ts";
import { exitCodes } from "./exit-codes.ts";
import { usageError } from "./failure.ts";

/** What `runlog help [topic]` prints; the topic is a command, `exit-codes`, or nothing. */
export async function help(topic: string | undefined, version: string): Promise<string> {
  if (topic === undefined) return overview(version);
  if (topic === "exit-codes") return sayExitCodes();
  const load = Object.hasOwn(commands, topic) ? commands[topic] : undefined;
  if (!load) throw unknownCommand(topic);
  const { command, examples } = await load();
  const usage = await renderUsage(command, { meta: { name: "runlog", version } });
  const text = `${usage}\n\nEXAMPLES\n\n${examples.map((example) => `  ${example}\n`).join("")}`;
  return process.stdout.hasColors?.() ? text : stripVTControlCharacters(text);
}

export function unknownCommand(name: string): Error {
  const near = Object.keys(commands).find((each) => distance(each, name) <= 2);
  return usageError(
    `Cannot find the command "${name}"${near ? `: did you mean ${near}?` : ""}`,
    `The commands are ${Object.keys(commands).join(", ")}: npx runlog help`,
  );
}

async function overview(version: string): Promise<string> {
  const lines = await Promise.all(
    Object.entries(commands).map(async ([name, load]) => {
      const { meta } = (await load()).command;
      return `  ${name.padEnd(8)} ${(meta as { description: string }).description}\n`;
    }),
  );
  return `Runlog ${version}: runs AI agents and streams what they do from a durable log.

Usage: runlog COMMAND [FLAGS]

${lines.join("")}
  runlog COMMAND --help      the flags of a command, and examples
  runlog help exit-codes     what the exit codes mean

Data goes to stdout, everything else to stderr. On a terminal it is pretty; piped it is JSON, one object
per line for run, follow, replay, export and ls (there -o json is one array). -o text prints nothing but the agent's words.

Environment: RUNLOG_URL, RUNLOG_TOKEN; for serve also PORT, RUNLOG_STORE; NO_COLOR.
`;
}

function sayExitCodes(): string {
  const lines = Object.entries(exitCodes).map(([code, meaning]) => `${code.padStart(5)}  ${meaning}\n`);
  return `Exit codes\n\n${lines.join("")}
Where stderr is no terminal, or with --json, a failure is one line on it:
{"error":{"code":"run_not_found","message":"...","hint":"...","exit":6}}
`;
}

/** How many letters must be added, left out or changed to make one word the other. */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (const [i, letter] of [...one].entries()) {
    const next = [i + 1];
    for (const [j, wanted] of [...other].entries())
      next.push(Math.min(row[j]! + (letter === wanted ? 0 : 1), row[j + 1]! + 1, next[j]! + 1));
    row = next;
  }
  return row.at(-1)!;
}
