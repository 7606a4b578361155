// "Functions": the nine senders of the page, as a browser gets what they send.
import assert from "node:assert/strict";
import { createParser } from "eventsource-parser";
import { createHub, finalText, toMessages } from "runlog";
import {
  ProjectEventStream,
  sendAgentStatus,
  sendCompleteMessage,
  sendMessageObject,
  sendProjectUpdate,
  sendStreamChunk,
  sendStreamingChunk,
  sendToolCall,
  sendToolCallResult,
  sendToolCallStart,
} from "runlog/compat/vibex";
import { listen } from "runlog/server";
import { memoryStore } from "runlog/stores/memory";

await using hub = await createHub({ store: memoryStore() });
await using server = await listen({ hub, port: 0 });
const stream = new ProjectEventStream(hub);
const run = await stream.createStream("project-1");
const response = await fetch(`${server.url}/projects/project-1/stream`);

// #region snippet
await sendProjectUpdate(stream, "project-1", "running");
await sendAgentStatus(stream, "project-1", "writer", "working", 5);
await sendToolCall(stream, "project-1", "writer", "search", { query: "haiku" });
await sendToolCallStart(stream, "project-1", "call-1", "read_file", { path: "notes.txt" });
await sendToolCallResult(stream, "project-1", "call-1", "read_file", { text: "frog" });
await sendStreamingChunk(stream, "project-1", { stepId: "s1", agentName: "writer", text: "An old " });
await sendStreamingChunk(stream, "project-1", {
  stepId: "s1",
  agentName: "writer",
  text: "pond",
  isFinal: true,
});
await sendCompleteMessage(stream, "project-1", { id: "m1", role: "assistant", content: "A frog leaps in" });
await sendMessageObject(stream, "project-1", {
  id: "m2",
  role: "assistant",
  content: "The sound",
  parts: [{ type: "text", text: "The sound" }],
});
await sendStreamChunk(stream, "project-1", "of ", "m3");
await sendStreamChunk(stream, "project-1", "water", "m3", true);
await sendProjectUpdate(stream, "project-1", "completed", { poems: 1 });
// #endregion

const events: { event: string | undefined; data: Record<string, unknown> }[] = [];
createParser({ onEvent: ({ event, data }) => events.push({ event, data: JSON.parse(data) }) }).feed(
  await response.text(),
);
console.log(events);
const of = (name: string) => events.filter(({ event }) => event === name).map(({ data }) => data);
assert.deepEqual(of("agent_status"), [{ agent_id: "writer", status: "working", progress: 5 }]);
assert.partialDeepStrictEqual(of("tool_call"), [
  {
    agent_id: "writer",
    tool_name: "search",
    parameters: { query: "haiku" },
    result: null,
    status: "pending",
  },
]);
assert.partialDeepStrictEqual(of("tool_call_start"), [
  { tool_call_id: "call-1", tool_name: "read_file", args: { path: "notes.txt" } },
]);
assert.partialDeepStrictEqual(of("tool_call_result"), [
  { tool_call_id: "call-1", tool_name: "read_file", result: { text: "frog" }, is_error: false },
]);
assert.partialDeepStrictEqual(of("message_chunk"), [
  { step_id: "s1", agent_name: "writer", text: "An old ", is_final: false },
  { step_id: "s1", agent_name: "writer", text: "pond", is_final: true },
]);
assert.partialDeepStrictEqual(of("complete_message"), [
  { message_id: "m1", role: "assistant", content: "A frog leaps in" },
]);
assert.partialDeepStrictEqual(of("message"), [
  { id: "m2", content: "The sound", parts: [{ type: "text", text: "The sound" }] },
]);
assert.partialDeepStrictEqual(of("stream_chunk"), [
  { message_id: "m3", chunk: "of ", is_final: false },
  { message_id: "m3", chunk: "water", is_final: true },
]);
assert.partialDeepStrictEqual(of("project_update").at(-1), { status: "completed", result: { poems: 1 } });

// All of it is kept, the messages whole.
assert.equal(finalText(toMessages(await run.log.entries())), "of water");
