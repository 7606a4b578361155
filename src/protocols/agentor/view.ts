import type { Message, StreamEvent } from "../../events.ts";
import type { View } from "../../view.ts";

/** What each `data:` line of `/chat` holds, as Agentor's `AgentOutput` does. */
interface AgentOutput {
  readonly type: "agent_updated_stream_event" | "raw_response_event" | "run_item_stream_event";
  readonly message: string | null;
  /** A piece of the answer. */
  readonly chunk: string | null;
  readonly tool_action: { readonly name: string; readonly type: "tool_called" | "tool_output" } | null;
  readonly reasoning: string | null;
}

const output = (type: AgentOutput["type"], fields: Partial<AgentOutput>): AgentOutput => ({
  type,
  message: null,
  chunk: null,
  tool_action: null,
  reasoning: null,
  ...fields,
});

/** Agentor's stream: pieces of text as they come; messages, thoughts and tool calls whole. */
export const agentorView: View = {
  name: "agentor",
  start: () => {
    const thoughts = new Map<string, string>();
    return ({ event }) => {
      if (event.type === "run.failed")
        return [{ event: "error", data: JSON.stringify({ code: event.code, message: event.message }) }];
      const shown = show(event, thoughts);
      return shown ? [{ data: JSON.stringify(shown) }] : [];
    };
  },
};

function show(event: StreamEvent, thoughts: Map<string, string>): AgentOutput | undefined {
  switch (event.type) {
    case "text.delta":
      return output("raw_response_event", { chunk: event.text });
    case "reasoning.delta":
      thoughts.set(event.id, (thoughts.get(event.id) ?? "") + event.text);
      return undefined;
    case "reasoning.finished": {
      const reasoning = thoughts.get(event.id);
      thoughts.delete(event.id);
      return reasoning ? output("run_item_stream_event", { reasoning }) : undefined;
    }
    case "message": {
      const message = textOf(event.message);
      return event.message.role === "assistant" && message
        ? output("run_item_stream_event", { message })
        : undefined;
    }
    case "tool.called":
      return output("run_item_stream_event", { tool_action: { name: event.name, type: "tool_called" } });
    case "tool.returned": {
      const message = typeof event.output === "string" ? event.output : JSON.stringify(event.output);
      return output("run_item_stream_event", {
        message,
        tool_action: { name: event.name, type: "tool_output" },
      });
    }
    case "tool.failed":
      return output("run_item_stream_event", {
        message: `Error: ${event.message}`,
        tool_action: { name: event.name, type: "tool_output" },
      });
    case "agent.changed":
      return output("agent_updated_stream_event", { message: event.to });
    default:
      return undefined;
  }
}

function textOf(message: Message): string {
  return message.parts.map((part) => (part.type === "text" ? part.text : "")).join("");
}
