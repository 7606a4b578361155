import { Hono } from "hono";
import { type ProtocolContext, showRun } from "../../protocol.ts";
import { agentxView } from "./view.ts";

/** `GET /tasks/:id/stream`: AgentX's door to a run. Resumes after `Last-Event-ID` or `?after=`. */
export function agentxRoutes(context: ProtocolContext): Hono {
  const routes = new Hono();

  routes.get("/tasks/:id/stream", (c) => {
    const run = context.hub.run(c.req.param("id"));
    return showRun(context, run, agentxView({ run: run.id }), c.req.raw);
  });

  return routes;
}
