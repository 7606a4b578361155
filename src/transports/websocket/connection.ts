import { RunError } from "../../errors.ts";
import { soon } from "../../internal/soon.ts";
import { wait } from "../../internal/wait.ts";
import { closeCodes } from "./format.ts";
import { messageBytes } from "./message-bytes.ts";

/** What is needed of a socket that has been opened: a part of what those of `ws` are. */
export interface Socket {
  /** As of any WebSocket: 1 is open. */
  readonly readyState: number;
  ping(): void;
  /** Reads no more, until `resume`. What was read already may still come as messages. */
  pause(): void;
  resume(): void;
  close(code: number, reason: string): void;
  /** Ends it at once, without a word. */
  terminate(): void;
  on(event: "message", listener: (data: { toString(): string }, isBinary: boolean) => void): unknown;
  on(event: "ping" | "pong" | "close" | "error", listener: () => void): unknown;
}

/**
 * What lies beneath a socket. Messages are written to it as bytes that are made once for all who get them; `ws` would
 * frame them for each again. Without compression it sends what it sends itself whole and at once, so that the two do not
 * mix.
 */
export interface Wire {
  /** False once it has been ended, which `ws` does when the system has taken its answer to a client's close. */
  readonly writable: boolean;
  /** Bytes that were written and that the system has not taken yet. */
  readonly writableLength: number;
  /** `sent` is called once the system has taken the bytes, or never will. */
  write(bytes: Buffer, sent?: () => void): unknown;
}

export interface ConnectionOptions {
  /** Of the socket. */
  readonly wire: Wire;
  /** Aborts when the server stops: the socket is closed with 1012. */
  readonly stopping: AbortSignal;
  /** Called with what went wrong inside; the client is told no more than that. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** What deals with a text; its promise tells when the next may have its place. */
type OnText = (text: string) => Promise<void>;

export interface SocketConnectionOptions extends ConnectionOptions {
  readonly onText: OnText;
  /** A text waits until the one before has been dealt with. @default false */
  readonly oneByOne?: boolean;
  /** What is still to be said when the server stops. */
  readonly beforeStop?: () => Promise<void>;
}

/** The `readyState` of a socket that has not sent a close: nothing may follow that. */
const OPEN = 1;

/** Nothing more is pulled from a log while this much is unsent, in bytes. */
export const MOST_UNSENT = 256 * 1024;
/** Nothing more is dealt with while answers of this size are unsent: who asks must also read. */
const MOST_UNSENT_ANSWERS = 64 * 1024;
/** What may be dealt with at once, and what may wait behind it before the socket is no longer read. */
const MOST_HELD = 256 * 1024;
/** What a text costs beside its length: so many short ones are as much as a long one. */
const COST = 4 * 1024;
const PING_MS = 25_000;
const PONG_MS = 10_000;
/** A client that has not answered a close by then is cut off. */
const CLOSE_MS = 1_000;

/**
 * One socket, whatever is spoken on it. It keeps little, however the other side behaves: texts are dealt with as
 * their answers are read, and what is pulled waits for `room`. A side that gives no sign of life is cut off.
 */
export class SocketConnection {
  readonly wire: Wire;
  readonly #socket: Socket;
  readonly #options: SocketConnectionOptions;
  readonly #gone = new AbortController();
  #waiting: string[] = [];
  #waitingCost = 0;
  #workingCost = 0;
  #unsentAnswers = 0;
  #paused = false;
  /** Whether there was a sign of life since the last ping. */
  #heard = false;
  #turn: Promise<void> = Promise.resolve();
  #onSent: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(socket: Socket, options: SocketConnectionOptions) {
    this.#socket = socket;
    this.wire = options.wire;
    this.#options = options;
    const hear = () => {
      this.#heard = true;
    };
    socket.on("message", (data, isBinary) => {
      hear();
      if (isBinary) this.#close(closeCodes.unsupported, "There are only text messages");
      else this.#receive(data.toString());
    });
    socket.on("ping", hear);
    socket.on("pong", hear);
    // The framing was broken, and the close for it is on its way.
    socket.on("error", () => this.#leave());
    socket.on("close", () => {
      this.#leave();
      clearTimeout(this.#timer);
    });
    options.stopping.addEventListener("abort", this.#stop);
    if (options.stopping.aborted) this.#stop();
    this.#ping(PING_MS);
  }

  /** Aborts once nothing more can be said. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  send(text: string, sent?: () => void): void {
    this.write(messageBytes(text), sent);
  }

  /** Sends a whole message. */
  write(bytes: Buffer, sent?: () => void): void {
    if (this.#socket.readyState !== OPEN) return;
    const waits = this.wire.writableLength > 0;
    this.wire.write(bytes, () => {
      // What had to wait for the other side to read, and went, is a sign of life; to write into a buffer is none.
      if (waits) this.#heard = true;
      sent?.();
      this.#onSent?.();
    });
  }

  /** Sends what the other side asked for: texts of it are dealt with only as their answers are read. */
  answer(text: string): void {
    this.#unsentAnswers += text.length;
    this.send(text, () => {
      this.#unsentAnswers -= text.length;
      this.#work();
    });
  }

  /** Resolves once little enough is unsent, in the order of the calls; and when nothing more can be said. */
  room(): Promise<void> {
    this.#turn = this.#turn.then(async () => {
      while (!this.gone.aborted && this.wire.writableLength >= MOST_UNSENT) {
        await new Promise<void>((resolve) => {
          this.#onSent = resolve;
        });
      }
    });
    return this.#turn;
  }

  #receive(text: string): void {
    if (this.gone.aborted) return;
    this.#waiting.push(text);
    this.#waitingCost += costOf(text);
    this.#work();
  }

  #work(): void {
    const mostWorking = this.#options.oneByOne ? 1 : MOST_HELD;
    while (
      this.#waiting.length > 0 &&
      this.#workingCost < mostWorking &&
      this.#unsentAnswers < MOST_UNSENT_ANSWERS
    ) {
      const text = this.#waiting.shift()!;
      const cost = costOf(text);
      this.#waitingCost -= cost;
      this.#workingCost += cost;
      void this.#options
        .onText(text)
        .catch((error) => this.#options.onError?.(error))
        .then(() => {
          this.#workingCost -= cost;
          this.#work();
        });
    }
    const full = this.#waitingCost >= MOST_HELD;
    if (full === this.#paused || this.gone.aborted) return;
    this.#paused = full;
    if (full) this.#socket.pause();
    else this.#socket.resume();
  }

  #ping(afterMs: number): void {
    this.#timer = setTimeout(() => {
      this.#heard = false;
      this.#socket.ping();
      this.#timer = setTimeout(() => {
        // While nothing is read nothing is heard, and that is not the client's fault.
        const deaf = this.#paused && this.wire.writableLength === 0;
        if (this.#heard || deaf) this.#ping(PING_MS - PONG_MS);
        else this.#socket.terminate();
      }, PONG_MS);
      this.#timer.unref();
    }, afterMs);
    this.#timer.unref();
  }

  /** In the next turn: what was committed before the stop has then been shown to those who are live. */
  readonly #stop = (): void => {
    soon(async () => {
      const said = this.#options.beforeStop?.();
      // Who does not read does not keep the server.
      if (said) await Promise.race([said, wait(CLOSE_MS, this.gone)]);
      this.#close(closeCodes.stopping, "The server is stopping");
    });
  };

  #close(code: number, reason: string): void {
    if (this.gone.aborted) return;
    // The answer to the close would not be read.
    if (this.#paused) this.#socket.resume();
    this.#socket.close(code, reason);
    this.#leave();
  }

  #leave(): void {
    if (this.gone.aborted) return;
    this.#gone.abort();
    this.#options.stopping.removeEventListener("abort", this.#stop);
    this.#waiting = [];
    this.#onSent?.();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#socket.terminate(), CLOSE_MS);
    this.#timer.unref();
  }
}

/** What a client is told of anything thrown. */
export function refusalOf(error: unknown, onError?: (error: unknown) => void): RunError {
  if (error instanceof RunError) return error;
  onError?.(error);
  return new RunError("store_unavailable", "Something went wrong inside the server");
}

function costOf(text: string): number {
  return text.length + COST;
}
