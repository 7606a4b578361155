import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { StreamEvent } from "../events.ts";
import { createHub, type Hub } from "../hub.ts";
import { finalText, toMessages } from "../messages.ts";
import { agentorView } from "../protocols/agentor/view.ts";
import { pydanticDeepView } from "../protocols/pydantic-deep/view.ts";
import { vibexView } from "../protocols/vibex/view.ts";
import { memoryStore } from "../stores/memory.ts";
import { shown } from "../testing/protocol.ts";
import type { View } from "../view.ts";
import {
  sendAgentMessage,
  sendAgentStatus,
  sendTaskUpdate,
  sendToolCall,
  TaskEventStream,
} from "./agentx.ts";

let hub: Hub;
let stream: TaskEventStream;
beforeEach(async () => {
  hub = await createHub({ store: memoryStore() });
  stream = new TaskEventStream(hub);
});
afterEach(() => hub.drain(0));

type Frame = readonly [event: string, data: string];

/** What a listener gets, to the end: the name and the data of each frame, and its id. */
async function heard(id = "t", from = stream): Promise<{ frames: Frame[]; ids: (string | undefined)[] }> {
  const frames: Frame[] = [];
  const ids: (string | undefined)[] = [];
  for await (const frame of from.streamEvents(id)) {
    const fields = new Map(frame.split("\n").map((line) => line.split(/: (.*)/s) as [string, string]));
    frames.push([fields.get("event")!, fields.get("data")!]);
    ids.push(fields.get("id"));
  }
  return { frames, ids };
}

const events = async (id = "t"): Promise<StreamEvent[]> =>
  (await hub.run(id).log.entries()).slice(1).map(({ event }) => event);
const inView = async (view: View, id = "t") =>
  shown(view, await hub.run(id).log.entries()).map(({ data }) => JSON.parse(data));

/** A sender's call, the payload of AgentX for it as text, and the types of the events in the log. */
const senders: readonly [string, () => Promise<unknown>, Frame, readonly string[]][] = [
  [
    "sendAgentMessage",
    () => sendAgentMessage(stream, "t", "writer", 'Hello\n"you"'),
    ["agent_message", '{"agent_id":"writer","message":"Hello\\n\\"you\\"","metadata":{}}'],
    ["message"],
  ],
  [
    "sendAgentMessage with metadata",
    () => sendAgentMessage(stream, "t", "writer", "", { plan: ["a", { b: null }] }),
    ["agent_message", '{"agent_id":"writer","message":"","metadata":{"plan":["a",{"b":null}]}}'],
    ["message"],
  ],
  [
    "sendAgentStatus",
    () => sendAgentStatus(stream, "t", "writer", "working"),
    ["agent_status", '{"agent_id":"writer","status":"working","progress":0}'],
    ["status"],
  ],
  [
    "sendAgentStatus with progress",
    () => sendAgentStatus(stream, "t", "writer", "completed", 100),
    ["agent_status", '{"agent_id":"writer","status":"completed","progress":100}'],
    ["status"],
  ],
  [
    "sendAgentStatus with a word of its own",
    () => sendAgentStatus(stream, "t", "writer", "dreaming", 120),
    ["agent_status", '{"agent_id":"writer","status":"dreaming","progress":120}'],
    ["custom"],
  ],
  [
    "sendTaskUpdate",
    () => sendTaskUpdate(stream, "t", "running"),
    ["task_update", '{"task_id":"t","status":"running","result":null}'],
    ["custom"],
  ],
  [
    "sendTaskUpdate completed",
    () => sendTaskUpdate(stream, "t", "completed", { steps_executed: 3 }),
    ["task_update", '{"task_id":"t","status":"completed","result":{"steps_executed":3}}'],
    ["run.finished"],
  ],
  [
    "sendTaskUpdate completed without a result",
    () => sendTaskUpdate(stream, "t", "completed"),
    ["task_update", '{"task_id":"t","status":"completed","result":null}'],
    ["run.finished"],
  ],
  [
    "sendTaskUpdate failed",
    () => sendTaskUpdate(stream, "t", "failed", { error: "No luck", step: 2 }),
    ["task_update", '{"task_id":"t","status":"failed","result":{"error":"No luck","step":2}}'],
    ["run.failed"],
  ],
  [
    "sendTaskUpdate cancelled",
    () => sendTaskUpdate(stream, "t", "cancelled", "by hand"),
    ["task_update", '{"task_id":"t","status":"cancelled","result":"by hand"}'],
    ["run.cancelled"],
  ],
  [
    "sendToolCall",
    () => sendToolCall(stream, "t", "writer", "search", { query: "x" }),
    [
      "tool_call",
      '{"agent_id":"writer","tool_name":"search","parameters":{"query":"x"},"result":null,"status":"pending"}',
    ],
    ["tool.called"],
  ],
  [
    "sendToolCall completed, of a call that was not told before",
    () => sendToolCall(stream, "t", "writer", "search", { query: "x" }, [1, 2], "completed"),
    [
      "tool_call",
      '{"agent_id":"writer","tool_name":"search","parameters":{"query":"x"},"result":[1,2],"status":"completed"}',
    ],
    ["tool.called", "tool.returned"],
  ],
  [
    "sendToolCall failed",
    () => sendToolCall(stream, "t", "writer", "search", {}, "No net", "failed"),
    [
      "tool_call",
      '{"agent_id":"writer","tool_name":"search","parameters":{},"result":"No net","status":"failed"}',
    ],
    ["tool.called", "tool.failed"],
  ],
  [
    "sendToolCall with a word of its own",
    () => sendToolCall(stream, "t", "writer", "search", {}, 0.5, "half"),
    ["tool_call", '{"agent_id":"writer","tool_name":"search","parameters":{},"result":0.5,"status":"half"}'],
    ["tool.called", "tool.progressed"],
  ],
];

describe("a sender of AgentX", () => {
  it.each(senders)(
    "[F33] %s: the log has events, its wire the payload as AgentX has it",
    async (_, send, frame, types) => {
      await send();
      expect((await events()).map(({ type }) => type)).toEqual(types);
      await stream.closeStream("t");
      const { frames, ids } = await heard();
      expect(frames[0]).toEqual(frame);
      // A call of which the end was not sent is not made to fail on the wire; the end of the task is told.
      expect(frames.slice(1).map(([event]) => event)).toEqual(
        frame[0] === "task_update" && !frame[1].includes("running") ? [] : ["task_update"],
      );
      const cursors = (await hub.run("t").log.entries()).map(({ cursor }) => cursor);
      expect(ids.filter((id) => !cursors.includes(id ?? ""))).toEqual([]);
    },
  );

  it("[F10] ends the call it belongs to: by its parameters, where several of a tool are open", async () => {
    const call = (n: number, status: string) =>
      sendToolCall(stream, "t", "writer", "read", { n }, status === "pending" ? null : `file ${n}`, status);
    for (const n of [1, 2, 3]) await call(n, "pending");
    for (const n of [2, 3, 1]) await call(n, "completed");
    const log = await events();
    const ids = log.flatMap((event) => (event.type === "tool.called" ? [event.callId] : []));
    expect(log.flatMap((event) => (event.type === "tool.returned" ? [event.callId] : []))).toEqual([
      ids[1],
      ids[2],
      ids[0],
    ]);
  });

  it("[F12] refuses a status that cannot follow, and goes on", async () => {
    await sendAgentStatus(stream, "t", "writer", "working");
    await expect(sendAgentStatus(stream, "t", "writer", "starting")).rejects.toMatchObject({
      code: "invalid_event",
    });
    await sendAgentStatus(stream, "t", "reader", "starting");
    await sendAgentStatus(stream, "t", "writer", "completed", 100);
    expect(await events()).toHaveLength(3);
  });

  it("[F82] ends the stream with the task, as it ended", async () => {
    await sendTaskUpdate(stream, "t", "failed", { error: "No luck" });
    expect(await hub.run("t").info()).toMatchObject({
      status: "failed",
      error: { code: "task_failed", message: "No luck" },
    });
    await sendTaskUpdate(stream, "u", "completed", { steps_executed: 1 });
    await sendTaskUpdate(stream, "v", "cancelled");
    expect([(await hub.run("u").info()).status, (await hub.run("v").info()).status]).toEqual([
      "finished",
      "cancelled",
    ]);
    await expect(sendAgentMessage(stream, "t", "a", "late")).rejects.toMatchObject({ code: "run_closed" });
  });

  it("[F78] tells of a cancel from outside, whatever the program says after it", async () => {
    await sendAgentStatus(stream, "t", "writer", "working");
    await hub.run("t").cancel({ reason: "enough" });
    await sendTaskUpdate(stream, "t", "completed", { steps_executed: 1 });
    expect((await heard()).frames.at(-1)).toEqual([
      "task_update",
      '{"task_id":"t","status":"cancelled","result":{"reason":"enough"}}',
    ]);
  });

  it("[F95] goes on with what another process left open", async () => {
    await sendToolCall(stream, "t", "writer", "search", { query: "x" });
    const hub2 = await createHub({ store: hub.store });
    const again = new TaskEventStream(hub2);
    await sendToolCall(again, "t", "writer", "search", { query: "x" }, "found", "completed");
    await again.closeStream("t");
    await hub2.drain(0);
    const [called, returned] = await events();
    expect(returned).toMatchObject({ type: "tool.returned", output: "found" });
    expect(called).toMatchObject({ callId: (returned as { callId: string }).callId });
    expect((await heard()).frames).toHaveLength(3);
  });

  it("[F30] is shown by the other protocols as any run is", async () => {
    await sendTaskUpdate(stream, "t", "running");
    await sendAgentStatus(stream, "t", "writer", "working", 10);
    await sendToolCall(stream, "t", "writer", "search", { query: "x" }, "found", "completed");
    await sendAgentMessage(stream, "t", "writer", "It is done.", { step: 1 });
    await sendTaskUpdate(stream, "t", "completed", { steps_executed: 1 });
    expect(finalText(toMessages(await hub.run("t").log.entries()))).toBe("It is done.");
    expect((await inView(agentorView)).map(({ message }) => message)).toEqual([null, "found", "It is done."]);
    expect((await inView(pydanticDeepView)).map(({ event_type }) => event_type)).toEqual([
      "agent_start",
      "tool_start",
      "tool_end",
      "agent_end",
    ]);
    const vibex = shown(vibexView({ run: "t" }), await hub.run("t").log.entries());
    expect(vibex.map(({ event }) => event)).toEqual([
      "project_update",
      "agentx.task_update",
      "agent_status",
      "tool_call_start",
      "tool_call_result",
      "message",
      "project_update",
    ]);
  });

  it("[F33] gives back whatever was sent, in any order: AgentX's frames are those payloads and no others", async () => {
    const text = fc.string({ unit: "binary" });
    const word = fc.constantFrom("a", "b", "search");
    const json = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)));
    const dictionary = fc
      .dictionary(fc.string(), json, { noNullPrototype: true })
      .map((value) => JSON.parse(JSON.stringify(value)));
    const call = fc.oneof(
      fc.record({ kind: fc.constant("message" as const), agent: word, text, metadata: dictionary }),
      fc.record({
        kind: fc.constant("status" as const),
        agent: word,
        status: fc.constantFrom("working", "dreaming", ""),
        progress: fc.integer({ min: -5, max: 110 }),
      }),
      fc.record({
        kind: fc.constant("task" as const),
        status: fc.constantFrom("running", "odd"),
        result: json,
      }),
      fc.record({
        kind: fc.constant("tool" as const),
        agent: word,
        tool: word,
        parameters: dictionary,
        result: json,
        status: fc.constantFrom("pending", "running", "completed", "failed", "error", "odd"),
      }),
    );
    let runs = 0;
    const seed = process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) };
    await fc.assert(
      fc.asyncProperty(fc.array(call, { maxLength: 12 }), async (calls) => {
        const id = `random-${runs++}`;
        const expected: [string, unknown][] = [];
        for (const each of calls) {
          if (each.kind === "message") {
            const { agent, text: message, metadata } = each;
            await sendAgentMessage(stream, id, agent, message, metadata);
            expected.push(["agent_message", { agent_id: agent, message, metadata }]);
          } else if (each.kind === "status") {
            const { agent, status, progress } = each;
            await sendAgentStatus(stream, id, agent, status, progress);
            expected.push(["agent_status", { agent_id: agent, status, progress }]);
          } else if (each.kind === "task") {
            await sendTaskUpdate(stream, id, each.status, each.result);
            expected.push(["task_update", { task_id: id, status: each.status, result: each.result }]);
          } else {
            const { agent, tool, parameters, result, status } = each;
            await sendToolCall(stream, id, agent, tool, parameters, result, status);
            const payload = { agent_id: agent, tool_name: tool, parameters, result, status };
            expected.push(["tool_call", payload]);
          }
        }
        await sendTaskUpdate(stream, id, "completed", null);
        expected.push(["task_update", { task_id: id, status: "completed", result: null }]);
        const { frames } = await heard(id);
        expect(frames).toEqual(expected.map(([event, data]) => [event, JSON.stringify(data)]));
      }),
      { numRuns: 60, ...seed },
    );
  });
});
