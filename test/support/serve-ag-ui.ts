import type { AgentFunction, AgentLike, AgentStream, RunContext } from "../../src/agent.ts";
import { createHub, type Hub } from "../../src/hub.ts";
import { createApp } from "../../src/server/app.ts";
import { memoryStore } from "../../src/stores/memory.ts";

/** A gate that an agent waits at until the test opens it. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}

/** Says back what was asked, in two pieces. */
export async function* parrot({ input, signal }: RunContext): AgentStream {
  if (signal.aborted) return;
  yield { type: "step.started", step: 1, model: "demo" };
  yield { type: "text.started", id: "1", messageId: "m-1" };
  yield { type: "text.delta", id: "1", text: "You said " };
  yield { type: "text.delta", id: "1", text: questionOf(input) };
  yield { type: "text.finished", id: "1" };
  const usage = { inputTokens: 3, outputTokens: 4 };
  yield { type: "step.finished", step: 1, finishReason: "stop", model: "demo", usage, cost: 0.5 };
}

/** Asks before it deletes, and says what came of it. */
export async function* careful({ entries }: RunContext): AgentStream {
  const call = { callId: "c-1", name: "delete" };
  const answer = entries.findLast(({ event }) => event.type === "input.approval")?.event;
  if (answer?.type !== "input.approval") {
    yield { type: "step.started", step: 1 };
    yield { type: "tool.called", ...call, input: { file: "a" }, messageId: "m-1" };
    yield { type: "approval.requested", approvalId: "a-1", ...call, input: { file: "a" }, reason: "Sure?" };
    yield { type: "step.finished", step: 1, finishReason: "tool-calls", usage: null, cost: null };
    yield { type: "progress", iteration: 1, totalTokens: 0, totalCost: null };
    return;
  }
  if (answer.approved) yield { type: "tool.returned", ...call, output: "gone", durationMs: 1 };
  else yield { type: "tool.failed", ...call, code: "denied", message: answer.reason ?? "No" };
  const said = entries.flatMap(({ event }) => (event.type === "input.message" ? [event.message] : []));
  yield { type: "text.started", id: "2" };
  yield { type: "text.delta", id: "2", text: answer.approved ? "Done." : "As you wish." };
  for (const { parts } of said) yield { type: "text.delta", id: "2", text: ` And ${JSON.stringify(parts)}` };
  yield { type: "text.finished", id: "2" };
}

export function questionOf(input: RunContext["input"]): string {
  if (typeof input === "string") return input;
  return input.flatMap(({ parts }) => parts.map((part) => (part.type === "text" ? part.text : ""))).join(" ");
}

export interface Served {
  readonly hub: Hub;
  /** As `fetch`, without a network. */
  readonly fetch: (url: string | URL | Request, init?: RequestInit) => Promise<Response>;
}

const hubs: Hub[] = [];

/** A server without a network. */
export async function serve(...agents: (AgentLike | AgentFunction)[]): Promise<Served> {
  const hub = await createHub({ store: memoryStore(), agents });
  hubs.push(hub);
  const app = createApp({ hub });
  return {
    hub,
    fetch: (url, init) => app.fetch(new Request(new URL(String(url), "http://localhost"), init)),
  };
}

/** Ends what the tests left at work. */
export async function stopAll(): Promise<void> {
  for (const hub of hubs.splice(0)) await hub.drain(0);
}
