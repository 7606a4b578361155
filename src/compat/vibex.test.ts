import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { StreamEvent } from "../events.ts";
import { createHub, type Hub } from "../hub.ts";
import { finalText, toMessages } from "../messages.ts";
import { agentorView } from "../protocols/agentor/view.ts";
import { agentxView } from "../protocols/agentx/view.ts";
import { pydanticDeepView } from "../protocols/pydantic-deep/view.ts";
import { memoryStore } from "../stores/memory.ts";
import { shown } from "../testing/protocol.ts";
import type { View } from "../view.ts";
import {
  ProjectEventStream,
  sendAgentStatus,
  sendArtifactUpdate,
  sendCompleteMessage,
  sendMessageObject,
  sendMessagePart,
  sendProjectUpdate,
  sendStreamChunk,
  sendStreamingChunk,
  sendTaskUpdate,
  sendToolCall,
  sendToolCallDelta,
  sendToolCallResult,
  sendToolCallStart,
  type VibexMessage,
  type VibexPart,
} from "./vibex.ts";

let hub: Hub;
let stream: ProjectEventStream;
beforeEach(async () => {
  hub = await createHub({ store: memoryStore() });
  stream = new ProjectEventStream(hub);
});
afterEach(() => hub.drain(0));

type Frame = readonly [event: string, payload: unknown];

/** What a listener gets, to the end; `NOW` in place of the times of the entries. */
async function heard(id = "p"): Promise<Frame[]> {
  const times = new Set((await hub.run(id).log.entries()).map(({ at }) => new Date(at).toISOString()));
  const frames: Frame[] = [];
  for await (const { event, data } of stream.streamEvents(id)) {
    const reviver = (key: string, value: unknown) =>
      key === "timestamp" && times.has(value as string) ? "NOW" : value;
    frames.push([event, JSON.parse(data, reviver)]);
  }
  return frames;
}

/** As text: keys in their order. */
const exact = (frames: readonly Frame[]) =>
  frames.map(([event, payload]) => [event, JSON.stringify(payload)]);
const events = async (id = "p"): Promise<StreamEvent[]> =>
  (await hub.run(id).log.entries()).slice(1).map(({ event }) => event);
const messages = async (on = hub, id = "p") => toMessages(await on.run(id).log.entries()).slice(1);
const inView = async (view: View, id = "p") =>
  shown(view, await hub.run(id).log.entries()).map(({ data }) => JSON.parse(data));

const parts: VibexPart[] = [
  { type: "text", text: "Hi" },
  { type: "reasoning", content: "Hm" },
  { type: "tool-call", toolCallId: "c", toolName: "search", args: { query: "x" } },
  { type: "tool-result", toolCallId: "c", toolName: "search", result: { hits: 1 }, isError: false },
  { type: "tool-result", toolCallId: "d", toolName: "search", result: "No net", isError: true },
  { type: "tool-result", toolCallId: "e", toolName: "search", result: [1] },
  { type: "image", image: "https://example.org/a.png" },
  { type: "image", image: "iVBORw0KGgo=", mimeType: "image/png" },
  { type: "file", data: "aGk=", mimeType: "text/plain" },
  { type: "artifact", artifact: { uri: "a.md", mime_type: "text/markdown", tags: [] } },
  { type: "step-start", stepId: "s-1", stepName: "Read" },
  { type: "error", error: "No luck", errorCode: null },
];
const message: VibexMessage = { id: "m", role: "assistant", content: "Hi\n1 hit", parts };
const plain: VibexMessage = { id: "m", role: "user", content: "Hello", timestamp: "2025-07-25T10:00:00.5" };

/** A sender's call, the frame of VibeX for it, and the types of the events in the log. */
const senders: readonly [string, () => Promise<unknown>, Frame, readonly string[]][] = [
  [
    "sendAgentStatus",
    () => sendAgentStatus(stream, "p", "writer", "starting"),
    ["agent_status", { agent_id: "writer", status: "starting", progress: 0 }],
    ["status"],
  ],
  [
    "sendAgentStatus with a word of its own",
    () => sendAgentStatus(stream, "p", "writer", "dreaming", 50),
    ["agent_status", { agent_id: "writer", status: "dreaming", progress: 50 }],
    ["custom"],
  ],
  [
    "sendProjectUpdate",
    () => sendProjectUpdate(stream, "p", "running"),
    ["project_update", { project_id: "p", status: "running", result: null }],
    ["custom"],
  ],
  [
    "sendProjectUpdate completed",
    () => sendProjectUpdate(stream, "p", "completed", ["done"]),
    ["project_update", { project_id: "p", status: "completed", result: ["done"] }],
    ["run.finished"],
  ],
  [
    "sendProjectUpdate failed",
    () => sendProjectUpdate(stream, "p", "failed", "No luck"),
    ["project_update", { project_id: "p", status: "failed", result: "No luck" }],
    ["run.failed"],
  ],
  [
    "sendArtifactUpdate",
    () => sendArtifactUpdate(stream, "p", "report.md"),
    [
      "artifact_update",
      { project_id: "p", artifact_name: "report.md", action: "created", metadata: {}, timestamp: "NOW" },
    ],
    ["artifact"],
  ],
  [
    "sendArtifactUpdate deleted",
    () => sendArtifactUpdate(stream, "p", "report.md", "deleted", { by: "ada" }),
    [
      "artifact_update",
      {
        project_id: "p",
        artifact_name: "report.md",
        action: "deleted",
        metadata: { by: "ada" },
        timestamp: "NOW",
      },
    ],
    ["artifact"],
  ],
  [
    "sendToolCall",
    () => sendToolCall(stream, "p", "writer", "search", { query: "x" }),
    [
      "tool_call",
      {
        agent_id: "writer",
        tool_name: "search",
        parameters: { query: "x" },
        result: null,
        status: "pending",
      },
    ],
    ["tool.called"],
  ],
  [
    "sendToolCall completed, of a call that was not told before",
    () => sendToolCall(stream, "p", "writer", "search", {}, { hits: 0 }, "completed"),
    [
      "tool_call",
      {
        agent_id: "writer",
        tool_name: "search",
        parameters: {},
        result: { hits: 0 },
        status: "completed",
      },
    ],
    ["tool.called", "tool.returned"],
  ],
  [
    "sendToolCallStart",
    () => sendToolCallStart(stream, "p", "c", "search", { query: "x" }),
    ["tool_call_start", { tool_call_id: "c", tool_name: "search", args: { query: "x" }, timestamp: "NOW" }],
    ["tool.called"],
  ],
  [
    "sendToolCallDelta",
    () => sendToolCallDelta(stream, "p", "c", '{"que'),
    ["tool_call_delta", { tool_call_id: "c", args_delta: '{"que', timestamp: "NOW" }],
    ["tool.delta"],
  ],
  [
    "sendToolCallResult",
    () => sendToolCallResult(stream, "p", "c", "search", { hits: 1 }),
    [
      "tool_call_result",
      { tool_call_id: "c", tool_name: "search", result: { hits: 1 }, is_error: false, timestamp: "NOW" },
    ],
    ["tool.returned"],
  ],
  [
    "sendToolCallResult of a failure",
    () => sendToolCallResult(stream, "p", "c", "search", { code: 7 }, true),
    [
      "tool_call_result",
      { tool_call_id: "c", tool_name: "search", result: { code: 7 }, is_error: true, timestamp: "NOW" },
    ],
    ["tool.failed"],
  ],
  [
    "sendStreamingChunk",
    () => sendStreamingChunk(stream, "p", { stepId: "s", agentName: "writer", text: "Hel" }),
    [
      "message_chunk",
      {
        step_id: "s",
        agent_name: "writer",
        text: "Hel",
        is_final: false,
        token_count: null,
        timestamp: "NOW",
      },
    ],
    ["text.started", "text.delta"],
  ],
  [
    "sendStreamingChunk, the only one",
    () =>
      sendStreamingChunk(stream, "p", {
        stepId: "s",
        agentName: "writer",
        text: "Hello",
        isFinal: true,
        tokenCount: 2,
        timestamp: new Date(0),
      }),
    [
      "message_chunk",
      {
        step_id: "s",
        agent_name: "writer",
        text: "Hello",
        is_final: true,
        token_count: 2,
        timestamp: "1970-01-01T00:00:00.000Z",
      },
    ],
    ["text.started", "text.delta", "text.finished", "message"],
  ],
  [
    "sendCompleteMessage",
    () => sendCompleteMessage(stream, "p", plain),
    [
      "complete_message",
      { message_id: "m", role: "user", content: "Hello", timestamp: "2025-07-25T10:00:00.5" },
    ],
    ["message"],
  ],
  [
    "sendCompleteMessage of a tool",
    () => sendCompleteMessage(stream, "p", { id: "m", role: "tool", content: "1 hit" }),
    ["complete_message", { message_id: "m", role: "tool", content: "1 hit", timestamp: "NOW" }],
    ["message"],
  ],
  [
    "sendMessageObject",
    () => sendMessageObject(stream, "p", message),
    ["message", { id: "m", role: "assistant", content: "Hi\n1 hit", parts, timestamp: "NOW", metadata: {} }],
    ["message"],
  ],
  [
    "sendMessageObject without parts",
    () => sendMessageObject(stream, "p", { ...plain, metadata: { source: "cli" } }),
    [
      "message",
      {
        id: "m",
        role: "user",
        content: "Hello",
        parts: [],
        timestamp: "2025-07-25T10:00:00.5",
        metadata: { source: "cli" },
      },
    ],
    ["message"],
  ],
  [
    "sendStreamChunk",
    () => sendStreamChunk(stream, "p", "Hel", "m"),
    ["stream_chunk", { message_id: "m", chunk: "Hel", is_final: false, timestamp: "NOW" }],
    ["text.started", "text.delta"],
  ],
  [
    "sendStreamChunk, the final one",
    () => sendStreamChunk(stream, "p", "", "m", true),
    ["stream_chunk", { message_id: "m", chunk: "", is_final: true, timestamp: "NOW" }],
    ["text.started", "text.finished", "message"],
  ],
  [
    "sendStreamChunk with an error",
    () => sendStreamChunk(stream, "p", "", "m", true, "No luck"),
    ["stream_chunk", { message_id: "m", chunk: "", is_final: true, timestamp: "NOW", error: "No luck" }],
    ["text.started", "text.finished", "error"],
  ],
  ...parts.map((part): (typeof senders)[number] => [
    `sendMessagePart ${JSON.stringify(part)}`,
    () => sendMessagePart(stream, "p", "m", part),
    ["message_part", { message_id: "m", part, timestamp: "NOW" }],
    {
      text: ["text.started", "text.delta", "text.finished"],
      reasoning: ["reasoning.started", "reasoning.delta", "reasoning.finished"],
      "tool-call": ["tool.called"],
      "tool-result": part.type === "tool-result" && part.isError ? ["tool.failed"] : ["tool.returned"],
      image: ["file"],
      file: ["file"],
      artifact: ["artifact"],
      "step-start": ["custom"],
      error: ["error"],
    }[part.type],
  ]),
];

describe("a sender of VibeX", () => {
  it.each(senders)(
    "[F33] %s: the log has events, its wire the payload as VibeX has it",
    async (_, send, frame, types) => {
      await send();
      expect((await events()).map(({ type }) => type)).toEqual(types);
      await stream.closeStream("p");
      const frames = exact(await heard());
      expect(frames[0]).toEqual(exact([frame])[0]);
      // Nothing but the end of the project follows.
      const ended = types.some((type) => type.startsWith("run."));
      expect(frames.slice(1).map(([event]) => event)).toEqual(ended ? [] : ["project_update"]);
    },
  );

  it("[F33] sendTaskUpdate: tells of one task among many, with its own time", async () => {
    await sendTaskUpdate(stream, "p", "completed", { n: 1 });
    await sendTaskUpdate(stream, "p", "running");
    const [first, second] = await events();
    expect([first?.type, second?.type]).toEqual(["custom", "custom"]);
    await stream.closeStream("p");
    for (const [index, [status, result]] of [
      ["completed", { n: 1 }],
      ["running", null],
    ].entries()) {
      expect((await heard())[index]).toEqual([
        "task_update",
        { project_id: "p", status, result, timestamp: expect.stringMatching(/^\d{4}-.*Z$|^NOW$/) },
      ]);
    }
  });

  it("[F2] [F91] puts the chunks of a step together into one message, and begins another after the final one", async () => {
    const chunk = (stepId: string, agentName: string, text: string, isFinal = false) =>
      sendStreamingChunk(stream, "p", { stepId, agentName, text, isFinal });
    await chunk("s", "writer", "Hel");
    await chunk("s", "reader", "Bye");
    await chunk("s", "writer", "lo");
    await chunk("s", "writer", "", true);
    await chunk("s", "writer", "Again", true);
    await chunk("s", "reader", "!", true);
    expect((await messages()).map(({ parts: [part] }) => part)).toEqual([
      { type: "text", text: "Hello" },
      { type: "text", text: "Bye!" },
      { type: "text", text: "Again" },
    ]);
  });

  it("[F90] [F95] keeps the chunks across a crash, in one message, and goes on with it in another process", async () => {
    await sendStreamingChunk(stream, "p", { stepId: "s", agentName: "writer", text: "Once " });
    await sendStreamChunk(stream, "p", "Twice ", "m");
    // Another process, on the log that the first has left.
    const other = await createHub({ store: hub.store });
    expect((await messages(other)).map(({ id, parts }) => [id, parts])).toEqual([
      ["s-writer", [{ type: "text", text: "Once " }]],
      ["m", [{ type: "text", text: "Twice " }]],
    ]);
    const again = new ProjectEventStream(other);
    await sendStreamingChunk(again, "p", { stepId: "s", agentName: "writer", text: "upon", isFinal: true });
    await sendStreamChunk(again, "p", "more", "m", true);
    expect((await messages(other)).map(({ id, parts }) => [id, parts])).toEqual([
      ["s-writer", [{ type: "text", text: "Once upon" }]],
      ["m", [{ type: "text", text: "Twice more" }]],
    ]);
    await other.drain(0);
  });

  it("[F3] lets a whole message stand for what was streamed under its id", async () => {
    await sendStreamChunk(stream, "p", "Hel", "m");
    await sendMessageObject(stream, "p", { id: "m", role: "assistant", content: "Hello" });
    await sendCompleteMessage(stream, "p", { id: "m", role: "assistant", content: "Hello!" });
    const ends = (await events()).filter(({ type }) => type === "text.finished");
    expect(ends).toMatchObject([{ vibex: null }]);
    // Nothing was left open for the end of the run to interrupt.
    expect(await messages()).toEqual([
      { id: "m", role: "assistant", parts: [{ type: "text", text: "Hello!" }] },
    ]);
    await stream.closeStream("p");
    expect((await heard()).map(([event]) => event)).toEqual([
      "stream_chunk",
      "message",
      "complete_message",
      "project_update",
    ]);
  });

  it("[F3] keeps the calls of a message that is streamed, and whatever else is in it", async () => {
    await sendStreamChunk(stream, "p", "Let me look. ", "m");
    await sendToolCallStart(stream, "p", "c", "search", { query: "x" });
    await sendToolCallResult(stream, "p", "c", "search", "found");
    await sendStreamChunk(stream, "p", "Found.", "m", true);
    const call = { type: "tool", callId: "c", name: "search", input: { query: "x" }, output: "found" };
    expect((await messages()).map(({ parts }) => parts)).toEqual([
      [{ type: "text", text: "Let me look. Found." }, call],
    ]);
    expect((await events()).at(-1)).toMatchObject({ type: "message" });
    await sendStreamChunk(stream, "p", "Again", "n");
    await sendMessagePart(stream, "p", "n", { type: "reasoning", content: "Hm" });
    await sendStreamChunk(stream, "p", ".", "n", true);
    expect((await messages())[1]?.parts).toEqual([
      { type: "text", text: "Again." },
      { type: "reasoning", text: "Hm" },
    ]);
  });

  it("[F91] says the same with its whole messages as with the pieces alone, whatever was sent", async () => {
    const sender = fc.record({
      kind: fc.constantFrom("chunk", "step", "start", "part"),
      id: fc.constantFrom("a", "b"),
      text: fc.constantFrom("", "x", "y "),
      flag: fc.boolean(),
      part: fc.constantFrom(...parts.slice(0, 3), ...parts.slice(6, 9)),
    });
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(sender, { maxLength: 14 }), async (calls) => {
        const project = `pieces-${runs++}`;
        let count = 0;
        for (const { kind, id, text, flag, part } of calls) {
          if (kind === "chunk") await sendStreamChunk(stream, project, text, id, flag);
          else if (kind === "step")
            await sendStreamingChunk(stream, project, { stepId: id, agentName: id, text, isFinal: flag });
          else if (kind === "start") await sendToolCallStart(stream, project, `c-${count++}`, "x", {});
          else await sendMessagePart(stream, project, id, part);
        }
        await stream.closeStream(project);
        const exists = await stream.getStream(project);
        const entries = exists ? await exists.log.entries() : [];
        const pieces = entries.filter(({ type }) => type !== "message");
        expect(toMessages(entries)).toEqual(toMessages(pieces));
      }),
      { numRuns: 60, ...(process.env.SEED !== undefined && { seed: Number(process.env.SEED) }) },
    );
  });

  it("[F32] makes one message of pieces that are sent without waiting for each other", async () => {
    await Promise.all([
      sendStreamChunk(stream, "p", "a", "m"),
      sendStreamChunk(stream, "p", "b", "m"),
      sendStreamChunk(stream, "p", "c", "m", true),
    ]);
    expect((await events()).filter(({ type }) => type === "text.started")).toHaveLength(1);
    expect(finalText(await messages())).toBe("abc");
  });

  it("takes a second final chunk, and one that comes after it, without losing what was said", async () => {
    await sendStreamChunk(stream, "p", "Hello", "m", true);
    await sendStreamChunk(stream, "p", "", "m", true);
    await sendStreamChunk(stream, "p", " again", "m", true);
    expect(finalText(await messages())).toBe("Hello again");
    await stream.closeStream("p");
    expect((await heard()).filter(([event]) => event === "stream_chunk")).toHaveLength(3);
  });

  it("[F79] keeps what was said before an error, without the message being whole", async () => {
    await sendStreamChunk(stream, "p", "Hel", "m");
    await sendStreamChunk(stream, "p", "lo", "m", true, "No luck");
    expect(finalText(await messages())).toBe("Hello");
    expect((await events()).map(({ type }) => type)).not.toContain("message");
  });

  it("[F7] measures a call from its start to its result", async () => {
    await sendToolCallStart(stream, "p", "c", "search", {});
    await sendToolCallResult(stream, "p", "c", "search", "found");
    await sendToolCallResult(stream, "p", "unknown", "search", "found");
    const durations = (await events()).flatMap((event) =>
      event.type === "tool.returned" ? [event.durationMs] : [],
    );
    expect(durations[0]).toBeGreaterThan(0);
    expect(durations[1]).toBe(0);
  });

  it("[F30] is shown by the other protocols as any run is", async () => {
    await sendAgentStatus(stream, "p", "writer", "working", 10);
    await sendToolCallStart(stream, "p", "c", "search", { query: "x" });
    await sendToolCallResult(stream, "p", "c", "search", "found");
    await sendStreamChunk(stream, "p", "It is ", "m");
    await sendStreamChunk(stream, "p", "done.", "m", true);
    await sendMessagePart(stream, "p", "n", { type: "text", text: "Bye." });
    await sendProjectUpdate(stream, "p", "completed", { ok: true });
    const agentor = await inView(agentorView);
    expect(agentor.flatMap(({ chunk }) => chunk ?? [])).toEqual(["It is ", "done.", "Bye."]);
    expect(agentor).toContainEqual(expect.objectContaining({ chunk: null, message: "It is done." }));
    expect((await inView(pydanticDeepView)).map(({ event_type }) => event_type)).toEqual([
      "agent_start",
      "tool_start",
      "tool_end",
      "llm_chunk",
      "llm_chunk",
      "llm_chunk",
      "agent_end",
    ]);
    expect((await inView(agentxView({ run: "p" }))).map(({ message, status }) => message ?? status)).toEqual([
      "running",
      "working",
      "pending",
      "completed",
      "It is done.",
      "Bye.",
      "completed",
    ]);
  });

  it("[F33] gives back whatever was sent, in any order: VibeX's frames are those payloads and no others", async () => {
    const text = fc.string({ unit: "binary" });
    const word = fc.constantFrom("a", "b");
    const flag = fc.boolean();
    const json = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)));
    const dictionary = json.map((value) => ({ value }));
    const kinds = fc.constantFrom(
      "status",
      "task",
      "artifact",
      "call",
      "start",
      "delta",
      "result",
      "step",
      "complete",
      "message",
      "chunk",
      "part",
      "event",
    );
    const call = fc.record({
      kind: kinds,
      name: word,
      id: word,
      text,
      json,
      dictionary,
      flag,
      status: fc.constantFrom("pending", "completed", "failed", "odd"),
      role: fc.constantFrom("system" as const, "user" as const, "assistant" as const, "tool" as const),
      error: fc.option(fc.string({ minLength: 1 })),
      some: fc.subarray(parts),
      part: fc.constantFrom(...parts),
    });
    const at = { timestamp: "NOW" };
    let runs = 0;
    const seed = process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) };
    await fc.assert(
      fc.asyncProperty(fc.array(call, { maxLength: 12 }), async (calls) => {
        const id = `random-${runs++}`;
        const project = { project_id: id };
        const send: Record<string, (each: (typeof calls)[number]) => [Promise<unknown>, ...Frame]> = {
          status: ({ name }) => [
            sendAgentStatus(stream, id, name, "working", 7),
            "agent_status",
            { agent_id: name, status: "working", progress: 7 },
          ],
          task: ({ json: result }) => [
            sendProjectUpdate(stream, id, "running", result),
            "project_update",
            { ...project, status: "running", result },
          ],
          artifact: ({ text: name, dictionary: metadata }) => [
            sendArtifactUpdate(stream, id, name, "updated", metadata),
            "artifact_update",
            { ...project, artifact_name: name, action: "updated", metadata, ...at },
          ],
          call: ({ name, text: tool, dictionary: parameters, json: result, status }) => [
            sendToolCall(stream, id, name, tool, parameters, result, status),
            "tool_call",
            { agent_id: name, tool_name: tool, parameters, result, status },
          ],
          start: ({ id: call, text: tool, dictionary: args }) => [
            sendToolCallStart(stream, id, call, tool, args),
            "tool_call_start",
            { tool_call_id: call, tool_name: tool, args, ...at },
          ],
          delta: ({ id: call, text: delta }) => [
            sendToolCallDelta(stream, id, call, delta),
            "tool_call_delta",
            { tool_call_id: call, args_delta: delta, ...at },
          ],
          result: ({ id: call, text: tool, json: result, flag: isError }) => [
            sendToolCallResult(stream, id, call, tool, result, isError),
            "tool_call_result",
            { tool_call_id: call, tool_name: tool, result, is_error: isError, ...at },
          ],
          step: ({ id: stepId, name: agentName, text, flag: isFinal }) => [
            sendStreamingChunk(stream, id, { stepId, agentName, text, isFinal }),
            "message_chunk",
            { step_id: stepId, agent_name: agentName, text, is_final: isFinal, token_count: null, ...at },
          ],
          complete: ({ id: message, role, text: content, some }) => [
            sendCompleteMessage(stream, id, { id: message, role, content, parts: some }),
            "complete_message",
            { message_id: message, role, content, ...at },
          ],
          message: ({ id: message, role, text: content, some, dictionary: metadata }) => [
            sendMessageObject(stream, id, { id: message, role, content, parts: some, metadata }),
            "message",
            { id: message, role, content, parts: some, ...at, metadata },
          ],
          chunk: ({ id: message, text: chunk, flag: isFinal, error }) => [
            sendStreamChunk(stream, id, chunk, message, isFinal, error),
            "stream_chunk",
            { message_id: message, chunk, is_final: isFinal, ...at, ...(error && { error }) },
          ],
          part: ({ id: message, part }) => [
            sendMessagePart(stream, id, message, part),
            "message_part",
            { message_id: message, part, ...at },
          ],
          event: ({ json: data }) => [
            stream.sendEvent(id, "part_delta", data).then(() => {}),
            "part_delta",
            data,
          ],
        };
        const expected: Frame[] = [];
        for (const each of calls) {
          const [sent, ...frame] = send[each.kind]!(each);
          await sent;
          expected.push(frame);
        }
        await sendProjectUpdate(stream, id, "completed");
        expected.push(["project_update", { ...project, status: "completed", result: null }]);
        expect(exact(await heard(id))).toEqual(exact(expected));
        const log = await hub.run(id).log.entries();
        const views = [agentorView, pydanticDeepView, agentxView({ run: id })];
        for (const view of views) for (const { data } of shown(view, log)) JSON.parse(data);
      }),
      { numRuns: 60, ...seed },
    );
  });
});
