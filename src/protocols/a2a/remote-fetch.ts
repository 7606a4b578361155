import { createParser, type EventSourceMessage } from "eventsource-parser";
import { messageOf } from "../../errors.ts";
import { AgentFailure } from "../../failure.ts";
import { ConnectionLost, shown } from "./remote-failure.ts";

/** The largest JSON answer that is read: a task with its artifacts, or a card. In bytes. */
const MAX_JSON_BYTES = 16 * 1024 * 1024;
/** The largest event of a stream, in characters. */
const MAX_EVENT_CHARS = 4 * 1024 * 1024;
/** How much is read of an answer that is an error, in bytes. */
const MAX_ERROR_BYTES = 64 * 1024;
/** Answers that may be another one a moment later. */
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);

export interface RemoteFetchOptions {
  readonly fetch: typeof globalThis.fetch;
  readonly headers: Readonly<Record<string, string>>;
  /** Given the SSE id of each event, or undefined, before the event itself can be read. */
  readonly onEvent?: (id: string | undefined) => void;
}

/**
 * A `fetch` for the SDK's client that bounds what a remote can make this process hold, and tells apart what the
 * SDK throws alike: a broken connection is {@linkcode ConnectionLost}, a refused token a failure that says so. A
 * stream that breaks ends after its last whole event.
 */
export function remoteFetch({ fetch, headers, onEvent }: RemoteFetchOptions): typeof globalThis.fetch {
  return async (input, init) => {
    const all = new Headers(init?.headers);
    for (const [name, value] of Object.entries(headers)) all.set(name, value);
    const url = input instanceof Request ? input.url : String(input);
    let response: Response;
    try {
      // Followed, a redirect would take headers of ours elsewhere.
      response = await fetch(input, { ...init, headers: all, redirect: "error" });
    } catch (error) {
      if (init?.signal?.aborted) throw error;
      throw new ConnectionLost(`no connection to ${shown(url)}: ${reasonOf(error)}`, { cause: error });
    }
    const { status, body } = response;
    const type = response.headers.get("content-type") ?? "";
    if (status === 401 || status === 403) {
      await body?.cancel().catch(() => {});
      throw new AgentFailure(
        "remote_unauthorized",
        `Cannot call ${shown(url)}: it answered ${status}; pass { token } or { headers } that it accepts`,
      );
    }
    if (!response.ok) {
      const { text } = await readUpTo(response, MAX_ERROR_BYTES);
      if (isJsonObject(text)) return rebuilt(text, response);
      const why = `${shown(url)} answered ${status}${text ? `: ${shown(text)}` : ""}`;
      if (PASSING.has(status)) throw new ConnectionLost(why);
      throw new AgentFailure(
        status === 404 ? "remote_not_found" : "remote_invalid",
        `Cannot call the agent: ${why}`,
      );
    }
    // How SSE says that nothing will ever come.
    if (status === 204)
      return new Response("", { status: 200, headers: { "content-type": "text/event-stream" } });
    if (type.startsWith("text/event-stream") && body) {
      return new Response(wholeEvents(body, onEvent), { status, headers: { "content-type": type } });
    }
    const { text, complete } = await readUpTo(response, MAX_JSON_BYTES);
    if (complete) return rebuilt(text, response);
    throw new AgentFailure(
      "too_large",
      `Cannot read the answer of ${shown(url)}: it is more than ${MAX_JSON_BYTES} bytes`,
    );
  };
}

/** The events of an SSE body, each whole, its id told apart. */
function wholeEvents(
  body: ReadableStream<Uint8Array>,
  onEvent: RemoteFetchOptions["onEvent"],
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();
  const reader = body.getReader();
  const events: EventSourceMessage[] = [];
  let overflow = false;
  const parser = createParser({
    maxBufferSize: MAX_EVENT_CHARS,
    onEvent: (event) => {
      overflow ||= event.data.length > MAX_EVENT_CHARS;
      if (event.data !== "") events.push(event);
    },
    onError: (error) => {
      overflow ||= error.type === "max-buffer-size-exceeded";
    },
  });
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        while (events.length === 0) {
          // A broken connection is an end without a terminal state: whoever follows sees that, and loses nothing.
          const { done, value } = await reader.read().catch(() => ({ done: true, value: undefined }));
          if (done || !value) return controller.close();
          parser.feed(decoder.decode(value, { stream: true }));
          if (overflow) {
            void reader.cancel().catch(() => {});
            throw new AgentFailure(
              "too_large",
              `Cannot read the remote agent's stream: an event is more than ${MAX_EVENT_CHARS} characters`,
            );
          }
        }
        for (const { data, id, event } of events.splice(0)) {
          onEvent?.(id || undefined);
          const name = event === undefined ? "" : `event: ${event}\n`;
          controller.enqueue(encoder.encode(`${name}data: ${data.replaceAll("\n", "\ndata: ")}\n\n`));
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

async function readUpTo(
  { body, url }: Response,
  maxBytes: number,
): Promise<{ readonly text: string; readonly complete: boolean }> {
  if (!body) return { text: "", complete: true };
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let text = "";
  let bytes = 0;
  while (true) {
    const { done, value } = await reader.read().catch((error) => {
      throw new ConnectionLost(`the answer of ${shown(url)} broke off: ${reasonOf(error)}`, { cause: error });
    });
    if (done) return { text: text + decoder.decode(), complete: true };
    bytes += value.byteLength;
    if (bytes > maxBytes) {
      await reader.cancel().catch(() => {});
      return { text, complete: false };
    }
    text += decoder.decode(value, { stream: true });
  }
}

function rebuilt(text: string, { status, headers }: Response): Response {
  const type = headers.get("content-type") ?? "application/json";
  return new Response(text, { status, headers: { "content-type": type } });
}

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && "error" in value;
  } catch {
    return false;
  }
}

/** What `fetch` hides in the cause of "fetch failed". */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code =
    typeof cause === "object" && cause !== null && "code" in cause ? ` (${shown(cause.code)})` : "";
  return `${shown(messageOf(cause))}${code}`;
}
