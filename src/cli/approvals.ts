import type { Http } from "../client/http.ts";
import { messageOf, RunError } from "../errors.ts";
import type { EventOf } from "../events.ts";
import { sleep } from "../internal/wait.ts";
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
  /** Waits, and resolves early when the signal aborts. @default a timer */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Until a server that could not be reached is tried again. */
const AGAIN_MS = 2_000;

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

  /** Tries until the server has the answer or refuses it: a run that waits says nothing to remind of it. */
  async #answer(asked: EventOf<"approval.requested">, over: AbortSignal): Promise<void> {
    const { wait = sleep } = this.#options;
    const answer: Answer = {};
    while (!over.aborted) {
      try {
        return await this.#tryAnswer(asked, answer, over);
      } catch (error) {
        if (over.aborted) return;
        notice(messageOf(error));
        // Somebody else was faster: the log says who.
        if (error instanceof RunError && !error.retry) return;
        await wait(AGAIN_MS, over);
      }
    }
  }

  async #tryAnswer(asked: EventOf<"approval.requested">, answer: Answer, over: AbortSignal): Promise<void> {
    const { http, run, ask, onUnanswered } = this.#options;
    const { status } = await describeRun(http, run);
    if (over.aborted) return;
    if (status !== "waiting") {
      // Looked at again with the next slice.
      this.#open = undefined;
      return;
    }
    // Whole, however long: nobody should agree to what is cut off.
    answer.approved ??= await ask?.(`Approve ${oneLine(sayApproval(asked))}?`, over);
    if (over.aborted) return;
    if (answer.approved === undefined) return onUnanswered(asked);
    const body = { type: "input.approval", approvalId: asked.approvalId, approved: answer.approved };
    await http.request(`/runs/${encodeURIComponent(run)}/input`, { method: "POST", body });
  }
}

/** What a person has said, who is not asked twice. */
interface Answer {
  approved?: boolean | undefined;
}
