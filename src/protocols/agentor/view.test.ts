import { describe, expect, it } from "vitest";
import type { StreamEvent } from "../../events.ts";
import { logs, toEntries } from "../../testing/logs.ts";
import { shown, testProtocol } from "../../testing/protocol.ts";
import { agentorView } from "./view.ts";

testProtocol("agentor", { open: () => agentorView, golden: "view.golden.txt" });

const messages = (events: readonly StreamEvent[]) => shown(agentorView, toEntries(events));
const say = (events: readonly StreamEvent[]) =>
  messages(events).map(({ data }) => JSON.parse(data) as Record<string, unknown>);
const empty = { message: null, chunk: null, tool_action: null, reasoning: null };
const item = { ...empty, type: "run_item_stream_event" };

describe("the view agentor", () => {
  it("[F30] says all five fields in Agentor's order, under no SSE event name", () => {
    const [first] = messages(logs.plain);
    expect(first).toEqual({
      data: '{"type":"raw_response_event","message":null,"chunk":"Hel","tool_action":null,"reasoning":null}',
    });
  });

  it("shows pieces of text as they come; thoughts, calls, outputs and messages whole", () => {
    expect(say(logs.tool)).toEqual([
      { ...item, reasoning: "I should look." },
      { ...empty, type: "raw_response_event", chunk: "Let me look." },
      { ...item, tool_action: { name: "weather", type: "tool_called" } },
      { ...item, message: '{"celsius":-3}', tool_action: { name: "weather", type: "tool_output" } },
      { ...item, message: "Let me look." },
      { ...empty, type: "raw_response_event", chunk: "It is " },
      { ...empty, type: "raw_response_event", chunk: "-3 °C." },
      { ...item, message: "It is -3 °C." },
    ]);
  });

  it("tells a failed tool by its text, and keeps a message as the model wrote it", () => {
    expect(say(logs.parallelTools)).toContainEqual({
      ...item,
      message: "Error: No such file",
      tool_action: { name: "read", type: "tool_output" },
    });
    const spaced = { id: "m", role: "assistant" as const, parts: [{ type: "text" as const, text: " a \n" }] };
    expect(say([{ type: "message", message: spaced }])).toEqual([{ ...item, message: " a \n" }]);
  });

  it("shows questions to a person and their answers as its own kinds of tool actions", () => {
    const actions = say(logs.approved).flatMap(({ tool_action }) => tool_action ?? []);
    expect(actions).toEqual([
      { name: "delete", type: "tool_called" },
      { name: "delete", type: "mcp_approval_requested" },
      { name: "delete", type: "mcp_approval_response" },
      { name: "delete", type: "tool_output" },
    ]);
  });

  it("shows another agent at work as a handoff and the agent's name", () => {
    expect(say(logs.everything).slice(0, 2)).toEqual([
      { ...item, tool_action: { name: "writer", type: "handoff_occured" } },
      { ...empty, type: "agent_updated_stream_event", message: "writer" },
    ]);
  });

  it("says that a run failed as an event named error", () => {
    expect(messages(logs.failedMidText).at(-1)).toEqual({
      event: "error",
      data: '{"code":"provider_failed","message":"The provider broke off"}',
    });
  });
});
