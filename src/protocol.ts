import type { Hub } from "./hub.ts";
import type { Frames, Views } from "./view.ts";

/** What the requests of a protocol are served with. The server makes it; protocols know no transport. */
export interface ProtocolContext {
  readonly hub: Hub;
  /** The views that any run can be asked in, by name, beside the native one. */
  readonly views: Views;
  /** Frames as an SSE response. `open` is given a signal that aborts when the client goes, or the server stops. */
  sse(
    open: (gone: AbortSignal) => AsyncIterable<Frames>,
    headers?: Readonly<Record<string, string>>,
  ): Response;
  /** The request's JSON, within the limit on bodies; undefined for an empty body. */
  json(request: Request): Promise<unknown>;
  /** The request's text, up to a limit of its own. */
  text(request: Request, maxBytes: number): Promise<string>;
  /** Aborts when the server stops: open responses end. */
  readonly stopping: AbortSignal;
}
