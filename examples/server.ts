// A server with one agent and one tool. `node examples/server.ts` runs it, asks it something and stops.
import assert from "node:assert/strict";

// #region server
import { createHub } from "runlog";
import { Agent, tool } from "runlog/ai";
import { listen } from "runlog/server";
import { sqliteStore } from "runlog/stores/sqlite";
import { z } from "zod";

const weather = tool({
  description: "Tells the weather in a city",
  input: z.object({ city: z.string() }),
  execute: ({ city }) => `Sunny in ${city}`,
});
const agent = new Agent({ name: "assistant", model: "demo", tools: { weather } });
const hub = await createHub({ store: sqliteStore("runs.db"), agents: [agent] });
const server = await listen({ hub, port: Number(process.env.PORT ?? 8000) });
// #endregion

const response = await fetch(`${server.url}/chat`, {
  method: "POST",
  body: JSON.stringify({ input: "Hello", stream: true }),
});
const lines = (await response.text()).split("\n").filter((line) => line.startsWith("data: "));
const text = lines.map((line) => JSON.parse(line.slice(6)).chunk ?? "").join("");
assert.ok(text.length > 20, text);
const { runs } = await hub.list();
assert.equal(runs[0]?.status, "finished");
console.log(text);

await server.stop();
await hub.store[Symbol.asyncDispose]();
