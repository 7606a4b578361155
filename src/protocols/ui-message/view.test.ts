import { safeValidateTypes } from "@ai-sdk/provider-utils";
import { readUIMessageStream, type UIMessage, type UIMessageChunk, uiMessageChunkSchema } from "ai";
import { describe, expect, it } from "vitest";
import { event, isTerminal, type StreamEvent } from "../../events.ts";
import { toMessages } from "../../messages.ts";
import { Summary } from "../../summary.ts";
import { logs, toEntries } from "../../testing/logs.ts";
import { RUN, shown, testProtocol } from "../../testing/protocol.ts";
import { randomRuns } from "../../testing/random-runs.ts";
import type { ViewMessage } from "../../view.ts";
import { resumedAfterHelp, retriedAfterHelp, siblingRetried } from "../attempts.fixture.ts";
import { readMessage } from "./chat.ts";
import { uiMessageView } from "./view.ts";

const ends = ["finish", "error", "abort"];

testProtocol("ui-message", { open: () => uiMessageView(RUN), golden: "view.golden.txt", judge });

/** The AI SDK's schema, its reader, and the text that the log has. */
async function judge(messages: readonly ViewMessage[], events: readonly StreamEvent[]): Promise<void> {
  const chunks = messages.map(({ data }) => JSON.parse(data) as UIMessageChunk);
  for (const chunk of chunks) {
    const result = await safeValidateTypes({ value: chunk, schema: uiMessageChunkSchema });
    if (!result.success) throw result.error;
  }
  const at = chunks.flatMap(({ type }, index) => (ends.includes(type) ? [index] : []));
  expect(at).toEqual(isTerminal(events.at(-1)!) ? [chunks.length - 1] : []);
  const { message, errors } = await read(chunks);
  expect(errors).toEqual(failureOf(events));
  expect(message?.id).toBe(RUN);
  expect(textsOf(message).sort()).toEqual(textsIn(events).sort());
  if (isTerminal(events.at(-1)!)) expect(message?.parts.filter(isOpen)).toEqual([]);
}

/** What a client makes of chunks, and what it finds wrong with them. */
async function read(chunks: readonly UIMessageChunk[], message?: UIMessage) {
  const errors: string[] = [];
  let built: UIMessage | undefined;
  const stream = readUIMessageStream({
    stream: ReadableStream.from(chunks),
    onError: (error) => errors.push((error as Error).message),
    ...(message && { message }),
  });
  for await (const each of stream) built = each;
  return { message: built, errors };
}

const readAll = async (events: readonly StreamEvent[]) => {
  const { message, errors } = await read(chunksOf(events));
  expect(errors).toEqual(failureOf(events));
  return message!;
};

function chunksOf(events: readonly StreamEvent[], after?: number): UIMessageChunk[] {
  const messages = shown(uiMessageView(RUN, { after }), toEntries(events));
  return messages.map(({ data }) => JSON.parse(data) as UIMessageChunk);
}

const isOpen = (part: UIMessage["parts"][number]) =>
  "state" in part &&
  ["streaming", "input-streaming", "input-available", "approval-requested", "approval-responded"].includes(
    part.state ?? "",
  );

const textsOf = (message: UIMessage | undefined) =>
  message?.parts.flatMap((part) => (part.type === "text" && part.text !== "" ? [part.text] : [])) ?? [];

/** What agents said, those inside it too: not what people sent, nor what an agent passed on of them. */
const textsIn = (events: readonly StreamEvent[]) =>
  toMessages(toEntries(events.slice(1).map(({ parent: _, ...rest }) => rest as StreamEvent)))
    .filter(({ role }) => role === "assistant")
    .flatMap(({ parts }) =>
      parts.flatMap((part) => (part.type === "text" && part.text !== "" ? [part.text] : [])),
    );

const failureOf = (events: readonly StreamEvent[]) =>
  events.flatMap((each) => (each.type === "run.failed" ? [each.message || each.code] : []));

const started = event.runStarted({ v: 1, agent: "assistant", input: "Hello" });
const finished = event.runFinished({ cost: 0 });
const say = (id: string, text: string, messageId?: string): StreamEvent[] => [
  event.textStarted({ id, ...(messageId !== undefined && { messageId }) }),
  event.textDelta({ id, text }),
  event.textFinished({ id }),
];

describe("the UI message view", () => {
  it("[F74] names the message after the run, and tells usage and cost with its end", async () => {
    const message = await readAll(logs.tool);
    expect(message.id).toBe(RUN);
    expect(message.metadata).toMatchObject({
      run: RUN,
      agent: "assistant",
      status: "finished",
      usage: { inputTokens: 200, outputTokens: 40 },
      cost: 0.002,
    });
  });

  it("[F74] tells of a failure before the error at which clients stop reading", () => {
    const chunks = chunksOf(logs.failedMidText);
    expect(chunks.slice(-2)).toEqual([
      {
        type: "message-metadata",
        messageMetadata: {
          run: RUN,
          status: "failed",
          cost: null,
          error: { code: "provider_failed", message: "The provider broke off" },
        },
      },
      { type: "error", errorText: "The provider broke off" },
    ]);
  });

  it("[F78] ends a cancelled run with an abort, after closing what was open", async () => {
    const chunks = chunksOf(logs.cancelledMidTool);
    expect(chunks.at(-1)).toEqual({ type: "abort", reason: "enough" });
    const { parts } = await readAll(logs.cancelledMidTool);
    expect(parts.map((part) => ("state" in part ? part.state : part.type))).toEqual([
      "step-start",
      "output-error",
      "output-error",
    ]);
  });

  it("[F84] takes back what a failed attempt said, and nothing else", async () => {
    const { parts } = await readAll([
      started,
      event.stepStarted({ step: 1 }),
      ...say("1", "First."),
      event.stepFinished({ step: 1, finishReason: "tool-calls", usage: null, cost: null }),
      event.stepStarted({ step: 2 }),
      event.plan({ items: [{ id: "p", title: "Read", status: "running" }] }),
      ...say("2", "Withdrawn."),
      event.toolCalled({ callId: "c", name: "search", input: {} }),
      event.inputMessage({ message: { id: "u", role: "user", parts: [{ type: "text", text: "Shorter" }] } }),
      event.stepRetried({ step: 2, attempt: 1, code: "overloaded", message: "Busy" }),
      event.toolReturned({ callId: "c", name: "search", output: "late", durationMs: 1 }),
      ...say("2.2", "Second."),
      event.plan({ items: [{ id: "p", title: "Read", status: "completed" }] }),
      event.stepFinished({ step: 2, finishReason: "stop", usage: null, cost: null }),
      finished,
    ]);
    expect(parts).toEqual([
      { type: "step-start" },
      { type: "text", text: "First.", state: "done" },
      { type: "step-start" },
      { type: "data-plan", id: "plan", data: { items: [{ id: "p", title: "Read", status: "completed" }] } },
      { type: "steering-message", id: "u", parts: [{ type: "text", text: "Shorter" }] },
      { type: "text", text: "Second.", state: "done" },
    ]);
  });

  const stateOf = (part: UIMessage["parts"][number]) => {
    if (part.type === "text") return part.text;
    return "state" in part ? part.state : part.type;
  };

  it("[F84] takes back what an agent inside the run said, and leaves what another one says and asks", async () => {
    expect((await readAll(siblingRetried)).parts.map(stateOf)).toEqual([
      "step-start",
      "input-available",
      "input-available",
      "Right still",
      "approval-requested",
    ]);
  });

  it("[F84] takes back all of an attempt, its questions too, if an agent inside it was done before", async () => {
    for (const events of [retriedAfterHelp, resumedAfterHelp]) {
      expect((await readAll(events)).parts.map(stateOf)).toEqual(["step-start", "Right"]);
    }
  });

  it("[F84] takes back a question that was asked for the same message in a step before", async () => {
    const called = { callId: "c", name: "rm", input: {} };
    const { parts } = await readAll([
      started,
      event.stepStarted({ step: 1 }),
      ...say("1", "First.", "m"),
      event.stepFinished({ step: 1, finishReason: "stop", usage: null, cost: null }),
      event.stepStarted({ step: 2 }),
      event.toolCalled({ ...called, messageId: "m" }),
      event.approvalRequested({ ...called, approvalId: "a" }),
      event.stepRetried({ step: 2, attempt: 1, code: "overloaded", message: "Busy" }),
    ]);
    expect(parts.map(stateOf)).toEqual(["step-start", "First.", "step-start"]);
  });

  it("[F84] takes back the question about a call whose arguments began in a step before", async () => {
    const called = { callId: "c", name: "rm", input: {} };
    const { parts } = await readAll([
      started,
      event.stepStarted({ step: 1 }),
      event.toolStarted({ callId: "c", name: "rm" }),
      event.stepFinished({ step: 1, finishReason: "stop", usage: null, cost: null }),
      event.stepStarted({ step: 2 }),
      event.toolCalled(called),
      event.approvalRequested({ ...called, approvalId: "a" }),
      event.stepRetried({ step: 2, attempt: 1, code: "overloaded", message: "Busy" }),
    ]);
    expect(parts.map(stateOf)).toEqual(["step-start"]);
  });

  it("shows a message in place of what was streamed for it, where they differ", async () => {
    const { parts } = await readAll([
      started,
      event.stepStarted({ step: 1 }),
      event.textStarted({ id: "other", messageId: "m-2" }),
      ...say("1", "My key is 1234", "m-1"),
      event.message({
        message: { id: "m-1", role: "assistant", parts: [{ type: "text", text: "My key is ***" }] },
      }),
      event.textDelta({ id: "other", text: "Still here" }),
      event.stepFinished({ step: 1, finishReason: "stop", usage: null, cost: null }),
      finished,
    ]);
    expect(parts).toEqual([
      { type: "step-start" },
      { type: "text", text: "Still here", state: "done" },
      { type: "text", text: "My key is ***", state: "done" },
    ]);
  });

  it("shows a message that nothing was streamed for, whole", async () => {
    const { parts } = await readAll([
      started,
      event.message({
        message: {
          id: "m-1",
          role: "assistant",
          parts: [
            { type: "text", text: "Look" },
            { type: "reasoning", text: "Hm" },
            { type: "file", mediaType: "image/png", data: "iVBORw0KGgo=" },
            { type: "data", data: { stars: 5 }, name: "rating" },
            { type: "tool", callId: "c-1", name: "clock", input: {}, output: 7 },
            { type: "tool", callId: "c-2", name: "clock", input: {}, error: "Broken" },
          ],
        },
      }),
      finished,
    ]);
    expect(parts).toMatchObject([
      { type: "text", text: "Look", state: "done" },
      { type: "reasoning", text: "Hm", state: "done" },
      { type: "file", mediaType: "image/png", url: "data:image/png;base64,iVBORw0KGgo=" },
      { type: "data-rating", data: { stars: 5 } },
      { type: "tool-clock", toolCallId: "c-1", state: "output-available", output: 7 },
      { type: "tool-clock", toolCallId: "c-2", state: "output-error", errorText: "Broken" },
    ]);
  });

  it("keeps a call whose arguments come across steps in one part", async () => {
    const { parts } = await readAll([
      started,
      event.stepStarted({ step: 1 }),
      event.toolStarted({ callId: "c", name: "search" }),
      event.stepFinished({ step: 1, finishReason: "stop", usage: null, cost: null }),
      event.stepStarted({ step: 2 }),
      event.toolDelta({ callId: "c", text: '{"q":1}' }),
      event.toolCalled({ callId: "c", name: "search", input: { q: 1 } }),
      event.toolReturned({ callId: "c", name: "search", output: "found", durationMs: 1 }),
      finished,
    ]);
    expect(parts).toMatchObject([
      { type: "step-start" },
      { type: "tool-search", state: "output-available", input: { q: 1 }, output: "found" },
    ]);
  });

  it("[F20] asks, and shows the answer: the call's result, or that it was refused", async () => {
    expect((await readAll(logs.waiting)).parts).toContainEqual(
      expect.objectContaining({
        type: "tool-delete",
        state: "approval-requested",
        approval: { id: "a-c-1", requestReason: "It cannot be undone" },
      }),
    );
    expect((await readAll(logs.approved)).parts).toContainEqual(
      expect.objectContaining({ state: "output-available", output: "done" }),
    );
    expect((await readAll(logs.denied)).parts).toContainEqual(
      expect.objectContaining({
        state: "output-denied",
        approval: expect.objectContaining({ approved: false, reason: "Not now" }),
      }),
    );
  });

  it("[F20] leaves the question in the last step: automatic sending looks for answers there", async () => {
    const { parts } = await readAll(logs.waiting);
    const step = parts.findLastIndex(({ type }) => type === "step-start");
    expect(parts.slice(step).some(({ type }) => type === "tool-delete")).toBe(true);
  });

  it("[F20] continues a message at any question into what a replay builds, without a doubled part", async () => {
    let continued = 0;
    for (const events of randomRuns(400, 5)) {
      const summary = new Summary();
      for (const [index, each] of events.entries()) {
        if (each.type === "input.approval" && summary.waiting) {
          const first = await read(chunksOf(events.slice(0, index)));
          const wholeBlocks = !first.message!.parts.some(
            (part) => "state" in part && /streaming/.test(part.state ?? ""),
          );
          const rest = chunksOf(events, index);
          expect(rest[0]).toMatchObject({ type: "start", messageId: RUN, after: index });
          const { message, errors } = await read(rest, first.message);
          expect(errors).toEqual(failureOf(events));
          expect(textsOf(message).join("").length).toBe(textsIn(events).join("").length);
          if (wholeBlocks) expect(message).toEqual((await read(chunksOf(events))).message);
          continued++;
        }
        summary.apply(each, 0);
      }
    }
    expect(continued).toBeGreaterThan(50);
  });

  it("[F21] says who spoke, for whom, with each part", async () => {
    const { parts } = await readAll([
      started,
      { ...event.textStarted({ id: "1" }), agent: "writer", parent: "c-1" },
      { ...event.textDelta({ id: "1", text: "Hi" }), agent: "writer", parent: "c-1" },
      { ...event.toolCalled({ callId: "c-2", name: "clock", input: {} }), agent: "writer" },
      { ...event.status({ status: "working", progress: 5 }), agent: "writer" },
      event.status({ status: "working" }),
      event.agentChanged({ from: "lead", to: "writer" }),
      finished,
    ]);
    expect(parts).toMatchObject([
      { type: "text", text: "Hi", providerMetadata: { runlog: { agent: "writer", parent: "c-1" } } },
      { type: "tool-clock", callProviderMetadata: { runlog: { agent: "writer" } } },
      { type: "data-status", id: "status:writer", data: { status: "working", progress: 5, agent: "writer" } },
      { type: "data-status", id: "status", data: { status: "working" } },
      { type: "data-agent", id: "agent", data: { from: "lead", to: "writer" } },
    ]);
  });

  it("[F87] shows what people sent meanwhile as steering messages", async () => {
    const message = { id: "u", role: "user" as const, parts: [{ type: "text" as const, text: "Stop" }] };
    const { parts } = await readAll([started, event.inputMessage({ message, by: "ada" }), finished]);
    expect(parts).toEqual([{ type: "steering-message", id: "u", parts: [{ type: "text", text: "Stop" }] }]);
  });

  it("[F18] shows an application's events under names that no client trips over; an id in the data replaces", async () => {
    const names = ["app.rating", "__proto__", "constructor", "a b\n/c", ""];
    const { parts } = await readAll([
      started,
      ...names.map((name) => event.custom({ name, data: 1 })),
      event.custom({ name: "app.seat", data: { id: "7", free: true } }),
      event.custom({ name: "app.seat", data: { id: "7", free: false } }),
      finished,
    ]);
    expect(parts.map(({ type }) => type)).toEqual([
      "data-app.rating",
      "data-___proto__",
      "data-_constructor",
      "data-a-b-c",
      "data-custom",
      "data-app.seat",
    ]);
    expect(parts.at(-1)).toMatchObject({ id: "7", data: { free: false } });
  });

  it("gives pages no link that runs a script", async () => {
    const { parts } = await readAll([
      started,
      event.source({ id: "1", url: "javascript:alert(1)" }),
      event.source({ id: "2", url: "https://example.org/", title: "Example" }),
      event.file({ id: "3", mediaType: "text/html", url: " JavaScript:alert(1)" }),
      event.file({ id: "4", mediaType: "a/b;,<script>", data: "aGk=" }),
      finished,
    ]);
    expect(parts).toMatchObject([
      { type: "source-document", sourceId: "1", title: "javascript:alert(1)" },
      { type: "source-url", url: "https://example.org/" },
      { type: "file", url: "data:application/octet-stream;base64,aGk=" },
    ]);
  });

  it("shows progress, artifacts and output as data parts, each replaced by what comes after", async () => {
    const { parts } = await readAll(logs.everything);
    const data = parts.filter(({ type }) => type.startsWith("data-"));
    expect(data.map((part) => [part.type, (part as { id?: string }).id])).toEqual([
      ["data-status", "status"],
      ["data-plan", "plan"],
      ["data-output", "output"],
      ["data-agent", "agent"],
      ["data-status", "status:writer"],
      ["data-artifact", "report"],
      ["data-error", "error-17"],
      ["data-app.rating", "custom-18"],
      ["data-rating", "message:m-1/2"],
      ["data-progress", "progress"],
    ]);
    expect(data.find(({ type }) => type === "data-artifact")).toMatchObject({
      data: { action: "updated", version: 2, parts: [{ type: "text", text: "# Report" }] },
    });
  });

  it("builds the message that a client builds, when a page loads", async () => {
    for (const events of [...Object.values(logs), ...randomRuns(50, 9)]) {
      expect(await readMessage(RUN, toEntries(events))).toEqual((await read(chunksOf(events))).message);
    }
  });
});
