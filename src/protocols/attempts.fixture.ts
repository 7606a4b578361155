import { event, type StreamEvent } from "../events.ts";

const started = event.runStarted({ v: 1, agent: "lead", input: "Go" });
const ends = { finishReason: "stop", usage: null, cost: null } as const;
const retried = event.stepRetried({ step: 1, attempt: 1, code: "overloaded", message: "Busy" });
const inside = (parent: string, ...events: readonly StreamEvent[]): StreamEvent[] =>
  events.map((each) => ({ ...each, agent: "helper", parent }) as StreamEvent);
const say = (id: string, text: string): StreamEvent[] => [
  event.textStarted({ id }),
  event.textDelta({ id, text }),
];
const call = (callId: string) => event.toolCalled({ callId, name: "search", input: {} });
const ask = (approvalId: string, callId: string) =>
  event.approvalRequested({ approvalId, callId, name: "search", input: {} });

/** Two agents at once inside the run's own; the attempt of one is withdrawn while the other speaks. */
export const siblingRetried: readonly StreamEvent[] = [
  started,
  event.stepStarted({ step: 1 }),
  call("one"),
  call("two"),
  ...inside("one", event.stepStarted({ step: 1 }), ...say("1", "Wrong")),
  ...inside("two", event.stepStarted({ step: 1 }), ...say("2", "Right"), call("asks"), ask("a", "asks")),
  ...inside("one", retried),
  ...inside("two", event.textDelta({ id: "2", text: " still" })),
];

const askedAndHelped: readonly StreamEvent[] = [
  started,
  event.stepStarted({ step: 1 }),
  ...say("1", "Wrong"),
  call("one"),
  call("two"),
  ask("a", "two"),
  ...inside("one", event.stepStarted({ step: 1 }), ...say("2", "Wrong too")),
  ...inside("one", event.stepFinished({ step: 1, ...ends })),
];

/** The run's own attempt is withdrawn after an agent inside it was done. */
export const retriedAfterHelp: readonly StreamEvent[] = [...askedAndHelped, retried, ...say("3", "Right")];

/** The same as another process goes on. */
export const resumedAfterHelp: readonly StreamEvent[] = [
  ...askedAndHelped,
  event.runResumed({ fromStep: 1 }),
  event.stepStarted({ step: 1 }),
  ...say("3", "Right"),
];

/** What was asked in one process is answered in another, and the call goes on there. */
export const answeredElsewhere: readonly StreamEvent[] = [
  started,
  event.stepStarted({ step: 1 }),
  call("two"),
  ask("a", "two"),
  event.stepFinished({ step: 1, ...ends }),
  ...say("1", "Said between"),
  event.runResumed({ fromStep: 2 }),
  event.inputApproval({ approvalId: "a", approved: true }),
  event.toolReturned({ callId: "two", name: "search", output: "found", durationMs: 1 }),
];

/** A text, an agent that works inside the step, and then the message that the text was of. */
export const messageAfterHelp: readonly StreamEvent[] = [
  started,
  event.stepStarted({ step: 1 }),
  event.textStarted({ id: "1", messageId: "m" }),
  event.textDelta({ id: "1", text: "Once" }),
  event.textFinished({ id: "1" }),
  call("one"),
  ...inside("one", event.stepStarted({ step: 1 }), event.stepFinished({ step: 1, ...ends })),
  event.toolReturned({ callId: "one", name: "search", output: "found", durationMs: 1 }),
  event.message({ message: { id: "m", role: "assistant", parts: [{ type: "text", text: "Once" }] } }),
  event.stepFinished({ step: 1, ...ends }),
];
