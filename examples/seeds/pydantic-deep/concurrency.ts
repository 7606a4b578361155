// "Concurrency": several runs at once, their events as they come, each with the name of its run.
import assert from "node:assert/strict";
import type { AgentLike } from "runlog";
import { demoAgent, demoModel } from "runlog/ai";
import { runStream, type StreamEvent } from "runlog/compat/pydantic-deep";
import { mergeStreams } from "runlog/streams";

const byPrompt = new Map<string, StreamEvent[]>();

// #region snippet
async function streamMultipleRequests(agent: AgentLike, prompts: readonly string[]): Promise<void> {
  const runs = Object.fromEntries(prompts.map((prompt) => [prompt, runStream(agent, prompt)]));
  for await (const { source, value } of mergeStreams(runs)) {
    byPrompt.set(source, [...(byPrompt.get(source) ?? []), value]);
  }
}
// #endregion

const agent = demoAgent({ model: demoModel({ firstTokenMs: 0, tokensPerSecond: 2_000 }) });
const prompts = ["What is 1 + 1?", "What is 2 + 2?", "What is 3 + 3?"];
await streamMultipleRequests(agent, prompts);
for (const [index, prompt] of prompts.entries()) {
  const events = byPrompt.get(prompt)!;
  assert.equal(events[0]?.event_type, "agent_start");
  assert.equal(events.at(-1)?.event_type, "agent_end");
  const text = events.map((event) => (event.event_type === "llm_chunk" ? event.data.text : "")).join("");
  assert.match(text, new RegExp(`is \\*\\*${(index + 1) * 2}\\*\\*`));
}
console.log(prompts.map((prompt) => `${prompt} ${byPrompt.get(prompt)!.length} events`).join("\n"));
