/** Who has been heard of lately, by a clock that never jumps. */
export class Heartbeats {
  readonly #expiry = new Map<string, number>();
  readonly #now: () => number;

  /** `now` is in ms, from any point. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Keeps `holder` for `ms` from now, and returns everyone who is still kept. */
  beat(holder: string, ms: number): string[] {
    const now = this.#now();
    this.#expiry.set(holder, now + ms);
    for (const [name, expiry] of this.#expiry) if (expiry <= now) this.#expiry.delete(name);
    return [...this.#expiry.keys()];
  }
}
