import { Hub, type HubOptions } from "../../src/hub.ts";
import type { Store } from "../../src/store.ts";
import { runningIn, type TimeOwner, type VirtualClock } from "./virtual-clock.ts";

/** What a client is told whose server is gone, or does not answer. */
export class ConnectionBroken extends Error {
  override readonly name = "ConnectionBroken";
}

export interface SimulatedProcessOptions {
  readonly name: string;
  readonly clock: VirtualClock;
  readonly store: (process: SimulatedProcess) => Store;
  readonly hub: (process: SimulatedProcess, store: Store) => HubOptions;
}

/**
 * A server process with its hub. Killed, it does nothing any more: its timers, what the store answers and what its
 * agents wait for never come. Stopped, as by SIGSTOP, all that is held back until it goes on, and what it has sent
 * already is on its way.
 */
export class SimulatedProcess implements TimeOwner {
  readonly name: string;
  readonly hub: Hub;
  wallSkewMs = 0;
  state: "running" | "stopped" | "dead" = "running";
  /** Whether it stops for good, and takes no more requests. */
  draining = false;
  /** Whether others know it as alive: before that it takes no requests. */
  ready = false;
  readonly #clock: VirtualClock;
  #held: (() => void)[] = [];
  /** Requests of clients that have no answer yet. */
  readonly #requests = new Set<(error: Error) => void>();

  constructor({ name, clock, store, hub }: SimulatedProcessOptions) {
    this.name = name;
    this.#clock = clock;
    this.hub = this.inside(() => new Hub(hub(this, store(this))));
  }

  /** Begins its lease, and tries again until the store takes it. */
  boot(): void {
    const recover = (): void => {
      this.hub.recover().then(
        () => {
          this.ready = true;
        },
        () => setTimeout(recover, 100),
      );
    };
    this.inside(recover);
  }

  /** Runs code as this process does: its timers and answers are its own. */
  inside<Result>(work: () => Result): Result {
    return runningIn.run(this, work);
  }

  deliver(task: () => void): void {
    if (this.state === "running") this.inside(task);
    else if (this.state === "stopped") this.#held.push(task);
  }

  kill(): void {
    this.state = "dead";
    this.#held = [];
    for (const reject of this.#requests) reject(new ConnectionBroken(`${this.name} is gone`));
    this.#requests.clear();
  }

  stop(): void {
    this.state = "stopped";
  }

  goOn(): void {
    if (this.state !== "stopped") return;
    this.state = "running";
    const held = this.#held;
    this.#held = [];
    // One after the other, as an event loop takes them.
    for (const task of held) this.#clock.after(0, () => this.deliver(task));
  }

  /**
   * A request of a client: arrives after `there` ms, is answered `back` ms after the answer is known, and breaks off
   * when the process dies or after `patience` ms. What it asked for may have happened all the same.
   */
  request<Answer>(
    work: (hub: Hub) => Promise<Answer>,
    { there, back, patience }: { readonly there: number; readonly back: number; readonly patience: number },
  ): Promise<Answer> {
    return new Promise<Answer>((resolve, reject) => {
      if (this.state === "dead") return reject(new ConnectionBroken(`${this.name} is gone`));
      const broken = (error: Error): void => {
        this.#requests.delete(broken);
        reject(error);
      };
      this.#requests.add(broken);
      const impatience = this.#clock.after(patience, () =>
        broken(new ConnectionBroken(`${this.name} did not answer`)),
      );
      const answer = (tell: () => void): void => {
        this.#clock.after(back, () => {
          impatience.cancel();
          if (this.#requests.delete(broken)) tell();
        });
      };
      this.#clock.after(there, () =>
        this.deliver(() => {
          const answered = async () => work(this.hub);
          answered().then(
            (value) => answer(() => resolve(value)),
            (error) => answer(() => reject(error)),
          );
        }),
      );
    });
  }
}
