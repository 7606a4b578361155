import type { OpenFrames } from "../../frames-viewer.ts";
import { streamResponse } from "../../internal/stream-response.ts";
import { type Frames, type LiveSource, project } from "../../view.ts";
import { formatComeBack, formatFrame, formatRetry, HEARTBEAT, SSE_TYPE } from "./format.ts";

/** What is the same for all responses of a server. */
export interface SseSettings {
  /** Between two comments on a quiet connection, in ms, at most. */
  readonly heartbeatMs: number;
  /** What the client is told to wait before it connects again, in ms. */
  readonly retryMs: number;
  /** Ends responses, cleanly and without a terminal event: their clients come back. */
  readonly signal?: AbortSignal | undefined;
}

export const sseDefaults: SseSettings = { heartbeatMs: 15_000, retryMs: 1_000 };

/** Headers that keep proxies and compressors from holding events back. */
const SSE_HEADERS = {
  "content-type": SSE_TYPE,
  "cache-control": "no-store, no-transform",
  "x-accel-buffering": "no",
};

/** A response to be, for servers that can write it to the connection themselves. */
export interface LiveResponse {
  readonly shown: LiveSource | OpenFrames;
  readonly settings: SseSettings;
}

const live = new WeakMap<Response, LiveResponse>();

/** What a response shows, if nothing of it was read yet. */
export function liveResponse(response: Response): LiveResponse | undefined {
  return response.bodyUsed ? undefined : live.get(response);
}

/**
 * Frames as an SSE response, or a run in a view. They are pulled as the client reads: a slow one makes the server hold
 * one slice of the log, never more. When the client goes, the signal that the frames were opened with aborts.
 */
export function sseResponse(
  shown: OpenFrames | LiveSource,
  settings: SseSettings = sseDefaults,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const { heartbeatMs, retryMs, signal } = settings;
  const open =
    typeof shown === "function"
      ? shown
      : (gone: AbortSignal) => project(shown.log, shown.view, { after: shown.after, signal: gone });
  const text = async function* (gone: AbortSignal) {
    yield formatRetry(retryMs);
    yield* lines(open(gone), heartbeatMs);
    if (signal?.aborted) yield formatComeBack(retryMs);
  };
  const response = streamResponse(text, { headers: { ...SSE_HEADERS, ...headers }, signal });
  live.set(response, { shown, settings });
  return response;
}

async function* lines(
  frames: AsyncIterable<Frames>,
  heartbeatMs: number,
): AsyncGenerator<string, void, undefined> {
  const iterator = frames[Symbol.asyncIterator]();
  try {
    while (true) {
      const next = iterator.next();
      let result: IteratorResult<Frames> | undefined;
      while (!result) {
        let timer: NodeJS.Timeout | undefined;
        const quiet = new Promise<undefined>((resolve) => {
          timer = setTimeout(resolve, heartbeatMs, undefined);
        });
        result = await Promise.race([next, quiet]).finally(() => clearTimeout(timer));
        if (!result) yield HEARTBEAT;
      }
      if (result.done) return;
      yield result.value.map(formatFrame).join("");
    }
  } finally {
    // Not awaited: it may be waiting for an event, and ends by the signal. Nobody is there to hear of errors.
    void iterator.return?.().catch(() => {});
  }
}
