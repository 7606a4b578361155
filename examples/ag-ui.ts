// A run for an AG-UI front end that has a bad network: its connection breaks in the middle of a sentence, and a second
// front end comes late. Both end with the same messages.
import assert from "node:assert/strict";
import { type AgentStream, createHub } from "runlog";
import { RunlogAgent } from "runlog/client/ag-ui";
import { listen } from "runlog/server";
import { memoryStore } from "runlog/stores/memory";

const { promise: late, resolve: goOn } = Promise.withResolvers<void>();
const { promise: broken, resolve: breaks } = Promise.withResolvers<void>();

async function* storyteller(): AgentStream {
  yield { type: "text.started", id: "1" };
  yield { type: "text.delta", id: "1", text: "Once upon a time, " };
  await late;
  yield { type: "text.delta", id: "1", text: "and they lived happily." };
  yield { type: "text.finished", id: "1" };
}

await using hub = await createHub({ store: memoryStore(), agents: [storyteller] });
await using server = await listen({ hub, port: 0 });
const url = `${server.url}/ag-ui`;

// #region agent
const agent = new RunlogAgent({ url, threadId: "story", fetch: fragile });
agent.addMessage({ id: "1", role: "user", content: "Tell me a story" });
const told = agent.runAgent();
// #endregion

await broken;
// #region join
const other = new RunlogAgent({ url, threadId: "story" });
const heard = other.connectAgent({}, { onTextMessageStartEvent: () => goOn() });
// #endregion
await Promise.all([told, heard]);

assert.deepEqual(
  agent.messages.map(({ role, content }) => [role, content]),
  [
    ["user", "Tell me a story"],
    ["assistant", "Once upon a time, and they lived happily."],
  ],
);
const texts = ({ messages }: RunlogAgent) => messages.map(({ id, content }) => [id, content]);
assert.deepEqual(texts(other), texts(agent));
console.log(agent.messages.at(-1)?.content);

/** A `fetch` whose first answer breaks off after the first words. */
async function fragile(to: string, init: RequestInit): Promise<Response> {
  const response = await fetch(to, init);
  if (new Headers(init.headers).has("last-event-id")) return response;
  let text = "";
  const cut = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      controller.enqueue(chunk);
      text += new TextDecoder().decode(chunk);
      if (!text.includes("Once upon")) return;
      controller.error(new TypeError("network error"));
      breaks();
    },
  });
  return new Response(response.body!.pipeThrough(cut), { headers: response.headers });
}
