import { openBatch } from "./batch.ts";
import { isTerminalType } from "./events.ts";
import { Pacer } from "./internal/pacer.ts";
import { EMPTY, type Log, pollMsOf, type Slice } from "./log.ts";
import type { Batch, Tail } from "./store.ts";
import { type Frame, type Frames, Projection, type View } from "./view.ts";

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

/** Somebody who has all up to the place where the channel is. One that throws fails, and no other with it. */
export interface ChannelViewer<Encoded> {
  take(piece: Piece<Encoded>): void;
  /** The log cannot be followed any more: the store failed, or what it has cannot be shown. */
  fail(error: unknown): void;
}

export interface ChannelOptions<Encoded> {
  readonly log: Log;
  readonly view: View;
  readonly encode: (frames: Frames) => Encoded;
}

const pacer = new Pacer();

/**
 * One run in one view, live, for any number of viewers: each entry is shown once and each piece encoded once. What the
 * store hands over with its word of a commit is shown right there; where that does not continue what is known, the log
 * is read. A viewer reads the store until it has caught up and then joins; one that cannot take what comes leaves, and
 * reads the store again. So nothing is kept for anybody.
 */
export class Channel<Encoded> implements Disposable {
  readonly #options: ChannelOptions<Encoded>;
  readonly #viewers = new Set<ChannelViewer<Encoded>>();
  readonly #stop = new AbortController();
  readonly #watch: Disposable;
  readonly #poll: NodeJS.Timeout;
  /** Undefined until it is known where the log ended when the channel was opened: what comes after is handed on. */
  #projection: Projection | undefined;
  #reading = false;
  /** Whether there was a hint while it was reading. */
  #told = false;
  #handedOn: Tail = EMPTY;
  #frames: Frame[] = [];
  #reset = false;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;
  /** Resolves once viewers may join. */
  readonly ready: Promise<void>;

  constructor(options: ChannelOptions<Encoded>) {
    this.#options = options;
    const { store, run } = options.log;
    this.#watch = store.watch(run, this.#hear);
    const read = () => void this.#read();
    this.#poll = setInterval(read, pollMsOf(store)).unref();
    this.ready = this.#read();
  }

  /** The last entry that was handed on: where its viewers are. */
  get handedOn(): Tail {
    return this.#handedOn;
  }

  /** Whether it listens no more: the log has ended, or cannot be followed. */
  get over(): boolean {
    return this.#ended || this.#failure !== undefined;
  }

  /** Which run in which view. */
  get shown(): { readonly log: Log; readonly view: View } {
    return this.#options;
  }

  /**
   * Lets in a viewer that has all up to a place. False if the channel is further, or has another log: then
   * there is more to be read. Throws what the log cannot be followed for.
   */
  join(viewer: ChannelViewer<Encoded>, at: Tail): boolean {
    if (this.#failure) throw this.#failure.error;
    const { seq, check } = this.#handedOn;
    // Nothing comes after the end.
    const whole = this.#ended && !this.#reset && seq === this.#projection!.reached.seq;
    const fits = at.seq === seq ? at.check === check : at.seq > seq && !whole;
    // Where all comes again, it comes for everybody.
    if (!fits && !this.#reset) return false;
    if (whole) viewer.take({ after: seq, tail: at, encoded: undefined, reset: false, ended: true });
    else this.#viewers.add(viewer);
    return true;
  }

  leave(viewer: ChannelViewer<Encoded>): void {
    this.#viewers.delete(viewer);
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    this.#rest();
    this.#viewers.clear();
  }

  readonly #hear = (batch?: Batch): void => {
    if (this.#reading) {
      this.#told = true;
      return;
    }
    const position = this.#projection!.position;
    // Told twice.
    if (batch && batch.seq === position.seq && batch.check === position.check) return;
    const open = batch && openBatch(batch);
    if (open?.first !== position.seq + 1 || open.before !== position.check) void this.#read();
    else {
      try {
        this.#show(open);
      } catch (error) {
        this.#fail(error);
      }
    }
  };

  /** Shows what the store has beyond what is known. */
  async #read(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    try {
      const { log, view } = this.#options;
      if (!this.#projection) {
        const last = await log.last();
        if (last) this.#handedOn = { seq: last.seq, check: last.check };
        this.#projection = new Projection(view, this.#handedOn);
        if (last && isTerminalType(last.type)) {
          this.#ended = true;
          this.#rest();
          return;
        }
      }
      do {
        this.#told = false;
        const after = this.#projection.position;
        for await (const slice of log.follow({ after, live: false, signal: this.#stop.signal }))
          this.#show(slice);
      } while (this.#told && !this.#ended && !this.#stop.signal.aborted);
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#reading = false;
    }
  }

  #show(slice: Slice): void {
    const frames = this.#projection!.take(slice);
    if (slice.reset !== undefined) {
      this.#frames = frames;
      this.#reset = true;
      return;
    }
    this.#frames = this.#frames.length === 0 ? frames : this.#frames.concat(frames);
    const last = slice.entries.at(-1)!;
    if (isTerminalType(last.type)) {
      this.#ended = true;
      this.#rest();
    }
    if (this.#reset || last.seq > this.#handedOn.seq) pacer.schedule(this.#flush);
  }

  #fail(error: unknown): void {
    if (this.#stop.signal.aborted) return;
    this.#failure = { error };
    this.#rest();
    for (const viewer of [...this.#viewers]) this.#failViewer(viewer, error);
  }

  #failViewer(viewer: ChannelViewer<Encoded>, error: unknown): void {
    this.#viewers.delete(viewer);
    try {
      viewer.fail(error);
    } catch {
      // It is over for this one, and the others are to be told too.
    }
  }

  /** Listens no more. */
  #rest(): void {
    this.#watch[Symbol.dispose]();
    clearInterval(this.#poll);
  }

  readonly #flush = (): void => {
    const frames = this.#frames;
    const tail = this.#projection!.reached;
    let encoded: Encoded | undefined;
    try {
      if (frames.length > 0 && this.#viewers.size > 0) encoded = this.#options.encode(frames);
    } catch (error) {
      this.#fail(error);
      return;
    }
    const piece: Piece<Encoded> = {
      after: this.#reset ? 0 : this.#handedOn.seq,
      tail,
      encoded,
      reset: this.#reset,
      ended: this.#ended,
    };
    this.#frames = [];
    this.#handedOn = tail;
    this.#reset = false;
    for (const viewer of this.#viewers) {
      try {
        viewer.take(piece);
      } catch (error) {
        this.#failViewer(viewer, error);
      }
    }
  };
}

/** Channels by run and view: made with the first user, gone with the last. */
export class Channels<Encoded> {
  readonly encode: (frames: Frames) => Encoded;
  readonly #open = new Map<string, Channel<Encoded>>();
  readonly #users = new Map<Channel<Encoded>, number>();

  constructor(encode: (frames: Frames) => Encoded) {
    this.encode = encode;
  }

  /** The channel of a run in a view. To be released by whoever has asked for it. */
  use(log: Log, view: View): Channel<Encoded> {
    const key = keyOf({ log, view });
    let channel = this.#open.get(key);
    // One that is over tells what was: the log may be another by now, or the store well again.
    if (!channel || channel.over) channel = new Channel({ log, view, encode: this.encode });
    this.#open.set(key, channel);
    this.#users.set(channel, (this.#users.get(channel) ?? 0) + 1);
    return channel;
  }

  release(channel: Channel<Encoded>): void {
    const users = this.#users.get(channel)! - 1;
    this.#users.set(channel, users);
    if (users > 0) return;
    this.#users.delete(channel);
    const key = keyOf(channel.shown);
    if (this.#open.get(key) === channel) this.#open.delete(key);
    channel[Symbol.dispose]();
  }
}

function keyOf({ log, view }: { readonly log: Log; readonly view: View }): string {
  return `${log.run} ${view.key ?? view.name}`;
}
