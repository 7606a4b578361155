/**
 * Everything Runlog refuses has a code from this table, and the table decides how each door says it:
 * the HTTP status of the problem JSON, the exit code of the CLI, and whether trying again can help.
 */
export const errorTable = {
  invalid_request: { status: 400, exit: 2, retry: false, title: "The request does not parse" },
  invalid_event: { status: 400, exit: 2, retry: false, title: "The event has a wrong shape" },
  invalid_cursor: { status: 400, exit: 2, retry: false, title: "The cursor is not one of this server's" },
  invalid_id: { status: 400, exit: 2, retry: false, title: "The id is not allowed" },
  unauthorized: { status: 401, exit: 4, retry: false, title: "A token is needed" },
  forbidden: { status: 403, exit: 4, retry: false, title: "Not allowed" },
  run_not_found: { status: 404, exit: 6, retry: false, title: "There is no such run" },
  agent_not_found: { status: 404, exit: 6, retry: false, title: "There is no such agent" },
  not_found: { status: 404, exit: 6, retry: false, title: "There is nothing here" },
  method_not_allowed: { status: 405, exit: 2, retry: false, title: "The method is not allowed here" },
  run_exists: { status: 409, exit: 2, retry: false, title: "Another run has this id" },
  run_closed: { status: 409, exit: 2, retry: false, title: "The run has ended" },
  run_open: { status: 409, exit: 2, retry: false, title: "The run has not ended" },
  run_owned: { status: 409, exit: 2, retry: false, title: "The run is written by its agent" },
  log_lost: { status: 409, exit: 1, retry: false, title: "The store lost a part of the log" },
  thread_busy: { status: 409, exit: 2, retry: true, title: "The thread has a run already" },
  producer_fenced: { status: 409, exit: 2, retry: false, title: "The producer has a newer epoch" },
  producer_gap: { status: 409, exit: 2, retry: false, title: "An append of the producer is missing" },
  not_waiting: { status: 409, exit: 2, retry: false, title: "Nothing waits for this answer" },
  cursor_mismatch: { status: 409, exit: 2, retry: false, title: "The cursor does not fit the log" },
  run_deleted: { status: 410, exit: 6, retry: false, title: "The run was deleted" },
  too_large: { status: 413, exit: 2, retry: false, title: "Too large" },
  misdirected: { status: 421, exit: 4, retry: false, title: "The Host is not one of this server's" },
  model_not_found: { status: 422, exit: 2, retry: false, title: "There is no such model" },
  missing_key: { status: 422, exit: 2, retry: false, title: "The key of a provider is missing" },
  missing_package: { status: 422, exit: 2, retry: false, title: "A package is missing" },
  run_failed: { status: 502, exit: 3, retry: false, title: "The run failed" },
  run_cancelled: { status: 409, exit: 5, retry: false, title: "The run was cancelled" },
  store_locked: { status: 503, exit: 1, retry: true, title: "The store is held by another process" },
  store_unavailable: { status: 503, exit: 1, retry: true, title: "The store is unavailable" },
  stopping: { status: 503, exit: 1, retry: true, title: "The server is stopping" },
  store_full: { status: 507, exit: 1, retry: true, title: "The store is full" },
} as const satisfies Record<string, { status: number; exit: number; retry: boolean; title: string }>;

export type ErrorCode = keyof typeof errorTable;

/**
 * A refusal: the caller asked for something that cannot be, and can act on it by its `code`.
 * What goes wrong inside a run is no `RunError` but an event in the run's log; misuse of the library
 * throws `TypeError` or `RangeError`.
 */
export class RunError extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "RunError";
    this.code = code;
  }
  get status(): number {
    return errorTable[this.code].status;
  }
  /** Whether the same request may succeed later. */
  get retry(): boolean {
    return errorTable[this.code].retry;
  }
}

/** How much of a message is kept, in characters: some hold the whole answer of a server. */
const MESSAGE_CHARS = 16 * 1024;

/** What any thrown value says of itself, without its stack; the beginning of it, if that is long. */
export function messageOf(error: unknown): string {
  const said = typeof error === "string" ? error : (saidBy(error) ?? "Unknown error");
  return said.length > MESSAGE_CHARS ? `${said.slice(0, MESSAGE_CHARS - 1).toWellFormed()}…` : said;
}

/** Whoever made an error may have put anything into it, and getters that throw. */
function saidBy(error: unknown): string | undefined {
  try {
    const said: readonly unknown[] = error instanceof Error ? [error.message, error.name] : [];
    return said.find((each): each is string => typeof each === "string" && each !== "");
  } catch {
    return undefined;
  }
}
