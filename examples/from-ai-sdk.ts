// An agent of the AI SDK, run and kept by Runlog: `streamText` streams, the log holds, a person is asked, and the run goes
// on. The model is the AI SDK's own mock, so that this runs without a key.
import assert from "node:assert/strict";
import { isStepCount, streamText, tool } from "ai";
import { MockLanguageModelV4, simulateReadableStream } from "ai/test";
import { type AgentLike, createHub, finalText, toMessages } from "runlog";
import { fromAISDK, modelMessages } from "runlog/adapters";
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
const remove = tool({
  description: "Deletes a file",
  inputSchema: z.object({ file: z.string() }),
  execute: ({ file }) => `deleted ${file}`,
});

// #region agent
const janitor: AgentLike = {
  name: "janitor",
  run: (context) =>
    fromAISDK(
      streamText({
        model,
        tools: { remove },
        toolApproval: { remove: "user-approval" },
        stopWhen: isStepCount(10),
        messages: modelMessages(context),
        abortSignal: context.signal,
      }),
      context,
    ),
};
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
