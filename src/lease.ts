import type { Store } from "./store.ts";

/**
 * After so many leases every run is looked at again: what a process sent before it died may have reached the store after
 * its runs were looked at.
 */
const SCAN_LEASES = 10;

export interface LeaseOptions {
  readonly store: Store;
  /** Names this process. */
  readonly holder: string;
  /** How long a process may be out of touch with the store before others may call it dead, in ms. */
  readonly leaseMs: number;
  /** Looks at every run: some may be held by a process that is dead. */
  readonly onScan: () => Promise<unknown>;
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
  #brokenAt = Number.NEGATIVE_INFINITY;
  /** Who was alive by the last answer. */
  #alive: ReadonlySet<string> = new Set();
  /** Who was, and whose runs are to be looked at once they are not. */
  #known = new Set<string>();
  /** When every run was last looked at; undefined: not since the last break. */
  #scannedAt: number | undefined;
  /** When this process last looked at its own runs. */
  #looked = Number.NEGATIVE_INFINITY;
  #beating: Promise<void> = Promise.resolve();
  /** Looking at runs takes its time, in which the beat goes on: it says whether what was judged still holds. */
  #looking: Promise<void> | undefined;

  constructor(options: LeaseOptions) {
    this.#options = options;
  }

  /** Begins, and resolves once this process is known as alive; where no other can write, once all was looked at. */
  async start(): Promise<void> {
    const { store, leaseMs, onTrouble } = this.#options;
    // Often, where others wait for it: a death is noticed at most one beat after its lease.
    const every = store.shared ? Math.min(leaseMs / 30, 1_000) : leaseMs / 3;
    const beat = () => {
      this.#beating = this.beat().then(() => {}, onTrouble);
      void this.#beating.then(() => {
        if (this.#timer) this.#timer = setTimeout(beat, every).unref();
      });
    };
    await this.beat();
    this.#timer ??= setTimeout(beat, every).unref();
    if (!store.shared) await this.#looking;
  }

  /** Whether a process is dead, as far as this one may judge at this moment. */
  isDead(holder: string): boolean {
    return this.#mayJudge && holder !== this.#options.holder && !this.#alive.has(holder);
  }

  /** Ends it: others need not wait for the lease to run out. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#beating;
    this.#since = undefined;
    await this.#looking?.catch(() => {});
    if (this.#last !== undefined) await this.#options.store.beat(this.#options.holder, 0);
  }

  /** Keeps this process known as alive, and resolves to who is. Rejects if the store cannot be asked. */
  async beat(): Promise<readonly string[]> {
    const { store, holder, leaseMs } = this.#options;
    // Who is alive was true between this and the answer.
    const asked = performance.now();
    let alive: readonly string[];
    try {
      alive = await store.beat(holder, leaseMs);
    } catch (error) {
      this.#break();
      throw error;
    }
    // Beats may overlap: what was asked before another one failed, or was answered, is older than what is known.
    if (asked < this.#brokenAt || (this.#last !== undefined && asked < this.#last)) return alive;
    const now = performance.now();
    // Whoever was stopped for so long knows nothing of the others.
    if (this.#last !== undefined && now - this.#last >= leaseMs) this.#since = undefined;
    this.#last = asked;
    this.#alive = new Set(alive);
    if (this.#since === undefined) {
      this.#since = now;
      this.#scannedAt = undefined;
    }
    if (this.#scannedAt === undefined) this.#known = new Set(alive);
    if (!this.#mayJudge || this.#looking) return alive;
    this.#looking = this.#look().finally(() => {
      this.#looking = undefined;
    });
    // Trouble with the store in between is a break, too. Who starts waits for it, or nobody does.
    this.#looking.catch((error) => {
      this.#break();
      this.#options.onTrouble(error);
    });
    return alive;
  }

  #break(): void {
    this.#since = undefined;
    this.#brokenAt = performance.now();
  }

  /** In touch for a whole lease, and lately. Where nobody else writes there is nothing to wait for. */
  get #mayJudge(): boolean {
    const { store, leaseMs } = this.#options;
    if (this.#since === undefined || this.#last === undefined) return false;
    if (!store.shared) return true;
    return this.#last - this.#since >= leaseMs && performance.now() - this.#last < leaseMs / 2;
  }

  async #look(): Promise<void> {
    const { store, leaseMs, onScan, onDead, onOwn } = this.#options;
    const since = this.#since;
    const now = performance.now();
    if (this.#scannedAt === undefined || (store.shared && now - this.#scannedAt >= SCAN_LEASES * leaseMs)) {
      await onScan();
      // After a break in between all has to be looked at again.
      this.#scannedAt = this.#since === since ? now : undefined;
    } else if (store.shared) {
      for (const other of this.#known) {
        if (!this.isDead(other)) continue;
        await onDead(other);
        if (this.isDead(other)) this.#known.delete(other);
      }
      for (const other of this.#alive) this.#known.add(other);
    }
    if (performance.now() - this.#looked < leaseMs) return;
    this.#looked = performance.now();
    await onOwn();
  }
}
