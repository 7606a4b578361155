import { defineCommand } from "citty";
import type { AgentLike } from "../agent.ts";
import { messageOf, RunError } from "../errors.ts";
import { AgentFailure } from "../failure.ts";
import type { RequestLine } from "../server/app.ts";
import { valuesOf } from "./check-args.ts";
import { CliError, usageError } from "./failure.ts";
import { onInterrupt } from "./interrupts.ts";
import { notice, write } from "./output.ts";
import { oneLine } from "./strip.ts";
import { version } from "./version.ts";
import { welcome } from "./welcome.ts";

export const examples = [
  "runlog serve",
  "runlog serve agents.ts --port 3000 --store memory:",
  "OPENAI_API_KEY=... runlog serve --model openai/gpt-5.5 --folder .",
];

export const command = defineCommand({
  meta: { name: "serve", description: "Serve agents over HTTP: those of a module, or the demo agent" },
  args: {
    entry: {
      type: "positional",
      required: false,
      description: "A .ts or .js module that exports agents; without one, the demo agent",
    },
    port: { type: "string", valueHint: "n", description: "PORT, else 8000; 0 takes a free one" },
    host: { type: "string", valueHint: "address", description: "127.0.0.1; any other wants RUNLOG_TOKEN" },
    store: {
      type: "string",
      valueHint: "memory:|sqlite:PATH|redis://...|nats://...",
      description: "RUNLOG_STORE, else sqlite:.runlog/runlog.db",
    },
    model: {
      type: "string",
      valueHint: "provider/name",
      description: "The demo agent's model; without one a script that needs no key",
    },
    folder: { type: "string", valueHint: "dir", description: "What the demo agent may read" },
    url: {
      type: "string",
      valueHint: "https://...",
      description: "Where clients reach this server, if it stands behind a proxy",
    },
    origin: {
      type: "string",
      valueHint: "https://...",
      description: "A page that may use this server from a browser; may be repeated",
    },
  },
  async run({ args, rawArgs }) {
    const { env } = process;
    const port = portOf(args.port ?? env.PORT);
    const host = args.host ?? "127.0.0.1";
    const storeUrl = args.store ?? (env.RUNLOG_STORE || "sqlite:.runlog/runlog.db");
    const token = tokenOf(env.RUNLOG_TOKEN);
    const agents = await agentsFor(args);
    const [{ openStore, shownUrl }, { createHub }, { listen }] = await Promise.all([
      import("../stores/open.ts"),
      import("../hub.ts"),
      import("../server/listen.ts"),
    ]);
    await using store = await openStore(storeUrl);
    const onError = (error: unknown, run?: string) =>
      notice(`${run === undefined ? "error" : `run ${run}`}: ${sayError(error)}`);
    await using hub = await createHub({ store, agents, onError });
    const origins = valuesOf("origin", rawArgs);
    const publicUrl = urlOf(args.url);
    const onRequest = (line: RequestLine) => notice(sayRequest(line));
    let listening: Awaited<ReturnType<typeof listen>>;
    try {
      listening = await listen({ hub, port, host, token, origins, publicUrl, onRequest, onError });
    } catch (error) {
      throw listenError(error, host, port);
    }
    const text = welcome({
      version: version(),
      url: listening.url,
      store: shownUrl(storeUrl),
      durability: store.durability,
      agents: hub.agents,
      token: token !== undefined,
      demo: args.entry === undefined,
    });
    await write(text);
    if (args.entry === undefined && args.model === undefined) offerModel();
    await stopSignal(() => hub.live);
    await listening.stop();
    // Timers and connections that the entry left open are no reason to stay.
    setTimeout(() => process.exit(), 1_000).unref();
  },
});

async function agentsFor({ entry, model, folder }: ServeFlags): Promise<readonly AgentLike[]> {
  if (entry === undefined) {
    const { demoAgent } = await import("../ai/demo-agent.ts");
    return [demoAgent({ ...(folder !== undefined && { folder }), ...(model !== undefined && { model }) })];
  }
  if (model !== undefined || folder !== undefined)
    throw usageError(`Cannot use --model or --folder with "${entry}": they are the demo agent's`);
  const { loadAgents } = await import("./load-agents.ts");
  return loadAgents(entry);
}

interface ServeFlags {
  readonly entry?: string | undefined;
  readonly model?: string | undefined;
  readonly folder?: string | undefined;
}

function portOf(text: string | undefined): number {
  const port = Number(text || 8000);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw usageError(`Cannot listen on port "${text}": it is a number from 0 to 65535`);
}

/** Refuses what no client could send: as a secret has it that was kept in a file, with the line end. */
function tokenOf(text: string | undefined): string | undefined {
  if (!text || /^[\x20-\x7e]*[\x21-\x7e]$/.test(text)) return text || undefined;
  throw usageError(
    "Cannot use RUNLOG_TOKEN: it must be of printable ASCII characters, and end with no space or line end",
  );
}

function urlOf(text: string | undefined): string | undefined {
  if (text === undefined || /^https?:$/.test(URL.parse(text)?.protocol ?? "")) return text;
  throw usageError(`Cannot be reached at "${text}": it must be a URL such as https://agents.example.com`);
}

function listenError(error: unknown, host: string, port: number): unknown {
  const { code } = error as NodeJS.ErrnoException;
  const where = `Cannot listen on ${host}:${port}`;
  const other = `Take another: npx runlog serve --port ${port === 8000 ? 8001 : 8000}`;
  if (code === "EADDRINUSE") return new CliError("port_in_use", `${where}: the port is in use`, 1, other);
  if (code === "EACCES") return new CliError("port_denied", `${where}: it is not allowed`, 1, other);
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND")
    return usageError(`${where}: this machine has no such address`);
  return error;
}

/** For each key that providers document, a model that it opens. */
const models: Readonly<Record<string, string>> = {
  OPENAI_API_KEY: "openai/gpt-5.5",
  ANTHROPIC_API_KEY: "anthropic/claude-sonnet-5",
  GOOGLE_GENERATIVE_AI_API_KEY: "google/gemini-3.5-flash",
  GEMINI_API_KEY: "google/gemini-3.5-flash",
};

function offerModel(): void {
  const key = Object.keys(models).find((name) => process.env[name]);
  if (key) notice(`${key} is set: to ask a real model, npx runlog serve --model ${models[key]}`);
}

function sayRequest({ from, method, path, status, ms, run }: RequestLine): string {
  return `${from} ${method} ${oneLine(path, 200)} ${status} ${ms} ms${run ? ` run ${run}` : ""}`;
}

/** The one place where a stack is shown: who runs an agent has to find the line. */
function sayError(error: unknown): string {
  const expected = error instanceof RunError || error instanceof AgentFailure;
  return !expected && error instanceof Error && error.stack ? error.stack : oneLine(messageOf(error));
}

/** Resolves with the first Ctrl-C or SIGTERM; the next one ends the process as it is. */
function stopSignal(live: () => number): Promise<void> {
  return new Promise((resolve) => {
    let stopping = false;
    onInterrupt((signal) => {
      if (stopping) process.exit(signal === "SIGINT" ? 130 : 143);
      stopping = true;
      const runs = live();
      const wait = runs > 0 ? `, ${runs} ${runs === 1 ? "run gets" : "runs get"} 10 s to end` : "";
      notice(`stopping${wait}; once more stops at once`);
      resolve();
    });
  });
}
