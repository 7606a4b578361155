import { describe, expect, it } from "vitest";
import { event, type StreamEvent } from "../../events.ts";
import { logs, START_MS, STEP_MS, toEntries } from "../../testing/logs.ts";
import { shown, testProtocol } from "../../testing/protocol.ts";
import { answeredElsewhere, siblingRetried } from "../attempts.fixture.ts";
import { pydanticDeepView } from "./view.ts";

testProtocol("pydantic-deep", { open: () => pydanticDeepView, golden: "view.golden.txt" });

interface Said {
  readonly event_type: string;
  readonly timestamp: string;
  readonly data: Record<string, unknown>;
}

const say = (events: readonly StreamEvent[]): Said[] =>
  shown(pydanticDeepView, toEntries(events)).map(({ data }) => JSON.parse(data));
const of = (type: string, said: readonly Said[]) =>
  said.filter(({ event_type }) => event_type === type).map(({ data }) => data);

describe("the view pydantic-deep", () => {
  it("[F30] says event_type, timestamp and data, in this order and under no SSE event name", () => {
    const [first, ...rest] = shown(pydanticDeepView, toEntries(logs.plain));
    expect(first).toEqual({
      data: `{"event_type":"agent_start","timestamp":"${new Date(START_MS).toISOString()}","data":{"agent_name":"assistant","prompt":"Hello"}}`,
    });
    expect(rest.filter((message) => "event" in message)).toEqual([]);
  });

  it("shows a run as agent_start, chunks, tools at both ends, progress for each step, agent_end", () => {
    const said = say(logs.tool);
    expect(said.map(({ event_type }) => event_type)).toEqual([
      "agent_start",
      "llm_chunk",
      "tool_start",
      "tool_end",
      "progress",
      "llm_chunk",
      "llm_chunk",
      "progress",
      "agent_end",
    ]);
    expect(of("llm_chunk", said).map(({ text }) => text)).toEqual(["Let me look.", "It is ", "-3 °C."]);
    expect(of("tool_start", said)).toEqual([
      { tool_name: "weather", args: { city: "Oslo" }, tool_call_id: "c-1" },
    ]);
    expect(of("tool_end", said)).toEqual([
      { tool_name: "weather", result: { celsius: -3 }, duration_seconds: 0.12, tool_call_id: "c-1" },
    ]);
    expect(of("progress", said)[1]).toEqual({
      iteration: 2,
      total_tokens: 240,
      total_cost_usd: 0.002,
      max_iterations: 50,
    });
    const ms = toEntries(logs.tool).at(-1)!.at - START_MS;
    expect(ms % STEP_MS).toBe(0);
    expect(of("agent_end", said)).toEqual([
      {
        agent_name: "assistant",
        success: true,
        total_iterations: 2,
        total_tokens: 240,
        total_cost_usd: 0.002,
        duration_seconds: ms / 1000,
      },
    ]);
  });

  it("tells the end of each of several calls of one tool by its id, a failure as an error", () => {
    expect(of("tool_end", say(logs.parallelTools))).toEqual([
      { tool_name: "clock", result: null, duration_seconds: 0.001, tool_call_id: "c" },
      { tool_name: "read", error: "No such file", duration_seconds: 0.002, tool_call_id: "b" },
      { tool_name: "read", result: "A", duration_seconds: 0.003, tool_call_id: "a" },
    ]);
  });

  it("counts the progress of a run that tells none itself", () => {
    const silent = logs.tool.filter(({ type }) => type !== "progress");
    expect(of("progress", say(silent))).toEqual([
      { iteration: 1, total_tokens: 120, total_cost_usd: 0.001 },
      { iteration: 2, total_tokens: 240, total_cost_usd: 0.002 },
    ]);
  });

  it("ends a run that failed or was cancelled with an error and agent_end, and leaves out what nobody knows", () => {
    expect(
      say(logs.failedMidText)
        .slice(-2)
        .map(({ event_type, data }) => ({ event_type, data })),
    ).toEqual([
      { event_type: "error", data: { error: "The provider broke off", exception_type: "provider_failed" } },
      {
        event_type: "agent_end",
        data: { agent_name: "assistant", success: false, total_iterations: 1, duration_seconds: 0.75 },
      },
    ]);
    expect(of("error", say(logs.cancelledMidTool))).toEqual([
      { error: "enough", exception_type: "run_cancelled" },
    ]);
    // The call of which only the name was known had no start, and has no end.
    expect(of("tool_end", say(logs.cancelledMidTool))).toHaveLength(1);
  });

  it("ends the tools of an attempt that is withdrawn, and says why", () => {
    const said = say(logs.retried);
    expect(of("tool_end", said)).toEqual([{ tool_name: "search", error: "Too many", tool_call_id: "c-1" }]);
    expect(of("error", said)).toEqual([{ error: "Too many", exception_type: "overloaded" }]);
  });

  it("tells the result of a call that is answered in another process than it was asked in", () => {
    expect(of("tool_end", say(answeredElsewhere))).toEqual([
      { tool_name: "search", result: "found", duration_seconds: 0.001, tool_call_id: "two" },
    ]);
  });

  it("leaves the tools of others at work when an agent inside the run is tried again", () => {
    expect(of("tool_end", say(siblingRetried))).toEqual([]);
  });

  it("shows structured output as it grows, and an error that the run survives", () => {
    const said = say(logs.everything);
    expect(of("partial_result", said)).toEqual([
      { result: { title: "Re" }, complete: false },
      { result: { title: "Report" }, complete: true },
    ]);
    expect(of("error", said)).toEqual([
      { error: "The search gave nothing", exception_type: "search_failed" },
    ]);
    expect(of("agent_start", said)).toEqual([{ agent_name: "lead", prompt: "Write a report" }]);
  });

  it("says null for a result that a foreign log left out", () => {
    const odd = { type: "tool.returned", callId: "c", name: "x" } as unknown as StreamEvent;
    const called = event.toolCalled({ callId: "c", name: "x", input: 1 });
    expect(of("tool_end", say([called, odd]))).toEqual([{ tool_name: "x", result: null, tool_call_id: "c" }]);
  });
});
