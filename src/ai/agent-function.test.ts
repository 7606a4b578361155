import { expect, test } from "vitest";
import { type AgentStream, type RunContext, toAgent } from "../agent.ts";
import { event } from "../events.ts";
import { AgentFailure } from "../failure.ts";
import { TestRun } from "../testing/run-context.ts";

test("[F29] an agent of one's own is written with the factories, each of which gives an event the log takes", async () => {
  async function* own({ input }: RunContext): AgentStream {
    yield event.stepStarted({ step: 1 });
    yield event.textStarted({ id: "1" });
    yield event.textDelta({ id: "1", text: `You said ${input}` });
    yield event.textFinished({ id: "1" });
    yield event.plan({ items: [{ id: "a", title: "Answer", status: "completed" }] });
    yield event.artifact({
      id: "a",
      action: "created",
      name: "answer.txt",
      parts: [{ type: "text", text: "Hi" }],
    });
    yield event.status({ status: "working", progress: 50 });
    yield event.agentChanged({ from: "own", to: "other" });
    yield event.custom({ name: "app.thing", data: [1] });
    yield event.error({ code: "slow", message: "It was slow", retryable: true });
    yield event.stepFinished({ step: 1, finishReason: "stop", usage: null, cost: null });
  }
  const run = new TestRun(toAgent(own), { input: "Hello" });
  expect(await run.go()).toEqual({ status: "finished" });
  expect(run.text).toBe("You said Hello");
  expect(run.events.map((each) => each.type)).toContain("agent.changed");
});

test("[F17] an agent fails its run with a code of its own", async () => {
  const agent = toAgent(async function* (): AgentStream {
    yield event.status({ status: "starting" });
    throw new AgentFailure("out_of_tea", "There is no tea");
  }, "own");
  expect(await new TestRun(agent).go()).toEqual({
    status: "failed",
    code: "out_of_tea",
    message: "There is no tea",
  });
});
