import { crc32 } from "node:zlib";
import { type OpenBatch, openBatch } from "../../src/batch.ts";
import { isTerminalType } from "../../src/events.ts";
import { EMPTY } from "../../src/log.ts";
import type { Batch, Store } from "../../src/store.ts";
import { type Invariant, Violation } from "./invariants.ts";
import type { Labour } from "./simulated-agent.ts";
import type { VirtualClock } from "./virtual-clock.ts";
import type { Weather } from "./weather.ts";

/** What is known of one log from its commits. */
export interface Observed {
  readonly batches: OpenBatch[];
  ended: boolean;
  /** The process that writes the run. */
  owner: string;
  /** The highest epoch that was accepted of each producer. */
  readonly epochs: Map<string, number>;
  /** Agents at work that were fenced: all that began before this number. */
  fencedBelow: number;
}

export interface ObservedStoreOptions {
  readonly store: Store;
  readonly clock: VirtualClock;
  readonly weather: Weather;
  readonly leaseMs: number;
  readonly labours: readonly Labour[];
  readonly violate: (violation: Violation) => void;
}

/** The store itself, with somebody who looks at each commit as it happens. */
export class ObservedStore {
  readonly logs = new Map<string, Observed>();
  readonly store: Store;
  readonly #options: ObservedStoreOptions;
  /** When each process was last heard. */
  readonly #heard = new Map<string, number>();
  /** Since when each process has reached the store without a break. */
  readonly #inTouchSince = new Map<string, number>();
  /** Whom each process may call dead: who was not heard for a lease in which it was itself in touch. */
  readonly #silentTo = new Map<string, Set<string>>();
  /** Processes that said that they leave. */
  readonly #gone = new Set<string>();

  constructor(options: ObservedStoreOptions) {
    this.#options = options;
    const { store, clock } = options;
    this.store = {
      durability: store.durability,
      shared: true,
      append: async (run, expected, batch, record) => {
        const real = await store.append(run, expected, batch, record);
        if (!real && batch) this.#committed(run, batch);
        return real;
      },
      read: (run, after, maxBytes) => store.read(run, after, maxBytes),
      tail: (run) => store.tail(run),
      record: (run) => store.record(run),
      list: (list) => store.list(list),
      delete: (run, expected) => store.delete(run, expected),
      watch: (run, wake) => store.watch(run, wake),
      beat: (holder, ms) => {
        if (ms === 0) this.#gone.add(holder);
        this.#listen(holder);
        this.#heard.set(holder, clock.now);
        return store.beat(holder, ms);
      },
      [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    };
  }

  /** Takes word that a process did not reach the store. */
  lostTouch(holder: string): void {
    this.#inTouchSince.delete(holder);
  }

  #listen(holder: string): void {
    const { clock, leaseMs } = this.#options;
    const last = this.#heard.get(holder);
    if (last !== undefined && clock.now - last >= leaseMs) this.lostTouch(holder);
    const since = this.#inTouchSince.get(holder) ?? clock.now;
    this.#inTouchSince.set(holder, since);
    const silent = this.#silentTo.get(holder) ?? new Set();
    this.#silentTo.set(holder, silent);
    for (const [other, heard] of this.#heard) {
      if (clock.now - Math.max(heard, since) >= leaseMs) silent.add(other);
    }
  }

  #committed(run: string, batch: Batch): void {
    const open = openBatch(batch);
    const { entries, by, producer } = open;
    const holder = by.slice(0, by.lastIndexOf("."));
    const log = this.#log(run, holder);
    const says = (invariant: Invariant, what: string) =>
      this.#options.violate(new Violation(invariant, `in ${run}, ${what}`));
    const before = log.batches.at(-1)?.tail ?? EMPTY;
    if (
      open.first !== before.seq + 1 ||
      open.before !== before.check ||
      crc32(batch.text, before.check) !== batch.check
    )
      says(
        8,
        `entries ${open.first} to ${batch.seq} were kept after ${before.seq}, which they do not follow`,
      );
    log.batches.push(open);
    if (producer) {
      const epoch = log.epochs.get(producer.id) ?? 0;
      if (producer.epoch < epoch) says(7, `epoch ${producer.epoch} added something after epoch ${epoch}`);
      log.epochs.set(producer.id, Math.max(epoch, producer.epoch));
    }
    const labour = this.#options.labours.findLast((each) => each.run === run);
    for (const { type, event, seq } of entries) {
      if (event.type === "text.delta" && labour) labour.committed += event.text.length;
      if (log.ended) says(3, `entry ${seq}, "${type}", stands after the end`);
      if (isTerminalType(type)) log.ended = true;
      if (event.type === "run.failed" && event.code === "producer_lost") {
        this.#options.weather.faults["run failed by a reaper"]++;
        const started = log.batches[0]!.entries[0]!.event;
        if (started.type === "run.started" && started.agent !== null)
          this.#mayBeDead(log.owner, holder, says);
      } else if (event.type === "run.resumed") {
        this.#options.weather.faults["run resumed"]++;
        // With the answer of a person another process goes on with what nobody is at work on.
        const answered = entries.some((entry) => entry.type === "input.approval");
        if (!answered) this.#mayBeDead(log.owner, holder, says);
        log.owner = holder;
        log.fencedBelow = this.#options.labours.length;
      } else if (event.type === "custom" && event.name === "sim.mark") {
        const { labour } = event.data as { labour: number };
        if (labour < log.fencedBelow) says(7, `agent ${labour} added entry ${seq} after another went on`);
      }
    }
  }

  #mayBeDead(owner: string, by: string, says: (invariant: Invariant, what: string) => void): void {
    // A process may find a run of its own that it is not at work on.
    if (owner === by || this.#gone.has(owner) || this.#silentTo.get(by)?.has(owner)) return;
    const { now } = this.#options.clock;
    const heard = now - this.#heard.get(owner)!;
    const since = now - this.#inTouchSince.get(by)!;
    says(18, `process ${owner}, heard ${heard} ms ago, was called dead by ${by}, in touch for ${since} ms`);
  }

  #log(run: string, owner: string): Observed {
    const known = this.logs.get(run);
    if (known) return known;
    const made: Observed = { batches: [], ended: false, owner, epochs: new Map(), fencedBelow: 0 };
    this.logs.set(run, made);
    return made;
  }
}
