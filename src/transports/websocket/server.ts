import type { Channels } from "../../channel.ts";
import { RunError } from "../../errors.ts";
import type { LiveSource } from "../../view.ts";
import { type ConnectionOptions, refusalOf, type Socket, SocketConnection } from "./connection.ts";
import type { EncodedFrames } from "./encoded-frames.ts";
import { type ClientMessage, formatError, formatMessage, parseClientMessage } from "./format.ts";
import { Subscription } from "./subscription.ts";

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
  /** The run as it was asked for. */
  source(asked: Subscribe): Promise<LiveSource>;
}

export interface ServeOptions extends ConnectionOptions {
  readonly actions: SocketActions;
  /** Of all sockets of a server: their viewers of one run share its encoding. */
  readonly channels: Channels<EncodedFrames>;
}

/**
 * Speaks `runlog.1` on a socket until it closes. Whatever a client says, it is answered and stays connected; only a
 * binary message or one that is too long ends the connection. A closed connection does nothing to the runs.
 */
export function serveSocket(socket: Socket, options: ServeOptions): void {
  const { actions, channels, onError } = options;
  const subscriptions = new Map<string, Subscription>();
  /** Called when the last subscription is over. */
  let onNone = () => {};
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
    async beforeStop() {
      for (const subscription of subscriptions.values()) subscription.stop();
      if (subscriptions.size === 0) return;
      await new Promise<void>((resolve) => {
        onNone = resolve;
      });
    },
  });
  connection.gone.addEventListener("abort", () => {
    for (const subscription of subscriptions.values()) subscription.leave();
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
        subscriptions.get(message.id)?.leave();
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
    before?.leave();
    const own = new Subscription({ id, connection, onError, onOver: forget });
    subscriptions.set(id, own);
    try {
      const source = await inTurn(run, () => actions.source(asked));
      if (own.over) return;
      connection.answer(formatMessage({ type: "ok", id }));
      own.show(channels, source);
    } catch (error) {
      if (own.over) return;
      own.leave();
      throw error;
    }
  }

  function forget({ id }: Subscription): void {
    subscriptions.delete(id);
    if (subscriptions.size === 0) onNone();
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
