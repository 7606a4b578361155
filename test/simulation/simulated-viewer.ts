import { parseCursor } from "../../src/batch.ts";
import { EMPTY, type Slice } from "../../src/log.ts";
import { Violation } from "./invariants.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import type { World } from "./world.ts";

/** An entry as a viewer got it. */
export interface Seen {
  readonly seq: number;
  readonly json: string;
  readonly cursor: string;
}

/** A slice is about this large at most, and one batch more. */
const SLICE_CHARS = 256 * 1024 + 128 * 1024;

/** Follows one run through any process, and comes back with its cursor whenever it is cut off. */
export class SimulatedViewer {
  readonly run: string;
  readonly seen: Seen[] = [];
  resets = 0;
  done = false;
  readonly #world: World;
  /** Where it began, and where it would go on. */
  cursor: string;
  /** After how many entries of the next slice it is cut off. */
  #cutAfter: number | undefined;
  #hangUp: (() => void) | undefined;
  #pauseMs = 0;

  constructor(world: World, run: string, cursor = "0") {
    this.#world = world;
    this.run = run;
    this.cursor = cursor;
  }

  /** Cuts it off now, or in the middle of what comes next. */
  cut(after: number | undefined): void {
    this.#world.faults["cut viewer"]++;
    if (after === undefined) this.#hangUp?.();
    else this.#cutAfter = after;
  }

  slow(pauseMs: number): void {
    this.#pauseMs = pauseMs;
  }

  /** Until it has seen the end, or the simulation is over. */
  async watch(): Promise<void> {
    const { clock, random } = this.#world;
    while (!this.done && !this.#world.over) {
      const process = this.#world.anyProcess();
      if (process) await this.#connect(process).catch(() => {});
      if (!this.done) await clock.wait(random.between(10, 200));
    }
  }

  async #connect(process: SimulatedProcess): Promise<void> {
    const { random } = this.#world;
    const gone = new AbortController();
    const connection = { open: true };
    const { promise: hungUp, resolve: hangUp } = Promise.withResolvers<false>();
    this.#hangUp = () => hangUp(false);
    const after = parseCursor(this.cursor) ?? EMPTY;
    const answer = process.request(
      async (hub) => {
        for await (const slice of hub.run(this.run).follow({ after, signal: gone.signal })) {
          await this.#push(slice, process, connection);
          if (!connection.open) return false;
        }
        return true;
      },
      { there: random.next() * 3, back: random.next() * 3, patience: random.between(2_000, 9_000) },
    );
    try {
      // Whether the server had nothing more to say.
      this.done = await Promise.race([answer, hungUp]);
    } finally {
      connection.open = false;
      process.deliver(() => gone.abort());
      answer.catch(() => {});
    }
  }

  /** Resolves, in the process, once the viewer has taken the slice. */
  #push(slice: Slice, process: SimulatedProcess, connection: { open: boolean }): Promise<void> {
    const { clock, random } = this.#world;
    return new Promise((resolve) => {
      clock.after(random.next() * 3, () => {
        if (!connection.open) return;
        this.#take(slice, connection);
        if (this.#pauseMs > 0) this.#world.faults["slow viewer"]++;
        clock.after(this.#pauseMs + random.next() * 3, () => process.deliver(resolve));
      });
    });
  }

  #take({ entries, reset }: Slice, connection: { open: boolean }): void {
    if (reset !== undefined) {
      this.resets++;
      this.#world.violate(new Violation(11, `a viewer of ${this.run} was told to begin anew ("${reset}")`));
      return;
    }
    const chars = entries.reduce((sum, { json }) => sum + json.length, 0);
    if (chars > SLICE_CHARS)
      this.#world.violate(
        new Violation(13, `a viewer of ${this.run} was handed ${chars} characters at once`),
      );
    const cutAfter = this.#cutAfter;
    for (const [index, entry] of entries.entries()) {
      if (index === cutAfter) {
        this.#cutAfter = undefined;
        this.#world.faults["cut inside a slice"]++;
        // The bug: the cursor of what was on its way is taken for that of what arrived.
        if (this.#world.plant === "late-resume") this.cursor = entry.cursor;
        connection.open = false;
        this.#hangUp?.();
        return;
      }
      const last = this.seen.at(-1)?.seq ?? (parseCursor(this.cursor)?.seq as number);
      if (entry.seq !== last + 1) {
        const what = `a viewer of ${this.run} was shown entry ${entry.seq} after ${last}`;
        this.#world.violate(new Violation(2, what));
      }
      this.seen.push({ seq: entry.seq, json: entry.json, cursor: entry.cursor });
      this.cursor = entry.cursor;
    }
  }
}
