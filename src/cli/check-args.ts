import { parseArgs } from "node:util";
import type { ArgsDef } from "citty";
import { messageOf } from "../errors.ts";
import { usageError } from "./failure.ts";

/**
 * Refuses flags that a command does not have and words too many, which citty lets pass. `words` names the
 * positional that takes any number of them.
 */
export function checkArgs(name: string, args: ArgsDef, rawArgs: readonly string[], words?: string): void {
  const help = `See: npx runlog ${name} --help`;
  const options: Record<string, { type: "string" | "boolean"; short?: string; multiple: true }> = {};
  for (const [flag, arg] of Object.entries(args)) {
    if (arg.type === "positional") continue;
    const alias = "alias" in arg && typeof arg.alias === "string" ? arg.alias : undefined;
    options[flag] = {
      type: arg.type === "boolean" ? "boolean" : "string",
      multiple: true,
      ...(alias !== undefined && { short: alias }),
    };
  }
  let positionals: string[];
  try {
    ({ positionals } = parseArgs({
      args: [...rawArgs],
      options,
      allowPositionals: true,
      allowNegative: true,
    }));
  } catch (error) {
    throw usageError(messageOf(error), help);
  }
  const places = Object.entries(args).filter(([, arg]) => arg.type === "positional");
  if (words === undefined && positionals.length > places.length)
    throw usageError(
      `Cannot make sense of ${JSON.stringify(positionals[places.length])}: one word too many`,
      help,
    );
  for (const [index, [place, arg]] of places.entries()) {
    if (positionals[index] === undefined && arg.required !== false && arg.default === undefined)
      throw usageError(`Cannot ${name} without a ${place}`, help);
  }
}

/** Every value of a flag that may be repeated; citty keeps the last. */
export function valuesOf(flag: string, rawArgs: readonly string[]): string[] {
  const { values } = parseArgs({
    args: [...rawArgs],
    options: { [flag]: { type: "string", multiple: true } },
    allowPositionals: true,
    strict: false,
  });
  return ((values[flag] ?? []) as (string | boolean)[]).filter((value) => typeof value === "string");
}
