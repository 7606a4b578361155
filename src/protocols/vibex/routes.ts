import { Hono } from "hono";
import { parseCursor } from "../../batch.ts";
import { RunError } from "../../errors.ts";
import { isTerminalType } from "../../events.ts";
import type { ProtocolContext } from "../../protocol.ts";
import { project } from "../../view.ts";
import { vibexView } from "./view.ts";

/** `GET /projects/:id/stream`: VibeX's door to a run. Resumes after `Last-Event-ID` or `?after=`. */
export function vibexRoutes({ hub, sse }: ProtocolContext): Hono {
  const routes = new Hono();

  routes.get("/projects/:id/stream", async (c) => {
    const run = hub.run(c.req.param("id"));
    const last = await run.log.last();
    if (!last) await run.info();
    const text = c.req.header("last-event-id") ?? c.req.query("after") ?? "";
    const after = parseCursor(text);
    if (!after) {
      const shown = JSON.stringify(text.slice(0, 80));
      throw new RunError("invalid_cursor", `Cannot read from ${shown}: it is no cursor`);
    }
    // Nothing left to show, ever: 204 is how SSE says not to come back.
    if (last && isTerminalType(last.type) && after.seq === last.seq && after.check === last.check)
      return c.body(null, 204);
    return sse((signal) => project(run.log, vibexView({ run: run.id }), { after, signal }), {
      "runlog-run": run.id,
    });
  });

  return routes;
}
