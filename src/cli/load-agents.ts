import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type AgentFunction, type AgentLike, toAgent } from "../agent.ts";
import { messageOf, RunError } from "../errors.ts";
import { CliError, usageError } from "./failure.ts";

/**
 * The agents that a module exports: agents, async generator functions, and arrays of them. Those of `default`
 * come first, and the first of all is the one that is asked where none is named; then by the exports' names.
 */
export async function loadAgents(entry: string): Promise<AgentLike[]> {
  const path = resolve(entry);
  if (!existsSync(path)) throw usageError(`Cannot serve "${entry}": there is no such file`);
  return agentsIn(entry, await load(entry, path));
}

/** The agents among a module's exports. Throws, and names the exports, if there is none. */
export function agentsIn(entry: string, module: Readonly<Record<string, unknown>>): AgentLike[] {
  const exports = Object.entries(module).sort(([one], [other]) =>
    one === "default" ? -1 : other === "default" ? 1 : 0,
  );
  const found = new Map<unknown, AgentLike>();
  for (const [name, value] of exports) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (isAgent(each)) found.set(each, each);
      else if (isAgentFunction(each) && !found.has(each)) found.set(each, toAgent(each, nameOf(each, name)));
    }
  }
  if (found.size > 0) return [...found.values()];
  const others = exports.map(([name, value]) => `"${name}" (${kindOf(value)})`).join(", ");
  throw usageError(
    `Cannot serve "${entry}": it exports no agent, ${others ? `only ${others}` : "nothing at all"}`,
    "Export an Agent, an async generator function, or an array of them",
  );
}

async function load(entry: string, path: string): Promise<Record<string, unknown>> {
  try {
    return (await import(pathToFileURL(path).href)) as Record<string, unknown>;
  } catch (error) {
    if (error instanceof RunError) throw error;
    // Of the stack only the place, and only where it helps: in code that is not ours.
    const place = error instanceof Error && /file:\/\/[^\s)]+:\d+:\d+/.exec(error.stack ?? "")?.[0];
    const where = place && !place.includes("/node_modules/") ? ` at ${place}` : "";
    throw new CliError("entry_failed", `Cannot load "${entry}": ${messageOf(error)}${where}`, 1);
  }
}

function isAgent(value: unknown): value is AgentLike {
  if (typeof value !== "object" || value === null) return false;
  const { name, run } = value as Partial<AgentLike>;
  return typeof name === "string" && typeof run === "function";
}

function isAgentFunction(value: unknown): value is AgentFunction {
  return Object.prototype.toString.call(value) === "[object AsyncGeneratorFunction]";
}

/** A function that is exported as it is made has the name "default". */
function nameOf(agent: AgentFunction, exported: string): string {
  return agent.name === "" || agent.name === "default"
    ? exported === "default"
      ? "agent"
      : exported
    : agent.name;
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return value.length === 0 ? "an empty array" : "an array of something else";
  return typeof value === "object" || typeof value === "undefined"
    ? String(typeof value)
    : `a ${typeof value}`;
}
