import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";

const running = new Set<ChildProcess>();
const folder = mkdtempSync(join(tmpdir(), "runlog-cluster-"));

// Whatever ends this process ends all the others, and takes the folder away.
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(130));

function start(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  const child = spawn(command, args, {
    stdio: ["ignore", "ignore", "pipe", ...(command === process.execPath ? ["ipc" as const] : [])],
    env: { ...process.env, ...env },
  });
  running.add(child);
  child.once("exit", () => running.delete(child));
  child.stderr!.setEncoding("utf8");
  return child;
}

/** Those of the programs that are not on PATH. */
export function missingPrograms(): string[] {
  return ["redis-server", "nginx"].filter((program) => spawnSync(program, ["-v"]).error !== undefined);
}

/** Ports that nobody has at the moment. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), "close")));
  return ports;
}

/** Redis with all that was acknowledged on the disk, on a port and in a folder of its own. */
export async function startRedis(port: number): Promise<string> {
  const child = start("redis-server", [
    ...["--bind", "127.0.0.1", "--port", String(port), "--dir", folder, "--save", ""],
    ...["--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction"],
  ]);
  await listening(child, port);
  return `redis://127.0.0.1:${port}`;
}

/** nginx with the file beside this one, but on our ports, as a process that needs no rights and writes nowhere else. */
export async function startNginx(port: number, servers: readonly number[]): Promise<string> {
  let site = readFileSync(new URL("nginx.conf", import.meta.url), "utf8").replace(":8080", `:${port}`);
  for (const [index, server] of servers.entries()) site = site.replace(`:${8001 + index}`, `:${server}`);
  const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${join(folder, name)};`)
    .join("\n");
  writeFileSync(join(folder, "site.conf"), site);
  writeFileSync(
    join(folder, "nginx.conf"),
    `daemon off;
master_process off;
pid ${join(folder, "nginx.pid")};
error_log stderr warn;
events { worker_connections 4096; }
http {
${temp}
access_log off;
include ${join(folder, "site.conf")};
}
`,
  );
  const child = start("nginx", ["-p", folder, "-c", join(folder, "nginx.conf"), "-e", "stderr"]);
  await listening(child, port);
  return `http://127.0.0.1:${port}`;
}

/** Resolves once a program that was started takes connections; rejects with what it said if it ends before. */
async function listening(child: ChildProcess, port: number): Promise<void> {
  let said = "";
  child.stderr!.on("data", (text: string) => {
    said = (said + text).slice(-2_000);
  });
  while (!(await connects(port))) {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`Cannot start ${child.spawnfile}: it said\n${said}`);
    await wait(20);
  }
}

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** A server process of the cluster, which can be killed and started again. */
export class Server {
  readonly port: number;
  readonly #store: string;
  #child: ChildProcess | undefined;
  up = false;
  kills = 0;

  constructor(port: number, store: string) {
    this.port = port;
    this.#store = store;
  }

  /** Resolves once it listens. */
  async start(): Promise<void> {
    const file = join(import.meta.dirname, "server.ts");
    const child = start(process.execPath, [...process.execArgv, file], {
      RUNLOG_STORE: this.#store,
      PORT: String(this.port),
    });
    this.#child = child;
    await listening(child, this.port);
    this.up = true;
  }

  /** SIGKILL: it has no time for anything. */
  async kill(): Promise<void> {
    this.up = false;
    this.kills++;
    const exit = once(this.#child!, "exit");
    this.#child!.kill("SIGKILL");
    await exit;
  }

  /** How many agents are at work in it; undefined if it does not say. */
  async live(): Promise<number | undefined> {
    try {
      const response = await fetch(`http://127.0.0.1:${this.port}/health`);
      return ((await response.json()) as { live: number }).live;
    } catch {
      return undefined;
    }
  }
}
