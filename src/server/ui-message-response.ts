import type { Run } from "../hub.ts";
import { uiMessageFrames, uiMessageHeaders } from "../protocols/ui-message/frames.ts";
import { sseDefaults, sseResponse } from "../transports/sse/server.ts";

export interface UIMessageStreamResponseOptions {
  /** Ends the response; the run goes on, and its client comes back. */
  readonly signal?: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * A run as the answer to `useChat`, for a route of your own: its message from the start, then live, up to the run's end
 * or to a question that waits for a person. A client that leaves only detaches.
 */
export function toUIMessageStreamResponse(run: Run, options: UIMessageStreamResponseOptions = {}): Response {
  const { signal, headers } = options;
  return sseResponse(
    (gone) => uiMessageFrames(run, { signal: gone }),
    { ...sseDefaults, signal },
    { ...uiMessageHeaders(run), ...headers },
  );
}
