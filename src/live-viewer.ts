import type { Channel, Channels, ChannelViewer, Piece } from "./channel.ts";
import { isTerminalType } from "./events.ts";
import { soon } from "./internal/soon.ts";
import type { Tail } from "./store.ts";
import { type LiveSource, openProjection } from "./view.ts";

/** More than this is not written to who does not read: the rest comes from the store, later. */
const MOST_UNREAD = 256 * 1024;

/** Where what a viewer is shown goes: a connection. */
export interface Outlet<Encoded> {
  write(encoded: Encoded): void;
  /** Bytes that were written and have not been taken by the system. */
  readonly unread: number;
  /** Resolves once more may be written, and when nobody is there; undefined if more may be written. */
  room(): Promise<void> | undefined;
  /** Called once, after the last of it. `whole`: the log has ended with it; else the viewer was stopped, and may come back. */
  end(whole: boolean): void;
  /** Called if the log cannot be read. */
  fail(error: unknown): void;
}

/**
 * Shows a run on an outlet: what was from the store, at the pace of who reads, then live from a channel; from the store
 * again where the reader falls behind. While it is live, it holds nothing and waits for nothing.
 */
export class LiveViewer<Encoded> implements ChannelViewer<Encoded> {
  readonly #channels: Channels<Encoded>;
  /** Once there is a channel, what the channel has: one for all its viewers. */
  #shown: Pick<LiveSource, "log" | "view">;
  readonly #outlet: Outlet<Encoded>;
  #channel: Channel<Encoded> | undefined;
  /** Whether what comes is taken from the channel. */
  #live = false;
  #stopping = false;
  #gone = false;
  /** The last entry that was written; while it is live and not ahead, that is where the channel is. */
  #at: Tail;
  /** Whether it is live, and has more than the channel has handed on. */
  #ahead = false;

  constructor(channels: Channels<Encoded>, source: LiveSource, outlet: Outlet<Encoded>) {
    this.#channels = channels;
    this.#shown = source;
    this.#outlet = outlet;
    this.#at = source.after;
  }

  /** By turns from the store and live, until the log has ended, nobody is there or it is stopped. */
  async show(): Promise<void> {
    try {
      while (!this.#gone) {
        await this.#outlet.room();
        const last = this.#stopping;
        const whole = await this.#catchUp();
        if (whole || last) return this.#end(whole);
        if (this.#gone) return;
        if (this.#channel?.over) {
          this.#channels.release(this.#channel);
          this.#channel = undefined;
        }
        this.#channel ??= this.#channels.use(this.#shown.log, this.#shown.view);
        const channel = this.#channel;
        this.#shown = channel.shown;
        await channel.ready;
        if (this.#gone || this.#stopping) continue;
        this.#live = true;
        this.#ahead = this.#at.seq > channel.handedOn.seq;
        if (channel.join(this, this.#at)) return;
        this.#live = false;
        // However often it is not let in, all else has its turn.
        await new Promise((resolve) => soon(resolve));
      }
    } catch (error) {
      this.fail(error);
    }
  }

  /** What is in the log by now is still shown, and then it ends. */
  stop(): void {
    this.#stopping = true;
    if (!this.#live) return;
    if (!this.#ahead) this.#at = this.#channel!.handedOn;
    this.#readAgain();
  }

  /** Nobody is there any more. */
  leave(): void {
    this.#gone = true;
    this.#live = false;
    this.#channel?.leave(this);
    if (this.#channel) this.#channels.release(this.#channel);
    this.#channel = undefined;
  }

  take(piece: Piece<Encoded>): void {
    if (this.#ahead && !this.#wants(piece)) return;
    const { tail, encoded, ended } = piece;
    if (encoded) this.#outlet.write(encoded);
    if (ended) this.#end(true);
    else if (this.#outlet.unread > MOST_UNREAD) {
      this.#at = tail;
      this.#readAgain();
    }
  }

  /**
   * Whether a piece is new to a viewer that is ahead, all of it. Of one that is in a part, the rest is read;
   * and the log is read again where it does not have what the viewer has.
   */
  #wants({ after, tail, reset, ended }: Piece<Encoded>): boolean {
    const { seq, check } = this.#at;
    if (!reset && tail.seq < seq && !ended) return false;
    if (!reset && after < seq && (tail.seq !== seq || tail.check !== check)) {
      this.#readAgain();
      return false;
    }
    this.#ahead = false;
    if (reset || after >= seq) return true;
    if (ended) this.#end(true);
    return false;
  }

  fail(error: unknown): void {
    if (this.#gone) return;
    this.leave();
    this.#outlet.fail(error);
  }

  /** Writes what the store has, up to the end of the log as it is now. True if the log has ended. */
  async #catchUp(): Promise<boolean> {
    const { log, view } = this.#shown;
    const { encode } = this.#channels;
    const { projection, frames } = await openProjection(log, view, this.#at);
    if (this.#gone) return false;
    if (frames.length > 0) this.#outlet.write(encode(frames));
    for await (const slice of log.follow({ after: projection.position, live: false })) {
      if (this.#gone) return false;
      const next = projection.take(slice);
      if (next.length > 0) this.#outlet.write(encode(next));
      this.#at = projection.reached;
      if (slice.entries && isTerminalType(slice.entries.at(-1)!.type)) return true;
      // Who does not read has the rest after it has come back.
      if (this.#stopping && this.#outlet.unread > MOST_UNREAD) return false;
      await this.#outlet.room();
      // Those who are live come in between.
      await new Promise((resolve) => soon(resolve));
    }
    return false;
  }

  /** Goes on from the store: it has a part of what the channel hands on, or does not read as fast, or is to end. */
  #readAgain(): void {
    this.#channel?.leave(this);
    this.#live = false;
    void this.show();
  }

  #end(whole: boolean): void {
    if (this.#gone) return;
    this.leave();
    this.#outlet.end(whole);
  }
}
