import { A2AError } from "@a2a-js/sdk/errors";
import { messageOf } from "../../errors.ts";
import { AgentFailure } from "../../failure.ts";

/** How much of what a remote says goes into a message of ours, in characters. */
const SHOWN_CHARS = 500;

/** The connection could not be made, or broke, or the remote says it is busy: trying again may help. */
export class ConnectionLost extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ConnectionLost";
  }
}

/** The beginning of a text from elsewhere, on one line. */
export function shown(text: unknown): string {
  const line = String(text).slice(0, SHOWN_CHARS).replace(/\s+/g, " ").trim();
  return line.toWellFormed();
}

/** What the remote's server answered in the protocol's own terms, if that is what went wrong. */
export function refusal(error: unknown): A2AError | undefined {
  if (error instanceof A2AError) return error;
  // In a stream the SDK wraps it.
  return error instanceof Error && error.cause instanceof A2AError ? error.cause : undefined;
}

/** Anything that went wrong with a remote agent, as how the run fails. `doing` completes "Cannot ...". */
export function remoteFailure(doing: string, error: unknown): AgentFailure {
  if (error instanceof AgentFailure) return error;
  if (error instanceof ConnectionLost) {
    return new AgentFailure("remote_unreachable", `Cannot ${doing}: ${shown(error.message)}`, {
      cause: error,
    });
  }
  const refused = refusal(error);
  if (refused) {
    const code = refused.reason === "TASK_NOT_FOUND" ? "remote_task_not_found" : "remote_refused";
    return new AgentFailure(
      code,
      `Cannot ${doing}: the remote agent answered ${refused.reason}: ${shown(refused.message)}`,
      { cause: error },
    );
  }
  return new AgentFailure(
    "remote_invalid",
    `Cannot ${doing}: the answer is not A2A: ${shown(messageOf(error))}`,
    { cause: error },
  );
}
