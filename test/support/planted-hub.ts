import { formatCursor, StoredEntry } from "../../src/batch.ts";
import { isTerminalType } from "../../src/events.ts";
import { Hub, type HubOptions, Run } from "../../src/hub.ts";
import { EMPTY, type FollowOptions, Log, type Slice } from "../../src/log.ts";
import type { Tail } from "../../src/store.ts";

const plants = ["drop", "double", "reorder", "late-end"] as const;
/** What goes wrong when a viewer comes back. */
export type FollowPlant = (typeof plants)[number];

/** A hub with a bug in its resume: proof that a test of resuming can fail. Without a plant it is as it is. */
export class PlantedHub extends Hub {
  readonly #plant: FollowPlant | undefined;
  readonly #spoilt = new Set<string>();

  constructor(options: HubOptions, plant?: string) {
    super(options);
    this.#plant = plants.find((each) => each === plant);
  }

  override run(id: string): Run {
    const run = super.run(id);
    return this.#plant ? new PlantedRun(this, id, this.#plant, this.#spoilt) : run;
  }
}

class PlantedRun extends Run {
  readonly #log: Log;

  constructor(hub: Hub, id: string, plant: FollowPlant, spoilt: Set<string>) {
    super(hub, id);
    this.#log = new PlantedLog(hub, id, plant, spoilt);
  }

  override get log(): Log {
    return this.#log;
  }
}

class PlantedLog extends Log {
  readonly #plant: FollowPlant;
  /** Where it went wrong already, by run and position. */
  readonly #spoilt: Set<string>;

  constructor(hub: Hub, id: string, plant: FollowPlant, spoilt: Set<string>) {
    super(hub.store, id);
    this.#plant = plant;
    this.#spoilt = spoilt;
  }

  override async *follow(options: FollowOptions = {}): AsyncGenerator<Slice, void, undefined> {
    const { after = EMPTY } = options;
    if (after.seq === 0) return yield* super.follow(options);
    // Here and there, and once: what follows is well again.
    const bad = after.seq % 7 === 3 && !this.#spoilt.has(`${this.run} ${after.seq}`);
    this.#spoilt.add(`${this.run} ${after.seq}`);
    let first = true;
    for await (const slice of super.follow(options)) {
      if (slice.entries) {
        const entries = this.#spoil(slice.entries, first && bad, after);
        first = false;
        if (entries.length > 0) yield { entries };
      } else yield slice;
    }
  }

  #spoil(entries: readonly StoredEntry[], bad: boolean, after: Tail): readonly StoredEntry[] {
    const [one, two, ...rest] = entries;
    const last = entries.at(-1);
    const ends = last !== undefined && isTerminalType(last.type);
    if (this.#plant === "double" && bad && one) return [new LateCursor(one, after), ...entries.slice(1)];
    if (this.#plant === "drop" && bad) return entries.slice(1);
    if (this.#plant === "reorder" && bad && one && two) return [two, one, ...rest];
    if (this.#plant === "late-end" && ends && entries.length > 1) {
      return [...entries.slice(0, -2), last, entries.at(-2)!];
    }
    return entries;
  }
}

/** An entry whose cursor is that of the one before it: who comes back with it gets the entry again. */
class LateCursor extends StoredEntry {
  readonly #before: Tail;

  constructor({ seq, at, json, check }: StoredEntry, before: Tail) {
    super(seq, at, json, check);
    this.#before = before;
  }

  override get cursor(): string {
    return formatCursor(this.#before);
  }
}
