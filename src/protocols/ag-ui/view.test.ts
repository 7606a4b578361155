import { describe, expect, it, vi } from "vitest";
import { bare, endsWell, judge, verified } from "../../../test/support/judge-ag-ui.ts";
import { event, isTerminal, type StreamEvent } from "../../events.ts";
import { logs, START_MS, STEP_MS, toEntries } from "../../testing/logs.ts";
import { RUN, shown, testProtocol } from "../../testing/protocol.ts";
import { randomRuns } from "../../testing/random-runs.ts";
import {
  answeredElsewhere,
  resumedAfterHelp,
  retriedAfterHelp,
  siblingRetried,
} from "../attempts.fixture.ts";
import type { AgUiEvent, AgUiMessage } from "./events.ts";
import { toAgUiMessages } from "./messages.ts";
import { Projection } from "./projection.ts";
import { Transcript } from "./transcript.ts";
import { agUiView } from "./view.ts";

testProtocol("ag-ui", {
  open: () => agUiView({ run: RUN }),
  golden: "view.golden.txt",
  // AG-UI's schemas, verifier and fold take it, and have what a snapshot would say. That it ends they do not ask.
  judge: async (messages, events) => {
    const stream = messages.map(({ data }) => JSON.parse(data) as AgUiEvent);
    const client = await judge(stream, historyOf(events));
    const projection = new Projection({ run: RUN });
    for (const entry of toEntries(events)) projection.apply(entry);
    expect(bare(projection.messages)).toEqual(bare(client.messages));
    expect(endsWell(stream)).toBe(projection.resting);
    if (isTerminal(events.at(-1)!)) expect(projection.resting).toBe(true);
  },
});

const say = (events: readonly StreamEvent[], history?: readonly AgUiMessage[]) =>
  shown(agUiView({ run: RUN, history }), toEntries(events)).map(({ data }) => JSON.parse(data) as AgUiEvent);

const runs = randomRuns(1_000);
const historyOf = ([first]: readonly StreamEvent[]) =>
  first?.type === "run.started" ? toAgUiMessages(first.history ?? []) : [];

interface Point {
  /** What a reader is sent who comes now: the start of a stream, and all that follows. */
  readonly joined: readonly AgUiEvent[];
  /** The same for one who has all up to here. */
  readonly reopened: readonly AgUiEvent[];
  /** The messages up to here. */
  readonly messages: readonly AgUiMessage[];
  /** The state up to here. */
  readonly state: unknown;
}

/** The points of a log where somebody may come, one before each entry and one after the last. */
function pointsOf(events: readonly StreamEvent[]): Point[] {
  const projection = new Projection({ run: RUN });
  const entries = toEntries(events);
  const said = entries.map((entry) => structuredClone(projection.apply(entry)));
  const again = new Projection({ run: RUN });
  return [undefined, ...entries].map((entry, index) => {
    if (entry) again.apply(entry);
    const before = said.slice(0, index).flat();
    const rest = said.slice(index).flat();
    const customs = before.filter((each) => each.type === "CUSTOM");
    const [join, reopen] = [structuredClone(again.join(customs)), structuredClone(again.reopen())];
    return {
      joined: [...join, ...rest],
      reopened: [...reopen, ...rest],
      messages: structuredClone(again.messages),
      state: stateAfter(before),
    };
  });
}

/** What the patches of a stream make of an empty state: there are two kinds of them. */
function stateAfter(events: readonly AgUiEvent[]): unknown {
  let state: { runlog?: Record<string, unknown> } = {};
  for (const event of events) {
    for (const patch of event.type === "STATE_DELTA" ? event.delta : []) {
      if (patch.op !== "add") throw new Error(`A patch that is new: ${patch.op}`);
      const key = patch.path.split("/")[2];
      state = { runlog: key === undefined ? patch.value : { ...state.runlog, [key]: patch.value } };
    }
  }
  return state;
}

function folded(events: readonly AgUiEvent[], before: readonly AgUiMessage[] = []): unknown[] {
  let transcript = new Transcript(before);
  for (const event of structuredClone(events)) {
    if (event.type === "MESSAGES_SNAPSHOT") {
      const ids = new Map(event.messages.map((message) => [message.id, message]));
      const kept = transcript.messages.filter(({ id, role }) => ids.has(id) || role === "activity");
      const fresh = event.messages.filter(({ id }) => !transcript.has(id));
      transcript = new Transcript([...kept.map((message) => ids.get(message.id) ?? message), ...fresh]);
    } else transcript.apply(event);
  }
  return bare(transcript.messages);
}

describe("the view ag-ui", () => {
  const only = <Type extends AgUiEvent["type"]>(stream: readonly AgUiEvent[], ...types: Type[]) =>
    stream.filter((each): each is Extract<AgUiEvent, { type: Type }> => types.includes(each.type as Type));
  const { runStarted, runFinished } = event;
  const start = runStarted({ v: 1, agent: "lead", input: "Hi" });
  const end = runFinished({ cost: 0 });

  it("[F74] says a run as AG-UI has it, each event with its time and the last of an entry with its cursor", () => {
    const [, , cursor] = toEntries(logs.plain).map((entry) => entry.cursor);
    const stream = say(logs.plain);
    expect(stream.map(({ type }) => type)).toEqual([
      "RUN_STARTED",
      "STEP_STARTED",
      "TEXT_MESSAGE_START",
      "TEXT_MESSAGE_CONTENT",
      "TEXT_MESSAGE_CONTENT",
      "TEXT_MESSAGE_CONTENT",
      "TEXT_MESSAGE_END",
      "STEP_FINISHED",
      "STATE_DELTA",
      "RUN_FINISHED",
    ]);
    expect(stream[0]).toMatchObject({
      threadId: RUN,
      runId: RUN,
      input: { messages: [{ id: "run-1.input", role: "user", content: "Hello" }] },
    });
    expect(stream[2]).toEqual({
      type: "TEXT_MESSAGE_START",
      timestamp: START_MS + STEP_MS,
      messageId: "run-1.1-0",
      role: "assistant",
      metadata: { "runlog-cursor": cursor },
    });
    expect(stream.at(-1)).toMatchObject({
      outcome: { type: "success" },
      usage: [{ model: "demo", inputTokens: 100, outputTokens: 20, totalTokens: 120 }],
      metadata: { "runlog-cost": 0.001 },
    });
  });

  const saidIn = async (events: readonly StreamEvent[]) => {
    const { messages } = await judge(say(events));
    return messages.flatMap(({ role, content }) => (role === "user" ? [] : [content]));
  };

  it("[F84] takes back what an agent inside the run said, and leaves what another one says", async () => {
    expect(await saidIn(siblingRetried)).toEqual([undefined, "Right still"]);
  });

  it("[F84] takes back all of an attempt, also if an agent inside it was done before", async () => {
    expect(await saidIn(retriedAfterHelp)).toEqual(["Right"]);
    expect(await saidIn(resumedAfterHelp)).toEqual(["Right"]);
  });

  it("[F95] takes back nothing as another process goes on between two steps", async () => {
    expect(await saidIn(answeredElsewhere)).toEqual([undefined, "found", "Said between"]);
  });

  it("streams arguments, and says whole ones that were not streamed; calls of one message stand in one", async () => {
    const args = only(say(logs.tool), "TOOL_CALL_ARGS").map(({ delta }) => delta);
    expect(args).toEqual(['{"city":', '"Oslo"}']);
    const { messages } = await judge(say(logs.parallelTools));
    expect(messages.filter(({ role }) => role !== "user").map((each) => [each.role, each.content])).toEqual([
      ["assistant", undefined],
      ["tool", "null"],
      ["tool", "Error: No such file"],
      ["tool", "A"],
      ["assistant", "Only a."],
    ]);
  });

  it("puts a call right whose arguments were streamed otherwise, and a message that became another", async () => {
    const history = [{ id: "h", role: "user" as const, content: "Before" }];
    const stream = say(
      [
        start,
        event.textStarted({ id: "1", messageId: "m" }),
        event.textDelta({ id: "1", text: "My number is 12345" }),
        event.textFinished({ id: "1" }),
        event.toolStarted({ callId: "c", name: "call", messageId: "m" }),
        event.toolDelta({ callId: "c", text: '{"number":12' }),
        event.toolCalled({ callId: "c", name: "call", input: { number: 0 }, messageId: "m" }),
        event.message({
          message: { id: "m", role: "assistant", parts: [{ type: "text", text: "My number is ..." }] },
        }),
        end,
      ],
      history,
    );
    expect(bare((await judge(stream, history)).messages)).toEqual([
      ...history,
      { id: "run-1.input", role: "user", content: "Hi" },
      {
        id: "run-1.1",
        role: "assistant",
        content: "My number is ...",
        toolCalls: [
          { id: "run-1.c", type: "function", function: { name: "call", arguments: '{"number":0}' } },
        ],
      },
    ]);
  });

  it.each(["retried", "resumed"] as const)(
    "[F84] takes back what a %s step had said by a snapshot without it",
    async (name) => {
      const history = [{ id: "h", role: "user" as const, content: "Before" }];
      const { messages } = await judge(say(logs[name], history), history);
      const texts = messages.map(({ content }) => content);
      expect(texts).toEqual(["Before", "Hello", name === "retried" ? "Here it is." : "Found."]);
    },
  );

  it("empties a thought that is taken back: clients keep thoughts that a snapshot leaves out", async () => {
    const { messages } = await judge(
      say([
        start,
        event.stepStarted({ step: 1 }),
        event.reasoningStarted({ id: "r" }),
        event.reasoningDelta({ id: "r", text: "Wrong" }),
        event.stepRetried({ step: 1, attempt: 1, code: "overloaded", message: "Busy" }),
        event.stepFinished({ step: 1, finishReason: "stop", usage: null, cost: null }),
        end,
      ]),
    );
    expect(bare(messages).at(-1)).toEqual({ id: "run-1.r", role: "reasoning", content: "" });
  });

  it("[F20] ends with an interrupt where the run waits, and goes on under the id of the request that answered", () => {
    const answered = logs.approved.map((each) =>
      each.type === "input.approval" ? { ...each, parent: "r-2" } : each,
    );
    const ends = only(say(answered), "RUN_STARTED", "RUN_FINISHED").map(({ type, runId }) => [type, runId]);
    expect(ends).toEqual([
      ["RUN_STARTED", RUN],
      ["RUN_FINISHED", RUN],
      ["RUN_STARTED", "r-2"],
      ["RUN_FINISHED", "r-2"],
    ]);
    expect(only(say(logs.approved), "RUN_STARTED").map(({ runId }) => runId)).toEqual([RUN, RUN]);
    const [interrupt] = only(say(answered), "RUN_FINISHED");
    expect(interrupt!.outcome).toMatchObject({
      type: "interrupt",
      interrupts: [
        { id: "a-c-1", reason: "tool_call", message: "It cannot be undone", toolCallId: "run-1.c-1" },
      ],
    });
    // Each tells the usage of its own model calls.
    expect(only(say(answered), "RUN_FINISHED").map(({ usage }) => usage?.[0]?.inputTokens)).toEqual([
      100, 100,
    ]);
  });

  it("holds back what happens while the run waits, until it goes on", () => {
    const stream = say([
      ...logs.waiting,
      event.custom({ name: "app.late", data: 1 }),
      event.inputMessage({ message: { id: "u-2", role: "user", parts: [{ type: "text", text: "Go" }] } }),
      event.inputCancel({}),
      event.runCancelled({ cost: null }),
    ]);
    const after = stream.slice(stream.findIndex(({ type }) => type === "RUN_FINISHED") + 1);
    expect(after.map(({ type }) => type)).toEqual(["RUN_STARTED", "STATE_DELTA", "CUSTOM", "RUN_FINISHED"]);
    expect(after[0]).toMatchObject({ input: { messages: [{ id: "u-2", content: "Go" }] } });
    expect(after.at(-1)).toMatchObject({ outcome: { type: "cancelled" } });
  });

  it("closes all that is open where a log ends without, and says why a sub-agent did", () => {
    const open = [
      start,
      event.stepStarted({ step: 1 }),
      event.toolCalled({ callId: "c", name: "ask", input: {} }),
      { ...event.stepStarted({ step: 1 }), agent: "critic", parent: "c" },
      { ...event.textStarted({ id: "t" }), agent: "critic", parent: "c" },
      { ...event.toolStarted({ callId: "d", name: "look" }), agent: "critic", parent: "c" },
    ];
    const failed = say([...open, event.runFailed({ code: "timeout", message: "Too long", cost: null })]);
    expect(failed.slice(-6)).toMatchObject([
      { type: "TEXT_MESSAGE_END", subagentRunId: "run-1.c.critic" },
      { type: "TOOL_CALL_END", toolCallId: "run-1.d" },
      { type: "STEP_FINISHED" },
      { type: "STEP_FINISHED", subagentRunId: "run-1.c.critic" },
      { type: "SUBAGENT_ERROR", message: "Too long" },
      { type: "RUN_ERROR", message: "Too long", code: "timeout" },
    ]);
    const cancelled = say([...open, event.runCancelled({ cost: null })]);
    expect(cancelled.slice(-2)).toMatchObject([
      { type: "SUBAGENT_FINISHED" },
      { outcome: { type: "cancelled" } },
    ]);
  });

  it("[F21] shows agents that work for a call as sub-agents, which end with it", async () => {
    const critic = { agent: "critic", parent: "c" };
    const nested = { agent: "reader", parent: "d" };
    const stream = say([
      start,
      event.toolCalled({ callId: "c", name: "ask", input: {} }),
      { ...event.textStarted({ id: "1" }), ...critic },
      event.textDelta({ id: "1", text: "Hm" }),
      event.textFinished({ id: "1" }),
      { ...event.toolCalled({ callId: "d", name: "read", input: {} }), ...critic },
      { ...event.textStarted({ id: "2" }), ...nested },
      event.textFinished({ id: "2" }),
      event.toolFailed({ callId: "d", name: "read", code: "tool_error", message: "No file" }),
      event.toolReturned({ callId: "c", name: "ask", output: "fine", durationMs: 1 }),
      end,
    ]);
    await judge(stream);
    expect(
      only(stream, "SUBAGENT_STARTED", "SUBAGENT_FINISHED", "SUBAGENT_ERROR").map(
        ({ timestamp: _, metadata: __, ...each }) => each,
      ),
    ).toEqual([
      {
        type: "SUBAGENT_STARTED",
        subagentRunId: "run-1.c.critic",
        name: "critic",
        parentToolCallId: "run-1.c",
      },
      {
        type: "SUBAGENT_STARTED",
        subagentRunId: "run-1.d.reader",
        name: "reader",
        parentToolCallId: "run-1.d",
        parentSubagentRunId: "run-1.c.critic",
      },
      { type: "SUBAGENT_ERROR", subagentRunId: "run-1.d.reader", message: "Error: No file" },
      { type: "SUBAGENT_FINISHED", subagentRunId: "run-1.c.critic" },
    ]);
    expect(only(stream, "TEXT_MESSAGE_CONTENT")[0]).toMatchObject({ subagentRunId: "run-1.c.critic" });
  });

  it("shows plans, artifacts and a tool's progress as activities; status, progress and output as state", async () => {
    const { messages, state } = await judge(say([...logs.everything]), historyOf(logs.everything), {
      page: 1,
    });
    expect(
      messages.flatMap((each) => (each.role === "activity" ? [[each.id, each.activityType]] : [])),
    ).toEqual([
      ["run-1.plan", "PLAN"],
      ["run-1.artifact.report", "ARTIFACT"],
    ]);
    expect(state).toMatchObject({
      page: 1,
      runlog: {
        status: { status: "starting", agent: "writer" },
        progress: { iteration: 1 },
        output: { title: "Report" },
      },
    });
    const [activity] = only(say(logs.tool), "ACTIVITY_SNAPSHOT");
    expect(activity).toMatchObject({
      messageId: "run-1.c-1.progress",
      activityType: "TOOL_PROGRESS",
      content: { toolCallId: "run-1.c-1", data: { asked: "yr.no" } },
    });
    expect(only(say(logs.everything), "CUSTOM").map(({ name }) => name)).toEqual([
      "runlog.source",
      "runlog.file",
      "runlog.agent-changed",
      "runlog.error",
      "app.rating",
      "runlog.data",
    ]);
  });

  it("[F54] says 1,000 runs to who comes at any time so that AG-UI takes it, with the same messages at the end", async () => {
    const warn = vi.spyOn(console, "warn");
    for (const [index, events] of runs.entries()) {
      const points = pointsOf(events);
      const last = points.at(-1)!;
      const whole = bare(last.messages);
      for (const [length, { joined, reopened, messages }] of points.entries()) {
        const where = `run ${index} after ${length}`;
        await verified(joined, where);
        await verified(reopened, where);
        // The folds are slow: they are asked here and there.
        if ((index + length) % 8 > 0 || length === 0) continue;
        expect(folded(joined), where).toEqual(whole);
        expect(folded(reopened, messages), where).toEqual(whole);
      }
      const at = 1 + ((index * 7) % (points.length - 1));
      const { joined, reopened, messages, state } = points[at]!;
      for (const client of [await judge(joined), await judge(reopened, messages, state)]) {
        expect(bare(client.messages)).toEqual(whole);
        expect(client.state).toEqual(last.state);
      }
    }
    expect(warn.mock.calls).toEqual([]);
  }, 300_000);
});
