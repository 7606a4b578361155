import type { AgentLike } from "../../src/agent.ts";
import type { AgentEvent } from "../../src/events.ts";
import { scripted } from "./script.ts";

/** What the `script` agent is asked, as JSON. */
export interface ScriptInput {
  readonly seed: number;
  readonly events: number;
}

/** What the `bulk` agent is asked, as JSON: so many events of so many characters. */
export interface BulkInput {
  readonly events: number;
  readonly size: number;
}

/** The agents of the server that the tests start. */
export const agents: readonly AgentLike[] = [
  {
    name: "script",
    async *run({ input, signal }) {
      const { seed, events } = JSON.parse(input as string) as ScriptInput;
      yield { type: "text.started", id: "said" };
      for (let index = 0; index < events && !signal.aborted; index++) {
        yield scripted(seed, index);
        // Others get their turn, as they do while a provider is waited for.
        if (index % 8 === 7) await new Promise((resolve) => setImmediate(resolve));
      }
    },
  },
  {
    name: "bulk",
    async *run({ input }) {
      const { events, size } = JSON.parse(input as string) as BulkInput;
      for (let index = 0; index < events; index++) yield bulk(index, size);
    },
  },
  {
    // Asks a person once, and says what the answer was.
    name: "asks",
    async *run({ entries }) {
      if (entries.length === 0) {
        yield { type: "approval.requested", approvalId: "a", callId: "c", name: "rm", input: {} };
        return;
      }
      const answer = entries.find(({ event }) => event.type === "input.approval")!.event;
      yield { type: "custom", name: "app.answer", data: JSON.stringify(answer) };
    },
  },
  {
    // Waits for any message before it says the same.
    name: "gated-bulk",
    async *run({ input, signal, takeMessages }) {
      while (takeMessages().length === 0 && !signal.aborted)
        await new Promise((resolve) => setImmediate(resolve));
      const { events, size } = JSON.parse(input as string) as BulkInput;
      for (let index = 0; index < events; index++) yield bulk(index, size);
    },
  },
];

function bulk(index: number, size: number): AgentEvent {
  return { type: "custom", name: "app.bulk", data: `${index} `.padEnd(size, "bulk ") };
}
