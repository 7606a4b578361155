import { describe, expect, it } from "vitest";
import { event, type StreamEvent } from "../../events.ts";
import { logs, toEntries } from "../../testing/logs.ts";
import { RUN, shown, testProtocol } from "../../testing/protocol.ts";
import { answeredElsewhere, messageAfterHelp, siblingRetried } from "../attempts.fixture.ts";
import { vibexView } from "./view.ts";

const open = () => vibexView({ run: RUN });
const frames = (events: readonly StreamEvent[]) =>
  shown(open(), toEntries(events)).map(({ event: name, data }): [string, Record<string, unknown>] => [
    name!,
    JSON.parse(data),
  ]);
/** Without the times, which are those of the entries. */
const say = (events: readonly StreamEvent[]) =>
  frames(events).map(([name, data]) => {
    if (typeof data !== "object" || data === null) return [name, data] as const;
    const { timestamp: _, ...rest } = data;
    return [name, rest] as const;
  });
const of = (name: string, events: readonly StreamEvent[]) =>
  say(events).flatMap(([each, data]) => (each === name ? [data as Record<string, unknown>] : []));

const sent: readonly StreamEvent[] = [
  event.runStarted({ v: 1, agent: null, input: "x", tags: ["vibex"] }),
  { ...event.textStarted({ id: "s-0", messageId: "m" }), vibex: null } as StreamEvent,
  { ...event.textDelta({ id: "s-0", text: "Hi" }), vibex: { event: "stream_chunk" } } as StreamEvent,
  event.toolCalled({ callId: "c", name: "x", input: {} }),
  event.textFinished({ id: "s-0", interrupted: true }),
  event.toolFailed({ callId: "c", name: "x", code: "interrupted", message: "The producer is gone" }),
  event.runFailed({ code: "producer_lost", message: "The producer is gone", cost: 0 }),
];
testProtocol("vibex", {
  open,
  golden: "view.golden.txt",
  logs: {
    sent,
    garbage: [
      { ...event.textDelta({ id: "1", text: "a" }), vibex: "no object" } as StreamEvent,
      { ...event.textDelta({ id: "1", text: "a" }), vibex: { event: "a\nb" } } as StreamEvent,
      { ...event.textDelta({ id: "1", text: "a" }), vibex: { event: "__proto__", data: [1] } } as never,
      { ...event.textDelta({ id: "1", text: "a" }), vibex: [] } as never,
    ],
  },
});

describe("the view vibex", () => {
  it("tells the result of a call that is answered in another process than it was asked in", () => {
    expect(of("tool_call_result", answeredElsewhere)).toEqual([
      { tool_call_id: "two", tool_name: "search", result: "found", is_error: false },
    ]);
  });

  it("leaves the texts and calls of others when an agent inside the run is tried again", () => {
    const end = event.runFinished({ cost: 0 });
    expect(of("tool_call_result", siblingRetried)).toEqual([]);
    expect(of("message", [...siblingRetried, end]).map(({ content }) => content)).toEqual(["Right still"]);
  });

  it("says a text once whose message comes after an agent inside the step was done", () => {
    expect(of("message", messageAfterHelp).map(({ content }) => content)).toEqual(["Once"]);
  });

  it("[F30] shows any run: updates, statuses, chunks, messages, and tools by call id, in VibeX's payloads", () => {
    const agent = { agent_id: "assistant" };
    const weather = { tool_call_id: "c-1", tool_name: "weather" };
    const call = { toolCallId: "c-1", toolName: "weather" };
    expect(say(logs.tool)).toEqual([
      ["project_update", { project_id: RUN, status: "running", result: null }],
      ["agent_status", { ...agent, status: "working", progress: 0 }],
      ["message_part", { message_id: "m-1", part: { type: "reasoning", content: "I should look." } }],
      ["stream_chunk", { message_id: "m-1", chunk: "Let me look.", is_final: false }],
      ["tool_call_delta", { tool_call_id: "c-1", args_delta: '{"city":' }],
      ["tool_call_delta", { tool_call_id: "c-1", args_delta: '"Oslo"}' }],
      ["tool_call_start", { ...weather, args: { city: "Oslo" } }],
      ["tool_call_result", { ...weather, result: { celsius: -3 }, is_error: false }],
      ["stream_chunk", { message_id: "m-1", chunk: "", is_final: true }],
      [
        "message",
        {
          id: "m-1",
          role: "assistant",
          content: "Let me look.",
          parts: [
            { type: "reasoning", content: "I should look." },
            { type: "text", text: "Let me look." },
            { type: "tool-call", ...call, args: { city: "Oslo" } },
            { type: "tool-result", ...call, result: { celsius: -3 }, isError: false },
          ],
          metadata: {},
        },
      ],
      ["agent_status", { ...agent, status: "completed", progress: 100 }],
      ["agent_status", { ...agent, status: "working", progress: 0 }],
      ["stream_chunk", { message_id: "m-2", chunk: "It is ", is_final: false }],
      ["stream_chunk", { message_id: "m-2", chunk: "-3 °C.", is_final: false }],
      ["stream_chunk", { message_id: "m-2", chunk: "", is_final: true }],
      [
        "message",
        {
          id: "m-2",
          role: "assistant",
          content: "It is -3 °C.",
          parts: [{ type: "text", text: "It is -3 °C." }],
          metadata: {},
        },
      ],
      ["agent_status", { ...agent, status: "completed", progress: 100 }],
      ["project_update", { project_id: RUN, status: "completed", result: null }],
    ]);
  });

  it("[F25] stamps with the time of the entry, in UTC, and has VibeX's keys in VibeX's order", () => {
    const entries = toEntries(logs.plain);
    const at = new Date(entries.find(({ type }) => type === "text.delta")!.at).toISOString();
    const chunk = shown(open(), entries).find(({ event: name }) => name === "stream_chunk");
    expect(chunk?.data).toBe(`{"message_id":"m-1","chunk":"Hel","is_final":false,"timestamp":"${at}"}`);
  });

  it.each(["plain", "bare", "tool", "approved", "denied", "oddText", "everything"] as const)(
    "[F2] ends each streamed message once, and its chunks together are its content (%s)",
    (name) => {
      const chunks = new Map<unknown, string>();
      for (const [event, data] of say(logs[name])) {
        if (event === "stream_chunk" && data.is_final === false)
          chunks.set(data.message_id, (chunks.get(data.message_id) ?? "") + data.chunk);
        if (event === "message" && data.role === "assistant") expect(chunks.get(data.id)).toBe(data.content);
      }
      const finals = of("stream_chunk", logs[name]).filter(({ is_final }) => is_final);
      expect(finals.map(({ message_id }) => message_id)).toEqual([...chunks.keys()]);
      expect(finals.length).toBeGreaterThan(0);
    },
  );

  it("ends what was interrupted or withdrawn with an error in its last chunk", () => {
    expect(of("stream_chunk", logs.failedMidText).at(-1)).toEqual({
      message_id: "m-1",
      chunk: "",
      is_final: true,
      error: "interrupted",
    });
    expect(of("message", logs.failedMidText)).toMatchObject([
      { content: "Once upon", metadata: { interrupted: true } },
    ]);
    const retried = of("stream_chunk", logs.retried).filter(({ is_final }) => is_final);
    expect(retried).toEqual([
      { message_id: "m-1", chunk: "", is_final: true, error: "Too many" },
      { message_id: "m-1.2", chunk: "", is_final: true },
    ]);
    expect(of("tool_call_result", logs.retried)).toEqual([
      { tool_call_id: "c-1", tool_name: "search", result: "Too many", is_error: true },
    ]);
    expect(of("message", logs.retried).map(({ content }) => content)).toEqual(["Here it is."]);
  });

  it("[F9] tells a failed tool as an error, by the id of its call", () => {
    expect(of("tool_call_result", logs.parallelTools)).toEqual([
      { tool_call_id: "c", tool_name: "clock", result: null, is_error: false },
      { tool_call_id: "b", tool_name: "read", result: "No such file", is_error: true },
      { tool_call_id: "a", tool_name: "read", result: "A", is_error: false },
    ]);
  });

  it("shows artifacts, files, errors, what people send, and an application's own events", () => {
    const all = say(logs.everything);
    expect(of("artifact_update", logs.everything)).toEqual([
      { project_id: RUN, artifact_name: "report.md", action: "created", metadata: { size: 8 } },
      { project_id: RUN, artifact_name: "report.md", action: "updated", metadata: {} },
    ]);
    const image = { type: "image", image: "iVBORw0KGgo=", mimeType: "image/png" };
    const error = { type: "error", error: "The search gave nothing", errorCode: "search_failed" };
    expect(of("message_part", logs.everything)).toEqual([
      { message_id: "f-1", part: image },
      { message_id: expect.stringMatching(/^error-\d+$/), part: error },
    ]);
    expect(of("message", logs.everything)).toMatchObject([
      { id: "u-2", role: "user", content: "Shorter, please" },
      { id: "m-1", role: "assistant", parts: [{ type: "text", text: "Report" }, image] },
    ]);
    expect(all).toContainEqual(["app.rating", { stars: 5 }]);
    expect(all).toContainEqual(["agent_status", { agent_id: "writer", status: "working", progress: 50 }]);
    expect(all.at(-1)).toEqual([
      "project_update",
      { project_id: RUN, status: "completed", result: { title: "Report" } },
    ]);
  });

  it("says waiting while a person is asked, and cancelled with the reason", () => {
    expect(of("agent_status", logs.waiting).map(({ status }) => status)).toEqual([
      "working",
      "waiting",
      "completed",
    ]);
    expect(say(logs.cancelledMidTool).at(-1)).toEqual([
      "project_update",
      { project_id: RUN, status: "cancelled", result: { reason: "enough" } },
    ]);
  });

  it("shows of a run that its senders wrote what they sent, and the end: nothing is made up", () => {
    expect(say(sent)).toEqual([
      ["stream_chunk", { message_id: "m", chunk: "Hi", is_final: false }],
      ["tool_call_start", { tool_call_id: "c", tool_name: "x", args: {} }],
      ["project_update", { project_id: RUN, status: "failed", result: { error: "The producer is gone" } }],
    ]);
  });
});
