import { isTerminalType } from "./events.ts";
import { Pacer } from "./internal/pacer.ts";
import { EMPTY, type Log } from "./log.ts";
import type { Tail } from "./store.ts";
import { addFrames, type Frame, type Frames, resetFrame, type View } from "./view.ts";

/** What is handed to all viewers of a channel at once: the frames of the entries after one place, up to another. */
export interface Piece<Encoded> {
  readonly after: number;
  readonly tail: Tail;
  /** Encoded once, however many take it. Undefined if these entries have no frames. */
  readonly encoded: Encoded | undefined;
  /** Whether it begins with the word that what viewers have is to be dropped. */
  readonly reset: boolean;
  /** Whether the log has ended with it. */
  readonly ended: boolean;
}

/** Somebody who has all up to the place where the channel is. What it throws is its own affair. */
export interface ChannelViewer<Encoded> {
  take(piece: Piece<Encoded>): void;
  /** The log cannot be followed any more: the store failed. */
  fail(error: unknown): void;
}

export interface ChannelOptions<Encoded> {
  readonly log: Log;
  readonly view: View;
  readonly encode: (frames: Frames) => Encoded;
}

const pacer = new Pacer();

/**
 * One run in one view, live, for any number of viewers: the log is followed once, each entry is shown once and each
 * piece encoded once. A viewer reads the store until it has caught up and then joins; one that cannot take what comes
 * leaves, and reads the store again. So nothing is kept for anybody.
 */
export class Channel<Encoded> implements Disposable {
  readonly #options: ChannelOptions<Encoded>;
  readonly #viewers = new Set<ChannelViewer<Encoded>>();
  readonly #stop = new AbortController();
  /** The last entry that was handed on. */
  #seq = 0;
  #frames: Frame[] = [];
  /** The last entry that was shown. */
  #reached: Tail = EMPTY;
  #reset = false;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;
  /** Resolves once viewers may join. */
  readonly ready: Promise<void>;

  constructor(options: ChannelOptions<Encoded>) {
    this.#options = options;
    const opened = Promise.withResolvers<void>();
    this.ready = opened.promise;
    void this.#follow(opened.resolve).catch((error) => {
      this.#failure = { error };
      opened.resolve();
      for (const viewer of [...this.#viewers]) viewer.fail(error);
      this.#viewers.clear();
    });
  }

  /**
   * Lets in a viewer that has all up to `seq`. False if the channel is further: then there is more to be read. Throws
   * what the log cannot be followed for.
   */
  join(viewer: ChannelViewer<Encoded>, seq: number): boolean {
    if (this.#failure) throw this.#failure.error;
    if (seq < this.#seq) return false;
    // Nothing comes after the end.
    if (this.#ended && this.#seq === this.#reached.seq)
      viewer.take({ after: seq, tail: this.#reached, encoded: undefined, reset: false, ended: true });
    else this.#viewers.add(viewer);
    return true;
  }

  leave(viewer: ChannelViewer<Encoded>): void {
    this.#viewers.delete(viewer);
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    this.#viewers.clear();
  }

  async #follow(opened: () => void): Promise<void> {
    const { log, view } = this.#options;
    const tail = await log.store.tail(log.run);
    let show = view.start();
    // A view with state is shown what was; nobody is handed it.
    const after: Tail = view.stateless ? tail : EMPTY;
    this.#seq = tail.seq;
    this.#reached = tail;
    if (after.seq === tail.seq) opened();
    for await (const slice of log.follow({ after, signal: this.#stop.signal })) {
      if (slice.reset !== undefined) {
        show = view.start();
        this.#frames = [resetFrame(slice.reset)];
        this.#reset = true;
        this.#seq = 0;
        this.#reached = EMPTY;
        continue;
      }
      for (const entry of slice.entries) {
        if (entry.seq <= this.#reached.seq) show(entry);
        else addFrames(this.#frames, entry, show);
      }
      const last = slice.entries.at(-1)!;
      if (last.seq >= tail.seq) opened();
      this.#ended = isTerminalType(last.type);
      if (last.seq <= this.#reached.seq) continue;
      this.#reached = { seq: last.seq, check: last.check };
      pacer.schedule(this.#flush);
    }
    this.#ended = true;
    opened();
  }

  readonly #flush = (): void => {
    const frames = this.#frames;
    this.#frames = [];
    const encoded = frames.length > 0 && this.#viewers.size > 0 ? this.#options.encode(frames) : undefined;
    const piece: Piece<Encoded> = {
      after: this.#seq,
      tail: this.#reached,
      encoded,
      reset: this.#reset,
      ended: this.#ended,
    };
    this.#seq = this.#reached.seq;
    this.#reset = false;
    for (const viewer of this.#viewers) viewer.take(piece);
  };
}

/** Channels by run and view: made with the first viewer, gone with the last. */
export class Channels<Encoded> {
  readonly #encode: (frames: Frames) => Encoded;
  readonly #open = new Map<string, { readonly channel: Channel<Encoded>; viewers: number }>();

  constructor(encode: (frames: Frames) => Encoded) {
    this.#encode = encode;
  }

  /** The channel of a run in a view. To dispose of the handle is to let it go. */
  use(log: Log, view: View): { readonly channel: Channel<Encoded> } & Disposable {
    const key = `${log.run} ${view.key ?? view.name}`;
    const known = this.#open.get(key) ?? {
      channel: new Channel({ log, view, encode: this.#encode }),
      viewers: 0,
    };
    this.#open.set(key, known);
    known.viewers++;
    return {
      channel: known.channel,
      [Symbol.dispose]: () => {
        if (--known.viewers > 0) return;
        known.channel[Symbol.dispose]();
        if (this.#open.get(key) === known) this.#open.delete(key);
      },
    };
  }
}
