/**
 * Where logs are kept. A store knows nothing of what events mean: for each run it keeps a list of batches
 * that only grows, and adds to it only if the writer knows where it ends. Everything else (numbering,
 * closing, following, retrying) is written once, above, in `log.ts` and `writer.ts`.
 */

/** Where a log stands: its last entry, and a checksum of every batch up to it. Empty: `{ seq: 0, check: 0 }`. */
export interface Tail {
  readonly seq: number;
  readonly check: number;
}

/**
 * Consecutive entries of one run, encoded once, committed together and never split. `text` is a header line
 * `{ v, first, at, before, by, producer? }` and one line of JSON for each event; `check` is
 * `crc32(text, before)`, so it names the whole log up to here.
 */
export interface Batch extends Tail {
  readonly text: string;
}

/** What lists show of a run: derived from its log, rewritten when it changes (start, step, waiting, end). */
export interface RunRecord {
  readonly run: string;
  /** In ms since the epoch. Lists are newest first, by this and then by `run`. */
  readonly startedAt: number;
  /** Lists can be narrowed to one of these. */
  readonly tags: readonly string[];
  readonly text: string;
}

/** D0 survives nothing, D1 a kill of our process, D2 one of the store's too, D3 power loss, D4 loss of a machine. */
export type DurabilityClass = "D0" | "D1" | "D2" | "D3" | "D4";

export interface Durability {
  readonly class: DurabilityClass;
  /** One sentence for people: what was found and what it means. */
  readonly why: string;
}

/** Every method may reject with `store_unavailable` or `store_full`. */
export interface Store extends AsyncDisposable {
  readonly durability: Durability;
  /**
   * Whether other processes may write here. Where none can, whoever held a run before this process is dead,
   * and its runs are ended at once instead of after a lease.
   */
  readonly shared: boolean;
  /**
   * Commits if the log ends at `expected`, and resolves to undefined; else changes nothing and resolves to
   * the real tail. Rejects only when the store is down or the outcome unknown. All appends of a tick may
   * share a commit.
   *
   * Without a batch only the record is written, on the same condition, and nobody need be woken. An empty log takes none:
   * nothing is changed, and its tail is the answer.
   */
  append(
    run: string,
    expected: Tail,
    batch: Batch | undefined,
    record?: RunRecord,
  ): Promise<Tail | undefined>;
  /** Batches that end after `after`, in order, about `maxBytes`, at least one; the first may begin before `after`. */
  read(run: string, after: number, maxBytes: number): Promise<readonly Batch[]>;
  tail(run: string): Promise<Tail>;
  record(run: string): Promise<RunRecord | undefined>;
  /** Newest first; `before` is exclusive, only its `startedAt` and `run` count. */
  list(options: {
    readonly tag?: string;
    readonly before?: Pick<RunRecord, "run" | "startedAt">;
    readonly limit: number;
  }): Promise<readonly RunRecord[]>;
  /** Deletes log and record if the log ends at `expected`. False, and nothing changed, if it does not. */
  delete(run: string, expected: Tail): Promise<boolean>;
  /** Calls `wake` after a commit by any process; may be lost, late, doubled; may hand over the batch itself. */
  watch(run: string, wake: (batch?: Batch) => void): Disposable;
  /** Keeps this process known as alive for `ms`, by the store's clock, and says which processes are. 0 takes it away. */
  beat(holder: string, ms: number): Promise<readonly string[]>;
}
