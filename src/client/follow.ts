import { createParser } from "eventsource-parser";
import { RunError } from "../errors.ts";
import { type Entry, isTerminal } from "../events.ts";
import { sleep } from "../internal/wait.ts";
import { type Http, UnreachableError } from "./http.ts";

/** An entry as it came. */
export interface FollowedEntry extends Entry {
  /** Go on after this entry with it. */
  readonly cursor: string;
  /** `{"seq","at","event"}`, byte for byte as the server sent it. */
  readonly json: string;
}

/** Entries that came together; or word that the log is another one now, and comes again from its start. */
export type Followed =
  | { readonly entries: readonly FollowedEntry[]; readonly reset?: undefined }
  | { readonly reset: string; readonly entries?: undefined };

/** How a follower stands to its server. `attempt` counts from 1 since the last sign of life; 0 if all is well. */
export type Connection =
  | { readonly state: "live"; readonly attempt: number }
  | { readonly state: "reconnecting"; readonly attempt: number; readonly delayMs: number };

export interface FollowOptions {
  /** The cursor of the last entry there is. @default the start of the log */
  readonly after?: string | undefined;
  /** Ends the iteration without an error. */
  readonly signal?: AbortSignal | undefined;
  /** Called whenever the connection is made, lost or tried again. */
  readonly onConnection?: ((connection: Connection) => void) | undefined;
  /** Throws after this many attempts in a row without a sign of life. @default never */
  readonly maxAttempts?: number | undefined;
  /** A connection this long without a byte is given up: servers send a comment every 15 s. @default 45_000 */
  readonly silenceMs?: number | undefined;
  /** Waits, and resolves early when the signal aborts. @default a timer */
  readonly wait?: ((ms: number, signal: AbortSignal) => Promise<void>) | undefined;
  /** From 0 to 1, for the jitter. @default Math.random */
  readonly random?: (() => number) | undefined;
}

const FIRST_DELAY_MS = 250;
const MOST_DELAY_MS = 15_000;

/**
 * Every entry of a run once and in order, first what is there and then what comes. Lost connections are made
 * again after the last entry, as often as needed. Ends with the terminal event, when nothing is left, or when
 * the signal aborts; ending it, like losing the connection, does nothing to the run. Throws what the server
 * refuses for good.
 */
export async function* follow(
  http: Http,
  run: string,
  options: FollowOptions = {},
): AsyncGenerator<Followed, void, undefined> {
  const { signal, onConnection, maxAttempts = Number.POSITIVE_INFINITY, silenceMs = 45_000 } = options;
  const { wait = sleep, random = Math.random } = options;
  const path = `/runs/${encodeURIComponent(run)}/events`;
  let cursor = options.after;
  let seen = 0;
  let attempt = 0;
  while (!signal?.aborted) {
    const connection = new AbortController();
    const abort = () => connection.abort();
    signal?.addEventListener("abort", abort);
    const answered = new AbortController();
    let trouble: unknown;
    try {
      void wait(silenceMs, answered.signal).then(() => {
        if (!answered.signal.aborted) connection.abort(new UnreachableError("The server does not answer"));
      });
      const response = await http
        .request(cursor === undefined ? path : `${path}?after=${encodeURIComponent(cursor)}`, {
          accept: "text/event-stream",
          signal: connection.signal,
        })
        .finally(() => answered.abort());
      if (response.status === 204) return;
      onConnection?.({ state: "live", attempt });
      for await (const { messages, alive } of sseMessages(response, { silenceMs, wait })) {
        let entries: FollowedEntry[] = [];
        for (const { event, data, id } of messages) {
          if (event === "reset") {
            if (entries.length > 0) yield { entries };
            entries = [];
            seen = 0;
            cursor = undefined;
            yield { reset: (JSON.parse(data) as { reason: string }).reason };
          } else if (event === undefined) {
            const entry = JSON.parse(data) as Entry;
            // A resumed connection may begin before where the last one ended.
            if (entry.seq <= seen) continue;
            seen = entry.seq;
            cursor = id ?? cursor;
            entries.push({ ...entry, cursor: cursor ?? "", json: data });
          }
        }
        // Not before it could be read: what cannot be is no sign of life.
        if (alive) attempt = 0;
        if (entries.length > 0) yield { entries };
        if (entries.some((entry) => isTerminal(entry.event))) return;
      }
    } catch (error) {
      if (signal?.aborted) return;
      if (error instanceof RunError && !error.retry) throw error;
      trouble = error;
    } finally {
      signal?.removeEventListener("abort", abort);
      connection.abort();
    }
    attempt++;
    if (attempt > maxAttempts) {
      if (trouble instanceof RunError || trouble instanceof UnreachableError) throw trouble;
      throw new UnreachableError(`Cannot reach ${http.url}: the connection breaks every time`, {
        cause: trouble,
      });
    }
    const most = Math.min(FIRST_DELAY_MS * 2 ** Math.min(attempt - 1, 20), MOST_DELAY_MS);
    // Never less than half, so that a crowd of followers spreads out and nobody hammers.
    const delayMs = Math.round(most / 2 + (most / 2) * random());
    onConnection?.({ state: "reconnecting", attempt, delayMs });
    await wait(delayMs, signal ?? new AbortController().signal);
  }
}

interface SseMessage {
  readonly event?: string | undefined;
  readonly data: string;
  readonly id?: string | undefined;
}

interface SseOptions {
  readonly silenceMs: number;
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** The messages of each chunk, and whether it held any sign of life but the greeting. */
async function* sseMessages(
  response: Response,
  { silenceMs, wait }: SseOptions,
): AsyncGenerator<{ readonly messages: readonly SseMessage[]; readonly alive: boolean }, void, undefined> {
  if (!response.headers.get("content-type")?.startsWith("text/event-stream") || !response.body)
    throw new UnreachableError(`Cannot follow at ${response.url}: the answer is no event stream`);
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let messages: SseMessage[] = [];
  let alive = false;
  const parser = createParser({
    onEvent: (message) => {
      messages.push(message);
      alive = true;
    },
    onComment: () => {
      alive = true;
    },
  });
  while (true) {
    const done = new AbortController();
    const silence = wait(silenceMs, done.signal).then(() => undefined);
    const read = reader.read();
    // Awaited in the race only: what comes after a silence is of no interest.
    read.catch(() => {});
    const chunk = await Promise.race([read, silence]).finally(() => done.abort());
    if (!chunk) throw new UnreachableError("The connection went silent");
    if (chunk.done) return;
    parser.feed(decoder.decode(chunk.value, { stream: true }));
    yield { messages, alive };
    messages = [];
    alive = false;
  }
}
