import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("main.ts", import.meta.url));

export interface ChildOptions {
  /** The server that the command asks. */
  readonly url?: string;
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  /** Given to stdin, which then ends; left out, stdin stays open. */
  readonly stdin?: string;
  /** Options of Node itself. */
  readonly node?: readonly string[];
}

/** A `runlog` at work in a process of its own. */
export class Child implements AsyncDisposable {
  stdout = "";
  stderr = "";
  /** The exit code, once all it has said is here; a signal's name where one ended it. */
  readonly ended: Promise<number | string>;
  readonly #process: ChildProcess;
  readonly #waiting = new Set<() => void>();
  #over = false;

  constructor(command: string, args: readonly string[], options: ChildOptions, terminal = false) {
    const env: Record<string, string> = {
      PATH: process.env.PATH ?? "",
      HOME: "/nonexistent",
      TERM: terminal ? "xterm-256color" : "dumb",
      ...(options.url !== undefined && { RUNLOG_URL: options.url }),
      ...options.env,
    };
    this.#process = spawn(command, args, { env, ...(options.cwd !== undefined && { cwd: options.cwd }) });
    this.#process.stdin?.on("error", () => {});
    if (options.stdin !== undefined) this.#process.stdin?.end(options.stdin);
    for (const name of ["stdout", "stderr"] as const) {
      this.#process[name]?.setEncoding("utf8").on("data", (text: string) => {
        this[name] += text;
        this.#look();
      });
    }
    this.ended = once(this.#process, "close").then(([code, signal]) => {
      this.#over = true;
      this.#look();
      return code ?? signal;
    });
  }

  get lines(): string[] {
    return this.stdout.split("\n").filter(Boolean);
  }

  /** The entries that came, of a command that prints entries. */
  get entries(): { readonly seq: number; readonly at: number; readonly event: { readonly type: string } }[] {
    return this.lines.map((line) => JSON.parse(line));
  }

  /** The line that tells a program what went wrong. */
  get error(): { code: string; message: string; hint?: string; exit: number } {
    const line = this.stderr.split("\n").findLast((each) => each.startsWith('{"error":'));
    if (line === undefined) throw new Error(`No error on stderr: ${this.stderr}`);
    return JSON.parse(line).error;
  }

  /** Until the output holds it. */
  async until(name: "stdout" | "stderr", text: string): Promise<void> {
    while (!this[name].includes(text)) {
      if (this.#over)
        throw new Error(`It ended without ${JSON.stringify(text)}: ${this.stdout}\n${this.stderr}`);
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  type(text: string): void {
    this.#process.stdin?.write(text);
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.ended;
  }

  #look(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}

export function runlog(args: readonly string[], options: ChildOptions = {}): Child {
  return new Child(process.execPath, [...(options.node ?? []), main, ...args], options);
}

/** A `runlog` on a terminal: what it prints is all in `stdout`, and typing works. */
export function runlogOnTerminal(args: readonly string[], options: ChildOptions = {}): Child {
  const line = [process.execPath, main, ...args]
    .map((word) => `'${word.replaceAll("'", "'\\''")}'`)
    .join(" ");
  return new Child("script", ["-qec", `exec ${line}`, "/dev/null"], options, true);
}

/** Why there is no pseudo terminal here, or undefined if there is one. */
export const noTerminal: string | undefined =
  spawnSync("script", ["-qec", "true", "/dev/null"], { stdio: "ignore" }).status === 0
    ? undefined
    : "needs the script command of util-linux";

/** A door to a server whose connections can be cut at any moment. */
export interface Door extends AsyncDisposable {
  readonly url: string;
  cut(): void;
}

export async function openDoor(target: string): Promise<Door> {
  const { hostname, port } = new URL(target);
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const behind = connect(Number(port), hostname);
    for (const [one, other] of [
      [client, behind],
      [behind, client],
    ] as const) {
      open.add(one);
      one.on("error", () => {});
      one.on("close", () => {
        open.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = () => {
    for (const socket of open) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    cut,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      cut();
      await closed;
    },
  };
}
