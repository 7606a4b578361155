import { soon } from "./soon.ts";

/** A longer pause would be seen on a screen; a shorter one frees nothing worth having. */
const MOST_MS = 12;
/** Of its time, what a process would spend on writing each commit by itself: pauses grow above one, and shrink below the other. */
const GROW_SHARE = 0.93;
const SHRINK_SHARE = 0.75;

export interface PacerClock {
  /** In ms, from any point. */
  now(): number;
  /** Calls `run` after so many ms, or in the next turn of the event loop. */
  later(run: () => void, ms: number): void;
}

const systemClock: PacerClock = {
  now: () => performance.now(),
  later: (run, ms) => void (ms === 0 ? soon(run) : setTimeout(run, ms)),
};

/**
 * When to write to many at once. While there is time, at once; where writing each commit by itself would take all the time
 * there is, after a pause that brings commits together. Measured with 200 events a second for 1,000 readers: without a
 * pause the delay grows to seconds, with 5 to 10 ms it stays near 20 ms at half a core.
 */
export class Pacer {
  readonly #clock: PacerClock;
  readonly #due = new Set<() => void>();
  /** How often it was asked to write since it last did. */
  #asked = 0;
  #scheduled = false;
  #pauseMs = 0;
  #endedAt = Number.NEGATIVE_INFINITY;

  constructor(clock: PacerClock = systemClock) {
    this.#clock = clock;
  }

  /** Has `write` called once, soon. */
  schedule(write: () => void): void {
    this.#due.add(write);
    this.#asked++;
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#clock.later(this.#run, this.#pauseMs < 1 ? 0 : this.#pauseMs);
  }

  readonly #run = (): void => {
    const joined = this.#asked / this.#due.size;
    const due = [...this.#due];
    this.#due.clear();
    this.#asked = 0;
    this.#scheduled = false;
    const from = this.#clock.now();
    let failed: { readonly error: unknown } | undefined;
    for (const write of due) {
      try {
        write();
      } catch (error) {
        failed ??= { error };
      }
    }
    const to = this.#clock.now();
    const share = ((to - from) * joined) / (to - this.#endedAt);
    this.#endedAt = to;
    if (share > GROW_SHARE) this.#pauseMs = Math.min(Math.max(this.#pauseMs * 1.5, 1), MOST_MS);
    else if (share < SHRINK_SHARE) this.#pauseMs /= 1.5;
    if (failed) throw failed.error;
  };
}
