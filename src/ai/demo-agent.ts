import { opendir, readFile, realpath, stat } from "node:fs/promises";
import { isAbsolute, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { Agent } from "./agent.ts";
import { calculate } from "./calculator.ts";
import type { ModelChoice } from "./models.ts";
import { objectSchema } from "./standard-schema.ts";
import { type Tool, tool } from "./tool.ts";

export interface DemoAgentOptions {
  /** What `list_files` and `read_file` see, and nothing outside it. @default `examples/demo` of this package */
  readonly folder?: string;
  /** @default "demo", which needs no key */
  readonly model?: ModelChoice;
}

/** The agent `demo`: real tools, and by default the model that needs no key. */
export function demoAgent(options: DemoAgentOptions = {}): Agent {
  const { folder = demoFolder, model = "demo" } = options;
  return new Agent({
    name: "demo",
    description: "Calculates, tells the time, reads the files of a folder, and asks before it sends email",
    model,
    instructions:
      "You are the demo agent of Runlog. Answer briefly, in markdown. Use the tools for arithmetic, the time and " +
      "files; call several at once where they do not depend on one another. Emails are not really sent: say so.",
    tools: demoTools(folder),
  });
}

// From src/ai and from dist/ai alike.
const demoFolder = fileURLToPath(new URL("../../examples/demo", import.meta.url));

const MAX_FILE_BYTES = 64 * 1024;
const MAX_FILES = 200;

function demoTools(folder: string): Record<string, Tool> {
  return {
    calculator: tool({
      description: "Works out arithmetic: + - * / ^, parentheses, percent as in `17% of 2340`",
      input: objectSchema({ expression: { type: "string", description: "For example 17% of 2340" } }),
      execute: ({ expression }) => ({ expression, result: calculate(expression) }),
      idempotent: true,
    }),
    clock: tool({
      description: "Tells the date and the time",
      input: objectSchema({
        timeZone: { type: "string", description: "IANA name, for example Asia/Tokyo", optional: true },
      }),
      execute: ({ timeZone = "UTC" }) => tellTime(new Date(), timeZone),
      idempotent: true,
    }),
    list_files: tool({
      description: "Lists the files there are",
      input: objectSchema({}),
      execute: async () => ({ files: await listFiles(folder) }),
      idempotent: true,
    }),
    read_file: tool({
      description: "Reads a text file",
      input: objectSchema({ path: { type: "string", description: "As list_files tells it" } }),
      execute: ({ path }) => readText(folder, path),
      idempotent: true,
    }),
    send_email: tool({
      description: "Sends an email, once a person has agreed",
      input: objectSchema({ to: { type: "string" }, subject: { type: "string" }, body: { type: "string" } }),
      execute: ({ to, subject }) => ({
        to,
        subject,
        sent: false,
        note: "this is a demo, so nothing was really sent",
      }),
      approval: true,
    }),
  };
}

function tellTime(now: Date, timeZone: string): { date: string; time: string; timeZone: string } {
  const date = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeZone }).format(now);
  const time = new Intl.DateTimeFormat("en-GB", { timeStyle: "short", timeZone }).format(now);
  return { date, time, timeZone };
}

/** Regular files only: a link could lead anywhere. Hidden ones are left out. */
async function listFiles(folder: string): Promise<{ path: string; bytes: number }[]> {
  const files: { path: string; bytes: number }[] = [];
  for await (const entry of await opendir(folder, { recursive: true })) {
    const full = join(entry.parentPath, entry.name);
    const path = relative(folder, full).split(sep).join("/");
    if (!entry.isFile() || path.split("/").some((name) => name.startsWith("."))) continue;
    files.push({ path, bytes: (await stat(full)).size });
    if (files.length === MAX_FILES) break;
  }
  return files.sort((one, other) => (one.path < other.path ? -1 : 1));
}

async function readText(folder: string, path: string): Promise<{ path: string; text: string }> {
  const refused = (why: string) => new Error(`Cannot read "${path}": ${why}`);
  if (isAbsolute(path) || path.split(/[\\/]/).includes("..") || path.includes("\0")) {
    throw refused("only files inside the folder can be read");
  }
  const root = await realpath(folder);
  const real = await realpath(join(root, path)).catch(() => undefined);
  if (real === undefined) throw refused("there is no such file");
  if (!real.startsWith(root + sep)) throw refused("only files inside the folder can be read");
  const found = await stat(real);
  if (!found.isFile()) throw refused("it is not a file");
  if (found.size > MAX_FILE_BYTES) throw refused(`it has ${found.size} bytes, more than ${MAX_FILE_BYTES}`);
  const bytes = await readFile(real);
  if (bytes.includes(0)) throw refused("it is not text");
  return { path, text: bytes.toString("utf8") };
}
