/**
 * What each piece of an Agentor stream is, under the names it has on the wire; `raw_event` is left out. What does
 * not apply is null.
 */
export interface AgentOutput {
  readonly type: AgentOutputType;
  /** A whole text: what the agent said, or what a tool returned. */
  readonly message: string | null;
  /** A piece of the answer, as the model gave it. */
  readonly chunk: string | null;
  readonly tool_action: ToolAction | null;
  /** A whole thought. */
  readonly reasoning: string | null;
}

/** `raw_response_event`: a piece of text. `run_item_stream_event`: something whole. */
export type AgentOutputType = "agent_updated_stream_event" | "raw_response_event" | "run_item_stream_event";

export interface ToolAction {
  readonly name: string;
  readonly type:
    | "tool_called"
    | "tool_output"
    /** A person is asked, or has answered. */
    | "mcp_approval_requested"
    | "mcp_approval_response"
    /** Another agent goes on. Spelled as on Agentor's wire. */
    | "handoff_occured";
}
