import type { Store } from "./store.ts";

export interface LeaseOptions {
  readonly store: Store;
  /** Names this process. */
  readonly holder: string;
  /** How long a process may be out of touch with the store before others may call it dead, in ms. */
  readonly leaseMs: number;
  /** Looks at every run: whoever holds one and is not among `alive` is dead. */
  readonly onScan: (alive: ReadonlySet<string>) => Promise<unknown>;
  /** Looks at the runs of a process that was alive and is no more. */
  readonly onDead: (holder: string) => Promise<unknown>;
  /** Looks at the runs of this process itself, once in a lease. */
  readonly onOwn: () => Promise<unknown>;
  readonly onTrouble: (error: unknown) => void;
}

/**
 * This process among those of a store: keeps itself known as alive, and says which are not any more. It calls
 * others dead only after it has itself been in touch with the store for one whole lease: after an outage of the
 * store, or of this process, everybody else gets the time to be heard again. Where no other process can write,
 * whoever held a run before is dead, and no time has to pass.
 */
export class Lease {
  readonly #options: LeaseOptions;
  #timer: NodeJS.Timeout | undefined;
  /** Since when this process has been in touch without a break, and when it last was; by a clock that never jumps. */
  #since: number | undefined;
  #last: number | undefined;
  #scanned = false;
  /** When this process last looked at its own runs. */
  #looked = Number.NEGATIVE_INFINITY;
  /** Who was alive when this was last looked at. */
  #known: ReadonlySet<string> = new Set();
  #beating: Promise<void> = Promise.resolve();

  constructor(options: LeaseOptions) {
    this.#options = options;
  }

  /** Begins, and resolves once this process is known as alive; where no other can write, once all was looked at. */
  async start(): Promise<void> {
    const { store, leaseMs, onTrouble } = this.#options;
    // Often, where others wait for it: a death is noticed at most one beat after its lease.
    const every = store.shared ? Math.min(leaseMs / 30, 1_000) : leaseMs / 3;
    const beat = () => {
      this.#beating = this.#beat().catch(onTrouble);
      void this.#beating.then(() => {
        if (this.#timer) this.#timer = setTimeout(beat, every).unref();
      });
    };
    await this.#beat();
    this.#timer ??= setTimeout(beat, every).unref();
  }

  /** Ends it: others need not wait for the lease to run out. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#beating;
    if (this.#last !== undefined) await this.#options.store.beat(this.#options.holder, 0);
  }

  async #beat(): Promise<void> {
    try {
      await this.#look();
    } catch (error) {
      this.#since = undefined;
      throw error;
    }
  }

  async #look(): Promise<void> {
    const { store, holder, leaseMs, onScan, onDead, onOwn } = this.#options;
    // Who is alive was true between this and the answer.
    const asked = performance.now();
    const alive = new Set(await store.beat(holder, leaseMs));
    const now = performance.now();
    // Whoever was stopped for so long knows nothing of the others.
    if (this.#last !== undefined && now - this.#last >= leaseMs) this.#since = undefined;
    this.#last = asked;
    if (this.#since === undefined) {
      this.#since = now;
      this.#scanned = false;
    }
    if (store.shared && asked - this.#since < leaseMs) {
      this.#known = alive;
    } else if (!this.#scanned) {
      await onScan(alive);
      this.#scanned = true;
      this.#known = alive;
    } else if (store.shared) {
      for (const other of this.#known) if (!alive.has(other)) await onDead(other);
      this.#known = alive;
    }
    if (now - this.#looked >= leaseMs) {
      this.#looked = now;
      await onOwn();
    }
  }
}
