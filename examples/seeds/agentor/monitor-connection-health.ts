// "Monitor Connection Health": a stream that fails says so with an event of its own, before it ends. What is said is
// JSON: the message of an error cannot end a line and pass for another event.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createParser } from "eventsource-parser";
import { type AgentStream, RunError } from "runlog";
import { Agentor } from "runlog/compat/agentor";

class Broken extends Agentor {
  override async *run(): AgentStream {
    yield { type: "text.started", id: "1" };
    yield { type: "text.delta", id: "1", text: "Hel" };
    throw new Error("It broke\n\nevent: done\ndata: {}\n\n");
  }
}
const agent = new Broken({ name: "Assistant", model: "demo" });

// #region snippet
async function* eventStream(message: string): AsyncGenerator<string> {
  try {
    for await (const chunk of agent.streamChat(message)) yield `data: ${chunk}\n\n`;
  } catch (error) {
    const { code, message } = error instanceof RunError ? error : new RunError("run_failed", "It failed");
    yield `event: error\ndata: ${JSON.stringify({ code, message })}\n\n`;
  }
}

const server = createServer((request, response) => {
  const message = new URL(request.url!, "http://localhost").searchParams.get("message") ?? "";
  response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
  pipeline(Readable.from(eventStream(message)), response).catch(() => {});
});
// #endregion

await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const { port } = server.address() as AddressInfo;
const response = await fetch(`http://127.0.0.1:${port}/chat?message=Hello`, { method: "POST" });
const events: { event: string | undefined; data: Record<string, unknown> }[] = [];
const parser = createParser({ onEvent: ({ event, data }) => events.push({ event, data: JSON.parse(data) }) });
parser.feed(await response.text());
assert.equal(events.length, 2);
assert.equal(events[0]?.data.chunk, "Hel");
assert.equal(events[1]?.event, "error");
assert.equal(events[1]?.data.code, "run_failed");
assert.match(String(events[1]?.data.message), /It broke/);
server.close();
server.closeAllConnections();
console.log(events);
