import type { RunRecord, Store } from "../store.ts";
import type { RecordMark } from "./nats-messages.ts";

/** A record without its text. */
export interface IndexEntry extends RecordMark {
  /** Which message of the stream has it. */
  readonly message: number;
}

type Place = Pick<RunRecord, "run" | "startedAt">;

/** All records of a store in order, each without its text. */
export class RecordIndex {
  readonly #entries = new Map<string, IndexEntry>();
  /** Oldest first, as new ones are mostly the newest. */
  readonly #all: IndexEntry[] = [];
  readonly #byTag = new Map<string, IndexEntry[]>();
  /** The messages of this process that took a record away, until they have come round. */
  readonly #gone = new Map<string, number>();

  get(run: string): IndexEntry | undefined {
    return this.#entries.get(run);
  }

  /** Takes what a message says, unless a later one is known. `early`: it has yet to come round. */
  take(mark: RecordMark, message: number, early = false): void {
    const { run } = mark;
    const known = this.#entries.get(run);
    const gone = this.#gone.get(run) ?? 0;
    if (message < (known?.message ?? gone)) return;
    if (early && mark.gone) this.#gone.set(run, message);
    else if (!early && message >= gone) this.#gone.delete(run);
    if (known !== undefined && !mark.gone && samePlace(known, mark)) {
      // The lists have it already.
      Object.assign(known, { at: mark.at, message });
      return;
    }
    if (known !== undefined) this.#remove(known);
    if (!mark.gone) this.#add({ ...mark, message });
  }

  /** Those that come after a place, newest first. */
  *after({ tag, before }: Pick<Parameters<Store["list"]>[0], "tag" | "before">): Generator<IndexEntry> {
    const list = tag === undefined ? this.#all : this.#byTag.get(tag);
    if (list === undefined) return;
    for (let index = before ? find(list, before) : list.length; index > 0; ) yield list[--index]!;
  }

  #add(entry: IndexEntry): void {
    this.#entries.set(entry.run, entry);
    this.#all.splice(find(this.#all, entry), 0, entry);
    for (const tag of new Set(entry.tags)) {
      const list = this.#byTag.get(tag) ?? [];
      this.#byTag.set(tag, list);
      list.splice(find(list, entry), 0, entry);
    }
  }

  #remove(entry: IndexEntry): void {
    this.#entries.delete(entry.run);
    this.#all.splice(find(this.#all, entry), 1);
    for (const tag of new Set(entry.tags)) {
      const list = this.#byTag.get(tag)!;
      list.splice(find(list, entry), 1);
      if (list.length === 0) this.#byTag.delete(tag);
    }
  }
}

function samePlace(a: RecordMark, b: RecordMark): boolean {
  return (
    a.startedAt === b.startedAt &&
    a.tags.length === b.tags.length &&
    a.tags.every((tag, index) => tag === b.tags[index])
  );
}

/** Where in a list, oldest first, a place is or would be. */
function find(list: readonly Place[], place: Place): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const { startedAt, run } = list[middle]!;
    if (startedAt < place.startedAt || (startedAt === place.startedAt && run < place.run)) low = middle + 1;
    else high = middle;
  }
  return low;
}
