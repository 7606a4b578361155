import type { Message, StreamEvent } from "../../events.ts";
import type { View } from "../../view.ts";
import type { AgentOutput, ToolAction } from "./agent-output.ts";

/** Agentor's stream: pieces of text as they come; messages, thoughts and tool calls whole. */
export const agentorView: View = {
  name: "agentor",
  start: () => {
    const state: State = { thoughts: new Map(), asked: new Map() };
    return ({ event }) => {
      if (event.type === "run.failed")
        return [{ event: "error", data: JSON.stringify({ code: event.code, message: event.message }) }];
      return show(event, state).map((output) => ({ data: JSON.stringify(output) }));
    };
  },
};

interface State {
  /** Thoughts that are not whole yet, by block. */
  readonly thoughts: Map<string, string>;
  /** Names of the tools that a person was asked about, by approval. */
  readonly asked: Map<string, string>;
}

function show(event: StreamEvent, { thoughts, asked }: State): AgentOutput[] {
  switch (event.type) {
    case "text.delta":
      return [output("raw_response_event", { chunk: event.text })];
    case "reasoning.delta":
      thoughts.set(event.id, (thoughts.get(event.id) ?? "") + event.text);
      return [];
    case "reasoning.finished": {
      const reasoning = thoughts.get(event.id);
      thoughts.delete(event.id);
      return reasoning ? [item({ reasoning })] : [];
    }
    case "step.retried":
    case "run.resumed":
      // A thought that was withdrawn is never whole.
      thoughts.clear();
      return [];
    case "message": {
      const message = textOf(event.message);
      return event.message.role === "assistant" && message ? [item({ message })] : [];
    }
    case "tool.called":
      return [action(event.name, "tool_called")];
    case "tool.returned": {
      const text = typeof event.output === "string" ? event.output : JSON.stringify(event.output ?? null);
      return [action(event.name, "tool_output", text)];
    }
    case "tool.failed":
      return [action(event.name, "tool_output", `Error: ${event.message}`)];
    case "approval.requested":
      asked.set(event.approvalId, event.name);
      return [action(event.name, "mcp_approval_requested")];
    case "input.approval": {
      const name = asked.get(event.approvalId);
      asked.delete(event.approvalId);
      return name === undefined ? [] : [action(name, "mcp_approval_response")];
    }
    case "agent.changed":
      return [
        action(event.to, "handoff_occured"),
        output("agent_updated_stream_event", { message: event.to }),
      ];
    default:
      return [];
  }
}

/** Fields that do not apply are null, as Agentor has them. */
function output(type: AgentOutput["type"], fields: Partial<AgentOutput>): AgentOutput {
  return { type, message: null, chunk: null, tool_action: null, reasoning: null, ...fields };
}

function item(fields: Partial<AgentOutput>): AgentOutput {
  return output("run_item_stream_event", fields);
}

function action(name: string, type: ToolAction["type"], message: string | null = null): AgentOutput {
  return item({ message, tool_action: { name, type } });
}

function textOf(message: Message): string {
  return message.parts.map((part) => (part.type === "text" ? part.text : "")).join("");
}
