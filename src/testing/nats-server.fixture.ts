import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";

export interface NatsServer extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  /** Resolves once it has ended. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again, on the same port with the same folder; kills it first if it runs. */
  restart(): Promise<void>;
}

/** A nats-server from the PATH with JetStream, on a free port, in a folder that goes with it. `config`: more lines of its file. */
export async function startNats(config = ""): Promise<NatsServer> {
  const folder = mkdtempSync(join(tmpdir(), "runlog-nats-"));
  const port = await freePort();
  const file = join(folder, "nats.conf");
  writeFileSync(file, `listen: "127.0.0.1:${port}"\njetstream { store_dir: "${folder}" }\n${config}\n`);
  let child: ChildProcess | undefined;
  const start = async () => {
    child = spawn("nats-server", ["-c", file], { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-4_000);
    });
    const ended = new Promise<never>((_, reject) => {
      child!.once("error", reject);
      child!.once("exit", (code) => reject(new Error(`nats-server ended with ${code}: ${said}`)));
    });
    ended.catch(() => {});
    await Promise.race([answers(port), ended]);
  };
  const kill = async (signal: NodeJS.Signals = "SIGKILL") => {
    const process = child;
    child = undefined;
    if (!process || process.exitCode !== null || process.signalCode !== null) return;
    const exit = new Promise((resolve) => process.once("exit", resolve));
    process.kill(signal);
    await exit;
  };
  const dispose = async () => {
    await kill();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await start();
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    url: `nats://127.0.0.1:${port}`,
    get pid() {
      return child?.pid ?? 0;
    },
    kill,
    restart: async () => {
      await kill();
      await start();
    },
    [Symbol.asyncDispose]: dispose,
  };
}

/** Resolves once the server says that it has JetStream. */
async function answers(port: number): Promise<void> {
  while (!(await hello(port)).includes('"jetstream":true')) await setTimeout(20);
}

/** What a NATS server says first; nothing where there is none. */
function hello(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("data", (data) => {
      socket.destroy();
      resolve(data.toString());
    });
    socket.once("error", () => resolve(""));
    socket.once("end", () => resolve(""));
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
