// "WebSocket Streaming": the server that an agent is has `/ws`. A client sends `{"text": ...}` as often as it wants, and
// gets the events of each answer. `test/clients/agentor_websocket.py` is the page's own client.
import assert from "node:assert/strict";
import { demoModel } from "runlog/ai";
import { Agentor } from "runlog/compat/agentor";

// #region server
const agent = new Agentor({
  name: "Assistant",
  model: demoModel({ firstTokenMs: 0, tokensPerSecond: 2_000 }),
});
const server = await agent.serve({ port: Number(process.env.PORT ?? 8000), store: "memory:" });
// #endregion

// #region client
async function chat(url: string, texts: string[]): Promise<string[]> {
  const messages: string[] = [];
  const websocket = new WebSocket(`${url.replace("http", "ws")}/ws`);
  websocket.onopen = () => websocket.send(JSON.stringify({ text: texts.shift() }));
  websocket.onmessage = ({ data }) => {
    const { message } = JSON.parse(data);
    if (!message) return;
    messages.push(message);
    const next = texts.shift();
    if (next === undefined) websocket.close();
    else websocket.send(JSON.stringify({ text: next }));
  };
  await new Promise((resolve) => {
    websocket.onclose = resolve;
  });
  return messages;
}
// #endregion

const [hello, count] = await chat(server.url, ["Hello!", "Count to 3"]);
assert.match(hello!, /^## Hello!/);
assert.match(count!, /^1, 2, 3\./);
console.log(hello, count);
await server.stop();
