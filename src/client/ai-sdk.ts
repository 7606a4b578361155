import { type ChatTransport, DefaultChatTransport, type UIMessage, type UIMessageChunk } from "ai";
import { sleep } from "../internal/wait.ts";

export interface ChatTransportOptions {
  /** Where the server has its chats. @default "/api/chat" */
  readonly api?: string;
  /** Sent with each request; a function is asked each time. */
  readonly headers?: HeaderFields | (() => HeaderFields);
  /** Fields beside those of the AI SDK: `agent`, and `whileBusy` ("reject", "queue" or "replace"). */
  readonly body?: { readonly agent?: string; readonly whileBusy?: "reject" | "queue" | "replace" };
  readonly credentials?: "include" | "omit" | "same-origin";
  /** @default the global one */
  readonly fetch?: typeof globalThis.fetch;
  /** Called when a stop could not be delivered: the run may go on. @default ignored */
  readonly onError?: (error: unknown) => void;
  /** Attempts in a row, without a chunk in between, before a lost connection is an error. @default 8 */
  readonly maxAttempts?: number;
  /** A connection this long without a byte is given up: servers send a comment every 15 s. @default 45_000 */
  readonly silenceMs?: number;
  /** Waits, and resolves early when the signal aborts. @default a timer */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>;
}

type HeaderFields = Readonly<Record<string, string>>;

export interface RunlogChatTransport<Message extends UIMessage> extends ChatTransport<Message> {
  /**
   * The messages of a chat, for a page that loads; with `resume`, the answer that was under way then is shown to its
   * end, also if it ends before the chat has resumed.
   */
  load(chatId: string): Promise<Message[]>;
}

/** Where in which run a client stands. */
interface Place {
  readonly run: string;
  /** The entry before the first one that was shown: of a message that goes on after a question. */
  readonly after: number;
}

const FIRST_DELAY_MS = 250;
const MOST_DELAY_MS = 15_000;

/**
 * A transport for `useChat` and `Chat` on Runlog's routes. To what `DefaultChatTransport` does it adds:
 *
 * - `stop()` cancels the run. A page that goes away, or a connection that is lost, does not.
 * - A connection that ends before the answer does is made again, and the answer goes on where it was.
 * - Only the new message is sent, not the whole chat: the server has it.
 *
 * `useChat({ id })` calls `stop()` when its component goes, as a button does. A chat that is to outlive its component is
 * made outside of it: `useChat({ chat })`.
 */
export function createChatTransport<Message extends UIMessage = UIMessage>(
  options: ChatTransportOptions = {},
): RunlogChatTransport<Message> {
  return new Transport<Message>(options);
}

class Transport<Message extends UIMessage> implements RunlogChatTransport<Message> {
  readonly resumeStreamIsReplay = true;
  readonly #options: ChatTransportOptions;
  readonly #api: string;
  /** By chat: the run that was under way when it was last heard of. */
  readonly #open = new Map<string, string>();
  /** By chat: stops on their way. */
  readonly #stops = new Map<string, Promise<void>>();
  /** By chat: the last attempt to resume. */
  readonly #resumes = new Map<string, object>();

  constructor(options: ChatTransportOptions) {
    this.#options = options;
    this.#api = (options.api ?? "/api/chat").replace(/\/+$/, "");
  }

  async load(chatId: string): Promise<Message[]> {
    const response = await this.#fetch(this.#path(chatId), {});
    if (!response.ok) throw refusal(await response.text(), response.status);
    const { messages, run } = (await response.json()) as { messages: Message[]; run: string | null };
    if (run === null) this.#open.delete(chatId);
    else this.#open.set(chatId, run);
    return messages;
  }

  async sendMessages(
    options: Parameters<ChatTransport<Message>["sendMessages"]>[0],
  ): Promise<ReadableStream<UIMessageChunk>> {
    const { chatId, abortSignal } = options;
    // A message after a stop would find the stopped run still there.
    await this.#stops.get(chatId);
    abortSignal?.throwIfAborted();
    const connection = new AbortController();
    // Not tied to the signal: only an answer says which run there is to stop.
    const asked = this.#default().sendMessages({ ...options, abortSignal: connection.signal });
    const stream = await orAborted(asked, abortSignal, (late) => {
      this.#stop(
        chatId,
        undefined,
        late.then((each) => each.cancel()),
      );
    }).catch((error: unknown) => {
      throw legible(error);
    });
    return this.#lasting(stream, connection, {
      chatId,
      signal: abortSignal,
      headers: options.headers,
      isSuperseded: () => false,
    });
  }

  async reconnectToStream(
    options: Parameters<ChatTransport<Message>["reconnectToStream"]>[0],
  ): Promise<ReadableStream<UIMessageChunk> | null> {
    const { chatId, abortSignal: signal, headers } = options;
    const token = {};
    this.#resumes.set(chatId, token);
    await this.#stops.get(chatId);
    signal?.throwIfAborted();
    const connection = new AbortController();
    const abort = () => connection.abort(signal?.reason);
    signal?.addEventListener("abort", abort);
    const run = this.#open.get(chatId);
    const place = run === undefined ? undefined : { run, after: 0 };
    const stream = await this.#resume(chatId, place, connection.signal, headers)
      .catch((error: unknown) => {
        throw legible(error);
      })
      .finally(() => signal?.removeEventListener("abort", abort));
    if (!stream) return null;
    return this.#lasting(stream, connection, {
      chatId,
      signal,
      headers,
      // A chat that resumes anew aborts the attempt before: that is no stop.
      isSuperseded: () => this.#resumes.get(chatId) !== token,
    });
  }

  /** A run's chunks to its end, over as many connections as it takes. */
  #lasting(
    first: ReadableStream<UIMessageChunk>,
    firstConnection: AbortController,
    { chatId, signal, headers, isSuperseded }: Lasting,
  ): ReadableStream<UIMessageChunk> {
    const { maxAttempts = 8, silenceMs = 45_000, wait = sleep } = this.#options;
    let connection = firstConnection;
    let reader = first.getReader();
    let place: Place | undefined;
    let delivered = 0;
    let attempt = 0;
    let over = false;
    /** The hash of what was delivered, and of what a new connection tells of it again. */
    let hash = 0;
    let again = 0;
    /** How much is still to be told again. */
    let skip = 0;
    const leave = () => {
      over = true;
      connection.abort();
      reader.cancel().catch(() => {});
    };
    const gone = new AbortController();
    const onAbort = () => {
      if (over) return;
      leave();
      gone.abort();
      // A chat that resumes anew says so before this task is over.
      queueMicrotask(() => {
        if (!isSuperseded()) this.#stop(chatId, place?.run);
      });
    };
    const reconnect = async (cause: unknown): Promise<void> => {
      attempt++;
      if (attempt > maxAttempts) throw cause;
      const delayMs = Math.min(FIRST_DELAY_MS * 2 ** (attempt - 1), MOST_DELAY_MS);
      await wait(delayMs, gone.signal);
      if (over) return;
      const asked = new AbortController();
      connection = asked;
      const silence = new TypeError("network error: the request was not answered");
      const timer = setTimeout(() => asked.abort(silence), silenceMs);
      const stream = await this.#resume(chatId, place, asked.signal, headers).finally(() =>
        clearTimeout(timer),
      );
      if (!stream) throw cause;
      reader = stream.getReader();
      skip = delivered;
      again = 0;
    };
    /** The next chunk that was not delivered yet; undefined at the end. */
    const next = async (): Promise<UIMessageChunk | undefined> => {
      let trouble: unknown;
      while (!over) {
        try {
          if (trouble) await reconnect(trouble);
          trouble = undefined;
          const { done, value } = await reader.read();
          if (done) {
            trouble = new TypeError("network error: the connection ended before the answer did");
            continue;
          }
          if (skip === 0) {
            hash = hashOf(hash, value);
            return value;
          }
          again = hashOf(again, value);
          skip--;
          if (skip === 0 && again !== hash)
            throw new Error(
              "Cannot go on with the answer: it is not the one that was shown; load the chat again",
            );
        } catch (error) {
          if (over || !isPassing(error) || attempt >= maxAttempts) throw legible(error);
          trouble = error;
        }
      }
      return undefined;
    };
    return new ReadableStream<UIMessageChunk>(
      {
        start: () => {
          signal?.addEventListener("abort", onAbort, { once: true });
          if (signal?.aborted) onAbort();
        },
        pull: async (controller) => {
          try {
            const chunk = await next();
            if (!chunk) {
              controller.error(signal?.reason ?? new DOMException("The chat was stopped", "AbortError"));
              return;
            }
            delivered++;
            attempt = 0;
            if (chunk.type === "start" && chunk.messageId !== undefined) {
              place = { run: chunk.messageId, after: (chunk as { after?: number }).after ?? 0 };
              this.#open.set(chatId, chunk.messageId);
            }
            controller.enqueue(chunk);
            if (chunk.type !== "finish" && chunk.type !== "error" && chunk.type !== "abort") return;
            this.#open.delete(chatId);
            signal?.removeEventListener("abort", onAbort);
            // The rest is `[DONE]`: read, so that the connection can be used again.
            over = true;
            void drain(reader);
            controller.close();
          } catch (error) {
            signal?.removeEventListener("abort", onAbort);
            leave();
            controller.error(error);
          }
        },
        cancel: () => {
          // The chat cancels what it reads when it is stopped: then the signal has said so.
          signal?.removeEventListener("abort", onAbort);
          leave();
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** Cancels a chat's run: the one that is named, or whichever is under way once `before` is done. */
  #stop(chatId: string, run: string | undefined, before: Promise<unknown> = Promise.resolve()): void {
    const stop = before
      // What failed has started nothing.
      .then(
        () => this.#postStop(chatId, run),
        () => {},
      )
      .catch((error: unknown) => this.#options.onError?.(error))
      .finally(() => {
        if (this.#stops.get(chatId) === stop) this.#stops.delete(chatId);
      });
    this.#stops.set(chatId, stop);
  }

  async #postStop(chatId: string, run: string | undefined): Promise<void> {
    const response = await this.#fetch(`${this.#path(chatId)}/stop`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(run === undefined ? {} : { run }),
      // Stopping and closing the page at once still stops.
      keepalive: true,
    });
    const text = await response.text();
    if (!response.ok) throw refusal(text, response.status);
    this.#open.delete(chatId);
  }

  #resume(
    chatId: string,
    place: Place | undefined,
    abortSignal: AbortSignal,
    headers: Lasting["headers"],
  ): Promise<ReadableStream<UIMessageChunk> | null> {
    const query =
      place && `?run=${encodeURIComponent(place.run)}${place.after > 0 ? `&after=${place.after}` : ""}`;
    const transport = this.#default(`${this.#path(chatId)}/stream${query ?? ""}`);
    return transport.reconnectToStream({ chatId, abortSignal, ...(headers && { headers }) });
  }

  /** The AI SDK's transport, for one request. */
  #default(resumeAt?: string): DefaultChatTransport<Message> {
    const { headers, body, credentials, fetch = globalThis.fetch, silenceMs = 45_000 } = this.#options;
    return new DefaultChatTransport<Message>({
      api: this.#api,
      ...(headers && { headers }),
      ...(credentials && { credentials }),
      fetch: async (url, init) => {
        const response = await fetch(url, init);
        // Chromium has a body for 204 too, with which no response can be made.
        if (response.status !== 200 || !response.body) return response;
        return new Response(lively(response.body, silenceMs), response);
      },
      ...(resumeAt !== undefined && { prepareReconnectToStreamRequest: () => ({ api: resumeAt }) }),
      prepareSendMessagesRequest: ({ id, messages, trigger, messageId, body: more }) => {
        const answered = messages.find((message) => message.id === messageId && message.role === "assistant");
        const isNew = trigger === "submit-message" && messageId === undefined;
        const sent = answered ? [answered] : isNew ? messages.slice(-1) : messages;
        return { body: { ...body, ...more, id, messages: sent, trigger, messageId } };
      },
    });
  }

  #fetch(url: string, init: RequestInit): Promise<Response> {
    const { headers, credentials, fetch = globalThis.fetch } = this.#options;
    const ours = typeof headers === "function" ? headers() : headers;
    return fetch(url, {
      ...init,
      headers: { ...ours, ...(init.headers as HeaderFields | undefined) },
      ...(credentials && { credentials }),
    });
  }

  #path(chatId: string): string {
    return `${this.#api}/${encodeURIComponent(chatId)}`;
  }
}

interface Lasting {
  readonly chatId: string;
  readonly signal: AbortSignal | undefined;
  readonly headers: Record<string, string> | Headers | undefined;
  readonly isSuperseded: () => boolean;
}

/** A promise, unless a signal aborts first: then what still becomes of it is handed over. */
async function orAborted<Value>(
  promise: Promise<Value>,
  signal: AbortSignal | undefined,
  onLate: (late: Promise<Value>) => void,
): Promise<Value> {
  if (!signal) return promise;
  const aborted = Promise.withResolvers<never>();
  const abort = () => {
    onLate(promise);
    aborted.reject(signal.reason);
  };
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** A body that breaks where nothing has come for too long, as it does when a network goes without a word. */
function lively(body: ReadableStream<Uint8Array>, silenceMs: number): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        let timer: ReturnType<typeof setTimeout> | undefined;
        const silence = new Promise<never>((_, reject) => {
          const error = new TypeError("network error: the connection went silent");
          timer = setTimeout(reject, silenceMs, error);
        });
        const read = reader.read();
        // Awaited in the race only: what comes after a silence is of no interest.
        read.catch(() => {});
        try {
          const { done, value } = await Promise.race([read, silence]);
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          reader.cancel().catch(() => {});
          controller.error(error);
        } finally {
          clearTimeout(timer);
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

async function drain(reader: ReadableStreamDefaultReader<UIMessageChunk>): Promise<void> {
  try {
    while (!(await reader.read()).done);
  } catch {
    // The answer is whole: what becomes of the connection is of no interest.
  }
}

/** FNV-1a over the JSON of chunks, one after the other. */
function hashOf(before: number, chunk: UIMessageChunk): number {
  const text = JSON.stringify(chunk);
  let hash = before;
  for (let index = 0; index < text.length; index++)
    hash = Math.imul(hash ^ text.charCodeAt(index), 16_777_619);
  return hash;
}

/** Whether the same request may succeed later. A server that stops refuses with 503. */
function isPassing(error: unknown): boolean {
  const { statusCode } = Object(error) as { statusCode?: number };
  if (statusCode !== undefined) return statusCode >= 500 || statusCode === 429;
  return error instanceof TypeError;
}

/** What the server refused, in its own words: the AI SDK shows the problem JSON as it is. */
function legible(error: unknown): unknown {
  const { statusCode, responseBody } = Object(error) as { statusCode?: number; responseBody?: string };
  return statusCode === undefined || responseBody === undefined ? error : refusal(responseBody, statusCode);
}

function refusal(text: string, status: number): Error {
  try {
    const { detail, code } = JSON.parse(text) as { detail?: unknown; code?: unknown };
    if (typeof detail === "string") return Object.assign(new Error(detail), { code, status });
  } catch {
    // Whatever stands before the server answered.
  }
  return Object.assign(new Error(`The chat's server answered ${status}`), { status });
}
