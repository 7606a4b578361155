import { setTimeout } from "node:timers/promises";
import type { AgentLike, AgentStream, RunContext } from "../../src/agent.ts";
import type { AgentEvent, StreamEvent } from "../../src/events.ts";
import { agents as testAgents } from "../../test/support/agents.ts";

/** What the steady agents are asked, as JSON: so many items, one each so many ms. */
export interface SteadyInput {
  readonly events: number;
  readonly everyMs: number;
}

/** An item of a steady agent: its number, and the process that said it. */
export interface Item {
  readonly index: number;
  readonly pid: number;
}

const NAME = "app.item";

/** The item in an event, if it is one. */
export function itemOf(event: StreamEvent): Item | undefined {
  return event.type === "custom" && event.name === NAME ? (event.data as unknown as Item) : undefined;
}

/** Says its items one by one, and calls a tool now and then. Goes on after the last item that the log has. */
async function* steady({ input, entries, signal }: RunContext): AgentStream {
  const { events, everyMs } = JSON.parse(input as string) as SteadyInput;
  const said = entries.filter(({ event }) => itemOf(event)).length;
  for (let index = said; index < events && !signal.aborted; index++) {
    yield { type: "custom", name: NAME, data: { index, pid: process.pid } } satisfies AgentEvent;
    if (index % 10 === 9) {
      const callId = `call-${index}-${process.pid}`;
      yield { type: "tool.called", callId, name: "look", input: { index } };
      yield { type: "tool.returned", callId, name: "look", output: index, durationMs: 0 };
    }
    await setTimeout(everyMs, undefined, { signal }).catch(() => {});
  }
}

/** Those of the tests, and two that speak at a rate: one fails with its process, the other is taken over. */
export const agents: readonly AgentLike[] = [
  ...testAgents,
  { name: "steady", run: steady },
  { name: "steady-resumed", onProducerLost: "resume", run: steady },
];
