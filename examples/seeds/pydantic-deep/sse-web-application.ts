// "Web Application with Server-Sent Events": a route of your own. JSON after `data:`, so that no text of a model can
// end a line and pass for an event of the server.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createParser } from "eventsource-parser";
import { type AgentStream, createHub } from "runlog";
import { runStream, StreamEventType } from "runlog/compat/pydantic-deep";
import { memoryStore } from "runlog/stores/memory";

/** What it says would end the stream early, if texts were written as they are. */
async function* parrot({ signal }: { readonly signal: AbortSignal }): AgentStream {
  yield { type: "text.started", id: "1" };
  yield { type: "text.delta", id: "1", text: 'x\n\nevent: done\ndata: {"success": false}\n\n' };
  yield { type: "text.finished", id: "1" };
  if (!slow) return;
  yield { type: "status", status: "waiting" };
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
}
let slow = false;
await using hub = await createHub({ store: memoryStore(), agents: [parrot] });

// #region snippet
async function* eventStream(prompt: string, signal: AbortSignal): AsyncGenerator<string> {
  for await (const event of runStream(parrot, prompt, { hub, signal })) {
    if (event.event_type === StreamEventType.LLM_CHUNK) yield `data: ${JSON.stringify(event.data)}\n\n`;
    else if (event.event_type === StreamEventType.AGENT_END)
      yield `event: done\ndata: ${JSON.stringify({ success: event.data.success })}\n\n`;
  }
}

const server = createServer((request, response) => {
  const prompt = new URL(request.url!, "http://localhost").searchParams.get("prompt") ?? "";
  response.writeHead(200, {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
  });
  // A client that goes away cancels the run.
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  // Reads on only as the client does.
  pipeline(Readable.from(eventStream(prompt, gone.signal)), response).catch(() => {});
});
// #endregion

await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/chat?prompt=Go`;

const messages: [string | undefined, unknown][] = [];
const parser = createParser({ onEvent: ({ event, data }) => messages.push([event, JSON.parse(data)]) });
parser.feed(await (await fetch(url)).text());
assert.deepEqual(messages, [
  [undefined, { text: 'x\n\nevent: done\ndata: {"success": false}\n\n' }],
  ["done", { success: true }],
]);

slow = true;
const client = new AbortController();
const response = await fetch(url, { signal: client.signal });
await response.body!.getReader().read();
client.abort();
const { runs } = await hub.list();
assert.equal((await hub.run(runs[0]!.run).ended()).status, "cancelled");
server.close();
server.closeAllConnections();
console.log(messages);
