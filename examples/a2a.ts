// An agent that other agents can call, asked with A2A's own client: it streams, asks before it deletes, and goes on.
// `node examples/a2a.ts` runs it.
import assert from "node:assert/strict";

// #region server
import { type AgentFunction, createHub } from "runlog";
import { listen } from "runlog/server";
import { memoryStore } from "runlog/stores/memory";

const janitor: AgentFunction = async function* janitor({ entries }) {
  const answer = entries.map(({ event }) => event).find((event) => event.type === "input.approval");
  if (!answer) {
    yield {
      type: "approval.requested",
      approvalId: "a-1",
      callId: "c-1",
      name: "delete",
      input: { file: "old.log" },
    };
    return;
  }
  yield { type: "text.started", id: "1" };
  yield { type: "text.delta", id: "1", text: answer.approved ? "old.log is gone." : "old.log stays." };
  yield { type: "text.finished", id: "1" };
};
const hub = await createHub({ store: memoryStore(), agents: [janitor] });
const server = await listen({ hub, port: Number(process.env.PORT ?? 8000) });

// #endregion

// #region client
import { Role, type SendMessageRequest, TaskState } from "@a2a-js/sdk";
import { ClientFactory } from "@a2a-js/sdk/client";

const client = await new ClientFactory().createFromUrl(server.url);

let taskId = "";
for await (const { payload } of client.sendMessageStream(message("Clean up"))) {
  if (payload?.$case !== "statusUpdate" || !payload.value.status) continue;
  const { state, message: asked } = payload.value.status;
  if (state !== TaskState.TASK_STATE_INPUT_REQUIRED) continue;
  taskId = payload.value.taskId;
  console.log(asked?.parts[0]?.content?.value);
}

let answer = "";
for await (const { payload } of client.sendMessageStream(message("yes", taskId))) {
  if (payload?.$case !== "artifactUpdate") continue;
  for (const { content } of payload.value.artifact?.parts ?? [])
    if (content?.$case === "text") answer += content.value;
}
console.log(answer);

function message(value: string, task = ""): SendMessageRequest {
  const content = { $case: "text" as const, value };
  return {
    tenant: "",
    message: {
      messageId: crypto.randomUUID(),
      taskId: task,
      contextId: "",
      role: Role.ROLE_USER,
      parts: [{ content, metadata: undefined, filename: "", mediaType: "" }],
      metadata: undefined,
      extensions: [],
      referenceTaskIds: [],
    },
    configuration: undefined,
    metadata: undefined,
  };
}
// #endregion

assert.equal(answer, "old.log is gone.");
const task = await client.getTask({ tenant: "", id: taskId });
assert.equal(task.status?.state, TaskState.TASK_STATE_COMPLETED);
assert.equal(task.history.length, 3);

await server.stop();
