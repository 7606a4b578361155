import type { Random } from "../support/seed.ts";
import type { FaultCounts } from "./faults.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** A kind of trouble that lasts a while, between processes and the store. */
export type Storm =
  | "outage"
  | "loseRequests"
  | "lateRequests"
  | "loseAnswers"
  | "dropHints"
  | "lateHints"
  | "doubleHints"
  | "slow";

/** A storm, or what befalls one process: it is cut off from the store, or stopped. */
type Trouble = Storm | `${"cut" | "stopped"} ${string}`;

/** What becomes of one request to the store. `failAfter`: the process is told so after that, whatever happened. */
export interface Passage {
  /** When it arrives, in ms; undefined: never. */
  readonly there: number | undefined;
  readonly back: number;
  readonly failAfter?: number;
  readonly answerLost: boolean;
}

/** How a simulated process waits for the store, in ms. */
const TIMEOUT_MS = 1_000;

/** What is wrong at the moment between the processes and the store. */
export class Weather {
  readonly faults: FaultCounts;
  readonly #clock: VirtualClock;
  readonly #random: Random;
  readonly #until = new Map<Trouble, number>();
  #troubleUntil = Number.NEGATIVE_INFINITY;
  /** Requests that are late, and will reach the store all the same. */
  onTheirWay = 0;

  constructor(clock: VirtualClock, random: Random, faults: FaultCounts) {
    this.#clock = clock;
    this.#random = random;
    this.faults = faults;
  }

  begin(storm: Trouble, ms: number): void {
    const until = Math.max(this.#until.get(storm) ?? 0, this.#clock.now + ms);
    this.#until.set(storm, until);
    this.#troubleUntil = Math.max(this.#troubleUntil, until);
  }

  /** The end of all trouble. */
  clear(): void {
    this.#until.clear();
    this.#troubleUntil = Math.min(this.#troubleUntil, this.#clock.now);
  }

  /** How long nothing has been wrong, in ms: for ever at first. */
  get calmMs(): number {
    return this.onTheirWay > 0 ? 0 : Math.max(0, this.#clock.now - this.#troubleUntil);
  }

  is(storm: Trouble): boolean {
    return (this.#until.get(storm) ?? 0) > this.#clock.now;
  }

  passage(): Passage {
    const { faults } = this;
    const back = this.#latency();
    if (this.is("loseRequests") && this.#random.chance(0.3)) {
      faults["lost request"]++;
      return { there: undefined, back, failAfter: TIMEOUT_MS, answerLost: true };
    }
    if (this.is("lateRequests") && this.#random.chance(0.3)) {
      faults["late request"]++;
      const there = this.#random.between(TIMEOUT_MS / 2, TIMEOUT_MS * 4);
      this.onTheirWay++;
      this.#clock.after(there + 1, () => this.onTheirWay--);
      return { there, back, failAfter: TIMEOUT_MS, answerLost: false };
    }
    const answerLost = this.is("loseAnswers") && this.#random.chance(0.4);
    if (answerLost) faults["lost answer of the store"]++;
    return { there: this.#latency(), back, answerLost };
  }

  /** When one hint arrives, in ms; as often as there are figures. */
  hints(): readonly number[] {
    const { faults } = this;
    if (this.is("dropHints") && this.#random.chance(0.7)) {
      faults["dropped hint"]++;
      return [];
    }
    const late = this.is("lateHints") && this.#random.chance(0.5);
    if (late) faults["late hint"]++;
    const first = late ? this.#random.between(50, 3_000) : this.#latency();
    if (!this.is("doubleHints") || !this.#random.chance(0.5)) return [first];
    faults["doubled hint"]++;
    return [first, first + this.#random.between(0, 500)];
  }

  #latency(): number {
    return this.#random.next() * (this.is("slow") ? 300 : 3);
  }
}
