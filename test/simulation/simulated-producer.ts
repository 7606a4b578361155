import { parseCursor } from "../../src/batch.ts";
import { RunError } from "../../src/errors.ts";
import type { Appended, ProducedEvent } from "../../src/producers.ts";
import { Violation } from "./invariants.ts";
import type { World } from "./world.ts";

/** An append of a producer elsewhere, and one answer that it got. */
export interface Answer {
  readonly run: string;
  readonly epoch: number;
  readonly seq: number;
  readonly appended: Appended;
}

/** How often one append is made before its producer gives up. */
const TRIES = 40;

/**
 * A program elsewhere that writes a run through whichever process it reaches, and makes each append again until it is
 * answered. It may be replaced by a new life of itself while the old one, which does not know, goes on.
 */
export class SimulatedProducer {
  readonly run: string;
  readonly #world: World;
  readonly #items: number;
  #epochs = 0;

  constructor(world: World, run: string, items: number) {
    this.#world = world;
    this.run = run;
    this.#items = items;
  }

  /** A new life. It is heard first, and then looks how far those before it came. */
  async live(): Promise<void> {
    const epoch = this.#epochs++;
    let seq = 0;
    let item = 0;
    if (epoch > 0) {
      if (!(await this.#append(epoch, seq++, [life(epoch)]))) return;
      const there = await this.#itemsThere();
      if (there === undefined) return;
      item = there;
    }
    for (; item < this.#items; item++) {
      await this.#world.clock.wait(this.#world.random.between(1, 300));
      if (this.#world.random.chance(0.1))
        await this.#world.ask((hub) => hub.run(this.run).append([])).catch(() => {});
      if (!(await this.#append(epoch, seq++, [itemOf(this.run, item)]))) return;
    }
    await this.#append(epoch, seq, [{ type: "run.finished" }]);
  }

  /** How many items the log holds; undefined if it could not be read. */
  async #itemsThere(): Promise<number | undefined> {
    for (let tries = 0; tries < TRIES; tries++) {
      try {
        const entries = await this.#world.ask((hub) => hub.run(this.run).log.entries());
        return entries.filter(({ event }) => event.type === "custom" && event.name === "sim.item").length;
      } catch {
        await this.#world.clock.wait(200);
      }
    }
    return undefined;
  }

  /** False once it is of no use to go on. */
  async #append(epoch: number, seq: number, events: readonly ProducedEvent[]): Promise<boolean> {
    const world = this.#world;
    const { faults } = world;
    for (let tries = 0; tries < TRIES; tries++) {
      if (tries > 0) faults["append made again"]++;
      const producer =
        world.plant === "unnumbered-retries" && tries > 0 ? undefined : { id: "p", epoch, seq };
      const once = () =>
        world.numbered(this.run, (hub) => hub.run(this.run).append(events, producer), { epoch, seq });
      try {
        if (world.random.chance(0.1)) {
          faults["append made twice"]++;
          const both = await Promise.allSettled([once(), once()]);
          const failed = both.find((each) => each.status === "rejected");
          if (failed) throw failed.reason;
        } else await once();
        return true;
      } catch (error) {
        if (error instanceof RunError) {
          if (error.code === "producer_gap")
            world.violate(
              new Violation(6, `append ${epoch}.${seq} to ${this.run} was refused: ${error.message}`),
            );
          if (!error.retry) return false;
        }
        await world.clock.wait(world.random.between(20, 400));
      }
    }
    return false;
  }
}

function itemOf(run: string, item: number): ProducedEvent {
  return { type: "custom", name: "sim.item", data: { run, item } };
}

function life(epoch: number): ProducedEvent {
  return { type: "custom", name: "sim.life", data: { epoch } };
}

/** Whether two answers name the same places. */
export function sameAnswer(a: Appended, b: Appended): boolean {
  return (
    a.first === b.first && a.last === b.last && parseCursor(a.cursor)?.check === parseCursor(b.cursor)?.check
  );
}
