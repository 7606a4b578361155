import type { RunLimits } from "./agent.ts";
import { formatCursor, type Producer } from "./batch.ts";
import { RunError } from "./errors.ts";
import { type AgentEvent, type EventOf, isTerminal, type TerminalEvent } from "./events.ts";
import { overLimit } from "./limits.ts";
import type { Summary } from "./summary.ts";
import type { Writer } from "./writer.ts";

/** How long a producer elsewhere may be silent, unless it chose otherwise when it started its run. */
const LEASE_MS = 60_000;

/** The end of a run as a producer elsewhere writes it: usage and cost are added up where it leaves them out. */
export type ProducedEnd = {
  [Type in TerminalEvent["type"]]: Omit<EventOf<Type>, "cost"> & { readonly cost?: number | null };
}[TerminalEvent["type"]];
export type ProducedEvent = AgentEvent | ProducedEnd;

export interface Appended {
  readonly first: number;
  readonly last: number;
  readonly cursor: string;
  /** Whether the run has ended with this. */
  readonly ended: boolean;
}

export interface ProducersOptions {
  /** What a run may come to: events and bytes in its log. */
  readonly limits: Pick<RunLimits, "maxEvents" | "maxBytes">;
  /** A writer on a log that exists. */
  readonly open: (run: string) => Promise<Writer>;
  /** Called when a producer was silent for its lease. */
  readonly onLost: (writer: Writer) => void;
  /** Tells the other processes that a producer is there, for so many ms: an append of nothing leaves no trace. */
  readonly beat: (producer: string, ms: number) => Promise<unknown>;
  /** Who is there, by what others told. */
  readonly alive: () => Promise<readonly string[]>;
}

interface Produced {
  readonly writer: Promise<Writer>;
  timer?: NodeJS.Timeout;
  /** What the timer is set to. */
  ms?: number;
  /** What others append renews the lease too. */
  watch?: Disposable;
}

/** What the processes of a store know a producer by. */
const producerOf = (run: string) => `producer:${run}`;

/** The runs that producers elsewhere write through this process, and how long these may still be silent. */
export class Producers {
  readonly #options: ProducersOptions;
  readonly #produced = new Map<string, Produced>();

  constructor(options: ProducersOptions) {
    this.#options = options;
  }

  /** Takes a run that was just started. */
  add(writer: Writer): void {
    this.#produced.set(writer.log.run, { writer: Promise.resolve(writer) });
    this.#renew(writer);
  }

  /** Begins the lease of a run that this process has not written yet, unless it has ended. */
  watch(run: string): Promise<Writer> {
    return this.#writer(run);
  }

  /**
   * Appends events, all or none; the last may end the run. Throws `run_owned`, `run_closed`, `invalid_event`,
   * `producer_fenced`, `producer_gap`.
   */
  async append(run: string, events: readonly ProducedEvent[], producer?: Producer): Promise<Appended> {
    const writer = await this.#writer(run);
    const { started } = writer.summary;
    if (started?.agent !== null) {
      throw new RunError("run_owned", `Cannot append to run "${run}": agent "${started?.agent}" writes it`);
    }
    const last = events.at(-1);
    const terminal = last && isTerminal(last) ? last : undefined;
    const others = (terminal ? events.slice(0, -1) : events) as readonly AgentEvent[];
    const foreign = others.find(({ type }) => type.startsWith("run.") || type.startsWith("input."));
    if (foreign) {
      const why = "a producer may only end its run, with the last event";
      throw new RunError("invalid_event", `Cannot append event "${foreign.type}": ${why}`);
    }
    if (events.length === 0) {
      if (producer)
        throw new RunError("invalid_request", `Cannot append nothing to run "${run}" under a number`);
      if (!writer.closed) await this.#options.beat(producerOf(run), leaseOf(writer));
    }
    const { first, tail } = await writer.append(others, {
      ...(terminal && { decide: (summary) => endOf(summary, terminal) }),
      producer,
    });
    const exceeded = terminal ? undefined : overLimit(writer, this.#options.limits);
    if (exceeded) await writer.end(({ totals }) => ({ type: "run.failed", ...exceeded, ...totals }));
    const ended = terminal !== undefined || exceeded !== undefined;
    if (ended) this.release(run);
    else this.#renew(writer);
    return { first, last: tail.seq, cursor: formatCursor(tail), ended };
  }

  /** Lets go of a run: it stays as it is. */
  release(run: string): void {
    const produced = this.#produced.get(run);
    clearTimeout(produced?.timer);
    produced?.watch?.[Symbol.dispose]();
    this.#produced.delete(run);
  }

  /** Takes word that another process appended to a run. */
  receive(writer: Writer): void {
    if (writer.closed) this.release(writer.log.run);
    else this.#renew(writer);
  }

  releaseAll(): void {
    for (const run of [...this.#produced.keys()]) this.release(run);
  }

  #writer(run: string): Promise<Writer> {
    const known = this.#produced.get(run);
    if (known) return known.writer;
    const writer = this.#options.open(run).then((opened) => {
      if (opened.summary.started?.agent !== null || opened.closed) this.release(run);
      else this.#renew(opened);
      return opened;
    });
    writer.catch(() => this.release(run));
    this.#produced.set(run, { writer });
    return writer;
  }

  #renew(writer: Writer, ms = leaseOf(writer)): void {
    const { run } = writer.log;
    const produced = this.#produced.get(run);
    if (!produced) return;
    produced.watch ??= writer.watch();
    if (produced.timer && ms === produced.ms) {
      produced.timer.refresh();
      return;
    }
    clearTimeout(produced.timer);
    produced.timer = setTimeout(() => void this.#lapse(writer), ms).unref();
    produced.ms = ms;
  }

  async #lapse(writer: Writer): Promise<void> {
    const { run } = writer.log;
    const name = producerOf(run);
    // Nobody is dead for a store that cannot be asked.
    const alive = await this.#options.alive().catch(() => [name]);
    if (!this.#produced.has(run)) return;
    // When it said so is not known here: looked at again before another lease is over.
    if (alive.includes(name)) return this.#renew(writer, leaseOf(writer) / 10);
    this.release(run);
    this.#options.onLost(writer);
  }
}

/** For how long a producer may be silent, in ms. */
function leaseOf({ summary }: Writer): number {
  // A timer takes 31 bits of ms.
  return Math.min(summary.started?.leaseMs ?? LEASE_MS, 0x7fff_ffff);
}

/** The end that a producer asks for, with the totals of its log. A cancel that is in the log wins. */
function endOf(summary: Summary, terminal: ProducedEnd): TerminalEvent {
  if (summary.cancel && terminal.type === "run.finished") return summary.cancelled();
  return { ...summary.totals, ...terminal } as TerminalEvent;
}
