// A viewer loses its connection after every event, and comes back with the cursor of the last one it has: what
// it ends up with is the log, byte for byte.
import assert from "node:assert/strict";
import { type AgentStream, createHub } from "runlog";
import { listen } from "runlog/server";
import { memoryStore } from "runlog/stores/memory";

async function* talker(): AgentStream {
  for (let n = 0; n < 20; n++) {
    yield { type: "custom", name: "example.count", data: n };
    await new Promise(setImmediate);
  }
}

await using hub = await createHub({ store: memoryStore(), agents: [talker] });
await using server = await listen({ hub, port: 0 });
const { run } = await hub.start({ input: "Talk" });

// #region resume
let cursor = "";
const seen: string[] = [];
while (true) {
  const headers = { "last-event-id": cursor };
  const response = await fetch(`${server.url}/runs/${run.id}/events`, { headers });
  if (response.status === 204) break; // The run has ended, and we have it all.
  const { id, data } = await firstEvent(response);
  seen.push(data);
  cursor = id;
}
// #endregion

/** Reads one event and drops the connection. */
async function firstEvent(response: Response): Promise<{ id: string; data: string }> {
  let text = "";
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const match = /^id: (.*)\ndata: (.*)\n\n/m.exec(text);
    if (match) return { id: match[1]!, data: match[2]! };
  }
  throw new Error("The connection ended before an event");
}

const entries = await run.log.entries();
assert.deepEqual(
  seen.map((data) => JSON.parse(data)),
  entries.map(({ seq, at, event }) => ({ seq, at, event })),
);
console.log(`${seen.length} connections, ${entries.length} events, none twice`);
