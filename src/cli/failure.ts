import { UnreachableError } from "../client/http.ts";
import { type ErrorCode, errorTable, messageOf, RunError } from "../errors.ts";

/** Ends a command with an exit code: what happened, and what to do about it. */
export class CliError extends Error {
  readonly code: string;
  readonly exit: number;
  readonly hint: string | undefined;

  constructor(code: string, message: string, exit: number, hint?: string) {
    super(message);
    this.name = "CliError";
    this.code = code;
    this.exit = exit;
    this.hint = hint;
  }
}

/** The command was not written as it must be. */
export function usageError(message: string, hint?: string): CliError {
  return new CliError("usage", message, 2, hint);
}

/** What is told of anything thrown: never a stack. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly exit: number;
}

/** What to do about a refusal, where the refusal itself does not say it. */
const hints: Partial<Record<ErrorCode, string>> = {
  unauthorized: "Set RUNLOG_TOKEN to the server's token, or pass --token",
  run_not_found: "The runs there are: npx runlog ls",
  run_deleted: "The runs there are: npx runlog ls",
  invalid_cursor: "Leave --from out to read the run from its start",
  store_locked: "Stop that process, or use another store: npx runlog serve --store sqlite:OTHER.db",
  store_full: "Make room, or use another store: npx runlog serve --store sqlite:/OTHER/DISK/runlog.db",
  missing_key: "Without --model the demo model answers, which needs no key",
  model_not_found: "Without --model the demo model answers, which needs no key",
  stopping: "Try again once the server is back",
};

export function failureOf(error: unknown): Failure {
  if (error instanceof CliError) {
    const { code, message, hint, exit } = error;
    return { code, message, ...(hint !== undefined && { hint }), exit };
  }
  if (error instanceof RunError) {
    const { code, message } = error;
    const hint = hints[code];
    return { code, message, ...(hint !== undefined && { hint }), exit: errorTable[code].exit };
  }
  if (error instanceof UnreachableError) {
    const hint = "Is the server running? Start it with: npx runlog serve";
    return { code: "unreachable", message: error.message, hint, exit: 7 };
  }
  return { code: "unexpected", message: messageOf(error), exit: 1 };
}
