import {
  type BaseEvent,
  enforceOutgoingInput,
  HttpAgent,
  type HttpAgentConfig,
  type RunAgentInput,
  runHttpRequest,
  transformHttpEventStream,
} from "@ag-ui/client";
import { createParser, type EventSourceMessage } from "eventsource-parser";
import { sleep } from "../internal/wait.ts";

export interface RunlogAgentConfig extends HttpAgentConfig {
  /** Where AG-UI is spoken, as in `http://127.0.0.1:8000/ag-ui` or `.../agents/NAME/ag-ui`. */
  readonly url: string;
  /** Gives up after this many attempts in a row to take up a broken stream. @default never */
  readonly maxAttempts?: number;
  /** A connection this long without a byte is given up: servers send a comment every 15 s. @default 45_000 */
  readonly silenceMs?: number;
  /** Waits, and resolves early when the signal aborts. @default a timer */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** What `connect()` returns, named without its package. */
type Events = ReturnType<HttpAgent["run"]>;

const FIRST_DELAY_MS = 250;
const MOST_DELAY_MS = 15_000;
const REFUSED = "refused";

/**
 * AG-UI's `HttpAgent` for a Runlog server, which loses nothing: a stream that breaks, or ends before its run does,
 * is taken up again where it broke; `connectAgent()` joins the thread's run, at work or not; `abortRun()`
 * cancels. A run goes on without its viewers: `detachActiveRun()` leaves it at work.
 */
export class RunlogAgent extends HttpAgent {
  /** The cursor of the last event that came: kept with the messages, it takes a page up where it was left. */
  cursor: string | undefined;
  /** The run at work, as the server names it: for `POST /runs/:id/cancel` and the like. */
  runlogRun: string | undefined;
  private options: StreamOptions;
  private root: string;
  /** Aborts when the stream is left. */
  private left: AbortController | undefined;

  /** Throws `TypeError` for a URL that does not end with `/ag-ui`. */
  constructor(config: RunlogAgentConfig) {
    super(config);
    this.url = config.url.replace(/\/+$/, "");
    const root = /^(.*?)(\/agents\/[^/]+)?\/ag-ui$/.exec(this.url)?.[1];
    if (root === undefined)
      throw new TypeError(`Cannot use ${JSON.stringify(config.url)} as an agent: it must end with /ag-ui`);
    this.root = root;
    const { maxAttempts = Number.POSITIVE_INFINITY, silenceMs = 45_000, wait = sleep } = config;
    this.options = { maxAttempts, silenceMs, wait };
  }

  override run(input: RunAgentInput): Events {
    this.cursor = undefined;
    // An answer to an interrupt goes on with the run that asked.
    if (!input.resume) this.runlogRun = input.runId;
    return this.stream(() => [this.url, this.requestInit(enforceOutgoingInput(input))]);
  }

  /**
   * The thread's last run: what it said so far, then what it says. With `cursor` set, only what came since, to
   * be added to the messages there are. A thread in which nothing was ever said is empty.
   */
  protected override connect(input: RunAgentInput): Events {
    const url = `${this.url}/${encodeURIComponent(input.threadId)}`;
    const after = this.cursor === undefined ? "" : `?after=${encodeURIComponent(this.cursor)}`;
    const headers = { ...this.headers, Accept: "text/event-stream" };
    return this.stream(() => [url + after, { headers, signal: this.abortController.signal }], isNewThread);
  }

  override connectAgent(
    ...args: Parameters<HttpAgent["connectAgent"]>
  ): ReturnType<HttpAgent["connectAgent"]> {
    this.abortController = new AbortController();
    return super.connectAgent(...args);
  }

  /** Cancels the run; its stream then ends as the run does. Where the server cannot be asked, the stream is cut. */
  override abortRun(): void {
    const { runlogRun, abortController } = this;
    const cut = () => abortController.abort();
    if (runlogRun === undefined) {
      cut();
      return;
    }
    const cancel = this.fetch(`${this.root}/runs/${encodeURIComponent(runlogRun)}/cancel`, {
      method: "POST",
      headers: { ...this.headers, "Content-Type": "application/json" },
      body: "{}",
    });
    cancel.then((response) => (response.ok ? response.body?.cancel() : cut())).catch(cut);
  }

  /** AG-UI's client stops listening, but reads on; and a browser has few connections. */
  override async detachActiveRun(): Promise<void> {
    const { left } = this;
    await super.detachActiveRun();
    left?.abort();
  }

  override clone(): RunlogAgent {
    const clone = super.clone() as RunlogAgent;
    clone.cursor = this.cursor;
    clone.runlogRun = this.runlogRun;
    clone.options = this.options;
    clone.root = this.root;
    return clone;
  }

  private stream(
    request: () => [url: string, init: RequestInit],
    isEmpty: (response: Response) => Promise<boolean> = async () => false,
  ): Events {
    const open: Open = async (after, signal) => {
      const [url, init] = request();
      const headers = new Headers(init.headers);
      if (after !== undefined) headers.set("last-event-id", after);
      return this.fetch(url, { ...init, headers, signal });
    };
    const note = ({ metadata }: BaseEvent) => {
      if (typeof metadata?.["runlog-run"] === "string") this.runlogRun = metadata["runlog-run"];
      if (typeof metadata?.["runlog-cursor"] === "string") this.cursor = metadata["runlog-cursor"];
    };
    return transformHttpEventStream(
      runHttpRequest(async () => {
        this.left = new AbortController();
        const signal = AbortSignal.any([this.abortController.signal, this.left.signal]);
        const first = await open(undefined, signal);
        if (first.status === 204 || (await isEmpty(first))) return new Response("", { headers: SSE });
        if (!first.ok || !first.body) return first;
        return new Response(unbroken(first.body, open, note, signal, this.options), { headers: SSE });
      }),
      this.debugLogger,
    );
  }
}

const SSE = { "content-type": "text/event-stream" };

/** Asks for the stream, from the start or after a cursor. */
type Open = (after: string | undefined, signal: AbortSignal) => Promise<Response>;

type StreamOptions = Required<Pick<RunlogAgentConfig, "maxAttempts" | "silenceMs" | "wait">>;

/** Whether a refusal says that nothing was ever said in the thread: no failure for a page that has just opened. */
async function isNewThread(response: Response): Promise<boolean> {
  if (response.status !== 404) return false;
  const problem = (await response
    .clone()
    .json()
    .catch(() => undefined)) as { code?: unknown } | undefined;
  return problem?.code === "run_not_found";
}

/**
 * The text of a stream that does not break before its run ends: AG-UI's client would take the end of a connection
 * for the end of a run, and a broken one for a failure. It is handed on by whole entries, so that nothing comes
 * twice.
 */
function unbroken(
  first: ReadableStream<Uint8Array>,
  open: Open,
  note: (event: BaseEvent) => void,
  signal: AbortSignal,
  options: StreamOptions,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const text = entriesOf(first, open, note, signal, options);
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await text.next();
        if (done) controller.close();
        else controller.enqueue(encoder.encode(value));
      } catch {
        // Nothing but an abort gets here. Under this name, AG-UI's client knows it.
        controller.error(new DOMException("The run was left", "AbortError"));
      }
    },
  });
}

async function* entriesOf(
  first: ReadableStream<Uint8Array>,
  open: Open,
  note: (event: BaseEvent) => void,
  signal: AbortSignal,
  { maxAttempts, silenceMs, wait }: StreamOptions,
): AsyncGenerator<string, void, undefined> {
  let body: ReadableStream<Uint8Array> | null = first;
  let cursor: string | undefined;
  let ended = false;
  for (let attempt = 0; ; attempt++) {
    if (attempt > 0) {
      if (attempt > maxAttempts) return yield errorFrame("unreachable", "The connection breaks every time");
      await wait(Math.min(FIRST_DELAY_MS * 2 ** Math.min(attempt - 1, 20), MOST_DELAY_MS), signal);
      signal.throwIfAborted();
      const response: Response | undefined = await answerOf(open, cursor, signal, { silenceMs, wait });
      signal.throwIfAborted();
      if (response?.status === 204) return;
      if (response && !response.ok && response.status < 500 && response.status !== 429) {
        return yield errorFrame(REFUSED, await detailOf(response));
      }
      body = response?.ok ? response.body : null;
    }
    if (!body) continue;
    let held: EventSourceMessage[] = [];
    try {
      for await (const messages of messagesOf(body, signal, { silenceMs, wait })) {
        for (const message of messages) {
          held.push(message);
          if (message.id === undefined) continue;
          const events = held.map(({ data }) => JSON.parse(data) as BaseEvent);
          for (const event of events) note(event);
          const last = events.at(-1)!.type as string;
          ended = last === "RUN_FINISHED" || last === "RUN_ERROR";
          cursor = message.id;
          yield held.map(({ data }) => `data: ${data}\n\n`).join("");
          held = [];
          attempt = 0;
        }
      }
    } catch {
      // The connection broke, went silent, or held what is no event: it is taken up like any other.
      signal.throwIfAborted();
    }
    if (ended) return;
  }
}

/** What a request is answered with; undefined where it is not, or not for too long. */
async function answerOf(
  open: Open,
  after: string | undefined,
  signal: AbortSignal,
  { silenceMs, wait }: Pick<StreamOptions, "silenceMs" | "wait">,
): Promise<Response | undefined> {
  const silence = new AbortController();
  const answered = new AbortController();
  void wait(silenceMs, answered.signal).then(() => {
    if (!answered.signal.aborted) silence.abort();
  });
  try {
    return await open(after, AbortSignal.any([signal, silence.signal]));
  } catch {
    return undefined;
  } finally {
    answered.abort();
  }
}

/** The SSE messages of each chunk. Throws for a connection that breaks, goes silent or is given up. */
async function* messagesOf(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
  { silenceMs, wait }: Pick<StreamOptions, "silenceMs" | "wait">,
): AsyncGenerator<readonly EventSourceMessage[], void, undefined> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let messages: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (message) => messages.push(message) });
  try {
    while (true) {
      const done = new AbortController();
      const stop = () => done.abort();
      signal.addEventListener("abort", stop);
      if (signal.aborted) stop();
      const read = reader.read();
      // Awaited in the race only: what comes after a silence is of no interest.
      read.catch(() => {});
      const silence = wait(silenceMs, done.signal).then(() => undefined);
      const chunk = await Promise.race([read, silence]).finally(() => {
        signal.removeEventListener("abort", stop);
        done.abort();
      });
      if (!chunk) throw new Error("The connection went silent");
      if (chunk.done) return;
      parser.feed(decoder.decode(chunk.value, { stream: true }));
      const some = messages;
      messages = [];
      yield some;
    }
  } finally {
    void reader.cancel().catch(() => {});
  }
}

function errorFrame(code: string, message: string): string {
  return `data: ${JSON.stringify({ type: "RUN_ERROR", code, message })}\n\n`;
}

async function detailOf(response: Response): Promise<string> {
  const text = await response.text().catch(() => "");
  try {
    return String((JSON.parse(text) as { detail?: unknown }).detail);
  } catch {
    return `The server answered ${response.status}`;
  }
}
