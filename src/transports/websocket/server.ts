import { RunError } from "../../errors.ts";
import type { Frames } from "../../view.ts";
import { type ConnectionOptions, refusalOf, type Socket, SocketConnection } from "./connection.ts";
import { type ClientMessage, formatError, formatMessage, parseClientMessage } from "./format.ts";
import { formatFrames } from "./frames.ts";

/** Each is a viewer, and costs the server what one costs. */
const MOST_SUBSCRIPTIONS = 64;

export type Subscribe = Extract<ClientMessage, { type: "subscribe" }>;

/** What clients may do, by the protocol's own parsers. Each rejects with the `RunError` that refuses it. */
export interface SocketActions {
  start(request: unknown): Promise<{ readonly run: string; readonly created: boolean }>;
  input(run: string, event: unknown): Promise<{ readonly cursor?: string }>;
  cancel(run: string, reason?: string): Promise<void>;
  append(
    run: string,
    events: unknown,
    producer: unknown,
  ): Promise<{
    readonly first: number;
    readonly last: number;
    readonly cursor: string;
    readonly ended: boolean;
  }>;
  /** The run as it was asked for. Ends after the terminal event, or when the signal aborts. */
  frames(asked: Subscribe, signal: AbortSignal): Promise<AsyncIterable<Frames>>;
}

export interface ServeOptions extends ConnectionOptions {
  readonly actions: SocketActions;
}

/**
 * Speaks `runlog.1` on a socket until it closes. Whatever a client says, it is answered and stays connected; only a
 * binary message or one that is too long ends the connection. A closed connection does nothing to the runs.
 */
export function serveSocket(socket: Socket, options: ServeOptions): void {
  const { actions, onError } = options;
  const subscriptions = new Map<string, AbortController>();
  const inTurn = turns();

  const connection = new SocketConnection(socket, {
    ...options,
    async onText(text) {
      const parsed = parseClientMessage(text);
      if (parsed.error) return connection.answer(formatError(parsed.error, parsed.id));
      const { message } = parsed;
      try {
        await answer(message);
      } catch (error) {
        connection.answer(formatError(refusalOf(error, onError), message.id));
      }
    },
  });
  connection.gone.addEventListener("abort", () => {
    for (const subscription of subscriptions.values()) subscription.abort();
  });

  async function answer(message: ClientMessage): Promise<void> {
    const { type, id } = message;
    const ok = (fields: object = {}) => connection.answer(JSON.stringify({ type: "ok", id, ...fields }));
    switch (type) {
      case "ping":
        return connection.answer(formatMessage({ type: "pong", ...(id !== undefined && { id }) }));
      case "subscribe":
        return subscribe(message);
      case "unsubscribe":
        subscriptions.get(message.id)?.abort();
        subscriptions.delete(message.id);
        return ok();
      case "start": {
        const { request } = message;
        const { run, created } = await inTurn(runOf(request), () => actions.start(request));
        return connection.answer(formatMessage({ type: "started", id: message.id, run, created }));
      }
      case "input":
        return ok(await inTurn(message.run, () => actions.input(message.run, message.event)));
      case "cancel":
        await inTurn(message.run, () => actions.cancel(message.run, message.reason));
        return ok();
      case "append":
        return ok(
          await inTurn(message.run, () => actions.append(message.run, message.events, message.producer)),
        );
    }
  }

  async function subscribe(asked: Subscribe): Promise<void> {
    const { id, run } = asked;
    const before = subscriptions.get(id);
    if (!before && subscriptions.size >= MOST_SUBSCRIPTIONS) {
      throw new RunError(
        "too_large",
        `Cannot subscribe as ${JSON.stringify(id)}: ${MOST_SUBSCRIPTIONS} subscriptions are open on this connection`,
      );
    }
    before?.abort();
    const own = new AbortController();
    subscriptions.set(id, own);
    const forget = () => {
      if (subscriptions.get(id) === own) subscriptions.delete(id);
    };
    try {
      const frames = await inTurn(run, () => actions.frames(asked, own.signal));
      if (own.signal.aborted) return;
      connection.answer(formatMessage({ type: "ok", id }));
      // Not awaited: it lasts as long as the run.
      void show(id, frames, own.signal).finally(forget);
    } catch (error) {
      forget();
      if (!own.signal.aborted) throw error;
    }
  }

  /** Nothing is pulled, and nothing sent, while the client has not read enough of what came before. */
  async function show(id: string, frames: AsyncIterable<Frames>, signal: AbortSignal): Promise<void> {
    try {
      await connection.room();
      for await (const slice of frames) {
        for (const text of formatFrames(id, slice)) {
          await connection.room();
          if (signal.aborted) return;
          connection.send(text);
        }
        await connection.room();
      }
      if (!signal.aborted) connection.send(formatMessage({ type: "end", id }));
    } catch (error) {
      if (!signal.aborted) connection.send(formatError(refusalOf(error, onError), id));
    }
  }
}

/** What is asked of one run is done in the order in which it was asked, and what is asked of others meanwhile. */
function turns(): <Answer>(key: string | undefined, work: () => Promise<Answer>) => Promise<Answer> {
  const last = new Map<string, Promise<void>>();
  return (key, work) => {
    if (key === undefined) return work();
    const done = (last.get(key) ?? Promise.resolve()).then(work);
    const settled = done.then(
      () => {},
      () => {},
    );
    last.set(key, settled);
    void settled.then(() => {
      if (last.get(key) === settled) last.delete(key);
    });
    return done;
  };
}

/** The id that a client chose for the run it starts. */
function runOf(request: unknown): string | undefined {
  const { id } = Object(request) as { id?: unknown };
  return typeof id === "string" ? id : undefined;
}
