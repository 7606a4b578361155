import type { AgentLike, RunContext, RunLimits } from "./agent.ts";
import { messageOf, RunError } from "./errors.ts";
import {
  type AgentEvent,
  type Entry,
  type EventOf,
  isTerminal,
  type Message,
  type StreamEvent,
  type TerminalEvent,
} from "./events.ts";
import { retryDelay } from "./internal/retry-delay.ts";
import { wait } from "./internal/wait.ts";
import { exceeded, overLimit } from "./limits.ts";
import { Summary } from "./summary.ts";
import type { Writer } from "./writer.ts";

/** How long an agent that was aborted may take to return before the run ends without it. */
const GRACE_MS = 2_000;

/** Who puts agents to work: the same for all of a process. */
export interface ExecutionHost {
  /** The messages before the input of a run. */
  history(writer: Writer): Promise<readonly Message[]>;
  /** Called with what an agent threw, whole: the log gets its message only. */
  onError(error: unknown, run: string): void;
}

export interface ExecutionOptions {
  readonly writer: Writer;
  readonly agent: AgentLike;
  readonly limits: RunLimits;
  /** Whether the log holds more than its first event: the agent is then given it all. */
  readonly resumed: boolean;
  readonly deps: unknown;
}

interface Failure {
  readonly code: string;
  readonly message: string;
}

/** How a stretch of work ended; `asked` if a person was asked something in it. */
interface Outcome {
  readonly failure?: Failure;
  readonly asked: boolean;
}

/**
 * One agent at work on one run: takes what it yields to the log, holds it to its limits, and writes how it
 * ended. A run that waits for a person has no execution; the answer makes a new one.
 */
export class Execution {
  readonly writer: Writer;
  readonly #host: ExecutionHost;
  readonly #options: ExecutionOptions;
  readonly #abort = new AbortController();
  /** Why the agent was aborted; undefined for a cancel. */
  #stopped: Failure | undefined;
  readonly #gaveUp = Promise.withResolvers<Outcome>();
  #messages: EventOf<"input.message">[] = [];
  /** How many messages of the log the agent has been given. */
  #heard = 0;
  #asked = false;
  /** Whether the agent takes messages while it works. */
  #listens = false;
  readonly #startedAt = performance.now();
  #lastEventAt = this.#startedAt;
  #spoken = false;
  #timer: NodeJS.Timeout | undefined;
  #grace: NodeJS.Timeout | undefined;

  constructor(host: ExecutionHost, options: ExecutionOptions) {
    this.#host = host;
    this.#options = options;
    this.writer = options.writer;
  }

  /** Runs the agent until the run has ended, is another's, or waits. Resolves to whether it waits. Never rejects. */
  async run(): Promise<boolean> {
    try {
      let log: readonly Entry[] = this.#options.resumed ? await this.#read() : [];
      this.#watchTime(workedBefore(log));
      while (true) {
        this.#heard = log.filter(({ event }) => event.type === "input.message").length;
        const outcome = await Promise.race([this.#drive(log), this.#gaveUp.promise]);
        await this.writer.flushed();
        const stopped = outcome.failure || this.#abort.signal.aborted || this.writer.closed;
        const unheard = this.#listens && this.#messages.length > 0;
        if (!stopped && (outcome.asked || unheard)) {
          if (this.writer.summary.approvals.size > 0) return true;
          // The answers, or a message, came while it was about to return.
        } else {
          const failure = this.#abort.signal.aborted ? this.#stopped : outcome.failure;
          if (await this.#end(failure, !stopped)) return false;
          // A message that was taken at the same moment: nobody would hear it.
        }
        log = await this.#read();
        const told = new Set(log.map(({ event }) => event.type === "input.message" && event.message.id));
        this.#messages = this.#messages.filter(({ message }) => !told.has(message.id));
      }
    } catch (error) {
      // Whoever has the run now ends it.
      if (!this.writer.fenced) this.#host.onError(error, this.writer.log.run);
      return false;
    } finally {
      clearTimeout(this.#timer);
      clearTimeout(this.#grace);
      if (!this.#abort.signal.aborted) this.#abort.abort(new DOMException("The run has ended", "AbortError"));
    }
  }

  /** The log so far. A store that cannot be read is waited for, unless the agent is to stop. */
  async #read(): Promise<readonly Entry[]> {
    const { log } = this.writer;
    for (let failed = 0; ; failed++) {
      try {
        return await log.entries();
      } catch (error) {
        if ((error instanceof RunError && !error.retry) || this.#abort.signal.aborted) throw error;
        this.#host.onError(error, log.run);
        await wait(retryDelay(failed), this.#abort.signal);
      }
    }
  }

  /** Ends the run. False if it is not to end, as there is a message that the agent would have taken. */
  async #end(failure: Failure | undefined, mayGoOn: boolean): Promise<boolean> {
    let unheard = false;
    try {
      await this.writer.end((summary) => {
        unheard = mayGoOn && this.#listens && summary.messages > this.#heard && !summary.cancel;
        if (unheard) throw new Error("There is a message");
        return terminalOf(summary, failure);
      });
    } catch (error) {
      if (unheard) return false;
      if (this.writer.closed) throw error;
      // What it came to cannot be kept: a cost without end, an output that is too large with all that goes with it.
      this.#host.onError(error, this.writer.log.run);
      const kept = { code: codeOf(error), message: messageOf(error), cost: null };
      await this.writer.end(({ cancel }) =>
        cancel ? { type: "run.cancelled", cost: null } : { type: "run.failed", ...kept },
      );
    }
    return true;
  }

  /** Takes word of an event of another process that is in the log already. */
  receive(event: StreamEvent): void {
    if (event.type === "input.message") this.#messages.push(event);
    else if (event.type === "input.cancel") this.stop();
    else if (event.type === "run.resumed" || isTerminal(event)) this.leave("another process has it");
  }

  /**
   * Stops without an end: another process has the run, or will have it. The agent's signal aborts with a
   * `RunError`, for those who would tell somebody else that the run is over.
   */
  leave(why: string): void {
    this.writer.release(why);
    const reason = new RunError("run_closed", `Cannot go on with run "${this.writer.log.run}": ${why}`);
    this.stop({ code: reason.code, message: reason.message }, reason);
  }

  /** Aborts the agent; the run ends as failed, or as cancelled without a failure. The first reason stands. */
  stop(
    failure?: Failure,
    reason: Error = new DOMException(failure?.message ?? "The run was cancelled", "AbortError"),
  ): void {
    if (this.#abort.signal.aborted) return;
    this.#stopped = failure;
    this.#abort.abort(reason);
    this.#grace = setTimeout(() => this.#gaveUp.resolve({ asked: false }), GRACE_MS).unref();
  }

  /** One stretch: runs the agent's generator to its end. Never rejects. */
  async #drive(entries: readonly Entry[]): Promise<Outcome> {
    this.#asked = false;
    try {
      const history = await this.#host.history(this.writer);
      for await (const event of this.#options.agent.run(this.#context(entries, history))) {
        this.#take(event);
        const room = this.writer.room();
        if (room) await room;
        if (this.#abort.signal.aborted) break;
      }
      return { asked: this.#asked };
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#host.onError(error, this.writer.log.run);
      return { asked: this.#asked, failure: { code: codeOf(error), message: messageOf(error) } };
    }
  }

  /** Takes an event that the agent yielded. What cannot be taken stops it: it may wait for its signal before it returns. */
  #take(event: AgentEvent): void {
    try {
      this.#write(event);
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#host.onError(error, this.writer.log.run);
      this.stop({ code: codeOf(error), message: messageOf(error) });
      throw error;
    }
  }

  #context(entries: readonly Entry[], history: readonly Message[]): RunContext {
    const { started } = this.writer.summary;
    return {
      run: this.writer.log.run,
      input: started?.input ?? "",
      history,
      thread: started?.thread,
      signal: this.#abort.signal,
      entries,
      deps: this.#options.deps,
      limits: this.#options.limits,
      emit: (event) => {
        const taken = this.#emit(event);
        // Whoever does not wait for it must not bring the process down once the run has ended.
        taken.catch(() => {});
        return taken;
      },
      takeMessages: () => {
        this.#listens = true;
        this.#heard += this.#messages.length;
        return this.#messages.splice(0);
      },
    };
  }

  async #emit(event: AgentEvent): Promise<void> {
    if (this.#stopped) {
      const why = this.#stopped.message;
      throw new RunError("run_closed", `Cannot append to run "${this.writer.log.run}": ${why}`);
    }
    this.#write(event);
    await this.writer.room();
  }

  #write(event: AgentEvent): void {
    const { type } = event as StreamEvent;
    if (typeof type === "string" && (type.startsWith("run.") || type.startsWith("input."))) {
      throw new RunError("invalid_event", `Cannot accept event "${type}" from an agent: the hub writes it`);
    }
    const { limits } = this.#options;
    if (event.type === "step.started" && event.step > limits.maxSteps) {
      this.stop(exceeded(`${limits.maxSteps} steps`));
      return;
    }
    this.writer.write(event);
    this.#lastEventAt = performance.now();
    if (event.type !== "step.started") this.#spoken = true;
    if (event.type === "approval.requested") this.#asked = true;
    const over =
      this.writer.summary.knownCost > limits.maxCostUsd
        ? exceeded(`${limits.maxCostUsd} USD`)
        : overLimit(this.writer, limits);
    if (over) this.stop(over);
  }

  /** One timer for all limits on time: set for the nearest, and set again if events have moved it. */
  #watchTime(workedMs: number): void {
    const { timeoutMs, idleMs, firstChunkMs } = this.#options.limits;
    const check = () => {
      const now = performance.now();
      const limits = [
        { at: this.#startedAt + timeoutMs - workedMs, message: `The run took longer than ${timeoutMs} ms` },
        { at: this.#lastEventAt + idleMs, message: `The agent said nothing for ${idleMs} ms` },
      ];
      if (!this.#spoken) {
        limits.push({
          at: this.#startedAt + firstChunkMs,
          message: `The agent said nothing in its first ${firstChunkMs} ms`,
        });
      }
      const nearest = limits.reduce((a, b) => (b.at < a.at ? b : a));
      if (nearest.at <= now) this.stop({ code: "timeout", message: nearest.message });
      // A timer takes 31 bits of ms.
      else this.#timer = setTimeout(check, Math.min(nearest.at - now, 0x7fff_ffff));
    };
    check();
  }
}

function terminalOf(summary: Summary, failure: Failure | undefined): TerminalEvent {
  const { totals, output } = summary;
  // A cancel that is in the log wins over how the agent happened to end.
  if (summary.cancel) return summary.cancelled();
  if (failure) return { type: "run.failed", code: failure.code, message: failure.message, ...totals };
  return { type: "run.finished", ...(output !== undefined && { output }), ...totals };
}

/** An agent gives its failures codes of its own; anything else is `agent_error`. */
function codeOf(error: unknown): string {
  try {
    const code = typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
    if (typeof code === "string" && /^[a-z][a-z0-9_]{0,63}$/.test(code)) return code;
  } catch {
    // A getter that throws says nothing.
  }
  return "agent_error";
}

/** How long a run was at work, by its log, in ms: waiting for people is not work. */
function workedBefore(entries: readonly Entry[]): number {
  const summary = new Summary();
  let worked = 0;
  for (const [index, { event, at }] of entries.entries()) {
    const before = entries[index - 1];
    if (before && !summary.waiting) worked += Math.max(0, at - before.at);
    summary.apply(event, at);
  }
  return worked;
}
