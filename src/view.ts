import type { StoredEntry } from "./batch.ts";
import { formatCursor } from "./batch.ts";
import { EMPTY, type Log, type Slice } from "./log.ts";
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

/**
 * A view at a place of a log: takes the slices that follow, and gives the frames that a viewer has not had. A view with
 * state is given the log from its first entry, and what the viewer had is dropped.
 */
export class Projection {
  readonly #view: View;
  #show: ReturnType<View["start"]>;
  /** What the viewer had to begin with. */
  #had: Tail;
  /** The last entry that was taken. Two numbers, as an entry would hold on to all that was read with it. */
  #seq: number;
  #check: number;

  constructor(view: View, after: Tail) {
    this.#view = view;
    this.#show = view.start();
    this.#had = after;
    ({ seq: this.#seq, check: this.#check } = view.stateless ? after : EMPTY);
  }

  /** Where to read on. */
  get position(): Tail {
    return { seq: this.#seq, check: this.#check };
  }

  /** How far the viewer is with all frames. */
  get reached(): Tail {
    return this.#seq < this.#had.seq ? this.#had : this.position;
  }

  /** Begins anew: what the viewer has is of another log, or of one that is no more. */
  reset(reason: string): Frame[] {
    this.#show = this.#view.start();
    this.#had = EMPTY;
    ({ seq: this.#seq, check: this.#check } = EMPTY);
    return [{ event: "reset", data: JSON.stringify({ reason }), cursor: formatCursor(EMPTY) }];
  }

  /** The frames of a slice. */
  take(slice: Slice): Frame[] {
    if (slice.reset !== undefined) return this.reset(slice.reset);
    const frames: Frame[] = [];
    for (const entry of slice.entries) this.add(entry, frames);
    return frames;
  }

  /** Adds the frames of one entry. False if it has none. */
  add(entry: StoredEntry, frames: Frame[]): boolean {
    const { seq, check, cursor } = entry;
    const messages = this.#show(entry);
    this.#seq = seq;
    this.#check = check;
    if (seq <= this.#had.seq || messages.length === 0) return false;
    const last = messages.length - 1;
    for (let index = 0; index < last; index++) frames.push(messages[index]!);
    const { data, event } = messages[last]!;
    frames.push(event === undefined ? { data, cursor } : { data, event, cursor });
    return true;
  }
}

/**
 * A projection for a viewer with a cursor, and what to tell the viewer first: a view with state cannot go on where the
 * cursor is not of this log.
 */
export async function openProjection(
  log: Log,
  view: View,
  after: Tail,
): Promise<{ readonly projection: Projection; readonly frames: Frames }> {
  const projection = new Projection(view, after);
  const fits = view.stateless || (await log.fits(after));
  return { projection, frames: fits ? [] : projection.reset("mismatch") };
}

/** Follows a log through a view. */
export async function* project(
  log: Log,
  view: View,
  options: ProjectOptions = {},
): AsyncGenerator<Frames, void, undefined> {
  const { after = EMPTY, signal, pollMs, limit = Number.POSITIVE_INFINITY, until } = options;
  const { projection, frames: first } = await openProjection(log, view, after);
  if (first.length > 0) yield first;
  let left = limit;
  for await (const slice of log.follow({ after: projection.position, signal, pollMs })) {
    const frames = slice.reset === undefined ? [] : projection.reset(slice.reset);
    for (const entry of slice.entries ?? []) if (projection.add(entry, frames) && --left === 0) break;
    if (frames.length > 0) yield frames;
    if (left <= 0 || (slice.entries && until?.(slice.entries))) return;
  }
}
