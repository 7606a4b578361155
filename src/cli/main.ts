#!/usr/bin/env node
import { runCommand } from "citty";
import { checkArgs } from "./check-args.ts";
import { commands } from "./commands.ts";
import { CliError, failureOf } from "./failure.ts";
import { surviveClosedPipes, write } from "./output.ts";
import { escapeControls, strip } from "./strip.ts";
import { version } from "./version.ts";

surviveClosedPipes((error) => {
  say(new CliError("output_failed", `Cannot write the output: ${error.message}`, 1));
  process.exit();
});
const rawArgs = process.argv.slice(2);
try {
  await main(rawArgs);
} catch (error) {
  say(error);
}

/** Tells of what ends the command, and sets its exit code. */
function say(error: unknown): void {
  const failure = failureOf(error);
  const json = rawArgs.some(
    (arg, index) =>
      arg === "--json" || (/^jsonl?$/.test(arg) && /^(-o|--output)$/.test(rawArgs[index - 1] ?? "")),
  );
  if (process.stderr.isTTY && !json) {
    process.stderr.write(`${strip(failure.message)}\n`);
    if (failure.hint !== undefined) process.stderr.write(`${strip(failure.hint)}\n`);
  } else process.stderr.write(`${escapeControls(JSON.stringify({ error: failure }))}\n`);
  process.exitCode = failure.exit;
}

async function main([name, ...rest]: readonly string[]): Promise<void> {
  if (Number.parseInt(process.versions.node, 10) < 24)
    throw new Error(`Cannot run on Node ${process.versions.node}: Runlog needs Node 24 or later`);
  if (name === "--version" || name === "-v") return write(`${version()}\n`);
  const flags = rest.includes("--") ? rest.slice(0, rest.indexOf("--")) : rest;
  const wantsHelp = flags.includes("--help") || flags.includes("-h");
  if (name === undefined || ["help", "--help", "-h"].includes(name) || wantsHelp) {
    const { help } = await import("./help.ts");
    const topic = name === undefined || wantsHelp ? name : rest[0];
    return write(await help(topic?.startsWith("-") ? undefined : topic, version()));
  }
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!load) throw (await import("./help.ts")).unknownCommand(name);
  const { command, words } = await load();
  checkArgs(name, command.args as never, rest, words);
  await runCommand(command, { rawArgs: rest });
}
