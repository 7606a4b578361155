import type { NodeConnectionOptions, Subscription } from "@nats-io/transport-node";
import { RunError } from "../errors.ts";
import { wait } from "../internal/wait.ts";
import { Watchers } from "../internal/watchers.ts";
import type { Batch, Durability, RunRecord, Store, Tail } from "../store.ts";
import { Connection, HEADER, isConflict, isMissing, natsError } from "./nats-connection.ts";
import { Feed } from "./nats-feed.ts";
import { type Known, LogReader, remember, textOf } from "./nats-log.ts";
import {
  DELETED,
  formatLogMark,
  formatMark,
  type LogMark,
  Names,
  parseLogMark,
  type RecordMark,
} from "./nats-messages.ts";
import { ensureStreams, type StreamOptions } from "./nats-streams.ts";

export interface NatsStoreOptions {
  /** `nats://[USER:PASSWORD@ or TOKEN@]HOST[:PORT]`, several with commas between; `tls://` with TLS. */
  readonly url: string;
  /** Names the streams, `NAME` and `NAME-index`, and begins all subjects: of letters, digits, `_` and `-`. @default "runlog" */
  readonly name?: string;
  /** Where new streams are kept; those that are there must be so. @default "file" */
  readonly storage?: "file" | "memory";
  /** On how many servers new streams are kept, 1 to 5; those that are there must be so. @default 1 */
  readonly replicas?: number;
  /** The largest size of a new stream of logs, in bytes; beyond it appends are refused with `store_full`. */
  readonly maxBytes?: number;
  /** More for the client's `connect`, such as certificates or a file of credentials. */
  readonly connection?: NodeConnectionOptions;
}

/**
 * Keeps logs in NATS JetStream, for any number of processes. Makes its two streams where they are missing.
 *
 * Rejects with `store_unavailable` if NATS cannot be reached or does not have JetStream, with `invalid_request` for
 * a URL or a name that is none and for streams that would lose logs, and with `missing_package`.
 */
export async function natsStore(given: string | NatsStoreOptions): Promise<Store> {
  const options = typeof given === "string" ? { url: given } : given;
  const { url, name = "runlog", storage, replicas, maxBytes } = options;
  if (!/^[\w-]{1,64}$/.test(name)) {
    const form = "it must be 1 to 64 letters, digits, _ and -";
    throw new RunError("invalid_request", `Cannot open a store named "${name}": ${form}`);
  }
  const connection = await Connection.open(url, options.connection);
  try {
    const { maxPayload } = connection;
    if (maxPayload < MIN_PAYLOAD) {
      const why = `NATS takes messages of ${maxPayload} bytes only; set max_payload to ${MIN_PAYLOAD} or more`;
      throw new RunError("invalid_request", `Cannot open a store: ${why}`);
    }
    const names = new Names(name);
    const streams = { storage, replicas, maxBytes };
    const durability = await ensureStreams(connection, names, streams);
    return new NatsStore(connection, names, streams, durability, await Feed.open(connection, names));
  } catch (error) {
    await connection.nc.close();
    throw natsError(error, "open a store");
  }
}

/** Less than this is left of a message, in bytes, once its headers are in. */
const HEADER_ROOM = 16 * 1024;
const MIN_PAYLOAD = 4 * HEADER_ROOM;
/** Of how many runs the end is remembered. */
const RUNS = 20_000;
/** How often something is tried again that another process came before. */
const TRIES = 10;
/** Between two tries to come back, in ms. */
const RECOVER_MS = 250;
/**
 * How long after a stream was found missing it is made again, in ms: the server takes its files away after it has
 * said that it is gone, and takes those of a new one with them.
 */
const REMAKE_MS = 1_000;
/** A run that has a record and no log is one that is just starting, or never will, after this time, in ms. */
const STARTING_MS = 600_000;

/** A record that is not stored yet: its log is. */
interface Owed {
  readonly record: RunRecord;
  readonly at: number;
}

interface FoundRecord {
  readonly mark: RecordMark;
  readonly message: number;
  readonly time: number;
  readonly text: string;
}

interface Watched {
  readonly subscription: Subscription;
  count: number;
}

class NatsStore implements Store {
  readonly durability: Durability;
  readonly shared = true;

  readonly #connection: Connection;
  readonly #names: Names;
  readonly #streams: StreamOptions;
  readonly #reader: LogReader;
  #feed: Feed;

  /** Where runs end, those used last at the end. May be wrong, as others write too: the server compares. */
  readonly #runs = new Map<string, Known>();
  /** The last of what was asked for each run. */
  readonly #turns = new Map<string, Promise<unknown>>();
  /** What is being appended: it comes back, and need not be decoded. */
  readonly #flying = new Map<string, Batch>();
  readonly #owed = new Map<string, Owed>();
  readonly #watchers = new Watchers<Batch>();
  readonly #watched = new Map<string, Watched>();
  #preparing: Promise<void> | undefined;
  #disposed: Promise<void> | undefined;

  constructor(
    connection: Connection,
    names: Names,
    streams: StreamOptions,
    durability: Durability,
    feed: Feed,
  ) {
    this.#connection = connection;
    this.#names = names;
    this.#streams = streams;
    this.#reader = new LogReader(connection, names);
    this.durability = durability;
    this.#feed = feed;
    void connection.listen(
      // A server that comes back may have lost what it had.
      () => this.#runs.clear(),
      () => void this.#recover(),
    );
  }

  append(
    run: string,
    expected: Tail,
    batch: Batch | undefined,
    record?: RunRecord,
  ): Promise<Tail | undefined> {
    return this.#inTurn("append", run, () =>
      batch ? this.#append(run, expected, batch, record) : this.#rewrite(run, expected, record),
    );
  }

  delete(run: string, expected: Tail): Promise<boolean> {
    return this.#inTurn("delete", run, () => this.#delete(run, expected));
  }

  async read(run: string, after: number, maxBytes: number): Promise<readonly Batch[]> {
    return this.#try("read", async () => {
      for (let tries = 0; tries < TRIES; tries++) {
        const known = this.#runs.get(run) ?? (await this.#last(run));
        if (known.seq === 0) return [];
        const batches = await this.#ask(() => this.#reader.read(run, known, after, maxBytes));
        if (batches) return batches;
        this.#runs.delete(run);
      }
      throw new Error("the run is deleted and started again all the time");
    });
  }

  async tail(run: string): Promise<Tail> {
    return this.#try("read", async () => tailOf(await this.#last(run)));
  }

  async record(run: string): Promise<RunRecord | undefined> {
    return this.#try("read", async () => {
      const owed = this.#owed.get(run);
      if (owed) return owed.record;
      const found = await this.#findRecord(run);
      return found && (await this.#begun(run, found.mark, found)) ? toRecord(found) : undefined;
    });
  }

  async list({ tag, before, limit }: Parameters<Store["list"]>[0]): Promise<readonly RunRecord[]> {
    return this.#try("list", async () => {
      const found: RunRecord[] = [];
      const { index } = this.#feed;
      let place = before;
      while (found.length < limit) {
        const entries = [
          ...index
            .after({ ...(tag !== undefined && { tag }), ...(place && { before: place }) })
            .take(limit - found.length)
            // Copies, as they may change while their texts are fetched.
            .map((entry) => ({ ...entry })),
        ];
        if (entries.length === 0) break;
        place = entries.at(-1)!;
        const records = await Promise.all(
          entries.map(async (entry) => {
            const record = await this.#findRecord(entry.run, entry.message);
            // The index may be behind: another process may have changed the tags.
            if (!record || (tag !== undefined && !record.mark.tags.includes(tag))) return undefined;
            return (await this.#begun(entry.run, record.mark, record)) ? toRecord(record) : undefined;
          }),
        );
        found.push(...records.filter((record) => record !== undefined));
      }
      return found;
    });
  }

  watch(run: string, wake: (batch?: Batch) => void): Disposable {
    if (this.#disposed) return { [Symbol.dispose]() {} };
    const watcher = this.#watchers.add(run, wake);
    const watched = this.#watched.get(run) ?? { subscription: this.#subscribe(run), count: 0 };
    watched.count++;
    this.#watched.set(run, watched);
    let active = true;
    return {
      [Symbol.dispose]: () => {
        watcher[Symbol.dispose]();
        if (!active) return;
        active = false;
        if (--watched.count > 0 || this.#watched.get(run) !== watched) return;
        this.#watched.delete(run);
        watched.subscription.unsubscribe();
      },
    };
  }

  async beat(holder: string, ms: number): Promise<readonly string[]> {
    return this.#try("beat", async () => {
      const { js, headers } = this.#publisher();
      const options = { headers: headers(formatMark({ holder, ms })) };
      const { seq } = await this.#ask(() => js.publish(this.#names.beat(holder), undefined, options));
      const feed = this.#feed;
      await this.#connection.ask(() => feed.reached(seq));
      if (this.#owed.size > 0) void this.#payOwed();
      return feed.alive(holder);
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  async #dispose(): Promise<void> {
    this.#watchers.clear();
    await Promise.all(this.#turns.values());
    await this.#payOwed();
    await this.#feed.close();
    await this.#connection.nc.close();
  }

  async #append(
    run: string,
    expected: Tail,
    batch: Batch,
    record: RunRecord | undefined,
  ): Promise<Tail | undefined> {
    if (record) this.#checkSize(record);
    const { js, headers } = this.#publisher();
    let known = this.#runs.get(run);
    if (!known || !same(known, expected)) known = await this.#last(run);
    for (let tries = 0; tries < TRIES && same(known, expected); tries++) {
      // First: what is in a list and does not exist is seen and left out, what is in none is not found.
      if (record && expected.seq === 0 && !(await this.#announce(run, record))) {
        known = await this.#last(run);
        continue;
      }
      const data = Buffer.from(batch.text);
      const room = this.#connection.maxPayload - HEADER_ROOM;
      const parts = data.length > room ? await this.#writeParts(run, data, room) : undefined;
      const { seq, check } = batch;
      const mark: LogMark = { first: expected.seq + 1, seq, check, base: known.base, parts: parts ?? [] };
      const options = { headers: headers(formatLogMark(mark)), expect: { lastSubjectSequence: known.at } };
      this.#flying.set(run, batch);
      let at: number;
      try {
        const payload = parts ? undefined : data;
        at = (await this.#ask(() => js.publish(this.#names.log(run), payload, options))).seq;
      } catch (error) {
        this.#runs.delete(run);
        if (!isConflict(error)) throw error;
        // Not used again: a delete may have taken them away.
        for (const part of parts ?? []) this.#drop(this.#names.logs, part);
        known = await this.#last(run);
        continue;
      } finally {
        this.#flying.delete(run);
      }
      if (known.seq > 0) remember(known, known.seq, known.at);
      this.#know(run, { seq, check, at, base: known.base, places: known.places });
      if (record) await this.#keepRecord(run, { record, at });
      return undefined;
    }
    if (same(known, expected)) throw new Error("another process comes before each time");
    return tailOf(known);
  }

  /** Writes the record of a log that is as its writer believes. Whoever appends meanwhile goes before it. */
  async #rewrite(run: string, expected: Tail, record: RunRecord | undefined): Promise<Tail | undefined> {
    if (record) this.#checkSize(record);
    const known = await this.#last(run);
    if (known.seq === 0 || !same(known, expected)) return tailOf(known);
    if (!record) return undefined;
    await this.#writeRecord(record, known.at, async ({ mark }) => mark.at <= known.at);
    // One of this process that is owed is of this log or an earlier one, as all happens in turn.
    this.#owed.delete(run);
    return undefined;
  }

  /** Stores what is too large for a message in several. Nothing points to them until the batch is there. */
  async #writeParts(run: string, data: Buffer, room: number): Promise<number[]> {
    const { js } = this.#publisher();
    const parts: number[] = [];
    for (let start = 0; start < data.length; start += room) {
      const part = data.subarray(start, start + room);
      parts.push((await this.#ask(() => js.publish(this.#names.part(run), part))).seq);
    }
    return parts;
  }

  #checkSize({ run, text, tags }: RunRecord): void {
    const bytes = Buffer.byteLength(text);
    const { maxPayload } = this.#connection;
    if (bytes <= maxPayload - HEADER_ROOM && formatMark(tags).length <= HEADER_ROOM / 2) return;
    const why = `its record, with title, tags and metadata, is too large for the max_payload of NATS, ${maxPayload} bytes`;
    throw new RunError("too_large", `Cannot append to run "${run}": ${why}`);
  }

  /**
   * A compare comes before everything: the end of the log is a message too, and whoever appends after it has seen
   * it. Then what was before the end is taken away. A crash meanwhile leaves an empty log, to be deleted again.
   * The end stays: it tells a log that begins there later from this one, to whoever is still at work here.
   */
  async #delete(run: string, expected: Tail): Promise<boolean> {
    const { js, headers } = this.#publisher();
    for (let tries = 0; tries < TRIES; tries++) {
      const known = await this.#last(run);
      if (!same(known, expected)) return false;
      const record = await this.#findRecord(run);
      let end = known.at;
      let before = end;
      if (known.seq > 0) {
        const options = { headers: headers(DELETED), expect: { lastSubjectSequence: known.at } };
        try {
          end = (await this.#ask(() => js.publish(this.#names.log(run), undefined, options))).seq;
          before = end;
        } catch (error) {
          if (isConflict(error)) continue;
          // A stream without room for this has none for the append of another either.
          if (natsError(error, "delete").code !== "store_full") throw error;
          before = end + 1;
        }
      }
      this.#runs.delete(run);
      this.#owed.delete(run);
      await this.#purge(this.#names.log(run), before);
      await this.#purge(this.#names.part(run), before);
      if (record) await this.#removeRecord(run, record, end);
      return true;
    }
    throw new Error("another process comes before each time");
  }

  /** Takes away what there is of a subject before a message. */
  async #purge(filter: string, before: number): Promise<void> {
    if (before === 0) return;
    const { streams } = this.#connection.jsm;
    await this.#ask(() => streams.purge(this.#names.logs, { filter, seq: before }));
  }

  /**
   * Stores the record of a run that is about to begin, if nobody else has. False if the run has begun meanwhile.
   */
  async #announce(run: string, record: RunRecord): Promise<boolean> {
    let begun = false;
    await this.#writeRecord(record, 0, async ({ mark }) => {
      if (mark.at === 0) return mark.gone === true;
      // Of a log that was deleted, or of one that has just begun.
      begun = (await this.#last(run)).seq > 0;
      return !begun;
    });
    return !begun;
  }

  /** Stores the record of what was appended. If that fails it is owed: the append has happened. */
  async #keepRecord(run: string, owed: Owed): Promise<void> {
    this.#owed.set(run, owed);
    try {
      await this.#writeRecord(owed.record, owed.at, async ({ mark }) => mark.at < owed.at);
      if (this.#owed.get(run) === owed) this.#owed.delete(run);
    } catch {
      // It is tried again with the next beat.
    }
  }

  async #payOwed(): Promise<void> {
    for (const [run, owed] of [...this.#owed]) {
      // A later append may have brought another meanwhile.
      if (this.#owed.get(run) === owed) await this.#keepRecord(run, owed);
    }
  }

  /** Writes over the record that is there if `replaces` says so. */
  async #writeRecord(
    { run, startedAt, tags, text }: RunRecord,
    at: number,
    replaces: (found: FoundRecord) => Promise<boolean>,
  ): Promise<void> {
    const mark: RecordMark = { run, startedAt, tags, at };
    const known = this.#feed.index.get(run);
    // What is known may be written over only if it is what must be.
    let last = known && at > known.at && at > 0 ? known.message : 0;
    for (let tries = 0; tries < TRIES; tries++) {
      try {
        this.#feed.put(mark, await this.#publishRecord(mark, text, last));
        return;
      } catch (error) {
        if (!isConflict(error)) throw error;
        const found = await this.#findRecord(run, undefined, true);
        if (found && !(await replaces(found))) return;
        last = found?.message ?? 0;
      }
    }
    throw new Error("another process comes before each time");
  }

  /** Leaves word that it is gone, for whoever knows it. The record of a run that began since then stays. */
  async #removeRecord(run: string, old: FoundRecord, end: number): Promise<void> {
    let found: FoundRecord | undefined = old;
    for (let tries = 0; tries < TRIES && found; tries++) {
      const { mark, message }: FoundRecord = found;
      if (mark.gone || (message !== old.message && (mark.at === 0 || mark.at > end))) return;
      const gone: RecordMark = { ...mark, tags: [], at: end, gone: true };
      try {
        this.#feed.put(gone, await this.#publishRecord(gone, "", message));
        return;
      } catch (error) {
        if (isConflict(error)) found = await this.#findRecord(run);
        else if (natsError(error, "delete").code === "store_full")
          return this.#drop(this.#names.index, message);
        else throw error;
      }
    }
  }

  async #publishRecord(mark: RecordMark, text: string, last: number): Promise<number> {
    const { js, headers } = this.#publisher();
    const options = { headers: headers(formatMark(mark)), expect: { lastSubjectSequence: last } };
    return (await this.#ask(() => js.publish(this.#names.record(mark.run), text, options))).seq;
  }

  /** The record of a run, the one that is in a message if that is still there; with `gone`, also word that it is gone. */
  async #findRecord(run: string, message?: number, gone = false): Promise<FoundRecord | undefined> {
    const { streams } = this.#connection.jsm;
    const get = (query: { seq: number } | { last_by_subj: string }) =>
      this.#ask(() => streams.getMessage(this.#names.index, query));
    const stored =
      (message !== undefined && (await get({ seq: message }))) ||
      (await get({ last_by_subj: this.#names.record(run) }));
    if (!stored) return undefined;
    const mark = JSON.parse(stored.header.get(HEADER)) as RecordMark;
    if (mark.gone && !gone) return undefined;
    return { mark, message: stored.seq, time: stored.time.getTime(), text: textOf(stored.data) };
  }

  /** Whether a record is of a log that has begun. One that was announced long ago and never did is taken away. */
  async #begun(run: string, mark: RecordMark, { message, time }: FoundRecord): Promise<boolean> {
    if (mark.at > 0 || this.#runs.has(run)) return true;
    if ((await this.#last(run)).seq > 0) return true;
    if (this.#feed.now - time > STARTING_MS) this.#drop(this.#names.index, message);
    return false;
  }

  /** Takes a message away that nobody needs. If that fails, it is only in the way. */
  #drop(stream: string, message: number): void {
    const { streams } = this.#connection.jsm;
    this.#connection.ask(() => streams.deleteMessage(stream, message, false)).catch(() => {});
  }

  async #last(run: string): Promise<Known> {
    const known = await this.#ask(() => this.#reader.last(run));
    const places = this.#runs.get(run)?.places;
    if (known.seq === 0) this.#runs.delete(run);
    else this.#know(run, places ? { ...known, places } : known);
    return known;
  }

  #know(run: string, known: Known): void {
    this.#runs.delete(run);
    this.#runs.set(run, known);
    if (this.#runs.size > RUNS) this.#runs.delete(this.#runs.keys().next().value!);
  }

  #subscribe(run: string): Subscription {
    return this.#connection.nc.subscribe(this.#names.hint(run), {
      callback: (error, message) => {
        if (error) return;
        let batch: Batch | undefined;
        try {
          const mark = parseLogMark(message.headers?.get(HEADER) ?? "", message.subject);
          if (mark && mark.parts.length === 0) {
            const { seq, check } = mark;
            const own = this.#flying.get(run);
            batch = own && same(own, mark) ? own : { seq, check, text: textOf(message.data) };
            const known = this.#runs.get(run);
            if (known) remember(known, seq, Number(message.headers?.get("Nats-Sequence")));
          }
        } catch {
          // Somebody else's message: then there is only the hint.
        }
        this.#watchers.wake(run, batch);
      },
    });
  }

  /** After the connection came back: what may have changed meanwhile is looked at again. */
  async #recover(): Promise<void> {
    while (!this.#disposed && this.#connection.up) {
      try {
        await this.#prepare();
        for (const run of this.#watched.keys()) this.#watchers.wake(run);
        return await this.#payOwed();
      } catch {
        await wait(RECOVER_MS);
      }
    }
  }

  /** Makes the streams again if they are gone, and fills the index anew. */
  #prepare(delay = 0): Promise<void> {
    this.#preparing ??= (async () => {
      await wait(delay);
      this.#runs.clear();
      await ensureStreams(this.#connection, this.#names, this.#streams);
      const feed = await Feed.open(this.#connection, this.#names);
      void this.#feed.close();
      this.#feed = feed;
    })().finally(() => {
      this.#preparing = undefined;
    });
    return this.#preparing;
  }

  /** A request. If the streams are gone it is made again, on new ones. */
  async #ask<Answer>(work: () => Promise<Answer>): Promise<Answer> {
    try {
      return await this.#connection.ask(work);
    } catch (error) {
      if (!isMissing(error) || this.#disposed) throw error;
      await this.#prepare(REMAKE_MS);
      return this.#connection.ask(work);
    }
  }

  #publisher() {
    const connection = this.#connection;
    return { js: connection.js, headers: (value: string) => connection.headers(value) };
  }

  /** One after the other for each run. */
  #inTurn<Answer>(doing: string, run: string, work: () => Promise<Answer>): Promise<Answer> {
    const before = this.#turns.get(run);
    const answer = this.#try(doing, before ? () => before.then(work) : work);
    const turn = answer
      .catch(() => {})
      .then(() => {
        if (this.#turns.get(run) === turn) this.#turns.delete(run);
      });
    this.#turns.set(run, turn);
    return answer;
  }

  async #try<Answer>(doing: string, work: () => Promise<Answer>): Promise<Answer> {
    if (this.#disposed) throw new RunError("store_unavailable", `Cannot ${doing}: the store is closed`);
    try {
      return await work();
    } catch (error) {
      throw natsError(error, doing);
    }
  }
}

function tailOf({ seq, check }: Tail): Tail {
  return { seq, check };
}

function same(a: Tail, b: Tail): boolean {
  return a.seq === b.seq && a.check === b.check;
}

function toRecord({ mark: { run, startedAt, tags }, text }: FoundRecord): RunRecord {
  return { run, startedAt, tags, text };
}
