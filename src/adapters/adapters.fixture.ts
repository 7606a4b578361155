import type { LanguageModelV4StreamPart } from "@ai-sdk/provider";
import { MockLanguageModelV4 } from "ai/test";
import { expect } from "vitest";
import type { AgentLike } from "../agent.ts";
import type { AgentEvent, Entry, EventOf, StreamEvent } from "../events.ts";
import { createHub, type Run } from "../hub.ts";
import { encodeEvent, parseEvent } from "../schema.ts";
import { memoryStore } from "../stores/memory.ts";
import { untilWaiting } from "../until-waiting.ts";

/** What a model does when it is asked: parts of its stream, an error to throw, or a stream that is made then. */
export type Turn =
  | readonly LanguageModelV4StreamPart[]
  | Error
  | (() => AsyncIterable<LanguageModelV4StreamPart>);

/** The AI SDK's own mock, that does one thing after another. */
export function mockModel(...turns: readonly Turn[]): MockLanguageModelV4 {
  let asked = 0;
  return new MockLanguageModelV4({
    provider: "mock",
    modelId: "mock-1",
    doStream: async () => {
      const turn = turns[asked++];
      if (turn === undefined) throw new Error(`The mock has ${turns.length} turns, and this is one more`);
      if (turn instanceof Error) throw turn;
      return { stream: ReadableStream.from(typeof turn === "function" ? turn() : turn) };
    },
  });
}

export interface Collected {
  readonly events: readonly AgentEvent[];
  /** What was thrown at the end. */
  readonly error: unknown;
}

/** Reads events to their end, as a log would take them. */
export async function collect(stream: AsyncIterable<AgentEvent>): Promise<Collected> {
  const events: AgentEvent[] = [];
  let error: unknown;
  try {
    for await (const event of stream) {
      parseEvent(event);
      events.push(JSON.parse(encodeEvent(event)));
    }
  } catch (thrown) {
    error = thrown;
  }
  return { events, error };
}

export interface Played {
  readonly run: Run;
  readonly entries: readonly Entry[];
  readonly events: readonly StreamEvent[];
}

interface PlayOptions {
  readonly input?: string;
  /** What people say to its questions, one after another. @default nothing: the run waits */
  readonly answers?: readonly { readonly approved: boolean; readonly reason?: string }[];
}

/** Runs an agent in a hub of its own until it has ended, or waits and nobody answers. */
export async function play(
  agent: AgentLike,
  { input = "Hello", answers = [] }: PlayOptions = {},
): Promise<Played> {
  const hub = await createHub({ store: memoryStore(), agents: [agent] });
  const { run } = await hub.start({ input, id: "r1" });
  const left = [...answers];
  for (let from = 0; ; ) {
    const waits = untilWaiting(from);
    for await (const { entries = [] } of run.follow()) if (waits(entries)) break;
    const entries = await run.log.entries();
    const events = entries.map(({ event }) => event);
    const answered = events.flatMap((event) => (event.type === "input.approval" ? [event.approvalId] : []));
    const question = events.find(
      (event): event is EventOf<"approval.requested"> =>
        event.type === "approval.requested" && !answered.includes(event.approvalId),
    );
    const answer = left.shift();
    if (!question || !answer) return { run, entries, events };
    await run.send({ type: "input.approval", approvalId: question.approvalId, ...answer });
    from = entries.length + 1;
  }
}

/** Fails unless each block, call and step of the events is opened once, and ended once or withdrawn. */
export function expectWhole(events: readonly StreamEvent[]): void {
  /** What is open, and by whom. */
  const open = new Map<string, string>();
  const seen = new Set<string>();
  for (const event of events) {
    const by = `${event.agent} ${event.parent}`;
    const begin = (key: string) => {
      expect(seen).not.toContain(key);
      seen.add(key);
      open.set(key, by);
    };
    const goOn = (key: string) => expect([...open.keys()]).toContain(key);
    const end = (key: string) => expect(open.delete(key), `${key} ends, and is not open`).toBe(true);
    switch (event.type) {
      case "text.started":
      case "reasoning.started":
        begin(`block ${event.id}`);
        break;
      case "text.delta":
      case "reasoning.delta":
        goOn(`block ${event.id}`);
        break;
      case "text.finished":
      case "reasoning.finished":
        end(`block ${event.id}`);
        break;
      case "tool.started":
        begin(`call ${event.callId}`);
        break;
      case "tool.delta":
      case "tool.called":
      case "tool.progressed":
        goOn(`call ${event.callId}`);
        break;
      case "tool.returned":
      case "tool.failed":
        end(`call ${event.callId}`);
        break;
      case "step.started":
        begin(`step ${by} ${event.step}`);
        break;
      case "step.finished":
        end(`step ${by} ${event.step}`);
        break;
      case "step.retried":
        for (const [key, owner] of open) if (owner === by && !key.startsWith("step")) open.delete(key);
        break;
      default:
    }
  }
  expect([...open.keys()]).toEqual([]);
}

/** The events, but for calls of which only the end was told. */
export function withoutStrayEnds(events: readonly StreamEvent[]): StreamEvent[] {
  const started = new Set(events.flatMap((event) => (event.type === "tool.started" ? [event.callId] : [])));
  return events.filter((event) => !("callId" in event) || started.has(event.callId));
}
