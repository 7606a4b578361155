// A chat of the AI SDK on Runlog: a page that is loaded in the middle of an answer shows it to its end, and stop stops
// the run. `Chat` is what `useChat` is made of: this is the page without its screen.
import assert from "node:assert/strict";
import { Chat } from "@ai-sdk/react";
import type { UIMessage } from "ai";
import { type AgentStream, createHub, type RunContext } from "runlog";
import { createChatTransport } from "runlog/client/ai-sdk";
import { listen } from "runlog/server";
import { memoryStore } from "runlog/stores/memory";

let more = Promise.withResolvers<void>();
async function* counter({ signal }: RunContext): AgentStream {
  yield { type: "text.started", id: "1" };
  yield { type: "text.delta", id: "1", text: "one " };
  signal.addEventListener("abort", () => more.resolve());
  await more.promise;
  if (signal.aborted) return;
  yield { type: "text.delta", id: "1", text: "two" };
  yield { type: "text.finished", id: "1" };
}

await using hub = await createHub({ store: memoryStore(), agents: [counter] });
await using server = await listen({ hub, port: 0 });
const api = `${server.url}/api/chat`;

// #region page
/** What a page does when it loads. */
async function openChat(id: string): Promise<Chat<UIMessage>> {
  const transport = createChatTransport({ api });
  const messages = await transport.load(id);
  return new Chat({ id, messages, transport });
}
// #endregion

const first = await openChat("chat-1");
const sent = first.sendMessage({ text: "Count" });
await until(() => textOf(first) === "one ");

// The page is loaded again, somewhere else: what was said so far is there, and the rest comes.
const second = await openChat("chat-1");
assert.equal(textOf(second), "one ");
const resumed = second.resumeStream();
more.resolve();
await Promise.all([sent, resumed]);
assert.deepEqual([textOf(first), textOf(second)], ["one two", "one two"]);
assert.equal(second.messages.length, 2);

// Stop cancels the run itself. A page that goes away does not.
more = Promise.withResolvers();
const stopped = second.sendMessage({ text: "Again" });
await until(() => second.messages.length === 4 && textOf(second) === "one ");
await second.stop();
await stopped;
const [run] = (await hub.list()).runs;
assert.equal((await hub.run(run!.run).ended()).status, "cancelled");
console.log(
  `${second.messages.length} messages, and the last run was ${(await hub.run(run!.run).info()).status}`,
);

function textOf(chat: Chat<UIMessage>): string {
  const parts = chat.lastMessage?.parts ?? [];
  return parts.map((part) => (part.type === "text" ? part.text : "")).join("");
}

async function until(test: () => boolean): Promise<void> {
  while (!test()) await new Promise(setImmediate);
}
