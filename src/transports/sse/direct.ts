import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { Channels } from "../../channel.ts";
import { FramesViewer, type OpenFrames } from "../../frames-viewer.ts";
import { LiveViewer, type Outlet } from "../../live-viewer.ts";
import type { Frames, LiveSource } from "../../view.ts";
import { formatComeBack, formatFrame, formatRetry, HEARTBEAT } from "./format.ts";
import type { SseSettings } from "./server.ts";

/** What is made once for all who take it. */
export class SseBytes {
  /** A chunk of HTTP/1.1, RFC 9112 section 7.1. */
  readonly chunk: Buffer;
  readonly #head: number;

  constructor(chunk: Buffer, head: number) {
    this.chunk = chunk;
    this.#head = head;
  }

  /** What the chunk holds. */
  get body(): Buffer {
    return this.chunk.subarray(this.#head, -2);
  }
}

/** Room before the text for its size: 8 hex digits and a line end. */
const HEAD = 10;
/** Where texts are put together: one by one, as the parts of a long text that was joined first are far apart in memory. */
let slab = Buffer.allocUnsafe(256 * 1024);

export function encodeFrames(frames: Frames): SseBytes {
  return encodeTexts(frames.map(formatFrame));
}

export function encodeTexts(texts: readonly string[]): SseBytes {
  let end = HEAD;
  for (const text of texts) {
    // No character is more than three bytes of UTF-8.
    const most = end + 3 * text.length + 2;
    if (most > slab.length) slab = Buffer.concat([slab.subarray(0, end)], 2 * most);
    end += slab.write(text, end);
  }
  const size = `${(end - HEAD).toString(16)}\r\n`;
  slab.write(size, HEAD - size.length);
  slab.write("\r\n", end);
  return new SseBytes(Buffer.from(slab.subarray(HEAD - size.length, end + 2)), size.length);
}

const heartbeat = encodeTexts([HEARTBEAT]);

/**
 * Writes runs to connections of Node, for one server: what was from the store, at the pace of who reads, then live from
 * channels. An idle viewer costs no more than its connection: all share one timer and one ear for the server's stop.
 */
export class DirectViewers {
  readonly settings: SseSettings;
  readonly channels = new Channels(encodeFrames);
  readonly #connections = new Map<ServerResponse, Connection>();
  /** One listener for all: it is called on whatever has closed. */
  readonly #onClose: (this: ServerResponse) => void;
  #beat: NodeJS.Timeout | undefined;

  constructor(settings: SseSettings) {
    this.settings = settings;
    const connections = this.#connections;
    this.#onClose = function () {
      connections.get(this)?.leave();
    };
  }

  /** Shows a run, or frames, on a connection whose head has been written. */
  show(outgoing: ServerResponse, shown: LiveSource | OpenFrames): void {
    if (outgoing.destroyed) return;
    if (this.#connections.size === 0) this.#begin();
    const connection = new Connection(this, outgoing, shown);
    this.#connections.set(outgoing, connection);
    outgoing.on("close", this.#onClose);
    connection.begin();
    if (this.settings.signal?.aborted) connection.stop();
  }

  /** @internal */
  forget(outgoing: ServerResponse): void {
    outgoing.off("close", this.#onClose);
    this.#connections.delete(outgoing);
    if (this.#connections.size > 0) return;
    clearInterval(this.#beat);
    this.settings.signal?.removeEventListener("abort", this.#stop);
  }

  #begin(): void {
    this.settings.signal?.addEventListener("abort", this.#stop);
    // Half of it, as one may have been written to just after the beat before.
    this.#beat = setInterval(() => {
      for (const connection of this.#connections.values()) connection.beat();
    }, this.settings.heartbeatMs / 2).unref();
  }

  readonly #stop = (): void => {
    for (const connection of [...this.#connections.values()]) connection.stop();
  };
}

class Connection implements Outlet<SseBytes> {
  readonly #viewers: DirectViewers;
  readonly #viewer: LiveViewer<SseBytes> | FramesViewer<SseBytes>;
  readonly #outgoing: ServerResponse;
  /** Where chunks may be written as they are: past the response, which would frame each of them again. */
  readonly #socket: Socket | undefined;
  #stopping = false;
  /** Whether something was written since the last beat. */
  #wrote = false;
  #onRoom: (() => void) | undefined;

  constructor(viewers: DirectViewers, outgoing: ServerResponse, shown: LiveSource | OpenFrames) {
    this.#viewers = viewers;
    this.#viewer =
      typeof shown === "function"
        ? new FramesViewer(shown, encodeFrames, this)
        : new LiveViewer(viewers.channels, shown, this);
    this.#outgoing = outgoing;
    // Whoever has put something around the response, to compress it for instance, is not gone past.
    const plain = outgoing.chunkedEncoding && !Object.hasOwn(outgoing, "write");
    this.#socket = plain ? (outgoing.socket ?? undefined) : undefined;
  }

  begin(): void {
    this.write(encodeTexts([formatRetry(this.#viewers.settings.retryMs)]));
    void this.#viewer.show();
  }

  /** The client has gone. */
  leave(): void {
    this.#viewer.leave();
    this.#onRoom?.();
    this.#viewers.forget(this.#outgoing);
  }

  /** Keeps proxies from closing a connection on which nothing comes. */
  beat(): void {
    if (!this.#wrote && this.unread === 0) this.write(heartbeat);
    this.#wrote = false;
  }

  /** The response ends, and its client comes back. */
  stop(): void {
    this.#stopping = true;
    this.#onRoom?.();
    this.#viewer.stop();
  }

  write(bytes: SseBytes): void {
    this.#wrote = true;
    if (this.#socket) this.#socket.write(bytes.chunk);
    else this.#outgoing.write(bytes.body);
  }

  get unread(): number {
    return this.#out.writableLength;
  }

  room(): Promise<void> | undefined {
    // Whoever does not read does not keep the server from stopping.
    if (this.#stopping || !this.#out.writableNeedDrain) return undefined;
    return new Promise((resolve) => {
      this.#onRoom = () => {
        this.#out.off("drain", this.#onRoom!);
        this.#onRoom = undefined;
        resolve();
      };
      this.#out.on("drain", this.#onRoom);
    });
  }

  end(whole: boolean): void {
    if (!whole) this.write(encodeTexts([formatComeBack(this.#viewers.settings.retryMs)]));
    this.#outgoing.end();
    this.#viewers.forget(this.#outgoing);
  }

  /** A response that breaks off is asked for again. */
  fail(): void {
    this.#outgoing.destroy();
  }

  get #out(): Socket | ServerResponse {
    return this.#socket ?? this.#outgoing;
  }
}
