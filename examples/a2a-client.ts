// An agent of another server is an agent here: its runs are in our log, and follow, cancel and answer as any other's.
import assert from "node:assert/strict";
import { type AgentStream, createHub, finalText, type RunContext, toMessages } from "runlog";
import { a2aAgent } from "runlog/a2a";
import { listen } from "runlog/server";
import { memoryStore } from "runlog/stores/memory";

// Somebody else's server, which speaks A2A. Here it is in the same process.
async function* parrot({ input, history }: RunContext): AgentStream {
  const said =
    typeof input === "string" ? input : finalText(input.map((each) => ({ ...each, role: "assistant" })));
  yield { type: "text.started", id: "1" };
  for (const text of [`You said "`, said, `", after ${history.length} messages.`])
    yield { type: "text.delta", id: "1", text };
  yield { type: "text.finished", id: "1" };
}
await using theirs = await createHub({ store: memoryStore(), agents: [parrot] });
await using server = await listen({ hub: theirs, port: 0 });

// #region agent
const helper = a2aAgent({ url: server.url, name: "helper" });
await using hub = await createHub({ store: memoryStore(), agents: [helper] });
const { run } = await hub.start({ input: "Hello", thread: "t-1" });
// #endregion
await run.ended();
assert.equal(finalText(toMessages(await run.log.entries())), 'You said "Hello", after 0 messages.');

// The remote conversation goes on with the thread.
const { run: next } = await hub.start({ input: "Again", thread: "t-1" });
await next.ended();
const answer = finalText(toMessages(await next.log.entries()));
assert.equal(answer, 'You said "Again", after 2 messages.');
console.log("The remote agent answered:", answer);
