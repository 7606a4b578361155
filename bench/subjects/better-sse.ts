/** better-sse: a channel for each run, a session for each viewer. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { type OpenSubject, pathsOf, runOf, serve } from "./subject.ts";

interface Channel {
  register(session: object): unknown;
  broadcast(data: unknown, event: string, options: { readonly eventId: string }): unknown;
}

interface BetterSse {
  createChannel(): Channel;
  createSession(request: IncomingMessage, response: ServerResponse): Promise<object>;
}

export const PACKAGE: string = "better-sse";

export const open: OpenSubject = async ({ runs }) => {
  const { createChannel, createSession } = (await import(PACKAGE)) as BetterSse;
  const channels = Array.from({ length: runs }, () => createChannel());
  const port = await serve(async (request, response) => {
    channels[runOf(request.url)]!.register(await createSession(request, response));
  });
  let seq = 0;
  return {
    port,
    paths: pathsOf(runs),
    tick(run, events) {
      for (const event of events)
        channels[run]!.broadcast({ seq: ++seq, at: Date.now(), event }, "message", { eventId: String(seq) });
    },
  };
};
