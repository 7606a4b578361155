// "Built-in Server Streaming": the agent serves itself. `test/clients/agentor_chat.py` is the page's own client.
import assert from "node:assert/strict";
import { demoModel } from "runlog/ai";
import { Agentor } from "runlog/compat/agentor";

// #region snippet
const agent = new Agentor({
  name: "Streaming Agent",
  model: demoModel({ firstTokenMs: 0, tokensPerSecond: 2_000 }),
});

const server = await agent.serve({ port: Number(process.env.PORT ?? 8000) });
// #endregion

// #region client
const response = await fetch(`${server.url}/chat`, {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ input: "Tell me a story", stream: true }),
});

const lines: string[] = [];
const decoder = new TextDecoderStream();
let rest = "";
for await (const text of response.body!.pipeThrough(decoder)) {
  const complete = (rest + text).split("\n");
  rest = complete.pop()!;
  for (const line of complete) if (line) lines.push(line);
}
// #endregion

console.log(lines.join("\n"));
assert.match(response.headers.get("content-type")!, /^text\/event-stream/);
const outputs = lines.filter((line) => line.startsWith("data: ")).map((line) => JSON.parse(line.slice(6)));
assert.equal(outputs.map(({ chunk }) => chunk ?? "").join(""), outputs.at(-1).message);
assert.match(outputs.at(-1).message, /demo model/);

// The run is in the server's log, for anyone who comes later.
const list = await fetch(`${server.url}/runs`);
const { runs } = (await list.json()) as { runs: { agent: string; status: string }[] };
assert.deepEqual([runs[0]?.agent, runs[0]?.status], ["Streaming-Agent", "finished"]);
await server.stop();
