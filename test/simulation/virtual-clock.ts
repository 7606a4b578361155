import { AsyncLocalStorage } from "node:async_hooks";

/** Whose time a timer belongs to: a simulated process, which may be held back, or be gone. */
export interface TimeOwner {
  /** What its wall clock is off by, in ms. */
  readonly wallSkewMs: number;
  /** Does it now, or once the process goes on, or never. */
  deliver(task: () => void): void;
}

/** The simulated process whose code runs, through everything that it awaits. */
export const runningIn = new AsyncLocalStorage<TimeOwner | undefined>();

/** Where the wall clocks begin, in ms since the epoch. */
const EPOCH = Date.UTC(2030, 0, 1);

// As they were when this file was loaded: they are replaced while a simulation runs.
const realTurn = setImmediate;

interface Due {
  readonly at: number;
  readonly order: number;
  task: (() => void) | undefined;
}

/**
 * The time of a simulation, in ms from 0: it moves only when `advance` says so, straight to the next thing that is
 * due. While it is installed, `setTimeout`, `performance.now` and `Date.now` go by it, for each process by its own
 * wall clock.
 */
export class VirtualClock {
  now = 0;
  readonly #due = new Heap();
  #orders = 0;

  /** Replaces the timers of this thread until it is disposed of. */
  install(): Disposable {
    const real = { setTimeout, clearTimeout, dateNow: Date.now, performanceNow: performance.now };
    const { stackTraceLimit } = Error;
    const fakeTimeout = (task: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) => {
      const owner = runningIn.getStore();
      return this.after(ms, () => {
        if (owner) owner.deliver(() => task(...args));
        else task(...args);
      });
    };
    Object.assign(globalThis, {
      setTimeout: fakeTimeout,
      clearTimeout: (timer: unknown) => {
        if (timer instanceof VirtualTimer) timer.cancel();
        else real.clearTimeout(timer as NodeJS.Timeout);
      },
    });
    Date.now = () => Math.floor(EPOCH + this.now + (runningIn.getStore()?.wallSkewMs ?? 0));
    performance.now = () => this.now;
    // Errors are common here, and their stacks say only that a clock moved.
    Error.stackTraceLimit = 0;
    return {
      [Symbol.dispose]: () => {
        Object.assign(globalThis, { setTimeout: real.setTimeout, clearTimeout: real.clearTimeout });
        Date.now = real.dateNow;
        Error.stackTraceLimit = stackTraceLimit;
        performance.now = real.performanceNow;
      },
    };
  }

  /** Does something in `ms`, outside of any process. */
  after(ms: number, task: () => void): VirtualTimer {
    return new VirtualTimer(() => {
      const due: Due = { at: this.now + Math.max(0, ms), order: this.#orders++, task };
      this.#due.push(due);
      return due;
    });
  }

  /** Resolves in `ms`. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  /** Lets `ms` pass: all that is due happens in order, each with all that follows from it at once. */
  async advance(ms: number): Promise<void> {
    const until = this.now + ms;
    await settled();
    for (let next = this.#due.peek(); next && next.at <= until; next = this.#due.peek()) {
      this.#due.pop();
      const { task } = next;
      if (!task) continue;
      next.task = undefined;
      this.now = next.at;
      task();
      await settled();
    }
    this.now = until;
  }
}

/** Resolves once no promise has anything left to do. */
export async function settled(): Promise<void> {
  // The memory store commits in the next turn; what it answers may ask it again.
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => realTurn(resolve));
}

/** What `setTimeout` returns. */
export class VirtualTimer {
  readonly #start: () => Due;
  #due: Due;

  constructor(start: () => Due) {
    this.#start = start;
    this.#due = start();
  }

  cancel(): void {
    this.#due.task = undefined;
  }

  /** Begins its time anew, also where it is over. */
  refresh(): this {
    this.cancel();
    this.#due = this.#start();
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}

/** The nearest first; of two at once the one that was asked for first. */
class Heap {
  readonly #items: Due[] = [];

  peek(): Due | undefined {
    return this.#items[0];
  }

  push(item: Due): void {
    const items = this.#items;
    let at = items.push(item) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(item, items[parent]!)) break;
      items[at] = items[parent]!;
      at = parent;
    }
    items[at] = item;
  }

  pop(): void {
    const items = this.#items;
    const item = items.pop();
    if (!item || items.length === 0) return;
    let at = 0;
    while (true) {
      let child = at * 2 + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && before(items[child + 1]!, items[child]!)) child++;
      if (!before(items[child]!, item)) break;
      items[at] = items[child]!;
      at = child;
    }
    items[at] = item;
  }
}

function before(a: Due, b: Due): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
