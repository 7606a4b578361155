import type { RunContext } from "../agent.ts";
import type { AdapterOptions } from "./blocks.ts";
import type { OpenAIAgentsEvent } from "./from-openai-agents.ts";
import { OpenAIAgentsReader } from "./from-openai-agents-reader.ts";

/** What the SDK gives the `onStream` of an agent that is a tool. */
export interface OpenAIAgentsToolEvent {
  readonly event: OpenAIAgentsEvent;
  readonly agent: { readonly name: string };
  readonly toolCall?: { readonly callId?: string };
}

/**
 * The `onStream` for `agent.asTool`: what a nested agent says goes into the log as it says it, with its name as `agent`
 * and the call as `parent`. The agent that calls it is made where the run's context is at hand:
 *
 *     tools: [researcher.asTool({ toolName: "research", onStream: onAgentTool(context) })]
 */
export function onAgentTool(
  context: Pick<RunContext, "emit"> & AdapterOptions,
): (told: OpenAIAgentsToolEvent) => Promise<void> {
  const readers = new Map<string, OpenAIAgentsReader>();
  return async ({ event, agent, toolCall }) => {
    const parent = toolCall?.callId ?? agent.name;
    let reader = readers.get(parent);
    if (!reader) {
      reader = new OpenAIAgentsReader({ ...context, agent: agent.name, parent });
      reader.current ??= agent.name;
      readers.set(parent, reader);
    }
    for (const said of reader.read(event)) await context.emit(said);
  };
}
