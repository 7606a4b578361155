// An agent of the OpenAI Agents SDK in a hub: it asks before it pays, and the answer runs it again from its own state. The
// model is the SDK's scripted one, so nothing is called.
import assert from "node:assert/strict";
import { Agent, RunState, run, setTracingDisabled, tool } from "@openai/agents";
import { assistantMessage, functionCall, ScriptedModel } from "@openai/agents/testing";
import { type AgentStream, createHub, finalText, type RunContext, toMessages } from "runlog";
import { fromOpenAIAgents, openAIAgentsState } from "runlog/adapters";
import { memoryStore } from "runlog/stores/memory";
import { z } from "zod";

setTracingDisabled(true);
const paid: number[] = [];
const pay = tool({
  name: "pay",
  description: "Pays an invoice",
  parameters: z.object({ euros: z.number() }),
  needsApproval: true,
  execute: async ({ euros }) => {
    paid.push(euros);
    return `Paid ${euros} €`;
  },
});
const model = new ScriptedModel([
  [assistantMessage("I will pay it."), functionCall("pay", { euros: 80 }, { callId: "call-1" })],
  [assistantMessage("Your invoice is paid.")],
]);
const clerk = new Agent({ name: "Clerk", model, tools: [pay] });

// #region agent
async function* accountant(context: RunContext): AgentStream {
  const { input, signal, entries } = context;
  const waited = openAIAgentsState(entries);
  const state = waited && (await RunState.fromString(clerk, waited.state));
  if (state) waited.answer(state);
  yield* fromOpenAIAgents(run(clerk, state ?? String(input), { stream: true, signal }), context);
}
// #endregion

await using hub = await createHub({ store: memoryStore(), agents: [accountant] });
const { run: handle } = await hub.start({ input: "Pay my invoice of 80 euros" });
for await (const { event } of handle) {
  if (event.type === "text.delta") console.log(event.text);
  if (event.type !== "approval.requested") continue;
  console.log("May it call", event.name, event.input, "? Yes.");
  await handle.send({ type: "input.approval", approvalId: event.approvalId, approved: true });
}

assert.deepEqual(paid, [80]);
assert.equal((await handle.info()).status, "finished");
assert.equal(finalText(toMessages(await handle.log.entries())), "Your invoice is paid.");
