// "Build Reusable Event Handlers": handlers that are made once and put together. One that fails disturbs no other.
import assert from "node:assert/strict";
import type { AgentLike } from "runlog";
import { demoAgent, demoModel } from "runlog/ai";
import { runStream, type StreamEvent, StreamEventType } from "runlog/compat/pydantic-deep";
import { type Handler, withHandlers } from "runlog/streams";

// #region snippet
function createTextHandler(write: (text: string) => void): Handler<StreamEvent> {
  return (event) => {
    if (event.event_type === StreamEventType.LLM_CHUNK) write(event.data.text);
  };
}

function createProgressHandler(write: (text: string) => void): Handler<StreamEvent> {
  return (event) => {
    if (event.event_type === StreamEventType.PROGRESS) write(`[${event.data.total_tokens ?? 0} tokens]`);
  };
}

async function runWithHandlers(
  agent: AgentLike,
  prompt: string,
  handlers: Record<string, Handler<StreamEvent>>,
  onError: (error: unknown, handler: string) => void,
): Promise<void> {
  for await (const _ of withHandlers(runStream(agent, prompt), handlers, { onError }));
}
// #endregion

const agent = demoAgent({ model: demoModel({ firstTokenMs: 0, tokensPerSecond: 2_000 }) });
let text = "";
const progress: string[] = [];
const failed = new Set<string>();
await runWithHandlers(
  agent,
  "What is 2 + 2?",
  {
    text: createTextHandler((piece) => {
      text += piece;
    }),
    progress: createProgressHandler((line) => progress.push(line)),
    broken: () => {
      throw new Error("I always fail");
    },
  },
  (_, handler) => failed.add(handler),
);
assert.match(text, /2 \+ 2 is \*\*4\*\*/);
assert.equal(progress.length, 2);
assert.deepEqual([...failed], ["broken"]);
console.log(text, progress);
