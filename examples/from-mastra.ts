// An agent of Mastra, run and kept by Runlog: a tool needs a person's approval, and the run goes on once it is there.
// The model is the AI SDK's mock, so that this runs without a key.
import assert from "node:assert/strict";
import { Agent } from "@mastra/core/agent";
import type { MastraModelConfig } from "@mastra/core/llm";
import { Mastra } from "@mastra/core/mastra";
import { createTool } from "@mastra/core/tools";
import { MockLanguageModelV4, simulateReadableStream } from "ai/test";
import { type AgentLike, createHub, finalText, type RunContext, toMessages } from "runlog";
import { answeredCalls, fromMastra } from "runlog/adapters";
import { memoryStore } from "runlog/stores/memory";
import { z } from "zod";

const usage = {
  inputTokens: { total: 10, noCache: 10, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: 5, text: 5, reasoning: undefined },
};
const model = new MockLanguageModelV4({
  doStream: [
    {
      stream: simulateReadableStream({
        chunks: [
          { type: "tool-call", toolCallId: "c1", toolName: "remove", input: '{"file":"draft.txt"}' },
          { type: "finish", finishReason: { unified: "tool-calls", raw: "tool_calls" }, usage },
        ],
      }),
    },
    {
      stream: simulateReadableStream({
        chunks: [
          { type: "text-start", id: "0" },
          { type: "text-delta", id: "0", delta: "draft.txt is gone." },
          { type: "text-end", id: "0" },
          { type: "finish", finishReason: { unified: "stop", raw: "stop" }, usage },
        ],
      }),
    },
  ],
});
const remove = createTool({
  id: "remove",
  description: "Deletes a file",
  inputSchema: z.object({ file: z.string() }),
  requireApproval: true,
  execute: async ({ file }) => `deleted ${file}`,
});
const agent = new Agent({
  id: "janitor",
  name: "janitor",
  instructions: "Tidy up.",
  // Mastra has types of its own for the same model.
  model: model as unknown as MastraModelConfig,
  tools: { remove },
});
// Mastra keeps what a run needs to go on: in memory, unless it is given a storage.
new Mastra({ agents: { agent }, logger: false });

// #region agent
const janitor: AgentLike = {
  name: "janitor",
  run: (context) => fromMastra(streamOf(context), context),
};

function streamOf({ run, input, entries, signal }: RunContext) {
  const call = answeredCalls(entries).at(-1);
  if (!call) return agent.stream(String(input), { runId: run, abortSignal: signal });
  const answer = { runId: run, toolCallId: call.callId, abortSignal: signal };
  return call.approved ? agent.approveToolCall(answer) : agent.declineToolCall(answer);
}
// #endregion

await using hub = await createHub({ store: memoryStore(), agents: [janitor] });
const { run } = await hub.start({ input: "Delete draft.txt" });
for await (const { event } of run) {
  if (event.type !== "approval.requested") continue;
  console.log("May it", event.name, event.input);
  // The answer starts the agent again, with the log so far.
  await run.send({ type: "input.approval", approvalId: event.approvalId, approved: true });
}

const entries = await run.log.entries();
assert.equal(finalText(toMessages(entries)), "draft.txt is gone.");
assert.deepEqual((await run.info()).usage, { inputTokens: 20, outputTokens: 10 });
console.log(finalText(toMessages(entries)));
