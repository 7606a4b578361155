import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";

export interface RedisServerOptions {
  /** Without it, nothing is on disk: Redis as it is installed. */
  readonly appendfsync?: "always" | "everysec" | "no";
  /** A cluster of this one server, which has all slots. */
  readonly cluster?: boolean;
  /** More of its command line: `["--maxmemory", "4mb"]`. */
  readonly args?: readonly string[];
}

/** A Redis of our own, on a free port of this machine and in a folder that goes with it. */
export interface RedisServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Resolves once it has ended, or at once for a signal that does not end it. */
  kill(signal: "SIGKILL" | "SIGTERM" | "SIGSTOP" | "SIGCONT"): Promise<void>;
  /** Starts it again where it was, with what is on disk; ends it first if it runs. */
  restart(): Promise<void>;
}

/** Why there is no Redis to start, or undefined. */
export function redisMissing(): string | undefined {
  const { status } = spawnSync("redis-server", ["--version"], { stdio: "ignore" });
  return status === 0 ? undefined : "redis-server is not on PATH";
}

export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const { appendfsync, cluster, args = [] } = options;
  const [port, busPort] = await freePorts();
  const folder = await mkdtemp(join(tmpdir(), "runlog-redis-"));
  const command = [
    ...["--bind", "127.0.0.1", "--port", String(port), "--dir", folder, "--save", ""],
    ...(appendfsync ? ["--appendonly", "yes", "--appendfsync", appendfsync] : []),
    ...(cluster ? ["--cluster-enabled", "yes", "--cluster-port", String(busPort)] : []),
    // It hears of its address from the others, and there are none.
    ...(cluster ? ["--cluster-announce-ip", "127.0.0.1"] : []),
    ...args,
  ];
  let child = await launch(command).catch(async (error) => {
    await rm(folder, { recursive: true });
    throw error;
  });
  if (cluster) await giveSlots(port);
  // A test that ran out of time disposes of nothing.
  const clear = () => {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  };
  process.once("exit", clear);
  const server: RedisServer = {
    url: `redis://127.0.0.1:${port}`,
    port,
    get pid() {
      return child.pid!;
    },
    async kill(signal) {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill(signal);
      if (signal === "SIGKILL" || signal === "SIGTERM") await once(child, "exit");
    },
    async restart() {
      await server.kill("SIGTERM");
      child = await launch(command);
      if (cluster) await clusterReady(port);
    },
    async [Symbol.asyncDispose]() {
      process.off("exit", clear);
      await server.kill("SIGKILL");
      await rm(folder, { recursive: true, force: true });
    },
  };
  return server;
}

/** Resolves once it takes connections, with all that was on disk. */
async function launch(args: readonly string[]): Promise<ChildProcess> {
  const child = spawn("redis-server", args, { stdio: ["ignore", "pipe", "inherit"] });
  const said: string[] = [];
  child.on("error", ({ message }) => said.push(message));
  const lines = createInterface({ input: child.stdout });
  for await (const line of lines) {
    said.push(line);
    if (!line.includes("Ready to accept connections")) continue;
    child.stdout.resume();
    return child;
  }
  throw new Error(`Cannot start redis-server ${args.join(" ")}: it said\n${said.join("\n")}`);
}

async function giveSlots(port: number): Promise<void> {
  await using client = await connect(port);
  await client.redis.call("CLUSTER", "ADDSLOTSRANGE", "0", "16383");
  await clusterReady(port);
}

async function clusterReady(port: number): Promise<void> {
  await using client = await connect(port);
  while (!String(await client.redis.call("CLUSTER", "INFO")).includes("cluster_state:ok")) await wait(20);
}

async function connect(port: number) {
  const { Redis } = await import("ioredis");
  const redis = new Redis(port, "127.0.0.1");
  return {
    redis,
    async [Symbol.asyncDispose]() {
      await redis.quit();
    },
  };
}

/** Two of them, as a cluster needs another one. */
async function freePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()];
  const ports: number[] = [];
  for (const server of servers) {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    ports.push((server.address() as AddressInfo).port);
  }
  for (const server of servers) {
    server.close();
    await once(server, "close");
  }
  return ports as [number, number];
}
