import { openBatch, type Producer, type StoredEntry, sealBatch } from "./batch.ts";
import { RunError } from "./errors.ts";
import { isTerminal, type StreamEvent, type TerminalEvent } from "./events.ts";
import { retryDelay } from "./internal/retry-delay.ts";
import { wait } from "./internal/wait.ts";
import { cutOutput, toJson } from "./json.ts";
import { EMPTY, type Log, pollMsOf } from "./log.ts";
import { toRecord } from "./run-info.ts";
import { type Delta, encodeChecked, encodeEvent, isDelta, parseEvent } from "./schema.ts";
import type { Batch, RunRecord, Tail } from "./store.ts";
import { isFolded, Summary } from "./summary.ts";

/** How far an agent may be ahead of the commit: one batch is in flight, this is what may queue behind it. */
const AHEAD_EVENTS = 256;
const AHEAD_BYTES = 64 * 1024;
/** Deltas of one block that wait for the same commit become one, up to this many characters. */
const MERGED_CHARS = 16 * 1024;

/** The same for all writers of a process. */
export interface WriterOptions {
  /** Names this process in the `by` of its batches. */
  readonly holder: string;
  /** Has the last word on each event before it is encoded: redaction, for instance. */
  readonly before?: ((event: StreamEvent) => StreamEvent) | undefined;
  /** How long an event may wait for others to share its batch, in ms. @default 0: what waits anyway is shared */
  readonly coalesceMs?: number | undefined;
  /** Called for what another process appended to the run, in order. */
  readonly onMissed?: ((entry: StoredEntry, writer: Writer) => void) | undefined;
  /** Called when the log turns out to be shorter, or another, than what was committed. */
  readonly onLost?: ((run: string) => void) | undefined;
  /** Called when the store refuses an append that will be tried again. */
  readonly onTrouble?: ((error: unknown, run: string) => void) | undefined;
}

/** An event that waits for its batch: encoded, or a delta of our own that may still grow. */
type Pending = string | Growing;
type Growing = Delta & { text: string };

/** What the next batch is to hold, asked for anew after each conflict. */
interface Draft {
  readonly lines: readonly string[];
  readonly record: RunRecord | undefined;
  readonly producer?: Producer;
}

/** The events of a batch, from what the log amounts to just before it. */
type Make = (summary: Summary) => readonly StreamEvent[];

interface How {
  /** Whether the run ends with the batch. */
  readonly decide?: Decide | undefined;
  readonly producer?: Producer | undefined;
  /** Whether the store's refusals are waited out. */
  readonly patient: boolean;
}

/** The terminal event, from what the log amounts to just before it. */
type Decide = (summary: Summary) => TerminalEvent;

let appends = 0;

/**
 * Appends to one run for the process that owns it: knows the tail, so that an append is one compare and
 * commit; folds what it writes, so that the end can close what is open. Others may append too (`input.*`):
 * then the store refuses, the writer reads what it missed, renumbers its batch and tries again. A terminal
 * event, or another's `run.resumed`, closes it: that is the fence.
 */
export class Writer {
  readonly summary = new Summary();
  readonly log: Log;
  /** The process that runs the agent: this one, or the one that a record tells of. */
  owner: string;
  readonly #options: WriterOptions;
  #tail: Tail = EMPTY;
  #bytes = 0;
  #pending: Pending[] = [];
  #pendingBytes = 0;
  /** The last append of each producer elsewhere. */
  #producers: Map<string, Producer> | undefined;
  /** Deltas of which the last character is only half there, by block: the half waits for the next delta. */
  #halves: Map<string, Growing> | undefined;
  #recordChanged = false;
  /** What the log amounts to with the batch in flight: `summary` is ahead of it by what was written since. */
  #committing: Summary | undefined;
  /** The last batch that was given to the store. */
  #sent: Batch | undefined;
  #closed: RunError | undefined;
  /** Whether the end is on its way: what is open then is closed by it, so that nothing may be opened any more. */
  #ending = false;
  /** Commits happen one after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  #flight: Promise<void> | undefined;

  constructor(log: Log, options: WriterOptions) {
    this.#options = options;
    this.log = log;
    this.owner = options.holder;
  }

  get tail(): Tail {
    return this.#tail;
  }

  /** Characters in the log and in what waits for its commit: about its bytes. */
  get size(): number {
    return this.#bytes + this.#pendingBytes;
  }

  /** Entries in the log, and those that wait for their commit. */
  get count(): number {
    return this.#tail.seq + this.#pending.length;
  }

  /** Why nothing more is accepted, once that is so. */
  get closed(): RunError | undefined {
    return this.#closed;
  }

  /** Takes over a log as it is, and resolves to its entries. */
  async load(): Promise<StoredEntry[]> {
    const entries: StoredEntry[] = [];
    for await (const batches of this.log.batches()) {
      for (const batch of batches) {
        for (const entry of batch.entries) this.#take(entry);
        this.#remember(batch.producer);
        entries.push(...batch.entries);
      }
    }
    return entries;
  }

  /**
   * Lets go of the run as it is: nothing more is written, and what was not committed yet is not owed. Another
   * process ends it, or goes on.
   */
  release(why: string): void {
    this.#close(why);
  }

  /** Whether the run has not ended, and nothing can be written to it any more from here. */
  get fenced(): boolean {
    return this.#closed !== undefined && !this.summary.terminal;
  }

  /**
   * Queues an event for the next commit. Throws `invalid_event` or `too_large` for what cannot be kept, and
   * `run_closed` after the end; nothing is then taken.
   */
  write(given: StreamEvent): void {
    const event = this.#admit(given);
    parseEvent(event);
    if (this.#closed) throw this.#closed;
    if (this.#ending)
      throw new RunError("run_closed", `Cannot append to run "${this.log.run}": it is ending`);
    // A delta is encoded with its batch: until then it may grow.
    if (isDelta(event) && sizeOf(event) < MERGED_CHARS) this.#pushDelta(event);
    else {
      this.summary.check(event);
      const line = encodeEvent(event);
      if (event.type === "step.retried") this.#halves?.clear();
      else if ("id" in event && typeof event.id === "string") this.#pushHalf(event.id);
      else if ("callId" in event) this.#pushHalf(event.callId);
      if (this.summary.apply(event, Date.now())) this.#recordChanged = true;
      this.#push(line);
    }
    // Half of a character, or an empty delta, is nothing to commit yet.
    if (this.#pending.length > 0) this.#flight ??= this.#fly();
  }

  /**
   * Takes what others append as it comes, not only when the next append meets it: an agent that is silent hears
   * of a cancel too.
   */
  watch(): Disposable {
    const { store, run } = this.log;
    const watching = store.watch(run, this.#hear);
    if (!store.shared) return watching;
    // Hints of other processes may be lost, and all are while this one is stopped.
    const polling = setInterval(this.#hear, pollMsOf(store)).unref();
    return {
      [Symbol.dispose]() {
        watching[Symbol.dispose]();
        clearInterval(polling);
      },
    };
  }

  readonly #hear = (batch?: Batch): void => {
    const { holder, onTrouble } = this.#options;
    if (batch && (batch === this.#sent || openBatch(batch).by.startsWith(`${holder}.`))) return;
    this.#exclusive(() => this.#missed()).catch((error) => onTrouble?.(error, this.log.run));
  };

  /** Resolves once there is room to write more; undefined if there is. */
  room(): Promise<void> | undefined {
    return this.#pending.length > AHEAD_EVENTS || this.#pendingBytes > AHEAD_BYTES ? this.#flight : undefined;
  }

  /** Resolves once everything written is committed, or the writer closed. */
  async flushed(): Promise<void> {
    await this.#flight;
  }

  /**
   * Appends events as one batch, each as it is, and resolves to their places once they are committed. With
   * `decide` the run ends with them, as by {@linkcode end}. Rejects when the store refuses: nothing is tried
   * again. An append that its producer has numbered is made once: the same again resolves to the same places.
   * Throws `producer_fenced` and `producer_gap`.
   */
  append(
    events: readonly StreamEvent[],
    {
      decide,
      producer,
    }: { readonly decide?: Decide | undefined; readonly producer?: Producer | undefined } = {},
  ): Promise<{ readonly first: number; readonly tail: Tail }> {
    return this.#exclusive(async () => {
      // What comes before it may have been appended by another process, and word of it be on its way.
      if (producer && this.#skips(producer)) await this.#missed();
      try {
        const count = await this.#batch(events, { decide, producer, patient: false });
        return { first: this.#tail.seq - count + 1, tail: this.#tail };
      } catch (error) {
        const made = producer && this.#isMade(producer) ? await this.#find(producer) : undefined;
        if (!made) throw error;
        return made;
      }
    });
  }

  /**
   * Takes over a run from a dead process: from here on this one writes it, and the other is refused. False if it
   * has ended, or another process was faster.
   */
  takeOver(): Promise<boolean> {
    return this.#exclusive(async () => {
      try {
        await this.#batch((summary) => [{ type: "run.resumed", fromStep: summary.nextStep }], {
          patient: false,
        });
        return true;
      } catch (error) {
        if (this.#closed) return false;
        throw error;
      }
    });
  }

  /**
   * Ends the run: what is open is closed and the terminal event follows, in one batch. `decide` is asked
   * again after each append of another, so that no `run.finished` follows an `input.cancel`. Resolves to the
   * terminal event of the run, which may be another's.
   */
  async end(decide: Decide): Promise<TerminalEvent> {
    await this.#flight;
    return this.#exclusive(async () => {
      this.#ending = true;
      try {
        if (!this.summary.terminal)
          await this.#batch([...(this.#halves?.values() ?? [])], { decide, patient: true });
      } catch (error) {
        if (!this.summary.terminal) throw error;
      } finally {
        this.#ending = false;
      }
      return this.summary.terminal!;
    });
  }

  /**
   * Writes the record of the log as it is, where nothing is being written: a store that keeps the two apart may have been
   * left with an older one. If somebody has appended since, nothing happens: the record is theirs to write.
   */
  describe(): Promise<void> {
    return this.#exclusive(async () => {
      const record = this.#recordOf(this.summary, []);
      await this.log.store.append(this.log.run, this.#tail, undefined, record);
    });
  }

  /**
   * One batch of what is pending, `given`, and the end of the run if it is to end. Resolves to the number of
   * entries without the pending ones.
   */
  async #batch(given: readonly StreamEvent[] | Make, how: How): Promise<number> {
    const { decide, producer } = how;
    const make: Make = typeof given === "function" ? given : () => given;
    // What was written before goes before it. It is waited for by itself where nothing is tried again: with a batch of
    // unknown outcome it would be written twice.
    if (!how.patient && this.#pending.length > 0) await this.#commitPending();
    const pending = how.patient ? this.#takePending() : { lines: [], recordChanged: false };
    let events: StreamEvent[] = [];
    const draft = (at: number): Draft => {
      // Folded into a copy: what is refused has not happened.
      const folds = decide !== undefined || typeof given === "function" || given.some(isFolded);
      const next = folds ? this.summary.clone() : this.summary;
      // Another process may have made it meanwhile.
      if (producer && this.#isMade(producer)) throw new Error("It was made before");
      let changed = pending.recordChanged;
      events = [];
      const lines = [...pending.lines];
      const add = (given: StreamEvent) => {
        const event = this.#admit(given);
        next.check(event);
        lines.push(encodeEvent(event));
        events.push(event);
        if (next.apply(event, at)) changed = true;
      };
      for (const event of make(next)) add(event);
      if (decide) {
        const terminal = decide(next);
        for (const event of [...next.close(whyOf(terminal)), terminal]) add(event);
      }
      return {
        lines,
        record: changed ? this.#recordOf(next, lines) : undefined,
        ...(producer && { producer }),
      };
    };
    // An append of nothing is an answer to whether the run is open.
    if (pending.lines.length === 0 && given.length === 0 && !decide) {
      if (this.#closed) throw this.#closed;
      return 0;
    }
    let at: number;
    try {
      at = await this.#commit(draft, how.patient);
    } catch (error) {
      this.#pending.unshift(...pending.lines);
      this.#recordChanged ||= pending.recordChanged;
      throw error;
    }
    for (const event of events) this.#applied(event, at);
    this.#remember(producer);
    return events.length;
  }

  /** Opens an empty log with its first event. False if there is a log already. */
  begin(given: StreamEvent): Promise<boolean> {
    return this.#exclusive(async () => {
      const started = this.#admit(given);
      const draft = (at: number): Draft => {
        if (this.#tail.seq > 0)
          throw new RunError("run_exists", `Cannot start run "${this.log.run}": it exists`);
        const next = new Summary();
        next.apply(started, at);
        const lines = [encodeEvent(started)];
        return { lines, record: this.#recordOf(next, lines) };
      };
      try {
        this.#applied(started, await this.#commit(draft, false));
      } catch (error) {
        if (this.#tail.seq > 0) return false;
        throw error;
      }
      return true;
    });
  }

  #admit(event: StreamEvent): StreamEvent {
    const admitted = this.#options.before?.(event) ?? event;
    if (admitted.type !== "tool.returned") return admitted;
    const { output, truncated } = cutOutput(toJson(admitted.output));
    return truncated ? { ...admitted, output, truncated } : admitted;
  }

  #pushDelta(event: Delta): void {
    const key = "id" in event ? event.id : event.callId;
    let text = event.text;
    if (this.#halves) {
      text = (this.#halves.get(key)?.text ?? "") + text;
      this.#halves.delete(key);
    }
    const last = text.charCodeAt(text.length - 1);
    if (last >= 0xd800 && last <= 0xdbff) {
      this.#halves ??= new Map();
      this.#halves.set(key, { ...event, text: text.slice(-1) });
      text = text.slice(0, -1);
    }
    if (text === "") return;
    const waiting = this.#pending.at(-1);
    if (typeof waiting === "object" && continues(waiting, event) && waiting.text.length < MERGED_CHARS) {
      waiting.text += text;
      this.#pendingBytes += text.length;
    } else {
      // A copy: whoever made the event may use it again.
      this.#push({ ...event, text });
    }
  }

  /** The first half of a character of which the second never came: kept as it is. */
  #pushHalf(id: string): void {
    const half = this.#halves?.get(id);
    if (half) this.#push(half);
    this.#halves?.delete(id);
  }

  #push(pending: Pending): void {
    this.#pending.push(pending);
    this.#pendingBytes += typeof pending === "string" ? pending.length : pending.text.length;
  }

  /** Commits what is pending, batch after batch, until nothing is. */
  async #fly(): Promise<void> {
    try {
      while (this.#pending.length > 0) {
        // Deltas that come meanwhile are put together.
        if (this.#options.coalesceMs) await wait(this.#options.coalesceMs);
        // What is said in one go shares a batch: it is sealed a microtask later.
        await this.#exclusive(() => this.#commitPending());
      }
    } catch (error) {
      // Closed: `write` says so from now on, and what was not committed is not owed.
      this.#pending = [];
      if (error !== this.#closed) this.#options.onTrouble?.(error, this.log.run);
    } finally {
      this.#flight = undefined;
    }
  }

  async #commitPending(): Promise<void> {
    const { lines, recordChanged } = this.#takePending();
    if (lines.length === 0) return;
    const summary = recordChanged ? this.summary.clone() : undefined;
    this.#committing = summary;
    try {
      await this.#commit(() => ({ lines, record: summary && this.#recordOf(summary, lines) }), true);
    } finally {
      this.#committing = undefined;
    }
  }

  #recordOf(summary: Summary, lines: readonly string[]): RunRecord {
    const bytes = lines.reduce((sum, line) => sum + line.length, this.#bytes);
    return toRecord(this.log.run, summary, this.owner, bytes);
  }

  #takePending(): { readonly lines: readonly string[]; readonly recordChanged: boolean } {
    const taken = {
      lines: this.#pending.map((each) => (typeof each === "string" ? each : encodeChecked(each))),
      recordChanged: this.#recordChanged,
    };
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#recordChanged = false;
    return taken;
  }

  /**
   * Commits one batch, and resolves to its time, which is also that of the record. `patient`: the store's refusals
   * are waited out.
   */
  async #commit(draft: (at: number) => Draft, patient: boolean): Promise<number> {
    const by = `${this.#options.holder}.${(appends++).toString(36)}`;
    let failed = 0;
    while (true) {
      // Also after a refusal: what was read then may have been the end.
      if (this.#closed) throw this.#closed;
      const at = Date.now();
      const { lines, record, producer } = draft(at);
      const batch = sealBatch(this.#tail, lines, at, by, producer);
      this.#sent = batch;
      try {
        const real = await this.log.store.append(this.log.run, this.#tail, batch, record);
        if (!real) {
          this.#tail = { seq: batch.seq, check: batch.check };
          this.#bytes += batch.text.length;
          return at;
        }
        const known = this.#tail;
        const landed = await this.#missed(by);
        if (landed !== undefined) return landed;
        // Nothing was missed, and yet the log ends before this writer's place in it, or is another one.
        if (this.#tail === known && real.seq <= known.seq) this.#lose();
      } catch (error) {
        // The answer may be all that was lost: then the batch is there.
        const landed = await this.#missed(by).catch(() => undefined);
        if (landed !== undefined) return landed;
        if (!patient) throw error;
        this.#options.onTrouble?.(error, this.log.run);
        await wait(retryDelay(failed++));
      }
    }
  }

  /** Reads what others appended. If it is our own, of which only the answer was lost: its time. */
  async #missed(ours?: string): Promise<number | undefined> {
    const batches = await this.log.store.read(this.log.run, this.#tail.seq, 1024 * 1024);
    for (const batch of batches) {
      const { by, at, entries, tail, producer, before, first } = openBatch(batch);
      if (before !== this.#tail.check || first !== this.#tail.seq + 1) {
        this.#lose();
        return undefined;
      }
      if (by === ours) {
        this.#tail = tail;
        this.#bytes += batch.text.length;
        return at;
      }
      for (const entry of entries) {
        this.#take(entry);
        if (entry.type === "run.resumed") this.#close("another process went on with it");
        this.#options.onMissed?.(entry, this);
      }
      this.#remember(producer);
    }
    return undefined;
  }

  /** Folds an entry that is in the log already. */
  #take(entry: StoredEntry): void {
    this.summary.apply(entry.event, entry.at);
    this.#committing?.apply(entry.event, entry.at);
    this.#tail = { seq: entry.seq, check: entry.check };
    this.#bytes += entry.json.length;
    if (isTerminal(entry.event)) this.#close();
  }

  #remember(producer: Producer | undefined): void {
    if (!producer) return;
    this.#producers ??= new Map();
    this.#producers.set(producer.id, producer);
  }

  /** Whether a producer's append was made before. Throws `producer_fenced`, `producer_gap` for what cannot be next. */
  #isMade({ id, epoch, seq }: Producer): boolean {
    const last = this.#producers?.get(id);
    if (!last || epoch > last.epoch) {
      if (seq === 0) return false;
      throw new RunError("producer_gap", `${refused(this.log.run, id)}: its first append is 0, got ${seq}`);
    }
    if (epoch < last.epoch) {
      const why = `it goes on as epoch ${last.epoch}, got ${epoch}`;
      throw new RunError("producer_fenced", `${refused(this.log.run, id)}: ${why}`);
    }
    if (seq <= last.seq) return true;
    if (seq === last.seq + 1) return false;
    const why = `its next append is ${last.seq + 1}, got ${seq}`;
    throw new RunError("producer_gap", `${refused(this.log.run, id)}: ${why}`);
  }

  /** Whether an append of a producer would leave one out, as far as is known here. */
  #skips({ id, epoch, seq }: Producer): boolean {
    const last = this.#producers?.get(id);
    if (!last || epoch > last.epoch) return seq > 0;
    return epoch === last.epoch && seq > last.seq + 1;
  }

  /** Where an append of a producer is in the log. */
  async #find(asked: Producer): Promise<{ readonly first: number; readonly tail: Tail } | undefined> {
    for await (const batches of this.log.batches()) {
      for (const { producer, first, tail } of batches) {
        if (producer?.id === asked.id && producer.epoch === asked.epoch && producer.seq === asked.seq)
          return { first, tail };
      }
    }
    return undefined;
  }

  #applied(event: StreamEvent, at: number): void {
    this.summary.apply(event, at);
    if (isTerminal(event)) this.#close();
  }

  /** The store no longer holds what was committed: nothing can be put behind it. */
  #lose(): void {
    if (this.#closed) return;
    this.#closed = new RunError(
      "log_lost",
      `Cannot append to run "${this.log.run}": the store lost a part of its log`,
    );
    this.#options.onLost?.(this.log.run);
  }

  #close(why = `it ended with "${this.summary.terminal?.type}"`): void {
    this.#closed ??= new RunError("run_closed", `Cannot append to run "${this.log.run}": ${why}`);
  }

  #exclusive<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(work, work);
    this.#turn = result;
    return result;
  }
}

/** About how long the line of a delta is. */
function sizeOf(delta: Delta): number {
  const id = "id" in delta ? delta.id : delta.callId;
  return delta.text.length + id.length + (delta.agent?.length ?? 0) + (delta.parent?.length ?? 0);
}

function refused(run: string, producer: string): string {
  return `Cannot append to run "${run}" for producer "${producer}"`;
}

/** Whether two deltas are of one block, and say nothing else. */
function continues(a: Delta, b: Delta): boolean {
  const key = (delta: Delta) => ("id" in delta ? delta.id : delta.callId);
  return a.type === b.type && key(a) === key(b) && a.agent === b.agent && a.parent === b.parent;
}

function whyOf(terminal: TerminalEvent): string {
  if (terminal.type === "run.failed") return terminal.message;
  return terminal.type === "run.cancelled" ? "The run was cancelled" : "The run finished first";
}
