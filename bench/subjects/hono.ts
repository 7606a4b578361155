/** `streamSSE` of Hono, on its Node server. */
import { getRequestListener } from "@hono/node-server";
import { Hono } from "hono";
import { type SSEStreamingApi, streamSSE } from "hono/streaming";
import { type OpenSubject, pathsOf, serve } from "./subject.ts";

export const open: OpenSubject = async ({ runs }) => {
  const viewers = Array.from({ length: runs }, () => new Set<SSEStreamingApi>());
  const app = new Hono();
  app.get("/:run", (c) =>
    streamSSE(c, async (stream) => {
      const ours = viewers[Number(c.req.param("run"))]!;
      await stream.write(":\n\n");
      ours.add(stream);
      await new Promise<void>((resolve) => stream.onAbort(resolve));
      ours.delete(stream);
    }),
  );
  const port = await serve(getRequestListener(app.fetch));
  let seq = 0;
  return {
    port,
    paths: pathsOf(runs),
    tick(run, events) {
      for (const event of events) {
        const id = String(++seq);
        const data = JSON.stringify({ seq, at: Date.now(), event });
        for (const stream of viewers[run]!) void stream.writeSSE({ id, data });
      }
    },
  };
};
