import { describe, expect, it } from "vitest";
import { event, type StreamEvent } from "../../events.ts";
import { logs, toEntries } from "../../testing/logs.ts";
import { RUN, shown, testProtocol } from "../../testing/protocol.ts";
import { answeredElsewhere, messageAfterHelp, siblingRetried } from "../attempts.fixture.ts";
import { agentxView } from "./view.ts";

const open = () => agentxView({ run: RUN });
const say = (events: readonly StreamEvent[]) =>
  shown(open(), toEntries(events)).map(({ event: name, data }) => [name, JSON.parse(data)]);
const of = (name: string, events: readonly StreamEvent[]) =>
  say(events).flatMap(([each, data]) => (each === name ? [data] : []));

const sent: readonly StreamEvent[] = [
  event.runStarted({ v: 1, agent: null, input: "x", tags: ["agentx"] }),
  { ...event.toolCalled({ callId: "c", name: "x", input: {} }), agent: "writer" },
  event.toolFailed({ callId: "c", name: "x", code: "interrupted", message: "The run finished first" }),
  event.runFinished({ cost: 0 }),
];
testProtocol("agentx", {
  open,
  golden: "view.golden.txt",
  logs: {
    sent,
    garbage: [
      { ...event.toolCalled({ callId: "c", name: "x", input: {} }), agentx: "no object" } as StreamEvent,
      { ...event.toolReturned({ callId: "c", name: "x", output: 1, durationMs: 1 }), agentx: [1] } as never,
    ],
  },
});

describe("the view agentx", () => {
  it("[F30] shows any run: task_update, agent_status, tool_call, agent_message, in AgentX's payloads", () => {
    const agent = { agent_id: "assistant" };
    const weather = { ...agent, tool_name: "weather", parameters: { city: "Oslo" } };
    expect(say(logs.tool)).toEqual([
      ["task_update", { task_id: RUN, status: "running", result: null }],
      ["agent_status", { ...agent, status: "working", progress: 0 }],
      ["tool_call", { ...weather, result: null, status: "pending" }],
      ["tool_call", { ...weather, result: { asked: "yr.no" }, status: "running" }],
      ["tool_call", { ...weather, result: { celsius: -3 }, status: "completed" }],
      ["agent_message", { ...agent, message: "Let me look.", metadata: {} }],
      ["agent_status", { ...agent, status: "completed", progress: 100 }],
      ["agent_status", { ...agent, status: "working", progress: 0 }],
      ["agent_message", { ...agent, message: "It is -3 °C.", metadata: {} }],
      ["agent_status", { ...agent, status: "completed", progress: 100 }],
      ["task_update", { task_id: RUN, status: "completed", result: { steps_executed: 2 } }],
    ]);
  });

  it("[F31] has AgentX's keys in AgentX's order", () => {
    const [first, second] = shown(open(), toEntries(logs.tool));
    expect(first?.data).toBe(`{"task_id":"${RUN}","status":"running","result":null}`);
    expect(second?.data).toBe('{"agent_id":"assistant","status":"working","progress":0}');
  });

  it("shows a text that is part of no message as soon as it is whole", () => {
    expect(say(logs.bare)).toEqual([
      ["task_update", { task_id: RUN, status: "running", result: null }],
      ["agent_message", { agent_id: "parrot", message: "You said Hello", metadata: {} }],
      ["agent_message", { agent_id: "parrot", message: "Bye", metadata: {} }],
      ["task_update", { task_id: RUN, status: "completed", result: null }],
    ]);
  });

  it("shows a text once, whether a message follows it or not", () => {
    expect(of("agent_message", logs.denied).map(({ message }) => message)).toEqual([
      "May I?",
      "As you wish.",
    ]);
  });

  it("shows what was said before a failure, as interrupted, and then the failure", () => {
    expect(say(logs.failedMidText).slice(-3)).toEqual([
      ["agent_message", { agent_id: "assistant", message: "Once upon", metadata: { interrupted: true } }],
      ["agent_status", { agent_id: "assistant", status: "failed", progress: 0 }],
      ["task_update", { task_id: RUN, status: "failed", result: { error: "The provider broke off" } }],
    ]);
  });

  it("ends the calls of a cancelled run; one of which only the name was known is never shown", () => {
    expect(of("tool_call", logs.cancelledMidTool).map(({ status }) => status)).toEqual(["pending", "failed"]);
    expect(say(logs.cancelledMidTool).at(-1)).toEqual([
      "task_update",
      { task_id: RUN, status: "cancelled", result: { reason: "enough" } },
    ]);
  });

  it("shows nothing of a text that was withdrawn, and ends its calls", () => {
    expect(of("agent_message", logs.retried).map(({ message }) => message)).toEqual(["Here it is."]);
    expect(of("tool_call", logs.retried).map(({ status, result }) => [status, result])).toEqual([
      ["pending", null],
      ["failed", { error: "Too many" }],
    ]);
    expect(of("agent_message", logs.resumed).map(({ message }) => message)).toEqual(["Found."]);
  });

  it("tells the result of a call that is answered in another process than it was asked in", () => {
    expect(of("tool_call", answeredElsewhere).map(({ status }) => status)).toEqual(["pending", "completed"]);
  });

  it("leaves the calls of others at work when an agent inside the run is tried again", () => {
    const end = event.runFinished({ cost: 0 });
    expect(of("tool_call", siblingRetried).map(({ status }) => status)).not.toContain("failed");
    expect(of("agent_message", [...siblingRetried, end]).map(({ message }) => message)).toEqual([
      "Right still",
    ]);
  });

  it("says a text once whose message comes after an agent inside the step was done", () => {
    expect(of("agent_message", messageAfterHelp).map(({ message }) => message)).toEqual(["Once"]);
  });

  it("waits for a person, and works again once there is an answer", () => {
    const states = of("agent_status", logs.approved).map(({ status }) => status);
    expect(states).toEqual(["working", "waiting", "completed", "working", "working", "completed"]);
  });

  it("names who speaks, shows real progress, errors as messages, and an application's own events", () => {
    const frames = say(logs.everything);
    expect(frames).toContainEqual(["agent_status", { agent_id: "lead", status: "working", progress: 5 }]);
    expect(frames).toContainEqual(["agent_status", { agent_id: "writer", status: "starting", progress: 0 }]);
    expect(frames).toContainEqual(["agent_status", { agent_id: "writer", status: "working", progress: 50 }]);
    expect(frames).toContainEqual([
      "agent_message",
      {
        agent_id: "writer",
        message: "The search gave nothing",
        metadata: { error: true, code: "search_failed" },
      },
    ]);
    expect(frames).toContainEqual(["app.rating", { stars: 5 }]);
    expect(frames.at(-1)).toEqual([
      "task_update",
      { task_id: RUN, status: "completed", result: { title: "Report" } },
    ]);
  });

  it("shows of a run that its senders wrote what they sent, and the end: nothing is made up", () => {
    expect(say(sent)).toEqual([
      ["tool_call", { agent_id: "writer", tool_name: "x", parameters: {}, result: null, status: "pending" }],
      ["task_update", { task_id: RUN, status: "completed", result: null }],
    ]);
  });

  it("[F110] does not let an event of the log pass for Runlog's own reset", () => {
    const custom = (name: string) => say([event.custom({ name, data: 1 })]);
    expect([custom("agentx.reset"), custom("reset"), custom("agentx.a\nb"), custom("agentx.")]).toEqual([
      [],
      [],
      [],
      [],
    ]);
    expect(custom("agentx.my_event")).toEqual([["my_event", 1]]);
  });
});
