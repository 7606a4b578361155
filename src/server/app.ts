import { Hono } from "hono";
import { RunError } from "../errors.ts";
import { harmless } from "../harmless.ts";
import type { Hub } from "../hub.ts";
import type { ProtocolContext } from "../protocol.ts";
import { a2aRoutes } from "../protocols/a2a/routes.ts";
import { agUiRoutes } from "../protocols/ag-ui/routes.ts";
import { agentorRoutes } from "../protocols/agentor/routes.ts";
import { agentxRoutes } from "../protocols/agentx/routes.ts";
import { nativeRoutes } from "../protocols/native/routes.ts";
import { uiMessageRoutes } from "../protocols/ui-message/routes.ts";
import { vibexRoutes } from "../protocols/vibex/routes.ts";
import { sseDefaults, sseResponse } from "../transports/sse/server.ts";
import { readJson, readText } from "./body.ts";
import { authorized, corsHeaders, type GuardOptions, guard } from "./guard.ts";
import { homePage } from "./home.ts";
import { problem } from "./problem.ts";
import { views } from "./views.ts";

export interface AppOptions extends GuardOptions {
  readonly hub: Hub;
  /** Between two comments on a quiet SSE connection, in ms. @default 15_000 */
  readonly heartbeatMs?: number | undefined;
  /** Aborts when the server stops: open responses end, and their clients come back. */
  readonly stopping?: AbortSignal;
  /** Where clients reach the server, if not where its requests say: behind a proxy, or under a path. */
  readonly publicUrl?: string | undefined;
  /** Called once for each answered request. @default nothing is logged */
  readonly onRequest?: (line: RequestLine) => void;
  /** Called with what went wrong inside; the client is told no more than that. */
  readonly onError?: (error: unknown) => void;
}

/** What is logged of a request: no bodies, no queries, no headers. */
export interface RequestLine {
  readonly from: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  /** Until the answer began, in ms. */
  readonly ms: number;
  readonly run?: string;
}

export interface App {
  /** Answers a request, on any server that speaks Fetch. `from` says who asks, for the log. */
  fetch(request: Request, from?: string): Promise<Response>;
}

/** Everything the server answers, as one Fetch handler. */
export function createApp(options: AppOptions): App {
  const {
    hub,
    heartbeatMs = sseDefaults.heartbeatMs,
    publicUrl,
    stopping = new AbortController().signal,
  } = options;
  const onRequest = harmless(options.onRequest);
  const onError = harmless(options.onError);
  const settings = { ...sseDefaults, heartbeatMs, signal: stopping };
  const context: ProtocolContext = {
    hub,
    views,
    stopping,
    json: readJson,
    text: readText,
    sse: (shown, headers) => sseResponse(shown, settings, headers),
    urlOf: (request) => publicUrl?.replace(/\/+$/, "") ?? new URL(request.url).origin,
    needsToken: options.token !== undefined,
    report: onError,
  };
  const app = new Hono();
  app.get("/", (c) => homePage(hub, c.req.header("accept") ?? "", new URL(c.req.url).origin));
  app.get("/health", async (c) => {
    const { durability } = hub.store;
    await hub.store.tail("health");
    const status = hub.stopping ? "stopping" : "ok";
    // Who only asks whether it is well, as a probe does, is told no more.
    const known = options.token === undefined || authorized(c.req.raw, options.token);
    return c.json({ status, ...(known && { store: durability, live: hub.live }) }, hub.stopping ? 503 : 200);
  });
  app.route("/", nativeRoutes(context));
  app.route("/", a2aRoutes(context));
  app.route("/", uiMessageRoutes(context));
  app.route("/", agUiRoutes(context));
  app.route("/", agentorRoutes(context));
  app.route("/", agentxRoutes(context));
  app.route("/", vibexRoutes(context));
  const refused = (error: unknown): Response => {
    if (error instanceof RunError) return problem(error);
    onError(error);
    return problem(new RunError("store_unavailable", "Something went wrong inside the server"));
  };
  app.onError(refused);
  app.notFound((c) =>
    problem(new RunError("not_found", `Cannot find ${c.req.method} ${c.req.path}: GET / says what is here`)),
  );

  return {
    async fetch(request, from = "-") {
      const start = performance.now();
      let response: Response;
      try {
        guard(request, options);
        response =
          request.method === "OPTIONS" ? new Response(null, { status: 204 }) : await app.fetch(request);
      } catch (error) {
        response = refused(error);
      }
      for (const [name, value] of Object.entries({ ...corsHeaders(request, options), ...SECURITY }))
        response.headers.set(name, value);
      const run = response.headers.get("runlog-run");
      onRequest({
        from,
        method: request.method,
        path: new URL(request.url).pathname,
        status: response.status,
        ms: Math.round(performance.now() - start),
        ...(run && { run }),
      });
      return response;
    },
  };
}

const SECURITY = {
  "x-content-type-options": "nosniff",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
};
