import { parseCursor } from "./batch.ts";
import { RunError } from "./errors.ts";
import { isTerminalType } from "./events.ts";
import type { OpenFrames } from "./frames-viewer.ts";
import type { Hub, Run } from "./hub.ts";
import type { Tail } from "./store.ts";
import { type LiveSource, project, type View, type Views } from "./view.ts";

/** What the requests of a protocol are served with. The server makes it; protocols know no transport. */
export interface ProtocolContext {
  readonly hub: Hub;
  /** The views that any run can be asked in, by name, beside the native one. */
  readonly views: Views;
  /**
   * Frames, or a run in a view, as an SSE response. The signal that frames are opened with aborts when the client goes, or
   * the server stops. A run is the better choice where nothing else is to be shown: its viewers share their work.
   */
  sse(shown: OpenFrames | LiveSource, headers?: Readonly<Record<string, string>>): Response;
  /** The request's JSON, within the limit on bodies; undefined for an empty body. */
  json(request: Request): Promise<unknown>;
  /** The request's text, up to a limit of its own. */
  text(request: Request, maxBytes: number): Promise<string>;
  /** Aborts when the server stops: open responses end. */
  readonly stopping: AbortSignal;
  /** Where clients reach the server, without a slash at the end: as configured, else as the request has it. */
  urlOf(request: Request): string;
  /** Tells whoever runs the server what went wrong inside; a client is told no more than that. */
  report(error: unknown): void;
  /** Whether requests need a bearer token: for protocols that describe how to ask. */
  readonly needsToken: boolean;
}

/**
 * A run over SSE, as a view shows it: from the start, or after the cursor that the request names. 204 once there
 * is nothing left to show, ever: that is how SSE says not to come back. Throws `invalid_cursor`, `run_not_found`.
 */
export async function showRun(
  { sse }: Pick<ProtocolContext, "sse">,
  run: Run,
  view: View,
  request: Request,
  limit?: number,
): Promise<Response> {
  const after = cursorOf(request);
  const last = await run.log.last();
  // Throws where there is no run.
  if (!last) await run.info();
  else if (isTerminalType(last.type) && after.seq === last.seq && after.check === last.check) {
    return new Response(null, { status: 204 });
  }
  const shown =
    limit === undefined
      ? { log: run.log, view, after }
      : (signal: AbortSignal) => project(run.log, view, { after, limit, signal });
  return sse(shown, { "runlog-run": run.id });
}

/** Where a request wants to go on: `Last-Event-ID`, else `?after=`, else the start. Throws `invalid_cursor`. */
export function cursorOf(request: Request): Tail {
  const asked = request.headers.get("last-event-id") ?? new URL(request.url).searchParams.get("after");
  return cursorFrom(asked ?? "");
}

/** A cursor of a client; nothing is the start. Throws `invalid_cursor`. */
export function cursorFrom(text: string): Tail {
  const cursor = parseCursor(text);
  if (cursor) return cursor;
  const shown = JSON.stringify(text.slice(0, 80));
  throw new RunError("invalid_cursor", `Cannot read from ${shown}: it is no cursor`);
}
