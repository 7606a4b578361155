import { once } from "node:events";
import { type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";

/** One SSE frame as it came over the wire. */
export interface SseFrame {
  /** Its bytes as text, without the empty line that ends it. */
  readonly raw: string;
  readonly id: string | undefined;
  readonly event: string | undefined;
  readonly data: string;
}

export interface EventsOptions {
  /** The cursor to go on from. */
  readonly after?: string | undefined;
  /** How the cursor is sent. @default "header" */
  readonly by?: "header" | "query";
}

/** The frames of one response. It ends with the response, and throws if the connection broke before that. */
export interface EventsConnection extends AsyncIterable<SseFrame> {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Breaks the connection at once. */
  cut(): void;
}

/** Opens a run's events on a socket of its own. Throws when there is no connection, or it breaks before the headers. */
export async function openEvents(
  base: string,
  run: string,
  { after, by = "header" }: EventsOptions = {},
): Promise<EventsConnection> {
  const query = after !== undefined && by === "query" ? `?after=${encodeURIComponent(after)}` : "";
  const headers: Record<string, string> = { accept: "text/event-stream" };
  if (after !== undefined && by === "header") headers["last-event-id"] = after;
  const asked = request(`${base}/runs/${run}/events${query}`, { agent: false, headers });
  asked.end();
  const [message] = (await once(asked, "response")) as [IncomingMessage];
  // Said again by the iteration, if anybody iterates.
  message.on("error", () => {});
  asked.on("error", () => {});
  return {
    status: message.statusCode!,
    headers: message.headers,
    cut: () => asked.destroy(),
    [Symbol.asyncIterator]: () => readFrames(message),
  };
}

/** Splits by hand: what a parser would forgive, a line end inside data or a broken character, is to be seen. */
async function* readFrames(message: IncomingMessage): AsyncGenerator<SseFrame, void, undefined> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let rest = "";
  for await (const chunk of message as AsyncIterable<Buffer>) {
    rest += decoder.decode(chunk, { stream: true });
    const parts = rest.split("\n\n");
    rest = parts.pop()!;
    for (const raw of parts) {
      const frame = parseFrame(raw);
      if (frame) yield frame;
    }
  }
}

/** A frame with data; undefined for comments and for the time to wait. */
function parseFrame(raw: string): SseFrame | undefined {
  let id: string | undefined;
  let event: string | undefined;
  let data: string | undefined;
  for (const line of raw.split("\n")) {
    if (line.startsWith(":") || line.startsWith("retry: ")) continue;
    else if (line.startsWith("id: ")) id = line.slice(4);
    else if (line.startsWith("event: ")) event = line.slice(7);
    else if (line.startsWith("data: ") && data === undefined) data = line.slice(6);
    else throw new Error(`This is no line of a frame: ${JSON.stringify(line)}`);
  }
  return data === undefined ? undefined : { raw, id, event, data };
}
