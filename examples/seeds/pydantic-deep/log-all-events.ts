// "Log All Events": each event as a line of JSON in a file, before it is handled.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type { AgentLike } from "runlog";
import { demoAgent, demoModel } from "runlog/ai";
import { runStream, type StreamEvent, StreamEventType } from "runlog/compat/pydantic-deep";
import { teeToFile } from "runlog/streams";

const seen: StreamEvent[] = [];

// #region snippet
async function streamWithLogging(agent: AgentLike, prompt: string, logFile = "events.jsonl"): Promise<void> {
  for await (const event of teeToFile(runStream(agent, prompt), logFile)) {
    if (event.event_type === StreamEventType.LLM_CHUNK) process.stdout.write(event.data.text);
    seen.push(event);
  }
}
// #endregion

const agent = demoAgent({ model: demoModel({ firstTokenMs: 0, tokensPerSecond: 2_000 }) });
await streamWithLogging(agent, "What is 2 + 2?");
const lines = readFileSync("events.jsonl", "utf8").trimEnd().split("\n");
assert.deepEqual(
  lines.map((line) => JSON.parse(line)),
  seen,
);
assert.deepEqual(Object.keys(JSON.parse(lines[0]!)), ["event_type", "timestamp", "data"]);
