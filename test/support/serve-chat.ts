import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { AgentFunction, AgentLike } from "../../src/agent.ts";
import { createHub, type Hub } from "../../src/hub.ts";
import { createApp } from "../../src/server/app.ts";
import { nodeHandler } from "../../src/server/node-handler.ts";
import { memoryStore } from "../../src/stores/memory.ts";

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

/** A server whose connections and restarts are in the test's hands. */
export async function serveChat(...agents: readonly (AgentLike | AgentFunction)[]): Promise<ChatServer> {
  const hub = await createHub({ store: memoryStore(), agents });
  let stopping = new AbortController();
  const requests: string[] = [];
  const server = createServer(
    nodeHandler({
      fetch: async (request) => {
        requests.push(`${request.method} ${new URL(request.url).pathname}`);
        return createApp({ hub, stopping: stopping.signal }).fetch(request);
      },
    }),
  );
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
