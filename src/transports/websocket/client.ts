import { sleep } from "../../internal/wait.ts";
import {
  type ClientMessage,
  closeCodes,
  formatMessage,
  MAX_MESSAGE_BYTES,
  parseServerMessage,
  type ServerMessage,
  type SocketFrame,
  SUBPROTOCOL,
  toError,
} from "./format.ts";

/** What is needed of the global `WebSocket`. */
export interface ClientSocket {
  send(text: string): void;
  close(): void;
  onopen: (() => void) | null;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null;
  onerror: (() => void) | null;
}

/** How a client stands to its server. `attempt` counts from 1 since the last sign of life; 0 if all is well. */
export type SocketState =
  | { readonly state: "live"; readonly attempt: number }
  | { readonly state: "reconnecting"; readonly attempt: number; readonly delayMs: number };

export interface SocketClientOptions {
  /** Where the server is, as in `http://127.0.0.1:8000`; a path before `/ws` is kept. */
  readonly url: string;
  /** Sent as a header, which Node can and browsers cannot: there a server with a token is followed over SSE. */
  readonly token?: string | undefined;
  /** Called whenever the connection is made, lost or tried again. */
  readonly onConnection?: ((state: SocketState) => void) | undefined;
  /** Gives up after this many attempts in a row without a sign of life. @default never */
  readonly maxAttempts?: number | undefined;
  /** @default the global WebSocket */
  readonly open?: ((url: string, token: string | undefined) => ClientSocket) | undefined;
  /** Asked why a socket could not be opened. @default the global one */
  readonly fetch?: typeof fetch | undefined;
  /** Waits, and resolves early when the signal aborts. @default a timer */
  readonly wait?: ((ms: number, signal: AbortSignal) => Promise<void>) | undefined;
  /** From 0 to 1, for the jitter. @default Math.random */
  readonly random?: (() => number) | undefined;
}

export interface SocketFollowOptions {
  /** The cursor of the last frame there is. @default the start of the log */
  readonly after?: string | undefined;
  /** The protocol to be shown. @default "native" */
  readonly view?: string | undefined;
  /** Only these event types, and the terminal event, in the native view. @default all */
  readonly types?: readonly string[] | undefined;
  /** Ends the iteration without an error. */
  readonly signal?: AbortSignal | undefined;
}

/** Frames that came together; or word that the log is another one now, and comes again from its start. */
export type SocketFrames =
  | { readonly frames: readonly SocketFrame[]; readonly reset?: undefined }
  | { readonly reset: string; readonly frames?: undefined };

/** The connection is gone for good, or was lost before an answer that cannot be asked for twice. */
export class SocketClosedError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "SocketClosedError";
  }
}

const FIRST_DELAY_MS = 250;
const MOST_DELAY_MS = 15_000;
/** After this long without a message the server is asked for one, and given up when none comes. */
const SILENCE_MS = 25_000;
const PONG_MS = 10_000;
/** A consumer that is this far behind, in characters, is unsubscribed until it has caught up. */
const MOST_QUEUED = 1024 * 1024;

interface Subscription {
  readonly run: string;
  readonly options: SocketFollowOptions;
  /** The cursor of what was received last. */
  cursor: string | undefined;
  /** Its name on the connection; none while it rests. Never used twice, so that what comes late is not taken. */
  id: string | undefined;
  queue: { readonly frames: SocketFrames; readonly size: number }[];
  queued: number;
  attempt: number;
  ended: boolean;
  error: Error | undefined;
  wake: () => void;
}

type Answer = Extract<ServerMessage, { type: "ok" | "started" }>;
type Request = Exclude<ClientMessage, { type: "subscribe" | "unsubscribe" | "ping" }>;

interface Pending {
  readonly message: Request;
  sent: boolean;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Follows up to 64 runs over one WebSocket, and sends to them. A lost connection is made again, and each run
 * goes on after the last frame that came: nothing is left out and nothing comes twice. Connects when it is first
 * used, and stays connected until it is closed; closing it does nothing to the runs.
 */
export class SocketClient implements Disposable {
  readonly #url: string;
  readonly #options: SocketClientOptions;
  readonly #wait: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly #subscriptions = new Map<string, Subscription>();
  /** All that are followed, also those that rest. */
  readonly #followed = new Set<Subscription>();
  readonly #pending = new Map<string, Pending>();
  readonly #closed = new AbortController();
  /** Set while there is a socket or one is waited for; aborts when that one is given up. */
  #connection: AbortController | undefined;
  #socket: ClientSocket | undefined;
  #open = false;
  #heard = false;
  #attempt = 0;
  #ids = 0;

  /** Throws `TypeError` for what is no http URL. */
  constructor(options: SocketClientOptions) {
    const url = URL.parse(options.url);
    if (!url || !/^(http|ws)s?:$/.test(url.protocol))
      throw new TypeError(
        `Cannot use ${JSON.stringify(options.url)} as a server: it must begin with http://`,
      );
    this.#url = `${url.origin.replace(/^http/, "ws")}${url.pathname.replace(/\/+$/, "")}/ws`;
    this.#options = options;
    this.#wait = options.wait ?? sleep;
  }

  /**
   * A run from a cursor on, then live, until its end or the abort. Who iterates slowly has the server wait. Throws
   * the `RunError` with which the server refuses it, and `SocketClosedError` once there is no hope.
   */
  async *follow(
    run: string,
    options: SocketFollowOptions = {},
  ): AsyncGenerator<SocketFrames, void, undefined> {
    const { signal, after } = options;
    this.#mustBeOpen();
    if (signal?.aborted) return;
    const subscription: Subscription = {
      run,
      options,
      cursor: after,
      id: undefined,
      queue: [],
      queued: 0,
      attempt: 0,
      ended: false,
      error: undefined,
      wake: () => {},
    };
    const wake = () => subscription.wake();
    signal?.addEventListener("abort", wake);
    this.#followed.add(subscription);
    this.#subscribe(subscription);
    try {
      while (!signal?.aborted) {
        const next = subscription.queue.shift();
        if (next) {
          subscription.queued -= next.size;
          yield next.frames;
        } else if (subscription.error) {
          throw subscription.error;
        } else if (subscription.ended) {
          return;
        } else {
          const woken = new Promise<void>((resolve) => {
            subscription.wake = resolve;
          });
          if (subscription.id === undefined && subscription.attempt === 0) this.#subscribe(subscription);
          await woken;
        }
      }
    } finally {
      signal?.removeEventListener("abort", wake);
      this.#followed.delete(subscription);
      this.#unsubscribe(subscription);
    }
  }

  /** Starts a run: `request` is the body of `POST /runs`. Sent again after a lost connection, and started once. */
  async start(request: object): Promise<{ readonly run: string; readonly created: boolean }> {
    const named = { ...request, id: (request as { readonly id?: unknown }).id ?? newRunId() };
    const answer = await this.#ask((id) => ({ type: "start", id, request: named }));
    const { run, created } = answer as Extract<Answer, { type: "started" }>;
    return { run, created };
  }

  /** Sends an event to a run: the body of `POST /runs/:id/input`. */
  async input(run: string, event: object): Promise<void> {
    await this.#ask((id) => ({ type: "input", id, run, event }));
  }

  async cancel(run: string, reason?: string): Promise<void> {
    await this.#ask((id) => ({ type: "cancel", id, run, ...(reason !== undefined && { reason }) }));
  }

  /** Appends to a run that this client produces; resolves to the cursor of the last event once it is committed. */
  async append(run: string, events: readonly object[]): Promise<{ readonly cursor: string }> {
    const answer = await this.#ask((id) => ({ type: "append", id, run, events }));
    return { cursor: (answer as Extract<Answer, { type: "ok" }>).cursor ?? "" };
  }

  /** Ends all that is followed, without an error, and rejects what has no answer. */
  close(): void {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    for (const subscription of this.#followed) {
      subscription.ended = true;
      subscription.queue = [];
      subscription.wake();
    }
    this.#rejectAll(new SocketClosedError("The client was closed before the answer"));
    this.#disconnect();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #ask(make: (id: string) => Request): Promise<Answer> {
    this.#mustBeOpen();
    const id = this.#newId();
    const message = make(id);
    const bytes = new TextEncoder().encode(formatMessage(message)).length;
    if (bytes > MAX_MESSAGE_BYTES)
      throw new RangeError(`Cannot send ${bytes} bytes in one message: the limit is ${MAX_MESSAGE_BYTES}`);
    return new Promise((resolve, reject) => {
      const pending = { message, sent: false, resolve, reject };
      this.#pending.set(id, pending);
      if (this.#open) this.#sendPending(pending);
      else this.#connect();
    });
  }

  #sendPending(pending: Pending): void {
    pending.sent = true;
    this.#send(pending.message);
  }

  #subscribe(subscription: Subscription): void {
    if (!this.#open) {
      this.#connect();
      return;
    }
    const id = this.#newId();
    const { run, cursor, options } = subscription;
    const { view, types } = options;
    subscription.id = id;
    this.#subscriptions.set(id, subscription);
    this.#send({
      type: "subscribe",
      id,
      run,
      ...(cursor !== undefined && { after: cursor }),
      ...(view !== undefined && { view }),
      ...(types !== undefined && { types }),
    });
  }

  #unsubscribe(subscription: Subscription): void {
    const { id } = subscription;
    if (id === undefined) return;
    subscription.id = undefined;
    this.#subscriptions.delete(id);
    if (this.#open && !subscription.ended) this.#send({ type: "unsubscribe", id });
  }

  #connect(): void {
    if (this.#connection) return;
    const open = this.#options.open ?? openSocket;
    let socket: ClientSocket;
    try {
      socket = open(this.#url, this.#options.token);
    } catch (cause) {
      this.#fail(new SocketClosedError(`Cannot open a socket to ${this.#url}`, { cause }));
      return;
    }
    const connection = new AbortController();
    this.#connection = connection;
    this.#socket = socket;
    const lost = (code: number, reason: string) => {
      if (this.#connection === connection) this.#lost(code, reason);
    };
    socket.onopen = () => {
      if (this.#connection !== connection) return;
      this.#open = true;
      this.#options.onConnection?.({ state: "live", attempt: this.#attempt });
      for (const pending of this.#pending.values()) this.#sendPending(pending);
      for (const subscription of this.#followed) {
        if (!subscription.ended && !subscription.error && subscription.queued <= MOST_QUEUED)
          this.#subscribe(subscription);
      }
    };
    socket.onmessage = ({ data }) => {
      if (this.#connection !== connection) return;
      this.#heard = true;
      this.#attempt = 0;
      try {
        this.#receive(String(data));
      } catch (error) {
        this.#fail(new SocketClosedError(`Cannot go on at ${this.#url}`, { cause: error }));
      }
    };
    socket.onclose = ({ code, reason }) => lost(code, reason);
    // A close follows, which tells more.
    socket.onerror = () => {};
    void this.#listen(connection.signal, () => lost(1006, "The connection went silent"));
  }

  /** Gives a connection up that says nothing: a browser would go on waiting for it. */
  async #listen(signal: AbortSignal, giveUp: () => void): Promise<void> {
    while (!signal.aborted) {
      this.#heard = false;
      await this.#wait(SILENCE_MS, signal);
      if (this.#heard || signal.aborted) continue;
      if (this.#open) {
        this.#send({ type: "ping" });
        await this.#wait(PONG_MS, signal);
      }
      if (!this.#heard && !signal.aborted) return giveUp();
    }
  }

  #receive(text: string): void {
    const message = parseServerMessage(text);
    if (!message || message.type === "pong" || message.id === undefined) return;
    const { id } = message;
    const pending = this.#pending.get(id);
    const subscription = this.#subscriptions.get(id);
    if (pending) {
      this.#pending.delete(id);
      if (message.type === "error") pending.reject(toError(message));
      else pending.resolve(message as Answer);
    } else if (subscription) {
      this.#show(subscription, message, text.length);
      subscription.wake();
    }
  }

  #show(subscription: Subscription, message: ServerMessage, size: number): void {
    switch (message.type) {
      case "frames":
        subscription.attempt = 0;
        subscription.cursor = message.frames.at(-1)?.cursor ?? subscription.cursor;
        subscription.queue.push({ frames: { frames: message.frames }, size });
        subscription.queued += size;
        if (subscription.queued > MOST_QUEUED) this.#unsubscribe(subscription);
        break;
      case "reset":
        subscription.cursor = undefined;
        subscription.queue.push({ frames: { reset: message.reason }, size: 0 });
        break;
      case "end":
        subscription.ended = true;
        break;
      case "error":
        this.#subscriptions.delete(subscription.id!);
        subscription.id = undefined;
        if (message.retry) void this.#subscribeLater(subscription);
        else subscription.error = toError(message);
        break;
      default:
    }
  }

  /** The server cannot show it now. Over a new connection, it is asked for at once. */
  async #subscribeLater(subscription: Subscription): Promise<void> {
    await this.#wait(this.#delay(++subscription.attempt), this.#connection!.signal);
    if (subscription.id === undefined && this.#followed.has(subscription) && this.#open)
      this.#subscribe(subscription);
  }

  #lost(code: number, reason: string): void {
    const { maxAttempts = Number.POSITIVE_INFINITY, onConnection } = this.#options;
    const wasOpen = this.#open;
    this.#disconnect();
    for (const [id, pending] of this.#pending) {
      const { type } = pending.message;
      // What may be done twice without harm is asked for again.
      if (!pending.sent || type === "start" || type === "cancel") continue;
      this.#pending.delete(id);
      pending.reject(new SocketClosedError(`The connection was lost before the answer to the ${type} came`));
    }
    const said = `${this.#url} closed the connection with ${code}${reason && ` (${reason})`}`;
    if (this.#followed.size === 0 && this.#pending.size === 0) return;
    this.#attempt++;
    if (atFault.has(code) || this.#attempt > maxAttempts) {
      this.#fail(new SocketClosedError(said));
      return;
    }
    const delayMs = this.#delay(this.#attempt);
    onConnection?.({ state: "reconnecting", attempt: this.#attempt, delayMs });
    const connection = new AbortController();
    this.#connection = connection;
    void this.#wait(delayMs, connection.signal).then(() => {
      if (this.#connection !== connection) return;
      this.#connection = undefined;
      this.#connect();
    });
    if (wasOpen) return;
    void this.#whyRefused(connection.signal).then((error) => {
      if (error && this.#connection === connection) this.#fail(error);
    });
  }

  /** A socket does not tell why it could not be opened: a request for the same thing does. */
  async #whyRefused(signal: AbortSignal): Promise<Error | undefined> {
    const { token, fetch: given } = this.#options;
    const send = given ?? globalThis.fetch;
    try {
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const response = await send(this.#url.replace(/^ws/, "http"), { headers, signal });
      const { code, detail } = (await response.json()) as { code?: unknown; detail?: unknown };
      if (response.status !== 401 && response.status !== 421) return undefined;
      return toError({ type: "error", code: String(code), message: String(detail), retry: false });
    } catch {
      return undefined;
    }
  }

  /** Lets the socket go. What it still says is nobody's. */
  #disconnect(): void {
    this.#connection?.abort();
    this.#connection = undefined;
    this.#open = false;
    for (const subscription of this.#subscriptions.values()) subscription.id = undefined;
    this.#subscriptions.clear();
    this.#socket?.close();
    this.#socket = undefined;
  }

  #fail(error: Error): void {
    this.#disconnect();
    for (const subscription of this.#followed) {
      if (!subscription.ended) subscription.error ??= error;
      subscription.wake();
    }
    this.#rejectAll(error);
    this.#attempt = 0;
  }

  #rejectAll(error: Error): void {
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }

  #send(message: ClientMessage): void {
    this.#socket?.send(formatMessage(message));
  }

  #delay(attempt: number): number {
    const most = Math.min(FIRST_DELAY_MS * 2 ** Math.min(attempt - 1, 20), MOST_DELAY_MS);
    const { random = Math.random } = this.#options;
    // Never less than half, so that a crowd of clients spreads out and nobody hammers.
    return Math.round(most / 2 + (most / 2) * random());
  }

  #newId(): string {
    return String(++this.#ids);
  }

  #mustBeOpen(): void {
    if (this.#closed.signal.aborted) throw new SocketClosedError("Cannot use the client: it was closed");
  }
}

/** Close codes that say that this client broke a rule, and would again. */
const atFault: ReadonlySet<number> = new Set([
  1002,
  closeCodes.unsupported,
  closeCodes.notUtf8,
  closeCodes.tooLarge,
]);

function openSocket(url: string, token: string | undefined): ClientSocket {
  if (token === undefined) return new WebSocket(url, SUBPROTOCOL) as ClientSocket;
  const headers = { authorization: `Bearer ${token}` };
  return new WebSocket(url, { protocols: SUBPROTOCOL, headers }) as ClientSocket;
}

function newRunId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(20)), (byte) => (byte % 36).toString(36)).join("");
}
