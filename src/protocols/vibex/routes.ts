import { Hono } from "hono";
import { type ProtocolContext, showRun } from "../../protocol.ts";
import { vibexView } from "./view.ts";

/** `GET /projects/:id/stream`: VibeX's door to a run. Resumes after `Last-Event-ID` or `?after=`. */
export function vibexRoutes(context: ProtocolContext): Hono {
  const routes = new Hono();

  routes.get("/projects/:id/stream", (c) => {
    const run = context.hub.run(c.req.param("id"));
    return showRun(context, run, vibexView({ run: run.id }), c.req.raw);
  });

  return routes;
}
