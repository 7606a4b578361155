import type { IncomingMessage, ServerResponse } from "node:http";
import { getRequestListener } from "@hono/node-server";
import type { App } from "./app.ts";

/**
 * An app as a listener of Node's HTTP server, or as a handler of Express: `express().use(nodeHandler(app))`. It
 * reads bodies itself: mount it before what parses them.
 */
export function nodeHandler(
  app: App,
): (incoming: IncomingMessage, outgoing: ServerResponse) => Promise<void> {
  return getRequestListener(
    (request, env) =>
      app.fetch(request, (env as { incoming: IncomingMessage }).incoming.socket.remoteAddress),
    // The process's own Request and Response stay as they are.
    { overrideGlobalObjects: false },
  );
}
