/**
 * Thrown by an agent to fail its run with a code of its own: the hub writes `run.failed { code, message }`.
 * Any other error fails the run with the code `agent_error`. The message is shown to viewers: no secrets.
 */
export class AgentFailure extends Error {
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "AgentFailure";
    this.code = code;
  }
}
