import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A provider that never comes to an end. */
export interface EndlessProvider extends AsyncDisposable {
  /** What a compatible model takes as `baseURL`. */
  readonly baseURL: string;
  /** Resolves once so many requests are being answered. */
  answering(requests: number): Promise<void>;
  /** Resolves once no request is answered any more: each connection was closed from the other side. */
  readonly silent: Promise<void>;
}

/**
 * Streams OpenAI's chat completions, word after word, until its connection is closed. `quiet` says nothing at
 * all after the headers.
 */
export async function endlessProvider({ quiet = false } = {}): Promise<EndlessProvider> {
  const silent = Promise.withResolvers<void>();
  const waiting = new Set<() => void>();
  let requests = 0;
  let open = 0;
  const server = createServer((request, response) => {
    request.resume();
    open++;
    requests++;
    response.on("close", () => {
      if (--open === 0) silent.resolve();
    });
    response.writeHead(200, { "content-type": "text/event-stream" });
    if (quiet) response.flushHeaders();
    else speak(response);
    for (const look of [...waiting]) look();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    baseURL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    silent: silent.promise,
    answering: (wanted) =>
      new Promise((resolve) => {
        const look = () => {
          if (requests < wanted) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

function speak(response: ServerResponse, word = 0): void {
  if (response.destroyed) return;
  const choice = { index: 0, delta: { role: "assistant", content: `word${word} ` }, finish_reason: null };
  const chunk = {
    id: "c1",
    object: "chat.completion.chunk",
    created: 1,
    model: "endless",
    choices: [choice],
  };
  response.write(`data: ${JSON.stringify(chunk)}\n\n`, () => setImmediate(speak, response, word + 1));
}
