import { openEvents, type SseFrame } from "./events-connection.ts";

export interface WatchOptions {
  /** The server to ask; asked before each connection. Rejecting ends it all. */
  readonly base: () => string | Promise<string>;
  readonly run: string;
  /** The cursor to begin after. @default the start */
  readonly after?: string | undefined;
  /** How the cursor is sent: `both` alternates. @default "header" */
  readonly by?: "header" | "query" | "both";
  /** Called with each frame; true cuts the connection. */
  readonly onFrame?: (frame: SseFrame) => boolean | undefined;
  /** Where the frames go. @default a new array */
  readonly frames?: SseFrame[];
  /** More connections than this, and it gives up. @default 2_000 */
  readonly maxConnections?: number;
}

/** What a viewer has put together. */
export interface Watched {
  readonly frames: SseFrame[];
  readonly connections: number;
  /** Connections that did not end well. */
  readonly broken: number;
  /** Set if the end of the run was never seen. */
  readonly gaveUp?: string;
}

/** Watches a run to its end, as a client does: after each break it comes back with the last cursor it was given. */
export async function watchRun(options: WatchOptions): Promise<Watched> {
  const { base, run, by = "header", onFrame, frames = [], maxConnections = 2_000 } = options;
  let cursor = options.after;
  let broken = 0;
  for (let connection = 1; connection <= maxConnections; connection++) {
    const how = by === "both" ? (connection % 2 ? "header" : "query") : by;
    const url = await base();
    let ended = false;
    try {
      const events = await openEvents(url, run, { after: cursor, by: how });
      if (events.status === 204) return { frames, connections: connection, broken };
      if (events.status !== 200) {
        events.cut();
        return { frames, connections: connection, broken, gaveUp: `Answered ${events.status}` };
      }
      for await (const frame of events) {
        frames.push(frame);
        cursor = frame.id ?? cursor;
        if (TERMINAL.test(frame.data)) ended = true;
        if (onFrame?.(frame)) {
          ended = false;
          events.cut();
          break;
        }
      }
    } catch {
      broken++;
      continue;
    }
    if (ended) return { frames, connections: connection, broken };
  }
  return { frames, connections: maxConnections, broken, gaveUp: "The run did not end" };
}

const TERMINAL = /^\{"seq":\d+,"at":\d+,"event":\{"type":"run\.(finished|failed|cancelled)"/;
