/** A longer pause would be seen on a screen; a shorter one frees nothing worth having. */
const MOST_MS = 12;
/** The share of its time that a process may spend on writing each commit by itself. */
const MOST_SHARE = 0.6;

/**
 * When to write to many at once. While there is time, at once. Where the process would spend more of its time on writing
 * each commit by itself than it should, and pauses bring commits together, they grow. Measured with 200 events a second
 * for 1,000 readers: without a pause the delay grows to seconds, with 5 to 10 ms it stays near 20 ms at half a core.
 */
export class Pacer {
  readonly #due = new Set<() => void>();
  /** How often it was asked to write since it last did. */
  #asked = 0;
  #scheduled = false;
  #pauseMs = 0;
  #endedAt = 0;

  /** Has `write` called once, soon. */
  schedule(write: () => void): void {
    this.#due.add(write);
    this.#asked++;
    if (this.#scheduled) return;
    this.#scheduled = true;
    if (this.#pauseMs < 1) setImmediate(this.#run);
    else setTimeout(this.#run, this.#pauseMs);
  }

  readonly #run = (): void => {
    const joined = this.#asked / this.#due.size;
    const due = [...this.#due];
    this.#due.clear();
    this.#asked = 0;
    this.#scheduled = false;
    const from = performance.now();
    for (const write of due) write();
    const to = performance.now();
    const share = ((to - from) * joined) / (to - this.#endedAt);
    this.#endedAt = to;
    if (share > MOST_SHARE && joined > 1) this.#pauseMs = Math.min(Math.max(this.#pauseMs * 1.5, 1), MOST_MS);
    else this.#pauseMs /= 1.5;
  };
}
