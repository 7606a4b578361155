import type { Redis } from "ioredis";
import { RunError } from "../errors.ts";
import type { Batch, Durability, RunRecord, Store, Tail } from "../store.ts";
import { RedisAppends } from "./redis-appends.ts";
import { RedisConnection } from "./redis-connection.ts";
import { redisDurability } from "./redis-durability.ts";
import { RedisHints } from "./redis-hints.ts";
import {
  appendScript,
  beatScript,
  deleteScript,
  dropScript,
  expiredScript,
  expireScript,
  readScript,
} from "./redis-scripts.ts";

export interface RedisStoreOptions {
  /** `redis://[[user]:password@]host:port/db`; `rediss:` with TLS. Of a cluster, any of its servers. */
  readonly url: string;
  /** What the names of all keys and channels begin with; no braces. @default "runlog:" */
  readonly prefix?: string;
  /** For how long a run is kept after its end, in ms. @default for ever */
  readonly keepEndedMs?: number;
  /**
   * How long a command waits for a connection, and then for its answer, in ms, before it is refused with
   * `store_unavailable`. @default 5_000
   */
  readonly timeoutMs?: number;
}

/**
 * Keeps logs in Redis, or a cluster of it, for any number of processes: a stream for each run, an entry for each
 * batch. Needs the package `ioredis`. What an acknowledgement means depends on how Redis is set up; it is asked, and
 * `durability` tells.
 *
 * Rejects with `invalid_request` for a URL that is none, `missing_package` without ioredis, and
 * `store_unavailable` if Redis does not answer or refuses the password.
 */
export async function redisStore(options: string | RedisStoreOptions): Promise<Store> {
  const {
    url,
    prefix = "runlog:",
    keepEndedMs,
    timeoutMs = 5_000,
  } = typeof options === "string" ? { url: options } : options;
  // A brace in it would decide to which server of a cluster a key goes.
  if (/[{}]/.test(prefix)) throw new TypeError(`Cannot use the prefix "${prefix}": it has a brace`);
  for (const [name, ms] of Object.entries({ keepEndedMs, timeoutMs })) {
    if (ms !== undefined && !(Number.isSafeInteger(ms) && ms > 0))
      throw new RangeError(`Cannot use ${name} ${ms}: it is a whole number of ms above 0`);
  }
  const connection = await RedisConnection.open({ url, timeoutMs });
  // Channels are those of all databases.
  const channels = { hints: `${prefix}hints:${connection.db}:`, more: `${prefix}more:${connection.db}:` };
  const hints = new RedisHints({ connect: () => connection.subscriber(), ...channels });
  // It may lead to another server by now; and of an append whose answer was lost, nobody here was told.
  connection.client.on("ready", () => hints.renew());
  try {
    const durability = await redisDurability(connection.nodes);
    for (const node of connection.nodes) await loadScripts(node);
    connection.onNode((node) => void loadScripts(node).catch(ignore));
    await hints.open();
    return new RedisStore({ connection, hints, durability, prefix, keepEndedMs });
  } catch (error) {
    hints[Symbol.dispose]();
    const refusal = connection.refusal(error, "open the store");
    await connection[Symbol.asyncDispose]();
    throw refusal;
  }
}

/** Sends what changes a log before it is asked for, or what is asked for next would come before it. */
async function loadScripts(node: Redis): Promise<void> {
  await Promise.all([appendScript, deleteScript].map(({ lua }) => node.script("LOAD", lua)));
}

interface Parts {
  readonly connection: RedisConnection;
  readonly hints: RedisHints;
  readonly durability: Durability;
  readonly prefix: string;
  readonly keepEndedMs: number | undefined;
}

/** The fields of a record that index entries are made from, as Redis holds them; null where there is no record. */
type Placed = readonly [at: string | null, tags: string | null, entry: string | null];

const NOT_THERE: Placed = [null, null, null];
/** An append that was sent this long ago does not come any more. */
const FENCE_MS = 24 * 60 * 60 * 1_000;
/** How many entries of a list, and runs that have expired, are looked at together. */
const PAGE = 256;
const ENDED = new Set(["status:finished", "status:failed", "status:cancelled"]);

const ignore = () => {};

/**
 * The keys, behind the prefix:
 *
 * | key | holds |
 * |---|---|
 * | `{run}:log` | a stream; the id of an entry is the tail behind its batch, so that a place is found directly |
 * | `{run}:run` | a hash: the tail, which store made the last append, and the record |
 * | `{run}:fence` | on a cluster: the smallest number that index entries of the run may have |
 * | `all`, `tag:TAG`, `odd-tag:JSON` | indexes: sorted sets of entries `startedAt run number`, as lists go |
 * | `alive`, `expire` | who beats; which runs expire when, and what stands in the indexes of them |
 *
 * Indexes are on other servers of a cluster than the run, so that nothing can change both in one step. They are
 * a superset: an entry is written before the record that it stands for, and a list believes only what the record
 * confirms. So a crash in between leaves an entry too many, never a run that no list shows. An entry that the
 * record does not confirm may also be one of which the append is on its way. Whoever takes it away therefore first
 * raises the fence beside the run: an append with entries from before is refused by it, and writes them again
 * with a new number. One server does all this in the append's script, and needs no fence.
 */
class RedisStore implements Store {
  readonly durability: Durability;
  readonly shared = true;

  readonly #connection: RedisConnection;
  readonly #hints: RedisHints;
  readonly #appends: RedisAppends;
  readonly #prefix: string;
  readonly #keepEndedMs: number | undefined;
  /** Runs with a write that could not be sent at once: those after it wait, as they must not overtake it. */
  readonly #turns = new Map<string, Promise<void>>();
  /** What nobody waits for. */
  readonly #background = new Set<Promise<unknown>>();
  #disposed = false;

  constructor({ connection, hints, durability, prefix, keepEndedMs }: Parts) {
    this.durability = durability;
    this.#connection = connection;
    this.#hints = hints;
    this.#appends = new RedisAppends(connection, hints);
    this.#prefix = prefix;
    this.#keepEndedMs = keepEndedMs;
  }

  append(
    run: string,
    expected: Tail,
    batch: Batch | undefined,
    record?: RunRecord,
  ): Promise<Tail | undefined> {
    const keys = [this.#logKey(run), this.#runKey(run)];
    const added = batch ? formatTail(batch) : "";
    const args = [formatTail(expected), added, batch?.text ?? ""];
    return this.#try("append", async () => {
      while (true) {
        const answer = record
          ? await this.#appendWithRecord(record, keys, args)
          : await this.#inTurn(run, () => this.#appends.add({ run, keys, args }));
        // The entries in the indexes are not good any more.
        if (typeof answer === "number") continue;
        const real = typeof answer === "string" ? answer : undefined;
        // Also of one that was sent twice, and found itself in the log.
        if (batch && (real === undefined || real === added)) this.#hints.tell(run, batch);
        return real === undefined ? undefined : parseTail(real);
      }
    });
  }

  async read(run: string, after: number, maxBytes: number): Promise<readonly Batch[]> {
    return this.#ask("read", run, async () => {
      const answer = await this.#connection.run(readScript, [this.#logKey(run)], [after + 1, maxBytes]);
      const fields = answer as string[];
      const batches: Batch[] = [];
      for (let index = 0; index < fields.length; index += 2) {
        batches.push({ ...parseTail(fields[index]!), text: fields[index + 1]! });
      }
      return batches;
    });
  }

  async tail(run: string): Promise<Tail> {
    return this.#ask("read", run, async () =>
      parseTail((await this.#connection.client.hget(this.#runKey(run), "tail")) ?? "0-0"),
    );
  }

  async record(run: string): Promise<RunRecord | undefined> {
    return this.#ask("read", run, async () => (await this.#recordOf(run)).record);
  }

  async list({ tag, before, limit }: Parameters<Store["list"]>[0]): Promise<readonly RunRecord[]> {
    return this.#ask("list", undefined, async () => {
      const { client } = this.#connection;
      const index = tag === undefined ? this.#allKey : this.#tagKey(tag);
      const found: RunRecord[] = [];
      let max = before ? `(${placeOf(before.startedAt)}${before.run}` : "+";
      while (found.length < limit) {
        const count = Math.min(limit - found.length, PAGE);
        const entries = await client.zrevrangebylex(index, max, "-", "LIMIT", 0, count);
        const rows = await Promise.all(
          entries.map(async (entry) => ({ entry, ...(await this.#recordOf(runOf(entry))) })),
        );
        for (const { entry, record, placed } of rows) {
          const stands = record && entryOf(record, placed[2]!) === entry;
          if (stands && (tag === undefined || record.tags.includes(tag))) found.push(record);
          else this.#later(this.#drop(runOf(entry), placed, entry, [index]));
        }
        if (entries.length < count) break;
        max = `(${entries.at(-1)}`;
      }
      return found;
    });
  }

  async delete(run: string, expected: Tail): Promise<boolean> {
    const keys = [this.#logKey(run), this.#runKey(run)];
    return this.#try("delete", async () => {
      const args = [formatTail(expected), this.#hints.hints + run];
      const answer = await this.#inTurn(run, () => {
        this.#appends.flush();
        return this.#connection.run(deleteScript, keys, args);
      });
      if (answer === 0) return false;
      this.#hints.tell(run);
      await this.#dropAll(run, answer as Placed, NOT_THERE).catch(ignore);
      return true;
    });
  }

  watch(run: string, wake: (batch?: Batch) => void): Disposable {
    return this.#hints.watch(run, wake);
  }

  async beat(holder: string, ms: number): Promise<readonly string[]> {
    return this.#ask("beat", undefined, async () => {
      this.#hints.ping();
      if (this.#keepEndedMs !== undefined) this.#later(this.#sweep());
      return (await this.#connection.run(beatScript, [`${this.#prefix}alive`], [holder, ms])) as string[];
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#hints[Symbol.dispose]();
    await Promise.allSettled([...this.#turns.values(), ...this.#background]);
    this.#appends.flush();
    await this.#connection[Symbol.asyncDispose]();
  }

  /** What the script answers. */
  async #appendWithRecord(record: RunRecord, keys: readonly string[], args: readonly string[]) {
    const { run, startedAt, tags, text } = record;
    const { cluster } = this.#connection;
    const at = String(startedAt);
    const stored = JSON.stringify(tags);
    const keepMs = tags.some((tag) => ENDED.has(tag)) ? this.#keepEndedMs : undefined;
    const indexes = this.#indexesOf(tags);
    let number = "0";
    const write = async () => {
      number = await this.#writeEntries(record, indexes);
    };
    const answer = await this.#inTurn(
      run,
      () =>
        this.#appends.add({
          run,
          keys: [...keys, ...(cluster ? [this.#fenceKey(run)] : indexes)],
          args: [
            ...args,
            at,
            stored,
            text,
            number,
            `${keepMs ?? ""}`,
            cluster ? "" : entryOf(record, number),
          ],
        }),
      cluster ? write : undefined,
    );
    if (typeof answer === "string" || typeof answer === "number") return answer;
    const placed: Placed = [at, stored, number];
    if (answer) this.#later(this.#dropAll(run, answer as Placed, placed));
    if (keepMs !== undefined) this.#later(this.#expire(run, placed, keepMs));
    return undefined;
  }

  /** Writes index entries before the append that they are for. Resolves to their number. */
  async #writeEntries(record: RunRecord, indexes: readonly string[]): Promise<string> {
    const { client } = this.#connection;
    const number = (await client.get(this.#fenceKey(record.run))) ?? "0";
    const entry = entryOf(record, number);
    await Promise.all(indexes.map((index) => client.zadd(index, 0, entry)));
    return number;
  }

  async #recordOf(run: string): Promise<{ record: RunRecord | undefined; placed: Placed }> {
    this.#connection.cork();
    const [at, tags, entry, text] = (await this.#connection.client.hmget(
      this.#runKey(run),
      "at",
      "tags",
      "entry",
      "text",
    )) as [string | null, string | null, string | null, string | null];
    if (at === null) return { record: undefined, placed: NOT_THERE };
    const record = { run, startedAt: Number(at), tags: JSON.parse(tags!) as string[], text: text! };
    return { record, placed: [at, tags, entry] };
  }

  /** Takes away what stood in the indexes for an old record, and does not for the one that is there now. */
  async #dropAll(run: string, old: Placed, now: Placed): Promise<void> {
    const [at, tags, number] = old;
    if (at === null) return;
    const entry = entryOf({ run, startedAt: Number(at) }, number!);
    let indexes = this.#indexesOf(JSON.parse(tags!) as string[]);
    if (now[0] !== null && entry === entryOf({ run, startedAt: Number(now[0]) }, now[2]!)) {
      const kept = this.#indexesOf(JSON.parse(now[1]!) as string[]);
      indexes = indexes.filter((index) => !kept.includes(index));
    }
    if (indexes.length > 0) await this.#drop(run, now, entry, indexes);
  }

  /** Takes an entry out of indexes, unless the record has changed since it did not confirm it. */
  async #drop(run: string, seen: Placed, entry: string, indexes: readonly string[]): Promise<void> {
    const was = seen.map((field) => field ?? "");
    if (!this.#connection.cluster) {
      await this.#connection.run(dropScript, [this.#runKey(run), ...indexes], [...was, entry]);
      return;
    }
    const keys = [this.#runKey(run), this.#fenceKey(run)];
    const dropped = await this.#connection.run(dropScript, keys, [...was, "", numberOf(entry), FENCE_MS]);
    if (dropped === 0) return;
    await Promise.all(indexes.map((index) => this.#connection.client.zrem(index, entry)));
  }

  /** Notes when a run expires: of its record, nothing is left then that says where its entries are. */
  async #expire(run: string, placed: Placed, ms: number): Promise<void> {
    const key = `${this.#prefix}expire`;
    await this.#connection.run(expireScript, [key], [ms, JSON.stringify([run, placed])]);
  }

  /** Takes the entries of expired runs out of the indexes. */
  async #sweep(): Promise<void> {
    const key = `${this.#prefix}expire`;
    const expired = (await this.#connection.run(expiredScript, [key], [PAGE])) as string[];
    for (const text of expired) {
      const [run, placed] = JSON.parse(text) as [string, Placed];
      const now = await this.#recordOf(run);
      await this.#dropAll(run, placed, now.placed);
      await this.#connection.client.zrem(key, text);
    }
  }

  /** Sends a write, in the order of the calls for each run, also where one has to wait or `before` takes a while. */
  #inTurn<Answer>(run: string, send: () => Promise<Answer>, before?: () => Promise<void>): Promise<Answer> {
    const turn = this.#turns.get(run);
    if (!turn && !before && this.#connection.ready) return send();
    const { promise: sent, resolve } = Promise.withResolvers<void>();
    this.#turns.set(run, sent);
    const inTurn = async () => {
      try {
        await turn;
        await this.#connection.whenReady();
        await before?.();
        return send();
      } finally {
        resolve();
        if (this.#turns.get(run) === sent) this.#turns.delete(run);
      }
    };
    return inTurn();
  }

  /** A read, of a run or of all, once there is a connection. */
  async #ask<Answer>(doing: string, run: string | undefined, ask: () => Promise<Answer>): Promise<Answer> {
    return this.#try(doing, async () => {
      // Who watches and reads then misses nothing in between.
      if (run !== undefined) await this.#hints.subscribing(run);
      if (!this.#connection.ready) await this.#connection.whenReady();
      this.#connection.cork();
      return ask();
    });
  }

  async #try<Answer>(doing: string, action: () => Promise<Answer>): Promise<Answer> {
    if (this.#disposed) throw new RunError("store_unavailable", `Cannot ${doing}: the store is closed`);
    try {
      return await action();
    } catch (error) {
      throw this.#connection.refusal(error, doing);
    }
  }

  /** Cleaning up, which a list does again where it fails. */
  #later(work: Promise<unknown>): void {
    const done = work.catch(ignore).finally(() => this.#background.delete(done));
    this.#background.add(done);
  }

  #indexesOf(tags: readonly string[]): string[] {
    return [this.#allKey, ...new Set(tags.map((tag) => this.#tagKey(tag)))];
  }

  get #allKey(): string {
    return `${this.#prefix}all`;
  }

  #tagKey(tag: string): string {
    // A key is UTF-8, in which a lone surrogate is written as U+FFFD is.
    return `${this.#prefix}${tag.isWellFormed() ? `tag:${tag}` : `odd-tag:${JSON.stringify(tag)}`}`;
  }

  // What stands in braces decides where a key is on a cluster: all keys of a run are in one place.
  #logKey(run: string): string {
    return `${this.#prefix}{${run}}:log`;
  }

  #runKey(run: string): string {
    return `${this.#prefix}{${run}}:run`;
  }

  #fenceKey(run: string): string {
    return `${this.#prefix}{${run}}:fence`;
  }
}

function formatTail({ seq, check }: Tail): string {
  return `${seq}-${check}`;
}

function parseTail(text: string): Tail {
  const middle = text.indexOf("-");
  return { seq: Number(text.slice(0, middle)), check: Number(text.slice(middle + 1)) };
}

/** An entry of an index: sorts by `startedAt`, then by the run, as a space sorts before all that is in a run. */
function entryOf({ run, startedAt }: Pick<RunRecord, "run" | "startedAt">, number: string): string {
  return `${placeOf(startedAt)}${run} ${number}`;
}

const PLACE_CHARS = 16;

/** 16 hex digits that sort as the number does, whatever number it is. */
function placeOf(startedAt: number): string {
  const view = new DataView(new ArrayBuffer(8));
  // Not -0, which is before 0.
  view.setFloat64(0, startedAt + 0);
  const bits = view.getBigUint64(0);
  const sortable = bits >> 63n ? ~bits & 0xffff_ffff_ffff_ffffn : bits | (1n << 63n);
  return sortable.toString(16).padStart(PLACE_CHARS, "0");
}

function runOf(entry: string): string {
  return entry.slice(PLACE_CHARS, entry.indexOf(" "));
}

function numberOf(entry: string): string {
  return entry.slice(entry.indexOf(" ") + 1);
}
