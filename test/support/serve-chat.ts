import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Hono } from "hono";
import type { AgentFunction, AgentLike } from "../../src/agent.ts";
import { RunError } from "../../src/errors.ts";
import { createHub, type Hub } from "../../src/hub.ts";
import { uiMessageRoutes } from "../../src/protocols/ui-message/routes.ts";
import { readJson, readText } from "../../src/server/body.ts";
import { nodeHandler } from "../../src/server/node-handler.ts";
import { problem } from "../../src/server/problem.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import { sseResponse } from "../../src/transports/sse/server.ts";

export interface ChatServer extends AsyncDisposable {
  readonly hub: Hub;
  readonly url: string;
  /** `${url}/api/chat`. */
  readonly api: string;
  /** Requests so far, as "POST /api/chat". */
  readonly requests: string[];
  /** Breaks every connection, as a network does. */
  cut(): void;
  /** Ends every open response as a server that restarts does: cleanly, and before its end. */
  restart(): void;
}

/** The routes of the AI SDK's chats on a real server. */
export async function serveChat(...agents: readonly (AgentLike | AgentFunction)[]): Promise<ChatServer> {
  const hub = await createHub({ store: memoryStore(), agents });
  let stopping = new AbortController();
  const requests: string[] = [];
  const app = new Hono();
  app.use(async (c, next) => {
    requests.push(`${c.req.method} ${c.req.path}`);
    await next();
  });
  app.route(
    "/",
    uiMessageRoutes({
      hub,
      views: new Map(),
      stopping: stopping.signal,
      json: readJson,
      text: readText,
      sse: (open, headers) => sseResponse(open, { headers, signal: stopping.signal }),
      urlOf: (request) => new URL(request.url).origin,
      needsToken: false,
    }),
  );
  app.onError((error) => {
    if (error instanceof RunError) return problem(error);
    throw error;
  });
  const server = createServer(nodeHandler({ fetch: async (request) => app.fetch(request) }));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    hub,
    url,
    api: `${url}/api/chat`,
    requests,
    cut: () => server.closeAllConnections(),
    restart: () => {
      const before = stopping;
      stopping = new AbortController();
      before.abort();
    },
    [Symbol.asyncDispose]: async () => {
      await hub.drain(0);
      stopping.abort();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
