import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Channel, Channels, ChannelViewer, Piece } from "../../channel.ts";
import { isTerminalType } from "../../events.ts";
import { EMPTY } from "../../log.ts";
import type { Tail } from "../../store.ts";
import { addFrames, type Frame, type Frames, type LiveSource, resetFrame } from "../../view.ts";
import { formatComeBack, formatFrame, formatRetry, HEARTBEAT } from "./format.ts";

/** More than this is not written to a connection that does not read: it is given the rest from the store later. */
const MOST_UNREAD = 256 * 1024;

/** Frames as bytes that are made once for all who take them. */
export interface SseBytes {
  /** As they are. */
  readonly body: Buffer;
  /** As a chunk of HTTP/1.1, RFC 9112 section 7.1. `body` is a part of it. */
  readonly chunk: Buffer;
}

export function encodeSse(text: string): SseBytes {
  const length = Buffer.byteLength(text);
  const head = `${length.toString(16)}\r\n`;
  const chunk = Buffer.allocUnsafe(head.length + length + 2);
  chunk.write(head, 0, "latin1");
  chunk.write(text, head.length, "utf8");
  chunk.write("\r\n", head.length + length, "latin1");
  return { body: chunk.subarray(head.length, head.length + length), chunk };
}

export function encodeFrames(frames: Frames): SseBytes {
  return encodeSse(frames.map(formatFrame).join(""));
}

const heartbeat = encodeSse(HEARTBEAT);

export interface DirectOptions {
  readonly channels: Channels<SseBytes>;
  readonly heartbeatMs: number;
  readonly retryMs: number;
  /** Ends the response cleanly: the client comes back. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Writes a run to a connection of Node, its head having been written: what was from the store, at the pace of who
 * reads, then live from the channel. Resolves once the response has ended or its client has gone.
 */
export async function writeDirect(
  outgoing: ServerResponse,
  source: LiveSource,
  options: DirectOptions,
): Promise<void> {
  using used = options.channels.use(source.log, source.view);
  const connection = new Connection(outgoing, source, used.channel, options);
  await connection.run();
}

class Connection implements ChannelViewer<SseBytes> {
  readonly #outgoing: ServerResponse;
  readonly #source: LiveSource;
  readonly #channel: Channel<SseBytes>;
  readonly #options: DirectOptions;
  /** Where chunks may be written as they are: past the response, which would frame each of them again. */
  readonly #socket: Socket | undefined;
  /** Resolves when the client has gone, or the server stops. */
  readonly #over = Promise.withResolvers<void>();
  #gone = false;
  #stopping = false;
  /** The last entry that was written. */
  #at: Tail;
  #wroteAt = 0;
  /** Settles when the channel is left: true if the log has ended. */
  #left = Promise.withResolvers<boolean>();

  constructor(
    outgoing: ServerResponse,
    source: LiveSource,
    channel: Channel<SseBytes>,
    options: DirectOptions,
  ) {
    this.#outgoing = outgoing;
    this.#source = source;
    this.#channel = channel;
    this.#options = options;
    this.#at = source.after;
    // Whoever has put something around the response, to compress it for instance, is not gone past.
    const plain = outgoing.chunkedEncoding && !Object.hasOwn(outgoing, "write");
    this.#socket = plain ? (outgoing.socket ?? undefined) : undefined;
  }

  async run(): Promise<void> {
    const { signal, retryMs, heartbeatMs } = this.#options;
    const leave = () => {
      this.#gone = true;
      this.#over.resolve();
    };
    const stop = () => {
      this.#stopping = true;
      this.#over.resolve();
    };
    this.#outgoing.on("close", leave);
    signal?.addEventListener("abort", stop);
    if (signal?.aborted) stop();
    if (this.#outgoing.destroyed) leave();
    const beat = setInterval(() => {
      if (performance.now() - this.#wroteAt >= heartbeatMs && this.#unread === 0) this.#write(heartbeat);
    }, heartbeatMs).unref();
    try {
      this.#write(encodeSse(formatRetry(retryMs)));
      await this.#serve();
      if (this.#stopping) this.#write(encodeSse(formatComeBack(retryMs)));
      this.#outgoing.end();
    } catch (error) {
      // A response that breaks off is asked for again.
      this.#outgoing.destroy();
      throw error;
    } finally {
      clearInterval(beat);
      signal?.removeEventListener("abort", stop);
      this.#outgoing.off("close", leave);
      this.#channel.leave(this);
    }
  }

  /** Shows the run, by turns from the store and live, until its log has ended, nobody is there or the server stops. */
  async #serve(): Promise<void> {
    while (true) {
      // What is in the log by then is still shown.
      const last = this.#stopping;
      if ((await this.#catchUp()) || this.#gone || last) return;
      await Promise.race([this.#channel.ready, this.#over.promise]);
      if (this.#gone) return;
      if (this.#stopping) continue;
      this.#left = Promise.withResolvers();
      if (!this.#channel.join(this, this.#at.seq)) continue;
      const ended = await Promise.race([this.#left.promise, this.#over.promise]);
      this.#channel.leave(this);
      if (ended) return;
      await this.#drained();
    }
  }

  /** Writes what the store has, up to the end of the log as it is now. True if the log has ended. */
  async #catchUp(): Promise<boolean> {
    const { log, view } = this.#source;
    let show = view.start();
    let seen = this.#at.seq;
    if (!view.stateless && !(await log.fits(this.#at))) {
      this.#write(encodeFrames([resetFrame("mismatch")]));
      seen = 0;
    }
    const after = view.stateless ? this.#at : EMPTY;
    for await (const slice of log.follow({ after, live: false })) {
      if (this.#gone) return true;
      const frames: Frame[] = [];
      if (slice.reset !== undefined) {
        show = view.start();
        seen = 0;
        this.#at = EMPTY;
        this.#write(encodeFrames([resetFrame(slice.reset)]));
        continue;
      }
      for (const entry of slice.entries) {
        if (entry.seq <= seen) show(entry);
        else addFrames(frames, entry, show);
      }
      const last = slice.entries.at(-1)!;
      if (last.seq > seen) this.#at = { seq: last.seq, check: last.check };
      if (frames.length > 0) this.#write(encodeFrames(frames));
      if (isTerminalType(last.type)) return true;
      await this.#drained();
    }
    return false;
  }

  take({ after, tail, encoded, reset, ended }: Piece<SseBytes>): void {
    // One that was ahead of the channel has this already.
    if (!reset && tail.seq <= this.#at.seq && !ended) return;
    if (!reset && after < this.#at.seq && tail.seq > this.#at.seq) {
      this.#leave();
      return;
    }
    if (encoded && (reset || tail.seq > this.#at.seq)) this.#write(encoded);
    this.#at = tail;
    if (ended) this.#left.resolve(true);
    else if (this.#unread > MOST_UNREAD) this.#leave();
  }

  fail(error: unknown): void {
    this.#left.reject(error);
  }

  /** Goes on from the store: it has a part of what the channel hands on, or does not read as fast. */
  #leave(): void {
    this.#channel.leave(this);
    this.#left.resolve(false);
  }

  #write({ body, chunk }: SseBytes): void {
    this.#wroteAt = performance.now();
    if (this.#socket) this.#socket.write(chunk);
    else this.#outgoing.write(body);
  }

  /** Bytes that were written and have not been taken by the kernel. */
  get #unread(): number {
    return (this.#socket ?? this.#outgoing).writableLength;
  }

  async #drained(): Promise<void> {
    const out = this.#socket ?? this.#outgoing;
    if (!out.writableNeedDrain || this.#gone) return;
    const drained = Promise.withResolvers<void>();
    out.once("drain", drained.resolve);
    await Promise.race([drained.promise, this.#over.promise]);
    out.off("drain", drained.resolve);
  }
}
