import { afterEach, describe, expect, it, vi } from "vitest";
import type { AgentLike, AgentStream, RunContext } from "./agent.ts";
import { demoAgent, demoModel } from "./ai/index.ts";
import type { StoredEntry } from "./batch.ts";
import type { AgentEvent, Entry, StreamEvent } from "./events.ts";
import { createHub } from "./hub.ts";
import { importRun } from "./import-run.ts";
import { finalText, toMessages } from "./messages.ts";
import { readRecording, recordingLine } from "./recording.ts";
import { replay } from "./replay.ts";
import { memoryStore } from "./stores/memory.ts";
import { noLimits } from "./testing/run-context.ts";

afterEach(() => void vi.useRealTimers());

const started: StreamEvent = { type: "run.started", v: 1, agent: "demo", input: "hello" };
const finished: StreamEvent = { type: "run.finished", cost: 0 };
const delta = (text: string): AgentEvent => ({ type: "text.delta", id: "1", text });

/** A recording of events at these times. */
function recorded(...events: readonly [number, StreamEvent][]): Entry[] {
  return events.map(([at, event], index) => ({ seq: index + 1, at: 1_000_000 + at, event }));
}

function contextOf(given: Partial<RunContext> = {}): RunContext {
  return {
    run: "r1",
    input: "hello",
    history: [],
    thread: undefined,
    signal: new AbortController().signal,
    entries: [],
    deps: undefined,
    limits: noLimits,
    emit: async () => {},
    takeMessages: () => [],
    ...given,
  };
}

async function played(agent: AgentLike, given: Partial<RunContext> = {}): Promise<AgentEvent[]> {
  const events: AgentEvent[] = [];
  for await (const event of agent.run(contextOf(given))) events.push(event);
  return events;
}

/** A run of the demo agent, which thinks, calls tools and answers. */
async function demoRun(input: string): Promise<{ recording: string; entries: StoredEntry[] }> {
  await using hub = await createHub({
    store: memoryStore(),
    agents: [demoAgent({ model: demoModel({ firstTokenMs: 0, tokensPerSecond: Number.POSITIVE_INFINITY }) })],
  });
  const { run } = await hub.start({ input });
  await run.ended();
  const entries = await run.log.entries();
  return { recording: entries.map((entry) => `${recordingLine(entry)}\n`).join(""), entries };
}

describe("replay", () => {
  it("[F117] yields each event of an agent as it was recorded, byte for byte", async () => {
    const { recording, entries } = await demoRun("What is 17% of 2340, and what time is it?");
    const events = await played(replay(readRecording(recording), { speed: Number.POSITIVE_INFINITY }));
    expect(events.map((event) => JSON.stringify(event))).toEqual(
      entries.filter(({ event }) => !event.type.startsWith("run.")).map(({ json }) => json),
    );
    expect(events.length).toBeGreaterThan(10);
  });

  it("[F100] as a new run says the same and amounts to the same", async () => {
    const { recording, entries } = await demoRun("What is 17% of 2340?");
    const agent = replay(readRecording(recording), { speed: Number.POSITIVE_INFINITY });
    await using hub = await createHub({ store: memoryStore(), agents: [agent] });
    const { run } = await hub.start({ input: "What is 17% of 2340?" });
    const { usage, cost, steps, status } = await run.ended();
    const last = entries.at(-1)!.event;
    expect({ usage, cost, status }).toEqual({
      usage: "usage" in last ? last.usage : undefined,
      cost: "cost" in last ? last.cost : undefined,
      status: "finished",
    });
    expect(steps).toBe(2);
    const [again, before] = [await run.log.entries(), entries].map((log) => finalText(toMessages(log)));
    expect(again).toBe(before);
  });

  it("[F100] [F116] takes the time it took, divided by the speed, and no longer", async () => {
    vi.useFakeTimers();
    const recording = recorded(
      [0, started],
      [100, delta("a")],
      [140, delta("b")],
      [1_000, delta("c")],
      [1_001, finished],
    );
    const seen: [number, string][] = [];
    const begin = performance.now();
    const playing = (async () => {
      for await (const event of replay(recording, { speed: 2 }).run(contextOf()))
        seen.push([performance.now() - begin, event.type === "text.delta" ? event.text : ""]);
    })();
    await vi.advanceTimersByTimeAsync(600);
    await playing;
    expect(seen.map(([at, text]) => [Math.round(at), text])).toEqual([
      [50, "a"],
      [70, "b"],
      [500, "c"],
    ]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("[F78] stops at once when it is cancelled, and leaves no timer and no listener", async () => {
    vi.useFakeTimers();
    const cancel = new AbortController();
    const removed = vi.spyOn(cancel.signal, "removeEventListener");
    const added = vi.spyOn(cancel.signal, "addEventListener");
    const playing = played(replay(recorded([0, started], [0, delta("a")], [60_000, delta("b")])), {
      signal: cancel.signal,
    });
    await vi.advanceTimersByTimeAsync(10);
    cancel.abort();
    expect(await playing).toEqual([delta("a")]);
    expect(vi.getTimerCount()).toBe(0);
    expect(removed.mock.calls.length).toBe(added.mock.calls.length);
  });

  it("fails as the run failed", async () => {
    const failed: StreamEvent = { type: "run.failed", code: "out_of_paper", message: "no paper", cost: 0 };
    const agent = replay(recorded([0, started], [1, delta("a")], [2, failed]), { speed: 100 });
    await using hub = await createHub({ store: memoryStore(), agents: [agent] });
    const { run } = await hub.start({ input: "again" });
    expect(await run.ended()).toMatchObject({
      status: "failed",
      error: { code: "out_of_paper", message: "no paper" },
    });
  });

  it("[F116] fails where it is told to, after all that came before", async () => {
    const agent = replay(recorded([0, started], [1, delta("a")], [2, delta("b")]), { speed: 100, failAt: 3 });
    await using hub = await createHub({ store: memoryStore(), agents: [agent] });
    const { run } = await hub.start({ input: "again" });
    expect(await run.ended()).toMatchObject({ status: "failed", error: { code: "replay_fault" } });
    expect((await run.log.entries()).map(({ event }) => event.type)).toEqual([
      "run.started",
      "text.delta",
      "run.failed",
    ]);
  });

  it("[F20] waits for an answer where the run did, goes on where it had stopped, and says nothing twice", async () => {
    const ask = (approvalId: string): StreamEvent => ({
      type: "approval.requested",
      approvalId,
      callId: approvalId,
      name: "rm",
      input: {},
    });
    const answer = (approvalId: string): StreamEvent => ({
      type: "input.approval",
      approvalId,
      approved: true,
    });
    const note = (data: number): StreamEvent => ({ type: "custom", name: "app.note", data });
    const recording = [
      started,
      note(1),
      ask("a"),
      ask("b"),
      answer("a"),
      answer("b"),
      note(2),
      ask("c"),
      answer("c"),
      note(3),
      finished,
    ];
    // The hour until a person answered is nobody's.
    const agent = replay(
      recorded(...recording.map((event, index): [number, StreamEvent] => [index * 3_600_000, event])),
      { speed: Number.POSITIVE_INFINITY },
    );
    await using hub = await createHub({ store: memoryStore(), agents: [agent] });
    const { run } = await hub.start({ input: "again" });
    const notes: unknown[] = [];
    for await (const { event } of run) {
      if (event.type === "custom") notes.push(event.data);
      if (event.type === "approval.requested")
        await run.send({ type: "input.approval", approvalId: event.approvalId, approved: false });
    }
    expect(notes).toEqual([1, 2, 3]);
    expect((await run.info()).status).toBe("finished");
  });

  it("says that what a dead process had said is withdrawn, so that its text does not come twice", async () => {
    const recording = recorded(
      [0, started],
      [1, { type: "step.started", step: 1 }],
      [2, { type: "text.started", id: "1" }],
      [3, delta("half an ans")],
      [4, { type: "run.resumed", fromStep: 1 }],
      [5, { type: "step.started", step: 1 }],
      [6, { type: "text.started", id: "2" }],
      [7, { type: "text.delta", id: "2", text: "an answer" }],
      [8, finished],
    );
    const agent = replay(recording, { speed: Number.POSITIVE_INFINITY });
    await using hub = await createHub({ store: memoryStore(), agents: [agent] });
    const { run } = await hub.start({ input: "again" });
    await run.ended();
    expect(finalText(toMessages(await run.log.entries()))).toBe("an answer");
  });

  it("refuses a speed that is none", () => {
    for (const speed of [0, -1, Number.NaN]) expect(() => replay([], { speed })).toThrow(RangeError);
  });
});

describe("importRun", () => {
  async function* chatty({ input }: RunContext): AgentStream {
    yield { type: "text.started", id: "1" };
    yield { type: "text.delta", id: "1", text: `odd \u2028 ${String(input)} \u0000` };
    yield { type: "text.finished", id: "1" };
    yield { type: "custom", name: "app.odd", data: { 2: "b", 1: "a", z: -0, y: 1e21, __proto__x: null } };
  }

  it("[F100] [F117] keeps the same entries: events byte for byte, numbers and times", async () => {
    await using hub = await createHub({ store: memoryStore(), agents: [chatty] });
    const { run } = await hub.start({ input: "hello", tags: ["kept"] });
    await run.ended();
    const entries = await run.log.entries();
    const recording = entries.map((entry) => `${recordingLine(entry)}\n`).join("");

    await using other = await createHub({ store: memoryStore() });
    const imported = await importRun(other, recording);
    const kept = await imported.log.entries();
    expect(kept.map((entry) => `${recordingLine(entry)}\n`).join("")).toBe(recording);
    const { run: _, ...info } = await run.info();
    expect(await imported.info()).toMatchObject(info);
    expect((await other.list({ tag: "kept" })).runs).toHaveLength(1);
  });

  it("[F100] keeps what people said and what the hub wrote, and the cursors work", async () => {
    const recording = recorded(
      [0, started],
      [5, { type: "input.message", message: { id: "m", role: "user", parts: [] } }],
      [5, { type: "run.resumed", fromStep: 1 }],
      [9, { type: "input.cancel", reason: "enough" }],
      [9, { type: "run.cancelled", reason: "enough", cost: null }],
    );
    await using hub = await createHub({ store: memoryStore() });
    const run = await importRun(hub, recording.map(recordingLine), { id: "kept" });
    const kept = await run.log.entries();
    expect(kept.map(({ seq, at, event }) => ({ seq, at, event }))).toEqual(recording);
    const after = { seq: 2, check: kept[1]!.check };
    const rest: number[] = [];
    for await (const { entries = [] } of run.follow({ after })) rest.push(...entries.map(({ seq }) => seq));
    expect(rest).toEqual([3, 4, 5]);
  });

  it("[F1] ends a recording that stops before its run did", async () => {
    const recording = recorded([0, started], [1, { type: "text.started", id: "1" }], [2, delta("half")]);
    await using hub = await createHub({ store: memoryStore() });
    const run = await importRun(hub, recording.map(recordingLine));
    expect(await run.info()).toMatchObject({ status: "failed", error: { code: "producer_lost" } });
    expect((await run.log.entries()).slice(3).map(({ event }) => event)).toMatchObject([
      { type: "text.finished", id: "1", interrupted: true },
      { type: "run.failed" },
    ]);
  });

  it("refuses an id that is taken, and leaves the run there is as it was", async () => {
    const lines = recorded([0, started], [1, finished]).map(recordingLine);
    await using hub = await createHub({ store: memoryStore() });
    await importRun(hub, lines, { id: "one" });
    await expect(importRun(hub, lines, { id: "one" })).rejects.toMatchObject({ code: "run_exists" });
    await expect(importRun(hub, lines, { id: "../one" })).rejects.toMatchObject({ code: "invalid_id" });
    expect(await hub.run("one").log.entries()).toHaveLength(2);
  });

  it("lets redaction have the last word", async () => {
    const lines = recorded([0, started], [1, delta("my secret")], [2, finished]).map(recordingLine);
    const before = (event: StreamEvent) => (event.type === "text.delta" ? { ...event, text: "***" } : event);
    await using hub = await createHub({ store: memoryStore(), before });
    const run = await importRun(hub, lines);
    expect((await run.log.entry(2))?.json).toBe(JSON.stringify(delta("***")));
  });
});

describe("a recording", () => {
  const lines = recorded([0, started], [1, delta("a")], [2, finished]).map(recordingLine);

  it("is read from text or from lines, whatever ends them, and other fields are left out", () => {
    const entries = recorded([0, started], [1, delta("a")], [2, finished]);
    expect(readRecording(lines)).toEqual(entries);
    expect(readRecording(`${lines.join("\r\n")}\r\n\n`)).toEqual(entries);
    const cursors = lines.map((line) => line.replace("{", '{"cursor":"1-a",'));
    expect(readRecording(cursors)).toEqual(entries);
  });

  it("that was cut off anywhere gives every entry that is whole", () => {
    const text = `${lines.join("\n")}\n`;
    for (let cut = lines[0]!.length; cut <= text.length; cut++) {
      const entries = readRecording(text.slice(0, cut));
      let whole = 0;
      for (let end = 0; whole < lines.length && end + lines[whole]!.length <= cut; whole++)
        end += lines[whole]!.length + 1;
      expect(entries).toHaveLength(whole);
    }
  });

  it.each([
    ["nothing", [], "it is empty"],
    ["what is no JSON", [lines[0]!, "{", lines[1]!], "line 2 of the recording: it is no JSON"],
    ["what is no entry", ["[]"], 'line 1 of the recording: it must be { "seq", "at", "event" }'],
    ["null", ["null"], "line 1 of the recording"],
    [
      "a wrong event",
      [lines[0]!, '{"seq":2,"at":1,"event":{"type":"text.delta"}}'],
      'line 2 of the recording: Cannot accept event "text.delta"',
    ],
    ["a gap", [lines[0]!, lines[2]!], "line 2 of the recording: its seq is 3, and 2 comes next"],
    ["a wrong beginning", [lines[1]!.replace('"seq":2', '"seq":1')], 'begins with "run.started"'],
    ["a second beginning", [lines[0]!, lines[0]!.replace('"seq":1', '"seq":2')], "a run starts once"],
    ["more after the end", [...lines, lines[1]!.replace('"seq":2', '"seq":4')], "which ends a run"],
  ])("refuses %s", (_, given, why) => {
    expect(() => readRecording(given)).toThrow(why);
  });
});
