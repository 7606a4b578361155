import type { Http } from "../client/http.ts";
import { messageOf, RunError } from "../errors.ts";
import type { EventOf } from "../events.ts";
import { describeRun } from "./find-run.ts";
import { notice } from "./output.ts";
import { oneLine } from "./strip.ts";
import { sayApproval } from "./words.ts";

export interface ApprovalsOptions {
  readonly http: Http;
  readonly run: string;
  /** Called where a person is needed and none is here, or the one who is gives no answer. */
  readonly onUnanswered: (asked: EventOf<"approval.requested">) => void;
  /** Asks y or n; undefined where nobody can be asked. */
  readonly ask: ((question: string, signal: AbortSignal) => Promise<boolean | undefined>) | undefined;
}

/** Asks a person for the answers that a run waits for, one at a time, and sends them. */
export class Approvals implements Disposable {
  readonly #options: ApprovalsOptions;
  #open: { readonly id: string; readonly over: AbortController } | undefined;

  constructor(options: ApprovalsOptions) {
    this.#options = options;
  }

  /**
   * Told with each slice of the log what has no answer yet, and whether the run waits for it. A log that is
   * being replayed may wait at a point which it has long gone past: the server is asked before the person.
   */
  update(unanswered: ReadonlyMap<string, EventOf<"approval.requested">>, waiting: boolean): void {
    if (this.#open && !unanswered.has(this.#open.id)) {
      this.#open.over.abort();
      this.#open = undefined;
    }
    const [next] = unanswered.values();
    if (!waiting || !next || this.#open) return;
    this.#open = { id: next.approvalId, over: new AbortController() };
    void this.#answer(next, this.#open.over.signal);
  }

  [Symbol.dispose](): void {
    this.#open?.over.abort();
  }

  async #answer(asked: EventOf<"approval.requested">, over: AbortSignal): Promise<void> {
    const { http, run, ask, onUnanswered } = this.#options;
    try {
      const { status } = await describeRun(http, run);
      if (over.aborted) return;
      if (status !== "waiting") {
        // Looked at again with the next slice.
        this.#open = undefined;
        return;
      }
      // Whole, however long: nobody should agree to what is cut off.
      const approved = await ask?.(`Approve ${oneLine(sayApproval(asked))}?`, over);
      if (over.aborted) return;
      if (approved === undefined) return onUnanswered(asked);
      const body = { type: "input.approval", approvalId: asked.approvalId, approved };
      await http.request(`/runs/${encodeURIComponent(run)}/input`, { method: "POST", body });
    } catch (error) {
      if (over.aborted) return;
      notice(messageOf(error));
      // Somebody else was faster: the log says who.
      if (!(error instanceof RunError)) this.#open = undefined;
    }
  }
}
