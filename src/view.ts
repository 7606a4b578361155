import type { StoredEntry } from "./batch.ts";
import { formatCursor } from "./batch.ts";
import { EMPTY, type Log } from "./log.ts";
import type { Tail } from "./store.ts";

/** One message of a protocol: its JSON, and the name of the SSE event where the protocol has names. */
export interface ViewMessage {
  readonly data: string;
  readonly event?: string;
}

/**
 * How a protocol shows a run: a pure function of the log. The same entries always give the same messages,
 * so a view is tested without a store, a clock or a network.
 */
export interface View {
  readonly name: string;
  /** The name with whatever options it has: views with one key say the same of a run. @default the name */
  readonly key?: string;
  /** True if a message depends on no entry but its own: such a view starts at the cursor. */
  readonly stateless?: boolean;
  /** Starts a fresh projection, to be given the entries of one run in order, from the first. */
  start(): (entry: StoredEntry) => readonly ViewMessage[];
}

/** Views by name, each made for a run: some protocols have its id in their messages. */
export type Views = ReadonlyMap<string, (run: string) => View>;

/**
 * A message on its way, with the cursor reached once it has arrived: only the last one of an entry has it, so
 * that a viewer cut off in between asks for the whole entry again.
 */
export interface Frame extends ViewMessage {
  readonly cursor?: string;
}

/** The frames of one commit. */
export type Frames = readonly Frame[];

/** A run to be shown from a cursor on, and then live. */
export interface LiveSource {
  readonly log: Log;
  readonly view: View;
  /** What the viewer has already. */
  readonly after: Tail;
}

export interface ProjectOptions {
  readonly after?: Tail | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly pollMs?: number | undefined;
  /** Ends after this many entries. */
  readonly limit?: number | undefined;
  /** Asked after each slice: true ends the stream there. */
  readonly until?: ((entries: readonly StoredEntry[]) => boolean) | undefined;
}

/** A cursor that does not fit: what the viewer has is to be dropped, and all comes again. */
export const resetFrame = (reason: string): Frame => ({
  event: "reset",
  data: JSON.stringify({ reason }),
  cursor: formatCursor(EMPTY),
});

/**
 * Follows a log through a view. A view with state is given the log from its first entry, and what the viewer
 * has is dropped.
 */
export async function* project(
  log: Log,
  view: View,
  options: ProjectOptions = {},
): AsyncGenerator<Frames, void, undefined> {
  const { after = EMPTY, signal, pollMs, limit = Number.POSITIVE_INFINITY, until } = options;
  let show = view.start();
  let seen = after.seq;
  let left = limit;
  const fits = view.stateless || (await log.fits(after));
  if (!fits) {
    seen = 0;
    yield [resetFrame("mismatch")];
  }
  const from = view.stateless ? after : EMPTY;
  for await (const slice of log.follow({ after: from, signal, pollMs })) {
    if (slice.reset !== undefined) {
      show = view.start();
      seen = 0;
      yield [resetFrame(slice.reset)];
      continue;
    }
    const frames: Frame[] = [];
    for (const entry of slice.entries) {
      if (entry.seq <= seen) show(entry);
      else if (addFrames(frames, entry, show) && --left === 0) break;
    }
    if (frames.length > 0) yield frames;
    if (left <= 0 || until?.(slice.entries)) return;
  }
}

/** Adds the frames of an entry. False if it has none. */
export function addFrames(frames: Frame[], entry: StoredEntry, show: ReturnType<View["start"]>): boolean {
  const messages = show(entry);
  const last = messages.length - 1;
  for (const [index, message] of messages.entries()) {
    frames.push(index === last ? { ...message, cursor: entry.cursor } : message);
  }
  return last >= 0;
}
