// Runlog inside an Express app: its own pages and routes stay, and every protocol is under one path.
// #region express
import express from "express";
import { createHub } from "runlog";
import { Agent } from "runlog/ai";
import { createApp, nodeHandler } from "runlog/server";
import { memoryStore } from "runlog/stores/memory";

const hub = await createHub({
  store: memoryStore(),
  agents: [new Agent({ name: "assistant", model: "demo" })],
});
const site = express();
const port = Number(process.env.PORT ?? 3000);
site.get("/", (_, response) => void response.send("The app's own page"));
const server = site.listen(port, "127.0.0.1");
await new Promise((resolve) => server.once("listening", resolve));
// #endregion

const address = server.address();
if (typeof address !== "object" || !address) throw new Error("The server has no port");
const url = `http://127.0.0.1:${address.port}`;
// #region mount
// Agent cards and links have to name the place where clients find it.
const app = createApp({ hub, publicUrl: `${url}/ai` });
site.use("/ai", nodeHandler(app));
// #endregion

console.log(await (await fetch(url)).text());
const response = await fetch(`${url}/ai/api/chat`, {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({
    id: "chat-1",
    messages: [{ id: "m-1", role: "user", parts: [{ type: "text", text: "What is 17% of 2340?" }] }],
    trigger: "submit-message",
  }),
});
console.log(await response.text());
const card = await fetch(`${url}/ai/.well-known/agent-card.json`);
console.log(await card.text());
server.close();
server.closeAllConnections();
await hub.drain(0);
