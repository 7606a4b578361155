import { openBatch, type StoredEntry, sealBatch } from "../batch.ts";
import { event, type Message, type StreamEvent } from "../events.ts";
import { EMPTY } from "../log.ts";
import { encodeEvent } from "../schema.ts";
import type { Batch, Tail } from "../store.ts";

/** When the fixture logs begin, in ms since the epoch; their entries follow each other by {@linkcode STEP_MS}. */
export const START_MS = Date.UTC(2026, 0, 2, 3, 4, 5, 6);
export const STEP_MS = 250;

const usage = { inputTokens: 100, outputTokens: 20 };
const started = (fields: Partial<Parameters<typeof event.runStarted>[0]> = {}) =>
  event.runStarted({ v: 1, agent: "assistant", input: "Hello", ...fields });
const finished = (steps = 1) =>
  event.runFinished({
    usage: { inputTokens: 100 * steps, outputTokens: 20 * steps },
    cost: 0.001 * steps,
  });
const stepEnds = (step: number, finishReason: "stop" | "tool-calls" = "stop"): StreamEvent[] => [
  event.stepFinished({ step, finishReason, model: "demo", usage, cost: 0.001, durationMs: 900 }),
  event.progress({
    iteration: step,
    maxIterations: 50,
    totalTokens: 120 * step,
    totalCost: 0.001 * step,
  }),
];
const text = (id: string, messageId: string, ...pieces: readonly string[]): StreamEvent[] => [
  event.textStarted({ id, messageId }),
  ...pieces.map((piece) => event.textDelta({ id, text: piece })),
  event.textFinished({ id }),
];
const said = (id: string, ...parts: Message["parts"]): StreamEvent =>
  event.message({ message: { id, role: "assistant", parts } });

/** One step that answers in three pieces. */
const plain: readonly StreamEvent[] = [
  started(),
  event.stepStarted({ step: 1, model: "demo" }),
  ...text("1-0", "m-1", "Hel", "lo, ", "world."),
  said("m-1", { type: "text", text: "Hello, world." }),
  ...stepEnds(1),
  finished(),
];

/** An agent that only speaks: no steps, no messages, blocks that belong to none. */
const bare: readonly StreamEvent[] = [
  started({ agent: "parrot" }),
  event.textStarted({ id: "1" }),
  event.textDelta({ id: "1", text: "You said " }),
  event.textDelta({ id: "1", text: "Hello" }),
  event.textFinished({ id: "1" }),
  event.textStarted({ id: "2" }),
  event.textDelta({ id: "2", text: "Bye" }),
  event.textFinished({ id: "2" }),
  event.runFinished({ cost: 0 }),
];

/** Thinks, looks something up, and answers: arguments stream, the tool reports, then returns. */
const tool: readonly StreamEvent[] = [
  started({ input: "What is the weather in Oslo?" }),
  event.stepStarted({ step: 1, model: "demo" }),
  event.reasoningStarted({ id: "1-r", messageId: "m-1" }),
  event.reasoningDelta({ id: "1-r", text: "I should " }),
  event.reasoningDelta({ id: "1-r", text: "look." }),
  event.reasoningFinished({ id: "1-r" }),
  ...text("1-0", "m-1", "Let me look."),
  event.toolStarted({ callId: "c-1", name: "weather", messageId: "m-1" }),
  event.toolDelta({ callId: "c-1", text: '{"city":' }),
  event.toolDelta({ callId: "c-1", text: '"Oslo"}' }),
  event.toolCalled({ callId: "c-1", name: "weather", input: { city: "Oslo" }, messageId: "m-1" }),
  event.toolProgressed({ callId: "c-1", data: { asked: "yr.no" } }),
  event.toolReturned({ callId: "c-1", name: "weather", output: { celsius: -3 }, durationMs: 120 }),
  said(
    "m-1",
    { type: "reasoning", text: "I should look." },
    { type: "text", text: "Let me look." },
    { type: "tool", callId: "c-1", name: "weather", input: { city: "Oslo" }, output: { celsius: -3 } },
  ),
  ...stepEnds(1, "tool-calls"),
  event.stepStarted({ step: 2, model: "demo" }),
  ...text("2-0", "m-2", "It is ", "-3 °C."),
  said("m-2", { type: "text", text: "It is -3 °C." }),
  ...stepEnds(2),
  finished(2),
];

/** Three calls at once, two of one tool; they end in another order, one of them badly. */
const parallelTools: readonly StreamEvent[] = [
  started(),
  event.stepStarted({ step: 1 }),
  event.toolCalled({ callId: "a", name: "read", input: { file: "a" } }),
  event.toolCalled({ callId: "b", name: "read", input: { file: "b" } }),
  event.toolCalled({ callId: "c", name: "clock", input: {} }),
  event.toolReturned({ callId: "c", name: "clock", output: null, durationMs: 1 }),
  event.toolFailed({ callId: "b", name: "read", code: "tool_error", message: "No such file", durationMs: 2 }),
  event.toolReturned({ callId: "a", name: "read", output: "A", durationMs: 3 }),
  ...stepEnds(1, "tool-calls"),
  event.stepStarted({ step: 2 }),
  ...text("2-0", "m-2", "Only a."),
  ...stepEnds(2),
  finished(2),
];

/** The provider breaks off in the middle of a sentence. */
const failedMidText: readonly StreamEvent[] = [
  started(),
  event.stepStarted({ step: 1 }),
  event.textStarted({ id: "1-0", messageId: "m-1" }),
  event.textDelta({ id: "1-0", text: "Once upon" }),
  event.textFinished({ id: "1-0", interrupted: true }),
  event.stepFinished({ step: 1, finishReason: "interrupted", usage: null, cost: null }),
  event.runFailed({ code: "provider_failed", message: "The provider broke off", cost: null }),
];

/** A person cancels while a tool works and another is being called. */
const cancelledMidTool: readonly StreamEvent[] = [
  started(),
  event.stepStarted({ step: 1 }),
  event.toolCalled({ callId: "c-1", name: "search", input: { query: "x" } }),
  event.toolStarted({ callId: "c-2", name: "search" }),
  event.toolDelta({ callId: "c-2", text: '{"que' }),
  event.inputCancel({ reason: "enough", by: "ada" }),
  event.toolFailed({
    callId: "c-1",
    name: "search",
    code: "interrupted",
    message: "The run was cancelled",
    durationMs: 9,
  }),
  event.toolFailed({ callId: "c-2", name: "search", code: "interrupted", message: "The run was cancelled" }),
  event.stepFinished({ step: 1, finishReason: "interrupted", usage: null, cost: null }),
  event.runCancelled({ reason: "enough", cost: null }),
];

/** An attempt fails after it has spoken and begun a call; the next one, of another model, answers. */
const retried: readonly StreamEvent[] = [
  started(),
  event.stepStarted({ step: 1, model: "first" }),
  event.textStarted({ id: "1-0", messageId: "m-1" }),
  event.textDelta({ id: "1-0", text: "Withdrawn " }),
  event.toolStarted({ callId: "c-1", name: "search", messageId: "m-1" }),
  event.toolCalled({ callId: "c-1", name: "search", input: {}, messageId: "m-1" }),
  event.stepRetried({ step: 1, attempt: 1, code: "overloaded", message: "Too many", model: "second" }),
  ...text("1.2-0", "m-1.2", "Here ", "it is."),
  said("m-1.2", { type: "text", text: "Here it is." }),
  ...stepEnds(1),
  finished(),
];

/** Another process takes a run over in the middle of a step. */
const resumed: readonly StreamEvent[] = [
  started({ onProducerLost: "resume" }),
  event.stepStarted({ step: 1 }),
  event.textStarted({ id: "1-0", messageId: "m-1" }),
  event.textDelta({ id: "1-0", text: "Lost " }),
  event.runResumed({ fromStep: 1 }),
  event.stepStarted({ step: 1 }),
  ...text("1.2-0", "m-1.2", "Found."),
  said("m-1.2", { type: "text", text: "Found." }),
  ...stepEnds(1),
  finished(),
];

const asks: readonly StreamEvent[] = [
  started({ input: "Delete it" }),
  event.stepStarted({ step: 1 }),
  ...text("1-0", "m-1", "May I?"),
  event.toolCalled({ callId: "c-1", name: "delete", input: { file: "a" }, messageId: "m-1" }),
  event.approvalRequested({
    approvalId: "a-c-1",
    callId: "c-1",
    name: "delete",
    input: { file: "a" },
    reason: "It cannot be undone",
  }),
  said(
    "m-1",
    { type: "text", text: "May I?" },
    { type: "tool", callId: "c-1", name: "delete", input: { file: "a" } },
  ),
  ...stepEnds(1, "tool-calls"),
];

/** A run that waits for a person: it has not ended. */
const waiting: readonly StreamEvent[] = asks;

/** A person agrees, and the run goes on. */
const approved: readonly StreamEvent[] = [
  ...asks,
  event.inputApproval({ approvalId: "a-c-1", approved: true, by: "ada" }),
  event.toolReturned({ callId: "c-1", name: "delete", output: "done", durationMs: 5 }),
  event.stepStarted({ step: 2 }),
  ...text("2-0", "m-2", "Deleted."),
  said("m-2", { type: "text", text: "Deleted." }),
  ...stepEnds(2),
  finished(2),
];

/** A person refuses. */
const denied: readonly StreamEvent[] = [
  ...asks,
  event.inputApproval({ approvalId: "a-c-1", approved: false, reason: "Not now" }),
  event.toolFailed({ callId: "c-1", name: "delete", code: "denied", message: "Not now" }),
  event.stepStarted({ step: 2 }),
  ...text("2-0", "m-2", "As you wish."),
  ...stepEnds(2),
  finished(2),
];

/** Texts that framing, escaping and joining may break on, in every place where a text can stand. */
const oddTexts = [
  "\n\n",
  "data: {}\r\nevent: reset\r\nid: 0\n\n",
  "\u2028\u2029\u0085\0\u0007",
  "\ud83d",
  "\ude00",
  "😀",
  "e\u0301",
  '</script>"\\',
  "",
  " \t ",
  "__proto__",
];
const oddText: readonly StreamEvent[] = [
  started({ input: oddTexts.join("") }),
  event.stepStarted({ step: 1 }),
  ...text("1-0", "m-1", ...oddTexts),
  ...oddTexts.flatMap((odd, index): StreamEvent[] => [
    event.toolCalled({ callId: `c-${index}`, name: odd, input: { [odd]: odd } }),
    event.toolReturned({ callId: `c-${index}`, name: odd, output: odd, durationMs: 1 }),
    event.custom({ name: odd, data: odd }),
    event.artifact({ id: odd, action: "created", name: odd }),
    event.error({ code: odd, message: odd }),
  ]),
  said("m-1", { type: "text", text: oddTexts.join("") }),
  ...stepEnds(1),
  event.runFinished({ output: { text: oddTexts }, cost: 0 }),
];

/** What a newer version may write: a type, a field and a part that nobody here knows. */
const unknown: readonly StreamEvent[] = [
  started(),
  { type: "weather.changed", to: "rain" } as unknown as StreamEvent,
  event.textStarted({ id: "1", messageId: "m-1" }),
  { type: "text.delta", id: "1", text: "Hi", mood: "new" } as unknown as StreamEvent,
  event.textFinished({ id: "1" }),
  event.message({
    message: {
      id: "m-1",
      role: "assistant",
      parts: [{ type: "text", text: "Hi" }, { type: "smell", of: "rain" } as never],
    },
  }),
  { type: "run.moved", to: "elsewhere" } as unknown as StreamEvent,
  finished(),
];

/** Everything else that may happen: several agents, artifacts, plans, files, messages from outside, output. */
const everything: readonly StreamEvent[] = [
  started({
    agent: "lead",
    input: [{ id: "u-1", role: "user", parts: [{ type: "text", text: "Write a report" }] }],
    history: [{ id: "h-1", role: "user", parts: [{ type: "text", text: "Hi" }] }],
    thread: "t-1",
    tags: ["reports"],
    metadata: { user: 7 },
  }),
  event.status({ status: "working", progress: 5 }),
  event.plan({
    items: [
      { id: "p-1", title: "Read", status: "running" },
      { id: "p-2", title: "Write", status: "pending" },
    ],
  }),
  event.stepStarted({ step: 1, model: "demo" }),
  event.source({ id: "s-1", url: "https://example.org", title: "Example" }),
  event.file({ id: "f-1", mediaType: "image/png", data: "iVBORw0KGgo=" }),
  event.outputDelta({ value: { title: "Re" } }),
  event.outputDelta({ value: { title: "Report" }, complete: true }),
  event.inputMessage({
    message: { id: "u-2", role: "user", parts: [{ type: "text", text: "Shorter, please" }] },
    by: "ada",
  }),
  event.agentChanged({ from: "lead", to: "writer" }),
  { ...event.status({ status: "starting" }), agent: "writer" },
  { ...event.textStarted({ id: "1-0", messageId: "m-1" }), agent: "writer" },
  { ...event.textDelta({ id: "1-0", text: "Report" }), agent: "writer" },
  { ...event.textFinished({ id: "1-0" }), agent: "writer" },
  event.artifact({
    id: "report",
    action: "created",
    name: "report.md",
    parts: [{ type: "text", text: "# Report" }],
    version: 1,
    metadata: { size: 8 },
  }),
  event.artifact({ id: "report", action: "updated", name: "report.md", version: 2 }),
  event.error({ code: "search_failed", message: "The search gave nothing", retryable: true }),
  event.custom({ name: "app.rating", data: { stars: 5 } }),
  said(
    "m-1",
    { type: "text", text: "Report" },
    { type: "file", mediaType: "image/png", data: "iVBORw0KGgo=" },
    { type: "data", data: { stars: 5 }, name: "rating" },
  ),
  ...stepEnds(1),
  event.progress({ iteration: 1, totalTokens: 120, totalCost: null, fraction: 0.5 }),
  event.runFinished({ output: { title: "Report" }, usage, cost: 0.001 }),
];

/** Tools that are agents: two at once, one of them with an agent of its own; one fails. */
const by = (agent: string, parent: string, each: StreamEvent): StreamEvent => ({ ...each, agent, parent });
const nested: readonly StreamEvent[] = [
  started({ agent: "lead" }),
  event.stepStarted({ step: 1 }),
  event.toolCalled({ callId: "c-1", name: "research", input: { topic: "rain" }, messageId: "m-1" }),
  event.toolCalled({ callId: "c-2", name: "review", input: {}, messageId: "m-1" }),
  by("researcher", "c-1", event.stepStarted({ step: 2 })),
  ...text("2-0", "m-2", "It rains ", "often.").map((each) => by("researcher", "c-1", each)),
  by("critic", "c-2", event.reasoningStarted({ id: "3-r", messageId: "m-3" })),
  by("critic", "c-2", event.reasoningDelta({ id: "3-r", text: "Hm" })),
  by("researcher", "c-1", event.toolCalled({ callId: "c-3", name: "count", input: { days: 30 } })),
  by("counter", "c-3", event.textStarted({ id: "4-0" })),
  by("counter", "c-3", event.textDelta({ id: "4-0", text: "12" })),
  by("counter", "c-3", event.textFinished({ id: "4-0" })),
  by("researcher", "c-1", event.toolReturned({ callId: "c-3", name: "count", output: 12, durationMs: 4 })),
  by("critic", "c-2", event.reasoningFinished({ id: "3-r" })),
  event.toolFailed({ callId: "c-2", name: "review", code: "tool_error", message: "No", durationMs: 5 }),
  ...stepEnds(2).map((each) => by("researcher", "c-1", each)),
  event.toolReturned({ callId: "c-1", name: "research", output: "12 of 30", durationMs: 9 }),
  ...stepEnds(1, "tool-calls"),
  event.stepStarted({ step: 3 }),
  ...text("5-0", "m-5", "It rains on 12 days."),
  ...stepEnds(3),
  finished(3),
];

/** A run that a producer elsewhere writes, which then falls silent. */
const producerLost: readonly StreamEvent[] = [
  started({ agent: null, input: "(a producer elsewhere)", leaseMs: 60_000 }),
  event.textStarted({ id: "1" }),
  event.textDelta({ id: "1", text: "Hm" }),
  event.textFinished({ id: "1", interrupted: true }),
  event.runFailed({ code: "producer_lost", message: "The process that ran the agent is gone", cost: 0 }),
];

/**
 * Logs that every view must be able to show, by name. Each holds what one reader or another trips over; all but
 * `waiting` have ended.
 */
export const logs = {
  plain,
  bare,
  tool,
  parallelTools,
  failedMidText,
  cancelledMidTool,
  retried,
  resumed,
  waiting,
  approved,
  denied,
  oddText,
  unknown,
  everything,
  nested,
  producerLost,
} as const satisfies Readonly<Record<string, readonly StreamEvent[]>>;

/** Events as the batches of a log: of one, two and three entries by turns, at times that never change. */
export function toBatches(events: readonly StreamEvent[]): Batch[] {
  const batches: Batch[] = [];
  let tail: Tail = EMPTY;
  for (let first = 0; first < events.length; ) {
    const size = 1 + (batches.length % 3);
    const lines = events.slice(first, first + size).map(lineOf);
    const batch = sealBatch(tail, lines, START_MS + STEP_MS * batches.length, "fixture");
    batches.push(batch);
    tail = { seq: batch.seq, check: batch.check };
    first += size;
  }
  return batches;
}

/** Events as the entries of a log, as a store gives them back. */
export function toEntries(events: readonly StreamEvent[]): StoredEntry[] {
  return toBatches(events).flatMap((batch) => openBatch(batch).entries);
}

/** What this version does not know is kept as a newer one would have written it. */
function lineOf(each: StreamEvent): string {
  try {
    return encodeEvent(each);
  } catch {
    return JSON.stringify(each);
  }
}
