import { once } from "node:events";
import { type ClientOptions, WebSocket } from "ws";
import type { ServerMessage } from "./format.ts";

/** A client that says what a test wants, and hears everything. */
export interface Talk extends Disposable {
  readonly socket: WebSocket;
  /** Sends a text as it is, and anything else as JSON. */
  say(message: unknown): void;
  /** The next message, parsed. Throws if the socket closes before. */
  hear(): Promise<Heard>;
  /** All messages up to the first that fits, that one included. */
  hearUntil(fits: (message: Heard) => boolean): Promise<Heard[]>;
  /** How it was closed. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
}

/** Any message of the native protocol, or of another: a test knows what it waits for. */
// biome-ignore lint/suspicious/noExplicitAny: a test reads whatever field it expects
export type Heard = any;

/** Opens a socket at a server's URL, as in `http://127.0.0.1:8000`. Rejects when it is refused. */
export async function talk(
  url: string,
  subprotocol: string | undefined = "runlog.1",
  options: ClientOptions = {},
): Promise<Talk> {
  const address = `${url.replace(/^http/, "ws")}/ws`;
  const socket = subprotocol ? new WebSocket(address, subprotocol, options) : new WebSocket(address, options);
  let heard: string[] = [];
  let read = 0;
  let wake = () => {};
  let over: { readonly code: number; readonly reason: string } | undefined;
  const closed = new Promise<{ readonly code: number; readonly reason: string }>((resolve) => {
    socket.on("close", (code, reason) => {
      over = { code, reason: reason.toString() };
      resolve(over);
      wake();
    });
  });
  socket.on("message", (data) => {
    heard.push(data.toString());
    wake();
  });
  await once(socket, "open");
  // From here on the close says it all.
  socket.on("error", () => {});
  const hear = async () => {
    while (read === heard.length) {
      heard = [];
      read = 0;
      if (over) throw new Error(`The socket was closed with ${over.code} ${over.reason}`);
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    return JSON.parse(heard[read++]!);
  };
  return {
    socket,
    closed,
    hear,
    say: (message) => socket.send(typeof message === "string" ? message : JSON.stringify(message)),
    async hearUntil(fits) {
      const all: Heard[] = [];
      while (all.length === 0 || !fits(all.at(-1))) all.push(await hear());
      return all;
    },
    [Symbol.dispose]: () => socket.terminate(),
  };
}

/** Says a message and resolves to its answer, under its `id`. */
export async function ask(client: Talk, message: { readonly id: string }): Promise<Heard> {
  client.say(message);
  return (await client.hearUntil(({ id, type }) => id === message.id && type !== "frames")).at(-1);
}

/** The frames among messages, one after the other. */
export function framesIn(
  messages: readonly ServerMessage[],
): { cursor?: string; event?: string; data: Heard }[] {
  return messages.flatMap((message) => (message.type === "frames" ? [...message.frames] : []));
}
