import type { IncomingMessage, ServerResponse } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { DirectViewers } from "../transports/sse/direct.ts";
import { liveResponse, type SseSettings } from "../transports/sse/server.ts";
import type { App } from "./app.ts";

/**
 * An app as a listener of Node's HTTP server, or as a handler of Express: `express().use(nodeHandler(app))`. It
 * reads bodies itself: mount it before what parses them. Viewers of one run share its encoding, and what they are shown
 * is written straight to their sockets.
 */
export function nodeHandler(
  app: Pick<App, "fetch">,
): (incoming: IncomingMessage, outgoing: ServerResponse) => Promise<void> {
  const viewers = new WeakMap<SseSettings, DirectViewers>();
  return getRequestListener(
    async (request, env) => {
      const { incoming, outgoing } = env as { incoming: IncomingMessage; outgoing: ServerResponse };
      const listening = outgoing.listeners("close");
      const response = await app.fetch(request, incoming.socket.remoteAddress);
      const live = liveResponse(response);
      if (!live || request.method === "HEAD") return response;
      outgoing.writeHead(response.status, Object.fromEntries(response.headers));
      outgoing.flushHeaders();
      // Nobody will read it: it lets go of what it listens to.
      void response.body?.cancel();
      const { shown, settings } = live;
      const own = viewers.get(settings) ?? new DirectViewers(settings);
      viewers.set(settings, own);
      // What has come is the adapter's: it would hold the request, which has been dealt with, as long as the response lasts.
      if (incoming.complete)
        for (const listener of outgoing.listeners("close"))
          if (!listening.includes(listener)) outgoing.off("close", listener as () => void);
      own.show(outgoing, shown);
      return RESPONSE_ALREADY_SENT;
    },
    // The process's own Request and Response stay as they are.
    { overrideGlobalObjects: false },
  );
}
