import { createParser, type EventSourceMessage } from "eventsource-parser";
import { onTestFinished } from "vitest";
import type { AgentStream, RunContext } from "../agent.ts";
import { createHub } from "../hub.ts";
import { createApp } from "../server/app.ts";
import { memoryStore } from "../stores/memory.ts";

async function* parrot({ input }: RunContext): AgentStream {
  yield { type: "text.started", id: "1" };
  yield { type: "text.delta", id: "1", text: `You said ${input}` };
  yield { type: "text.finished", id: "1" };
}

/** A server without a network that has one run, `t-1`, of an agent that says back what it was asked. */
export async function serveParrot() {
  const hub = await createHub({ store: memoryStore(), agents: [parrot] });
  onTestFinished(() => hub.drain(0));
  const app = createApp({ hub });
  const ask = (path: string, init?: RequestInit) => app.fetch(new Request(`http://localhost${path}`, init));
  const { run } = await hub.start({ input: "Hello", id: "t-1" });
  await run.ended();
  return { ask, hub };
}

/** What a client's parser makes of a response. */
export async function messagesOf(response: Response): Promise<EventSourceMessage[]> {
  const list: EventSourceMessage[] = [];
  createParser({ onEvent: (message) => list.push(message) }).feed(await response.text());
  return list;
}
