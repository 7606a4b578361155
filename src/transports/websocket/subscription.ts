import type { Channels } from "../../channel.ts";
import { LiveViewer, type Outlet } from "../../live-viewer.ts";
import type { LiveSource } from "../../view.ts";
import { MOST_UNSENT, refusalOf, type SocketConnection, type Wire } from "./connection.ts";
import type { EncodedFrames } from "./encoded-frames.ts";
import { formatError, formatMessage } from "./format.ts";
import { messageBytes } from "./message-bytes.ts";

export interface SubscriptionOptions {
  /** The client's name for it. */
  readonly id: string;
  readonly connection: SocketConnection;
  /** Called with what went wrong inside. */
  readonly onError?: ((error: unknown) => void) | undefined;
  /** Called once, when nothing comes under its name any more. */
  readonly onOver: (subscription: Subscription) => void;
}

/** A run that is shown on a socket, beside others. */
export class Subscription implements Outlet<EncodedFrames> {
  readonly id: string;
  readonly #wire: Wire;
  /** Set while something waits. */
  #sending: Promise<void> | undefined;
  #over = false;
  /** What was written while there was no room: the rest of a slice of the log, or of what a channel handed on. */
  #waiting: Buffer[] = [];
  #viewer: LiveViewer<EncodedFrames> | undefined;
  readonly #connection: SocketConnection;
  readonly #onError: ((error: unknown) => void) | undefined;
  readonly #onOver: (subscription: Subscription) => void;

  constructor({ id, connection, onError, onOver }: SubscriptionOptions) {
    this.id = id;
    this.#wire = connection.wire;
    this.#connection = connection;
    this.#onError = onError;
    this.#onOver = onOver;
  }

  get over(): boolean {
    return this.#over;
  }

  show(channels: Channels<EncodedFrames>, source: LiveSource): void {
    this.#viewer = new LiveViewer(channels, source, this);
    void this.#viewer.show();
  }

  /** What is in the log by now is still shown, and then it is over. */
  stop(): void {
    if (this.#viewer) this.#viewer.stop();
    else this.leave();
  }

  /** Ends it without a word. */
  leave(): void {
    if (this.#over) return;
    this.#over = true;
    this.#waiting = [];
    this.#viewer?.leave();
    this.#onOver(this);
  }

  write(frames: EncodedFrames): void {
    for (const bytes of frames.under(this.id)) this.#send(bytes);
  }

  get unread(): number {
    let unread = this.#wire.writableLength;
    if (this.#sending) for (const { length } of this.#waiting) unread += length;
    return unread;
  }

  async room(): Promise<void> {
    await this.#sending;
    await this.#connection.room();
  }

  end(whole: boolean): void {
    // Who is told of an end does not come back for the rest.
    if (whole) this.#send(messageBytes(formatMessage({ type: "end", id: this.id })));
    void this.#finish();
  }

  fail(error: unknown): void {
    this.#send(messageBytes(formatError(refusalOf(error, this.#onError), this.id)));
    void this.#finish();
  }

  async #finish(): Promise<void> {
    await this.#sending;
    this.leave();
  }

  #send(bytes: Buffer): void {
    if (this.#over) return;
    const unsent = this.#wire.writableLength;
    if (this.#sending || unsent >= MOST_UNSENT) {
      this.#waiting.push(bytes);
      this.#sending ??= this.#sendWaiting();
    } else if (unsent > 0 || bytes.length >= MOST_UNSENT || !this.#wire.writable)
      this.#connection.write(bytes);
    // Mostly nothing is unsent, so that no close can be on its way, and nobody needs to be told when this has gone. With
    // a thousand sockets each object on the way has left the processor's cache since the last time: by the connection
    // and what it looks at, a delivery costs 6 % more.
    else this.#wire.write(bytes);
  }

  /** All subscriptions of a socket take turns. */
  async #sendWaiting(): Promise<void> {
    while (this.#waiting.length > 0) {
      await this.#connection.room();
      const bytes = this.#waiting.shift();
      if (bytes) this.#connection.write(bytes);
    }
    this.#sending = undefined;
  }
}
