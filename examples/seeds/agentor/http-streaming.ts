// "HTTP Streaming": a route of your own, with an agent behind it.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createParser } from "eventsource-parser";
import { demoModel } from "runlog/ai";
import { Agentor } from "runlog/compat/agentor";

// #region snippet
const agent = new Agentor({
  name: "Assistant",
  model: demoModel({ firstTokenMs: 0, tokensPerSecond: 2_000 }),
});

async function* eventStream(message: string, signal: AbortSignal): AsyncGenerator<string> {
  for await (const chunk of agent.streamChat(message, { signal })) yield `data: ${chunk}\n\n`;
}

const server = createServer((request, response) => {
  const message = new URL(request.url!, "http://localhost").searchParams.get("message") ?? "";
  response.writeHead(200, {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    connection: "keep-alive",
  });
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  pipeline(Readable.from(eventStream(message, gone.signal)), response).catch(() => {});
});
// #endregion

await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const { port } = server.address() as AddressInfo;
const response = await fetch(`http://127.0.0.1:${port}/chat?message=Hello`, { method: "POST" });
assert.equal(response.headers.get("content-type"), "text/event-stream; charset=utf-8");

const outputs: { chunk: string | null; message: string | null }[] = [];
const parser = createParser({ onEvent: ({ data }) => outputs.push(JSON.parse(data)) });
const decoder = new TextDecoder();
for await (const bytes of response.body!) parser.feed(decoder.decode(bytes, { stream: true }));
assert.equal(outputs.map(({ chunk }) => chunk ?? "").join(""), outputs.at(-1)?.message);
server.close();
server.closeAllConnections();
console.log(outputs.at(-1)?.message);
