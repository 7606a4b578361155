import { type OpenBatch, type Producer, parseCursor } from "../../src/batch.ts";
import { RunError } from "../../src/errors.ts";
import type { InputEvent } from "../../src/events.ts";
import type { Hub } from "../../src/hub.ts";
import { Log } from "../../src/log.ts";
import type { Appended } from "../../src/producers.ts";
import type { Store } from "../../src/store.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import { Summary } from "../../src/summary.ts";
import { type Random, seeded } from "../support/seed.ts";
import { checkEnd } from "./check-end.ts";
import { type FaultCounts, noFaults } from "./faults.ts";
import { Violation } from "./invariants.ts";
import { ObservedStore } from "./observed-store.ts";
import type { Deed, Plan, Step } from "./plan.ts";
import { type Plant, plantedHandle, plantedTruth } from "./plants.ts";
import { type Labour, simulatedAgent } from "./simulated-agent.ts";
import { SimulatedProcess } from "./simulated-process.ts";
import { type Answer, SimulatedProducer } from "./simulated-producer.ts";
import { simulatedStore } from "./simulated-store.ts";
import { SimulatedViewer } from "./simulated-viewer.ts";
import type { Task } from "./sources.ts";
import { settled, VirtualClock } from "./virtual-clock.ts";
import { type Storm, Weather } from "./weather.ts";

export const LEASE_MS = 2_000;
/** Within this after the last fault every run has ended, and every viewer has seen it. */
const CALM_MS = 40_000;
/** How long a client waits for an answer, and how often it asks again. */
const PATIENCE_MS = 3_000;
const TRIES = 8;

/** An append, from when it was made to when it was acknowledged, in the order of all that happened. */
export interface Acknowledged {
  readonly run: string;
  readonly made: number;
  readonly acknowledged: number;
  readonly first: number;
  readonly last: number;
}

/** Servers on one store, those who use them, and all that befalls them. */
export class World {
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly plant: Plant | undefined;
  readonly faults: FaultCounts = noFaults();
  readonly weather: Weather;
  readonly truth: ObservedStore;
  readonly processes: SimulatedProcess[] = [];
  readonly viewers: SimulatedViewer[] = [];
  readonly producers: SimulatedProducer[] = [];
  readonly labours: Labour[] = [];
  /** What the answers said. */
  readonly acknowledged: Acknowledged[] = [];
  readonly answers: Answer[] = [];
  readonly cancelled: { readonly run: string; readonly endedBefore: boolean }[] = [];
  readonly cursors: { readonly run: string; readonly cursor: string }[] = [];
  over = false;
  readonly #plan: Plan;
  readonly #runs: string[] = [];
  #order = 0;
  /** When each numbered append was first made. */
  readonly #made = new Map<string, number>();
  #violation: Violation | undefined;
  #repliesLostUntil = 0;
  /** Clients and producers that have not given up, or what they wanted. */
  #clients = 0;

  constructor(plan: Plan, plant?: Plant) {
    this.#plan = plan;
    this.plant = plant;
    this.random = seeded(plan.seed);
    this.weather = new Weather(this.clock, this.random, this.faults);
    this.truth = new ObservedStore({
      store: plantedTruth(memoryStore({ now: () => this.clock.now }), plant),
      clock: this.clock,
      weather: this.weather,
      leaseMs: LEASE_MS,
      labours: this.labours,
      violate: (violation) => this.violate(violation),
    });
  }

  /** All of the plan, then calm. Throws the first {@linkcode Violation}. */
  async run(): Promise<void> {
    using _ = this.clock.install();
    for (let count = 0; count < this.#plan.processes; count++) this.#boot();
    await this.clock.advance(20);
    for (const step of this.#plan.steps) {
      await this.#advance(step.afterMs);
      this.#do(step);
      await settled();
      this.#check();
    }
    await this.#calm();
    await checkEnd(this);
    this.#check();
    await this.#startAnew();
    this.over = true;
    // What still waits for something is let go.
    for (const process of this.processes) process.kill();
  }

  violate(violation: Violation): void {
    this.#violation ??= violation;
  }

  anyProcess(): SimulatedProcess | undefined {
    return this.#pick(this.#serving(), this.random.between(0, 999));
  }

  /** A request to whichever server a client reaches. */
  async ask<Result>(work: (hub: Hub) => Promise<Result>): Promise<Result> {
    const process = this.anyProcess();
    if (!process) {
      await this.clock.wait(100);
      throw new Error("No server is there");
    }
    const { random } = this;
    const lost = this.clock.now < this.#repliesLostUntil && random.chance(0.4);
    const answer = await process.request(work, {
      there: random.next() * 5,
      back: random.next() * 5,
      patience: PATIENCE_MS,
    });
    if (!lost) return answer;
    this.faults["lost answer of a server"]++;
    throw new Error("The answer was lost");
  }

  /** An append of a producer; its answer is kept. */
  async numbered(
    run: string,
    work: (hub: Hub) => Promise<Appended>,
    { epoch, seq }: Omit<Producer, "id">,
  ): Promise<void> {
    // Made again it is still the same append.
    const number = `${run} ${epoch}.${seq}`;
    const made = this.#made.get(number) ?? this.#order++;
    this.#made.set(number, made);
    const appended = await this.ask(work);
    this.answers.push({ run, epoch, seq, appended });
    this.#acknowledge(run, made, appended.first, appended.last, appended.cursor);
    // What was acknowledged is there for whoever asks from now on.
    if (this.random.chance(0.2)) void this.#readBack(run, appended.last);
  }

  #acknowledge(run: string, made: number, first: number, last: number, cursor: string): void {
    this.acknowledged.push({ run, made, acknowledged: this.#order++, first, last });
    this.cursors.push({ run, cursor });
  }

  async #readBack(run: string, least: number): Promise<void> {
    const last = await this.ask((hub) => hub.run(run).log.last()).catch(() => undefined);
    if (last && last.seq < least) {
      this.violate(
        new Violation(9, `${run} ended at ${last.seq} for a reader, after ${least} was acknowledged`),
      );
    }
  }

  #do({ deed, which, ms }: Step): void {
    const process = this.#pick(
      this.processes.filter(({ state }) => state === "running"),
      which,
    );
    const run = this.#pick(this.#runs, which);
    const acts: Record<Deed, () => void> = {
      start: () => this.#start(which, ms),
      produce: () => this.#produce(which),
      follow: () => run && this.#follow(run),
      cut: () => this.#pick(this.viewers, which)?.cut(ms % 2 === 0 ? undefined : ms % 7),
      slow: () => this.#pick(this.viewers, which)?.slow(ms / 10),
      cancel: () => run && void this.#cancel(run),
      answer: () => run && void this.#answer(run),
      message: () => run && void this.#message(run, ms),
      crash: () => process && this.#crash(process),
      crashAll: () => {
        this.faults["crash of all"]++;
        for (const each of this.processes) if (each.state !== "dead") this.#crash(each);
      },
      stop: () => process && this.#stop(process, ms),
      drain: () => process && this.#drain(process, ms),
      boot: () => this.#boot(),
      replace: () => {
        const producer = this.#pick(this.producers, which);
        if (!producer) return;
        this.faults["producer replaced"]++;
        void this.#live(producer);
      },
      outage: () => {
        this.faults["store outage"]++;
        this.weather.begin("outage", ms);
      },
      cutStore: () => {
        if (!process) return;
        this.faults["cut off from the store"]++;
        this.weather.begin(`cut ${process.name}`, ms);
      },
      loseRequests: () => this.#storm("loseRequests", ms),
      lateRequests: () => this.#storm("lateRequests", ms),
      loseAnswers: () => this.#storm("loseAnswers", ms),
      loseReplies: () => {
        this.#repliesLostUntil = this.clock.now + ms;
      },
      dropHints: () => this.#storm("dropHints", ms),
      lateHints: () => this.#storm("lateHints", ms),
      doubleHints: () => this.#storm("doubleHints", ms),
      slowStore: () => {
        this.faults["slow store"]++;
        this.#storm("slow", ms);
      },
      moveClock: () => {
        if (!process) return;
        this.faults["wall clock moved"]++;
        process.wallSkewMs += (which - 500) * 7_200;
      },
    };
    acts[deed]();
  }

  #storm(storm: Storm, ms: number): void {
    this.weather.begin(storm, ms);
  }

  #boot(): void {
    if (this.processes.filter(({ state }) => state !== "dead").length >= 4) return;
    const process = new SimulatedProcess({
      name: `process ${this.processes.length}`,
      clock: this.clock,
      store: (self) =>
        plantedHandle(
          simulatedStore({
            store: this.truth.store,
            process: self,
            clock: this.clock,
            weather: this.weather,
          }),
          this.plant,
        ),
      hub: (self, store) => {
        const { weather, random, labours } = this;
        const hasty = this.plant === "hasty-reaper";
        const beat: Store["beat"] = async (holder, ms) => {
          try {
            return await store.beat(holder, hasty && ms > 0 ? LEASE_MS : ms);
          } catch (error) {
            this.truth.lostTouch(holder);
            throw error;
          }
        };
        return {
          store: { ...store, beat },
          leaseMs: hasty ? LEASE_MS / 40 : LEASE_MS,
          agents: (["fail", "resume"] as const).map((onProducerLost) =>
            simulatedAgent({
              name: onProducerLost,
              onProducerLost,
              process: self,
              weather,
              random,
              labours,
              violate: (violation) => this.violate(violation),
            }),
          ),
        };
      },
    });
    this.processes.push(process);
    process.boot();
  }

  #crash(process: SimulatedProcess): void {
    this.faults.crash++;
    process.kill();
  }

  #stop(process: SimulatedProcess, ms: number): void {
    this.faults[ms > LEASE_MS ? "stopped process, longer than its lease" : "stopped process"]++;
    process.stop();
    this.weather.begin(`stopped ${process.name}`, ms);
    this.clock.after(ms, () => process.goOn());
  }

  #drain(process: SimulatedProcess, ms: number): void {
    this.faults["drained process"]++;
    process.draining = true;
    process.deliver(() => {
      void process.hub.drain(ms).then(() => process.kill());
    });
  }

  #start(which: number, ms: number): void {
    const long = which % 40 === 0;
    const task: Task = {
      steps: 1 + (which % 3),
      words: long ? 12_000 : 1 + (ms % 12),
      pauseMs: ms % 5 === 0 && !long ? 1_500 : ms % 100,
      ...(which % 4 === 1 && { ask: 1 + (ms % 2) }),
      ...(which % 11 === 2 && { deaf: true }),
      ...(which % 13 === 3 && { fail: 1 }),
    };
    const id = `r${this.#runs.length}`;
    const agent = which % 2 === 0 ? "resume" : "fail";
    this.#runs.push(id);
    const start = () => this.#retried((hub) => hub.start({ id, agent, input: JSON.stringify(task) }));
    void start();
    if (which % 5 === 0) {
      this.faults["start made twice"]++;
      void start();
    }
    this.#follow(id);
  }

  #produce(which: number): void {
    const id = `p${this.#runs.length}`;
    this.#runs.push(id);
    const producer = new SimulatedProducer(this, id, 1 + (which % 12));
    const begin = async () => {
      const started = await this.#retried((hub) =>
        hub.start({ id, agent: null, input: "elsewhere", leaseMs: LEASE_MS }),
      );
      if (!started) return;
      this.producers.push(producer);
      await this.#live(producer);
    };
    void begin();
    this.#follow(id);
  }

  async #live(producer: SimulatedProducer): Promise<void> {
    using _ = this.#client();
    await producer.live();
  }

  #follow(run: string): void {
    if (this.viewers.length >= 20) return;
    // Some come back to a page that they had open before.
    const seen = this.#pick(
      this.cursors.filter((each) => each.run === run),
      this.random.between(0, 99),
    );
    const viewer = new SimulatedViewer(this, run, seen && this.random.chance(0.5) ? seen.cursor : "0");
    this.viewers.push(viewer);
    void viewer.watch();
  }

  async #cancel(run: string): Promise<void> {
    const endedBefore = this.truth.logs.get(run)?.ended ?? false;
    const done = await this.#retried(async (hub) => {
      await hub.run(run).cancel({ reason: "enough" });
      return true;
    });
    if (!done) return;
    this.faults.cancel++;
    this.cancelled.push({ run, endedBefore });
  }

  async #answer(run: string): Promise<void> {
    const summary = this.summaryOf(run);
    for (const approvalId of summary.approvals.keys()) {
      await this.#send(run, { type: "input.approval", approvalId, approved: true });
    }
  }

  async #message(run: string, ms: number): Promise<void> {
    const message = { id: `m${ms}`, role: "user", parts: [{ type: "text", text: run }] } as const;
    await this.#send(run, { type: "input.message", message });
  }

  async #send(run: string, event: InputEvent): Promise<void> {
    const made = this.#order++;
    const sent = await this.#retried((hub) => hub.run(run).send(event));
    if (!sent) return;
    const seq = parseCursor(sent.cursor)!.seq;
    this.#acknowledge(run, made, seq, seq, sent.cursor);
  }

  /** Asks until there is an answer that asking again would not change; undefined without one. */
  async #retried<Result>(work: (hub: Hub) => Promise<Result>): Promise<Result | undefined> {
    using _ = this.#client();
    for (let tries = 0; tries < TRIES; tries++) {
      try {
        return await this.ask(work);
      } catch (error) {
        if (error instanceof RunError && !error.retry) return undefined;
        await this.clock.wait(this.random.between(50, 400));
      }
    }
    return undefined;
  }

  #client(): Disposable {
    this.#clients++;
    return { [Symbol.dispose]: () => void this.#clients-- };
  }

  summaryOf(run: string): Summary {
    const summary = new Summary();
    for (const { entries } of this.batchesOf(run)) {
      for (const { event, at } of entries) summary.apply(event, at);
    }
    return summary;
  }

  batchesOf(run: string): readonly OpenBatch[] {
    return this.truth.logs.get(run)?.batches ?? [];
  }

  /** The log of a run as it is read from the store itself. */
  logOf(run: string): Log {
    return new Log(this.truth.store, run);
  }

  async #advance(ms: number): Promise<void> {
    await this.clock.advance(ms);
    this.#check();
  }

  #check(): void {
    if (this.#violation) throw this.#violation;
  }

  /** The end of all faults: everybody goes on, and all that is open has to end. */
  async #calm(): Promise<void> {
    this.weather.clear();
    this.#repliesLostUntil = 0;
    for (const process of this.processes) process.goOn();
    if (this.#serving().length === 0) this.#boot();
    const until = this.clock.now + CALM_MS;
    while (true) {
      await this.#advance(250);
      // What is on its way may still begin something.
      if (this.weather.onTheirWay + this.#clients > 0 && this.clock.now < until) continue;
      const open = [...this.truth.logs].filter(([, { ended }]) => !ended).map(([run]) => run);
      const unseen = this.viewers.filter(({ done, run }) => !done && this.truth.logs.has(run));
      const atWork = this.labours.filter(({ over, process }) => !over && process.state === "running");
      if (open.length + unseen.length + atWork.length === 0) return;
      if (this.clock.now > until) {
        const what = [
          ...open.map((run) => `${run} is open: ${this.#lastOf(run)}`),
          ...unseen.map(({ run, seen }) => `a viewer of ${run} has seen ${seen.length}, not the end`),
          ...atWork.map(({ id, run }) => `agent ${id} is still at work on ${run}`),
        ];
        throw new Violation(3, what.join("; "));
      }
      for (const run of open) if (this.summaryOf(run).approvals.size > 0) void this.#answer(run);
    }
  }

  /** All servers are killed and others started on the same store, twice: nothing changes. */
  async #startAnew(): Promise<void> {
    const shape = () =>
      JSON.stringify([...this.truth.logs].map(([run, { batches }]) => [run, batches.at(-1)!.tail]));
    const before = shape();
    for (let times = 0; times < 2; times++) {
      for (const process of this.processes) process.kill();
      this.#boot();
      await this.#advance(LEASE_MS * 1.5);
      if (shape() !== before) throw new Violation(18, `the logs were ${before}, and became ${shape()}`);
    }
  }

  #lastOf(run: string): string {
    const { entries, by } = this.batchesOf(run).at(-1)!;
    return `it stands at ${entries.at(-1)!.seq}, "${entries.at(-1)!.type}", by ${by}`;
  }

  #serving(): SimulatedProcess[] {
    return this.processes.filter(({ state, draining, ready }) => ready && state !== "dead" && !draining);
  }

  #pick<Item>(items: readonly Item[], which: number): Item | undefined {
    return items.length === 0 ? undefined : items[which % items.length];
  }
}
