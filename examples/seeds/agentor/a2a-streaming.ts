// "A2A Protocol Streaming": the page's request and its reader. `test/clients/agentor_a2a.py` is the page's own client.
import assert from "node:assert/strict";
import { createParser } from "eventsource-parser";
import { demoModel } from "runlog/ai";
import { Agentor } from "runlog/compat/agentor";

const agent = new Agentor({
  name: "Teacher",
  model: demoModel({ firstTokenMs: 0, tokensPerSecond: 2_000 }),
});
const server = await agent.serve({ port: Number(process.env.PORT ?? 8000) });

// #region snippet
const response = await fetch(`${server.url}/`, {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({
    jsonrpc: "2.0",
    id: 1,
    method: "message/stream",
    params: { message: { parts: [{ kind: "text", text: "Explain machine learning" }] } },
  }),
});

const states: string[] = [];
let task = "";
let text = "";
const parser = createParser({
  onEvent({ data }) {
    const { result } = JSON.parse(data);
    if (result.kind === "task") task = result.id;
    else if (result.kind === "artifact-update") text += result.artifact.parts[0]?.text ?? "";
    else if (!result.status.message) states.push(result.status.state);
  },
});
for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) parser.feed(chunk);
// #endregion

console.log(`Task ${task}: ${text}\n${states.at(-1)}`);
assert.match(text, /demo model/);
assert.equal(states.at(-1), "completed");
await server.stop();
