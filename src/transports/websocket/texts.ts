import { type ConnectionOptions, type Socket, SocketConnection } from "./connection.ts";

export interface TextsOptions extends ConnectionOptions {
  /**
   * What is said to a text: each a message. `gone` aborts when the client goes, or the server stops. Refusals are
   * for it to tell; it throws only for what went wrong inside.
   */
  readonly answer: (text: string, gone: AbortSignal) => AsyncIterable<string>;
}

/** Answers texts with texts on a socket until it closes, one after the other: the next waits for the last answer. */
export function serveTexts(socket: Socket, options: TextsOptions): void {
  const connection = new SocketConnection(socket, {
    ...options,
    oneByOne: true,
    async onText(text) {
      for await (const message of options.answer(text, connection.gone)) {
        connection.send(message);
        await connection.room();
        if (connection.gone.aborted) return;
      }
    },
  });
}
