import type { Cluster, Redis, RedisOptions } from "ioredis";
import { messageOf, RunError } from "../errors.ts";
import { soon } from "../internal/soon.ts";
import { loadPackage } from "../load-package.ts";
import type { Script } from "./redis-scripts.ts";

type Ioredis = Pick<typeof import("ioredis"), "Redis" | "Cluster">;

export interface RedisPlace {
  readonly url: string;
  /** How long to wait for the connection, and how long for any answer. */
  readonly timeoutMs: number;
}

const ignore = () => {};
const BROKE = /^(Reached the max retries|Connection is closed|Stream isn't writeable|Command aborted)/;

/**
 * A connection for commands to one server or a cluster, whichever is there. It comes back by itself; what was
 * on its way when it broke is refused, as nobody knows what became of it. In a cluster, ioredis may send it again:
 * an append then finds itself in the log, and is refused for that.
 */
export class RedisConnection implements AsyncDisposable {
  readonly client: Redis | Cluster;
  /** Set for one server. */
  readonly #single: Redis | undefined;
  readonly #timeoutMs: number;
  readonly #openSubscriber: () => Redis;
  #trouble: Error | undefined;
  #returning: Promise<void> | undefined;
  #corked = false;
  #closed = false;

  /**
   * Rejects with `invalid_request` for what is no address, `missing_package` without ioredis, and
   * `store_unavailable` if nobody answers there.
   */
  static async open(place: RedisPlace): Promise<RedisConnection> {
    const { shown, secure } = parse(place.url);
    const ioredis = await loadPackage("ioredis", () => import("ioredis"));
    const single = new ioredis.Redis(place.url, { ...optionsFor(place), connectionName: "runlog" });
    let trouble: unknown;
    single.on("error", (error) => {
      trouble ??= error;
    });
    try {
      await within(single.connect(), place.timeoutMs);
      if (!/^cluster_enabled:1/m.test(await single.info("cluster")))
        return new RedisConnection(ioredis, single, place);
      if (single.options.db) {
        throw new RunError("invalid_request", `Cannot open "${shown}": a cluster has no database but 0`);
      }
      const cluster = openCluster(ioredis, single, place, secure);
      cluster.on("error", (error) => {
        trouble ??= error;
      });
      single.disconnect();
      try {
        await within(cluster.connect(), place.timeoutMs);
        if (cluster.nodes("master").length === 0)
          throw new Error('The cluster does not say where its servers are (see "cluster-announce-ip")');
      } catch (error) {
        cluster.disconnect();
        throw error;
      }
      return new RedisConnection(ioredis, cluster, place);
    } catch (error) {
      single.disconnect();
      if (error instanceof RunError) throw error;
      const why = messageOf(trouble ?? error);
      throw new RunError("store_unavailable", `Cannot open "${shown}": ${why}`, { cause: trouble ?? error });
    }
  }

  private constructor(ioredis: Ioredis, client: Redis | Cluster, { timeoutMs }: RedisPlace) {
    this.client = client;
    this.#timeoutMs = timeoutMs;
    this.#single = client instanceof ioredis.Redis ? client : undefined;
    this.#openSubscriber = () => {
      const node = client instanceof ioredis.Redis ? client : sample(client.nodes("master"));
      if (!node) throw new Error("No node of the cluster is known");
      // It subscribes anew by itself, to another node if this one stays away.
      const options: RedisOptions = { ...node.options, autoResubscribe: false, retryStrategy: () => null };
      return new ioredis.Redis({
        ...options,
        enableOfflineQueue: false,
        readOnly: false,
        lazyConnect: true,
        connectionName: "runlog-hints",
      });
    };
    client.on("error", (error) => {
      this.#trouble = error;
    });
    client.on("ready", () => {
      this.#trouble = undefined;
    });
    const single = this.#single;
    single?.on("close", () => clearSocketTimeout(single));
  }

  get cluster(): boolean {
    return this.#single === undefined;
  }

  get db(): number {
    return this.#single?.options.db ?? 0;
  }

  /** Each of the servers that take writes. */
  get nodes(): readonly Redis[] {
    return this.#single ? [this.#single] : (this.client as Cluster).nodes("master");
  }

  /** Calls back with each server that is connected to from now on, before anybody's command is sent there. */
  onNode(meet: (node: Redis) => void): void {
    const single = this.#single;
    if (single) single.on("ready", () => meet(single));
    else this.client.on("+node", meet);
  }

  get ready(): boolean {
    // ioredis says so a little longer than it is.
    return this.client.status === "ready" && this.#single?.stream.writable !== false;
  }

  /** A connection of its own for hints, not open yet. It does not come back by itself. */
  subscriber(): Redis {
    return this.#openSubscriber();
  }

  /** Resolves once there is a connection, and rejects if there is none for too long. */
  whenReady(): Promise<void> {
    if (this.ready) return Promise.resolve();
    const { client } = this;
    this.#returning ??= new Promise<void>((resolve, reject) => {
      const done = () => {
        clearTimeout(timer);
        client.off("ready", done);
        client.off("end", done);
        this.#returning = undefined;
        if (this.ready) resolve();
        else reject(this.#trouble ?? new Error("There is no connection to Redis"));
      };
      const timer = setTimeout(done, this.#timeoutMs);
      client.on("ready", done);
      client.on("end", done);
    });
    return this.#returning;
  }

  /** Runs a script; what it answers is for the caller to know. */
  async run(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    try {
      return await this.client.evalsha(script.sha, keys.length, ...keys, ...args);
    } catch (error) {
      if (!messageOf(error).startsWith("NOSCRIPT")) throw error;
      return this.client.eval(script.lua, keys.length, ...keys, ...args);
    }
  }

  /**
   * To be called before a read. All commands of a turn of the event loop go to the system in one call: one
   * for each takes more than twice the time.
   */
  cork(): void {
    const stream = this.#single?.stream;
    if (this.#corked || !stream) return;
    this.#corked = true;
    stream.cork();
    soon(() => {
      this.#corked = false;
      stream.uncork();
    });
  }

  /** What went wrong, as a refusal: `store_full` if there is no room, else `store_unavailable`. */
  refusal(error: unknown, doing: string): RunError {
    if (error instanceof RunError) return error;
    const cannot = `Cannot ${doing}: `;
    if (this.#closed)
      return new RunError("store_unavailable", `${cannot}the store is closed`, { cause: error });
    // Of a connection that broke, ioredis tells how often it tried, and apart from that what was wrong.
    if (BROKE.test(messageOf(error))) {
      const why = this.#trouble ? ` (${messageOf(this.#trouble)})` : "";
      return new RunError("store_unavailable", `${cannot}the connection to Redis broke${why}`, {
        cause: error,
      });
    }
    // Before version 7, what a script met stands within the message.
    const full = /(^|\W)(OOM|MISCONF) /.test(messageOf(error));
    return new RunError(full ? "store_full" : "store_unavailable", `${cannot}${messageOf(error)}`, {
      cause: error,
    });
  }

  /** Waits for what was sent to be answered. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.client.quit().catch(ignore);
    this.client.disconnect();
  }
}

function optionsFor({ timeoutMs }: RedisPlace): RedisOptions {
  return {
    lazyConnect: true,
    connectTimeout: timeoutMs,
    // Of all that waits for an answer: a server that stands still does not hold anybody for ever.
    socketTimeout: timeoutMs,
    maxLoadingRetryTime: timeoutMs,
    // Nothing is kept for later: who waits, waits in `whenReady`, and knows for how long.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (times) => Math.min(50 * times, 1_000),
    // After a failover the old primary is a replica: the name may lead to the new one by now.
    reconnectOnError: (error) => /(^|\W)READONLY /.test(error.message),
  };
}

/**
 * ioredis 5.11.1 leaves the timer of `socketTimeout` running when a connection breaks: it then ends the next.
 * Not in a cluster: there, another client takes the place of one that broke.
 */
function clearSocketTimeout(client: Redis): void {
  const timed = client as unknown as { socketTimeoutTimer?: NodeJS.Timeout | undefined };
  clearTimeout(timed.socketTimeoutTimer);
  timed.socketTimeoutTimer = undefined;
}

function openCluster(ioredis: Ioredis, seed: Redis, place: RedisPlace, secure: boolean): Cluster {
  const { host, port, username, password, tls } = seed.options;
  const { connectTimeout, socketTimeout, maxRetriesPerRequest } = optionsFor(place);
  return new ioredis.Cluster([{ host: host!, port: port! }], {
    lazyConnect: true,
    enableOfflineQueue: false,
    // It would ask the servers that the cluster names, and wait for ever where it names none.
    enableReadyCheck: false,
    slotsRefreshTimeout: place.timeoutMs,
    clusterRetryStrategy: (times) => Math.min(50 * times, 1_000),
    // A certificate is for a name, not for the address behind it.
    ...(secure && { dnsLookup: (name, found) => found(null, name) }),
    redisOptions: {
      connectionName: "runlog",
      connectTimeout,
      socketTimeout,
      maxRetriesPerRequest: maxRetriesPerRequest!,
      ...(username && { username }),
      ...(password && { password }),
      ...(tls && { tls }),
    },
  });
}

function parse(text: string): { readonly shown: string; readonly secure: boolean } {
  const shown = text.replace(/\/\/.*@/, "//***@");
  const url = URL.parse(text);
  if (!url || (url.protocol !== "redis:" && url.protocol !== "rediss:") || url.hostname === "") {
    throw new RunError(
      "invalid_request",
      `Cannot open store "${shown}": it must be "redis://[:password@]host:port/db", or "rediss:" for TLS`,
    );
  }
  return { shown, secure: url.protocol === "rediss:" };
}

function within(promise: Promise<void>, ms: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`No answer within ${ms} ms`)), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

function sample<Item>(items: readonly Item[]): Item | undefined {
  return items[Math.floor(Math.random() * items.length)];
}
