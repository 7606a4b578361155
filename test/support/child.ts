import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** A process of a test's own, killed with the test at the latest. */
export interface Child extends AsyncDisposable {
  readonly process: ChildProcess;
  /** The first message that fits, also one that came before; rejects when the process ends without it. */
  message<Message>(fits: (message: unknown) => message is Message): Promise<Message>;
  /** Resolves once its own code runs. */
  readonly alive: Promise<void>;
  /** Resolves to the exit code, or the signal's name. */
  readonly exited: Promise<number | string>;
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** What it wrote to stderr. */
  readonly stderr: string;
}

export interface ChildOptions {
  /** A program and arguments that it is started by, such as `strace`. */
  readonly through?: readonly string[];
  /** Called with each message, as it comes. */
  readonly onMessage?: (message: unknown) => void;
}

/** Starts a file of this folder, with its options as one argument of JSON. It ends when this process does. */
export function startChild(
  file: string,
  options: object,
  { through = [], onMessage }: ChildOptions = {},
): Child {
  const command = [
    ...through,
    process.execPath,
    "--expose-gc",
    fileURLToPath(new URL(file, import.meta.url)),
    JSON.stringify(options),
  ];
  const child = spawn(command[0]!, command.slice(1), {
    stdio: ["ignore", "inherit", "pipe", "ipc"],
    // The rounds of the crash test start the same files again and again: they are compiled once.
    env: {
      ...process.env,
      NODE_COMPILE_CACHE: fileURLToPath(new URL("../../node_modules/.cache/test-children", import.meta.url)),
    },
  });
  const messages: unknown[] = [];
  const waiting = new Set<() => void>();
  let stderr = "";
  // Of a process that is started through another, the one that was started and not the one that started it.
  let pid = child.pid;
  const alive = Promise.withResolvers<void>();
  let gone = false;
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-20_000);
  });
  child.on("message", (message) => {
    if (typeof message === "object" && "pid" in message) {
      pid = message.pid as number;
      alive.resolve();
      return;
    }
    if (onMessage) onMessage(message);
    else messages.push(message);
    for (const look of [...waiting]) look();
  });
  // Its last messages may come after its exit.
  const exited = Promise.all([once(child, "exit"), once(child, "disconnect")]).then(([[code, signal]]) => {
    gone = true;
    for (const look of [...waiting]) look();
    return (code ?? signal) as number | string;
  });
  return {
    process: child,
    alive: alive.promise,
    exited,
    get stderr() {
      return stderr;
    },
    message: <Message>(fits: (message: unknown) => message is Message) =>
      new Promise<Message>((resolve, reject) => {
        const look = () => {
          const index = messages.findIndex(fits);
          if (index >= 0) resolve(messages.splice(index, 1)[0] as Message);
          else if (gone) reject(new Error(`The process of ${file} ended:\n${stderr}`));
          else return;
          waiting.delete(look);
        };
        waiting.add(look);
        look();
      }),
    async kill(signal = "SIGKILL") {
      if (!gone && pid !== undefined) process.kill(pid, signal);
      await exited;
    },
    async [Symbol.asyncDispose]() {
      if (!gone && pid !== undefined) process.kill(pid, "SIGKILL");
      await exited;
    },
  };
}

/** In the child: its options. It ends with the process that started it. */
export function childOptions<Options>(): Options {
  process.on("disconnect", () => process.exit(1));
  tell({ pid: process.pid });
  return JSON.parse(process.argv[2]!) as Options;
}

/** In the child: tells the process that started it something. */
export function tell(message: unknown): void {
  process.send!(message);
}
