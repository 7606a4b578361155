import { Hono } from "hono";
import { formatCursor, type StoredEntry } from "../../batch.ts";
import { RunError } from "../../errors.ts";
import { typeFilter } from "../../event-filter.ts";
import { isTerminalType } from "../../events.ts";
import type { Run } from "../../hub.ts";
import { importRun } from "../../import-run.ts";
import { hashOf } from "../../internal/id.ts";
import { streamResponse } from "../../internal/stream-response.ts";
import { EMPTY } from "../../log.ts";
import { cursorOf, type ProtocolContext, showRun } from "../../protocol.ts";
import type { Tail } from "../../store.ts";
import { project } from "../../view.ts";
import {
  parseCancel,
  parseInput,
  parseLimit,
  parseProduced,
  parseStart,
  parseStatus,
  producerOf,
  viewNamed,
} from "./requests.ts";
import { nativeView } from "./view.ts";

/** The longest log that a run may have, and what its lines are numbered with. */
const MAX_RECORDING_BYTES = 96 * 1024 * 1024;
/** Entries in one JSON page. */
const PAGE = 1_000;

/** The native protocol: runs, their logs, and what may be sent to them. PROTOCOL.md is its description. */
export function nativeRoutes(context: ProtocolContext): Hono {
  const { hub, views, sse, json, text, stopping } = context;
  const routes = new Hono();

  routes.get("/agents", (c) => c.json({ agents: hub.agents }));

  routes.get("/runs", async (c) => {
    const { agent, thread, tag, status, before, limit } = c.req.query();
    const filter = { agent, thread, tag, status: parseStatus(status), before };
    return c.json(await hub.list({ ...filter, limit: parseLimit(limit, 500) ?? 50 }));
  });

  routes.post("/runs", async (c) => {
    const asked = parseStart(await json(c.req.raw));
    const key = c.req.header("idempotency-key");
    const id = asked.id ?? (key ? hashOf(`key\n${key}`) : undefined);
    const { run, created } = await hub.start({ ...asked, ...(id !== undefined && { id }) });
    const headers = { "runlog-run": run.id, location: `/runs/${run.id}` };
    if (accepts(c.req.header("accept"), "text/event-stream")) {
      return sse({ log: run.log, view: nativeView(), after: EMPTY }, headers);
    }
    return c.json(await describe(run), created ? 201 : 200, headers);
  });

  routes.post("/runs/import", async (c) => {
    const id = c.req.query("id");
    const recording = await text(c.req.raw, MAX_RECORDING_BYTES);
    const run = await importRun(hub, recording, id === undefined ? {} : { id });
    return c.json(await describe(run), 201, { "runlog-run": run.id, location: `/runs/${run.id}` });
  });

  routes.get("/runs/:id", async (c) => c.json(await describe(hub.run(c.req.param("id")))));

  routes.delete("/runs/:id", async (c) => {
    await hub.run(c.req.param("id")).delete();
    return c.body(null, 204);
  });

  routes.post("/runs/:id/cancel", async (c) => {
    const run = hub.run(c.req.param("id"));
    await run.cancel(parseCancel(await json(c.req.raw)));
    return c.json(await describe(run), 202);
  });

  routes.post("/runs/:id/input", async (c) => {
    const run = hub.run(c.req.param("id"));
    const event = parseInput(await json(c.req.raw));
    if (event.type !== "input.cancel") return c.json(await run.send(event), 202);
    await run.cancel(event.reason === undefined ? {} : { reason: event.reason });
    return c.json(await describe(run), 202);
  });

  routes.post("/runs/:id/events", async (c) => {
    const run = hub.run(c.req.param("id"));
    const producer = producerOf(c.req.raw.headers);
    return c.json(await run.append(parseProduced(await json(c.req.raw)), producer));
  });

  routes.get("/runs/:id/events", async (c) => {
    const run = hub.run(c.req.param("id"));
    const types = c.req.query("types")?.split(",").filter(Boolean);
    const other = viewNamed(views, c.req.query("view"), run.id);
    const limit = parseLimit(c.req.query("limit"), 100_000);
    const accept = c.req.header("accept");

    if (accepts(accept, "application/x-ndjson")) {
      const after = await fittingCursor(run, c.req.raw);
      const headers = {
        "content-type": "application/x-ndjson; charset=utf-8",
        "cache-control": "no-store, no-transform",
      };
      const view = other ?? nativeView({ types, cursors: true });
      const lines = async function* (signal: AbortSignal) {
        for await (const frames of project(run.log, view, { after, limit, signal })) {
          yield frames
            .map((frame) => `${frame.event ? `{"${frame.event}":${frame.data}}` : frame.data}\n`)
            .join("");
        }
      };
      return streamResponse(lines, { headers, signal: stopping });
    }

    if (accepts(accept, "application/json")) {
      const after = await fittingCursor(run, c.req.raw);
      return c.json(await page(run, after, types, limit ?? PAGE));
    }

    return showRun(context, run, other ?? nativeView({ types }), c.req.raw, limit);
  });

  return routes;
}

/** The run as `GET /runs/:id` tells it: what lists show, all of the input, and how far the log is. */
async function describe(run: Run): Promise<object> {
  const { log } = run;
  const [info, first, last] = await Promise.all([run.info(), log.entry(1), log.last()]);
  const input = first?.event.type === "run.started" ? first.event.input : undefined;
  return { ...info, input, cursor: last?.cursor, url: `/runs/${run.id}`, events: `/runs/${run.id}/events` };
}

/** A page of a log. `next` is the cursor to go on from, also where nothing is there yet. */
async function page(
  run: Run,
  after: Tail,
  types: readonly string[] | undefined,
  limit: number,
): Promise<object> {
  const entries: StoredEntry[] = [];
  let last: StoredEntry | undefined;
  const shown = types && typeFilter(types);
  outer: for await (const slice of run.log.read(after.seq)) {
    for (const entry of slice) {
      if (entries.length === limit) break outer;
      last = entry;
      if (!shown || shown(entry.type) || isTerminalType(entry.type)) entries.push(entry);
    }
  }
  return {
    run: run.id,
    entries: entries.map(({ seq, at, cursor, event }) => ({ seq, at, cursor, event })),
    next: last?.cursor ?? formatCursor(after),
    ended: isTerminalType((last ?? (await run.log.last()))?.type ?? ""),
  };
}

/** The request's cursor, where there is no stream to say in that it does not fit. Throws `cursor_mismatch`. */
async function fittingCursor(run: Run, request: Request): Promise<Tail> {
  const after = cursorOf(request);
  if (!(await run.log.last())) await run.info();
  if (await run.log.fits(after)) return after;
  const why = "the cursor is not of this log; start without one";
  throw new RunError("cursor_mismatch", `Cannot read run "${run.id}" from there: ${why}`);
}

/** Whether a client asks for a type by its name. */
function accepts(header: string | undefined, type: string): boolean {
  return header?.split(",").some((each) => each.split(";")[0]?.trim().toLowerCase() === type) ?? false;
}
