import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { RunError } from "../errors.ts";
import { type AppOptions, createApp } from "./app.ts";
import { nodeHandler } from "./node-handler.ts";
import { acceptSockets } from "./upgrade.ts";

export interface ListenOptions extends Omit<AppOptions, "stopping"> {
  /** 0 takes a free one. @default 8000 */
  readonly port?: number;
  /** Any other address than a loopback one needs a token. @default "127.0.0.1" */
  readonly host?: string;
}

export interface Listening extends AsyncDisposable {
  readonly url: string;
  /**
   * Stops: new runs are refused, agents at work get `drainMs`, then new connections are refused and what is still
   * open ends. Viewers see the end of their run, or a clean end after which they come back. @default 10_000
   */
  stop(drainMs?: number): Promise<void>;
}

/** Serves a hub over HTTP on Node. Throws `forbidden` for an open address without a token. */
export async function listen(options: ListenOptions): Promise<Listening> {
  const { hub, port = 8000, host = "127.0.0.1", token } = options;
  if (token === undefined && !isLoopback(host)) {
    throw new RunError(
      "forbidden",
      `Cannot listen on ${host} without a token: set RUNLOG_TOKEN, or use 127.0.0.1`,
    );
  }
  const stopping = new AbortController();
  const app = createApp({ ...options, stopping: stopping.signal });
  const server = createServer({ headersTimeout: 10_000, requestTimeout: 60_000 }, nodeHandler(app));
  acceptSockets(server, { ...options, stopping: stopping.signal });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  const { port: bound } = server.address() as AddressInfo;
  const name = host.includes(":") ? `[${host}]` : host;
  let stopped: Promise<void> | undefined;
  const stop = async (drainMs = 10_000) => {
    // Still asked while it drains: who watches goes on, and who balances load reads at /health to go elsewhere.
    await hub.drain(drainMs);
    stopping.abort();
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeIdleConnections();
    // A connection is idle once its client has read the end; who does not read is cut off.
    const sweep = setInterval(() => server.closeIdleConnections(), 10);
    const cut = setTimeout(() => server.closeAllConnections(), 1_000);
    await closed;
    clearInterval(sweep);
    clearTimeout(cut);
  };
  return {
    url: `http://${name}:${bound}`,
    stop: (drainMs) => (stopped ??= stop(drainMs)),
    [Symbol.asyncDispose]: () => (stopped ??= stop(0)),
  };
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}
