// "Stream Event Types": messages, chunks, tool actions and thoughts, as objects.
import assert from "node:assert/strict";
import { demoModel, tool } from "runlog/ai";
import { Agentor } from "runlog/compat/agentor";
import { z } from "zod";

const lines: string[] = [];
const print = (line: string) => lines.push(line);

// #region snippet
const clock = tool({
  description: "Tells the time in a time zone",
  input: z.object({ timeZone: z.string().optional() }),
  execute: () => ({ time: "12:00", date: "today", timeZone: "Europe/London" }),
});
const agent = new Agentor({
  name: "Assistant",
  model: demoModel({ firstTokenMs: 0, tokensPerSecond: 2_000 }),
  tools: { clock },
});

let text = "";
for await (const event of agent.streamChat("What time is it in London?", { serialize: false })) {
  if (event.message) print(`Message: ${event.message}`);
  if (event.chunk) text += event.chunk;
  if (event.tool_action) print(`Tool: ${event.tool_action.name} (${event.tool_action.type})`);
  if (event.reasoning) print(`Thinking: ${event.reasoning}`);
}
// #endregion

console.log(lines.join("\n"));
const [thought, called, output, answered, message] = lines;
assert.equal(thought, "Thinking: This is a question for the tool clock: I will ask it.");
assert.equal(called, "Tool: clock (tool_called)");
assert.equal(output, 'Message: {"time":"12:00","date":"today","timeZone":"Europe/London"}');
assert.equal(answered, "Tool: clock (tool_output)");
assert.equal(message, `Message: ${text}`);
assert.match(text, /It is \*\*12:00\*\*/);
