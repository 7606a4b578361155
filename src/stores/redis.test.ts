import { execFile } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import type { AgentFunction } from "../agent.ts";
import { sealBatch } from "../batch.ts";
import { event, type StreamEvent } from "../events.ts";
import { createHub } from "../hub.ts";
import { Log, type Slice } from "../log.ts";
import type { Batch, RunRecord, Store, Tail } from "../store.ts";
import {
  type RedisServer,
  type RedisServerOptions,
  redisMissing,
  startRedis,
} from "../testing/redis-server.fixture.ts";
import { testStore } from "../testing/store.ts";
import { openStore } from "./open.ts";
import { type RedisStoreOptions, redisStore } from "./redis.ts";

const missing = redisMissing();
const required = process.env.REQUIRE_ALL_STORES === "1";
const given = process.env.REDIS_URL;

/** Tests that need a Redis of their own; they say so where there is none. */
function withServer(name: string, tests: () => void): void {
  const title = missing ? `${name} (skipped: ${missing})` : name;
  describe.skipIf(missing !== undefined && !required)(title, tests);
}

const execute = promisify(execFile);
const start: Tail = { seq: 0, check: 0 };
const closers: AsyncDisposable[] = [];

afterEach(async () => {
  for (const each of closers.splice(0).reverse()) await each[Symbol.asyncDispose]();
});

let prefixes = 0;

function newPrefix(): string {
  return `runlog-test-${process.pid}-${Date.now().toString(36)}-${prefixes++}:`;
}

async function launch(options?: RedisServerOptions): Promise<RedisServer> {
  const server = await startRedis(options);
  closers.push(server);
  return server;
}

async function open(options: RedisStoreOptions): Promise<Store> {
  const store = await redisStore(options);
  closers.push(store);
  return store;
}

/** A client that does what another program or a person could. */
function clientOf({ port }: RedisServer): Redis {
  const redis = new Redis(port, "127.0.0.1");
  redis.on("error", () => {});
  closers.push({
    async [Symbol.asyncDispose]() {
      redis.disconnect();
    },
  });
  return redis;
}

let appends = 0;

function next(before: Tail, ...events: StreamEvent[]): Batch {
  const lines = events.length > 0 ? events : [event.custom({ name: "n", data: appends })];
  return sealBatch(
    before,
    lines.map((each) => JSON.stringify(each)),
    1,
    `test.${appends++}`,
  );
}

function recordOf(run: string, startedAt: number, ...tags: string[]): RunRecord {
  return { run, startedAt, tags, text: `{"run":"${run}"}` };
}

async function fill(store: Store, run: string, count: number, record?: RunRecord): Promise<Batch[]> {
  const batches: Batch[] = [];
  for (let index = 0; index < count; index++) {
    const before = batches.at(-1) ?? start;
    batches.push(next(before));
    expect(
      await store.append(run, before, batches.at(-1)!, index === 0 ? record : undefined),
    ).toBeUndefined();
  }
  return batches;
}

/** How often Redis was asked for this. */
async function callsOf(redis: Redis, command: string): Promise<number> {
  const stats = await redis.info("commandstats");
  return Number(new RegExp(`^cmdstat_${command}:calls=(\\d+)`, "m").exec(stats)?.[1] ?? 0);
}

/** Resolves once a watcher that never looks by itself knows of an entry: it was handed it, or told to look. */
function knows(store: Store, run: string): (seq: number) => Promise<void> {
  let known = 0;
  let told = Promise.withResolvers<void>();
  store.watch(run, async (batch) => {
    const { seq } = batch ?? (await store.tail(run));
    known = Math.max(known, seq);
    told.resolve();
    told = Promise.withResolvers();
  });
  return async (seq) => {
    while (known < seq) await told.promise;
  };
}

const code = (promise: Promise<unknown>) =>
  promise.then(
    () => "done",
    (error) => error.code,
  );

function testRedis(name: string, urlOf: () => string): void {
  const prefixOf = new WeakMap<Store, string>();
  const openAt = async (prefix: string) => {
    const store = await redisStore({ url: urlOf(), prefix });
    prefixOf.set(store, prefix);
    return store;
  };
  testStore(name, {
    open: () => openAt(newPrefix()),
    reopen: async (store) => {
      await store[Symbol.asyncDispose]();
      return openAt(prefixOf.get(store)!);
    },
    advance: { skip: "its clock is that of Redis; redis.test.ts moves what goes by it" },
  });
}

if (given) testRedis("redis at REDIS_URL", () => given);

withServer("redisStore", () => {
  const shared: { plain?: RedisServer; cluster?: RedisServer } = {};
  beforeAll(async () => {
    shared.plain = await startRedis();
    shared.cluster = await startRedis({ cluster: true });
  });
  afterAll(async () => {
    await shared.plain?.[Symbol.asyncDispose]();
    await shared.cluster?.[Symbol.asyncDispose]();
  });

  testRedis("redis", () => shared.plain!.url);
  testRedis("redis, a cluster", () => shared.cluster!.url);

  describe("opens", () => {
    it("what a URL names", async () => {
      await using store = await openStore(`${shared.plain!.url}/3`);
      expect(store).toMatchObject({ shared: true, durability: { class: "D1" } });
    });

    it("not what is no URL of Redis, and says what one is", async () => {
      await expect(redisStore("localhost:6379")).rejects.toMatchObject({
        code: "invalid_request",
        message: expect.stringContaining("redis://[:password@]host:port/db"),
      });
      await expect(redisStore({ url: shared.plain!.url, prefix: "a{b}:" })).rejects.toThrow(/brace/);
      await expect(redisStore({ url: shared.plain!.url, keepEndedMs: 0.5 })).rejects.toThrow(RangeError);
    });

    it("not where nobody answers, nor with a wrong password, which it does not repeat", async () => {
      await expect(redisStore("redis://me:secret@127.0.0.1:1/0")).rejects.toMatchObject({
        code: "store_unavailable",
        message: expect.stringMatching(/^Cannot open "redis:\/\/\*\*\*@127.0.0.1:1\/0": .*ECONNREFUSED/),
      });
      const server = await launch({ args: ["--requirepass", "right"] });
      const url = server.url.replace("//", "//:wrong@");
      await expect(redisStore(url)).rejects.toMatchObject({
        code: "store_unavailable",
        message: expect.stringMatching(/WRONGPASS/),
      });
      const store = await open({ url: url.replace("wrong", "right") });
      await fill(store, "r", 1);
    });

    it("not without its package, and says how to install it", async () => {
      const program = `
        import { registerHooks } from "node:module";
        registerHooks({
          resolve(name, context, next) {
            if (name !== "ioredis") return next(name, context);
            throw Object.assign(new Error("Cannot find package 'ioredis'"), { code: "ERR_MODULE_NOT_FOUND" });
          },
        });
        const { redisStore } = await import(${JSON.stringify(join(import.meta.dirname, "redis.ts"))});
        await redisStore("redis://127.0.0.1").catch((error) => console.log(error.code, error.message));`;
      const { stdout } = await execute(process.execPath, ["--input-type=module", "-e", program]);
      expect(stdout.trim()).toBe('missing_package Cannot load "ioredis": npm install ioredis');
    });

    it("two connections, however many runs are watched", async () => {
      const store = await open({ url: shared.plain!.url, prefix: newPrefix() });
      const redis = clientOf(shared.plain!);
      const clients = async () => ((await redis.client("LIST")) as string).match(/name=runlog(-hints)? /g);
      const before = await clients();
      for (let run = 0; run < 50; run++) store.watch(`run-${run}`, () => {});
      await fill(store, "run-49", 1);
      expect(before).toHaveLength(2);
      expect(await clients()).toEqual(before);
    });
  });

  describe("says what an acknowledgement means", () => {
    it.each([
      ["as it is installed", {}, "D1", /"appendonly no"/],
      ["with a file that is synced each second", { appendfsync: "everysec" }, "D2", /two seconds/],
      ["with a file that is never synced", { appendfsync: "no" }, "D2", /half a minute/],
      ["with a file that is always synced", { appendfsync: "always" }, "D3", /power loss/],
      [
        "with an eviction that takes any key",
        { args: ["--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"] },
        "D0",
        /WARNING: .*"noeviction" instead of "allkeys-lru"/,
      ],
      [
        "with an eviction that takes what expires",
        { appendfsync: "always", args: ["--maxmemory-policy", "volatile-lru"] },
        "D3",
        /WARNING: .*kept for a time.*"noeviction" instead of "volatile-lru"/,
      ],
    ] as const)("%s", async (_, options, found, why) => {
      const server = await launch(options);
      const { durability } = await open({ url: server.url });
      expect(durability).toEqual({ class: found, why: expect.stringMatching(why) });
    });

    it("and assumes the least where CONFIG is forbidden", async () => {
      const server = await launch({ appendfsync: "always", args: ["--maxmemory-policy", "allkeys-lru"] });
      const acl = ["SETUSER", "managed", "on", ">pw", "~*", "&*", "+@all", "-config"] as const;
      await clientOf(server).call("ACL", ...acl);
      const { durability } = await open({ url: server.url.replace("//", "//managed:pw@") });
      expect(durability.class).toBe("D1");
      expect(durability.why).toMatch(/CONFIG is not allowed.*least is assumed.*WARNING.*allkeys-lru/);
    });
  });

  describe("appends of one turn of the event loop", () => {
    it("share a call, in which each has an answer of its own", async () => {
      const server = await launch();
      const store = await open({ url: server.url });
      const redis = clientOf(server);
      const [taken] = await fill(store, "taken", 1);
      await redis.set("runlog:{broken}:run", "no hash");
      const before = await callsOf(redis, "evalsha");
      const answers = await Promise.allSettled([
        store.append("broken", start, next(start)),
        store.append("one", start, next(start)),
        store.append("taken", start, next(start)),
        store.append("two", start, next(start), recordOf("two", 1, "a")),
      ]);
      expect(await callsOf(redis, "evalsha")).toBe(before + 1);
      expect(answers).toMatchObject([
        {
          reason: { code: "store_unavailable", message: expect.stringMatching(/^Cannot append: WRONGTYPE/) },
        },
        { value: undefined },
        { value: { seq: taken!.seq, check: taken!.check } },
        { value: undefined },
      ]);
      expect(await store.list({ limit: 9 })).toEqual([recordOf("two", 1, "a")]);
      expect(await store.tail("one")).toMatchObject({ seq: 1 });
    });

    it.each([
      ["32 of them, or 64 KiB, are a call", false, [4, 2]],
      ["each is a call on a cluster, where runs are in different places", true, [100, 3]],
    ])("%s", async (_, cluster, calls) => {
      const server = await launch({ cluster });
      const store = await open({ url: server.url });
      const redis = clientOf(server);
      const made: number[] = [];
      for (const [count, length] of [
        [100, 1],
        [3, 30_000],
      ] as const) {
        const before = await callsOf(redis, "evalsha");
        const runs = Array.from({ length: count }, (_, index) => `${length}-${index}`);
        const batch = next(start, event.custom({ name: "n", data: "x".repeat(length) }));
        const answers = await Promise.all(runs.map((run) => store.append(run, start, batch)));
        expect(answers).toEqual(Array(count).fill(undefined));
        made.push((await callsOf(redis, "evalsha")) - before);
      }
      expect(made).toEqual(calls);
    });
  });

  describe("between processes", () => {
    it.each([
      ["one server", () => shared.plain!],
      ["a cluster", () => shared.cluster!],
    ])("[F90] on %s, all hear all, whoever appends and in whatever turns", async (_, serverOf) => {
      const options = { url: serverOf().url, prefix: newPrefix() };
      const stores = [await open(options), await open(options), await open(options)];
      const knowing = stores.map((store) => knows(store, "r"));
      const allKnow = ({ seq }: Tail) => Promise.all(knowing.map((know) => know(seq)));
      await Promise.all(stores.map((store) => store.tail("r")));
      let tail = start;
      for (const wait of [true, false]) {
        for (const turn of "000001111100101001011122200021021") {
          const batch = next(tail);
          expect(await stores[Number(turn)]!.append("r", tail, batch)).toBeUndefined();
          tail = batch;
          if (wait) await allKnow(tail);
        }
        await allKnow(tail);
      }
    });

    it("hands over to who watches what it appends itself once, without Redis telling of it", async () => {
      const server = await launch();
      const store = await open({ url: server.url });
      const redis = clientOf(server);
      const handed: (Batch | undefined)[] = [];
      store.watch("r", (batch) => handed.push(batch));
      const batches: Batch[] = [];
      const published = async () => {
        const before = await callsOf(redis, "publish");
        const batch = next(batches.at(-1) ?? start);
        await store.append("r", batches.at(-1) ?? start, batch);
        batches.push(batch);
        return (await callsOf(redis, "publish")) - before;
      };
      await expect.poll(published).toBe(0);
      for (let more = 0; more < 10; more++) expect(await published()).toBe(0);
      expect(handed).toEqual(batches);
    });

    it("hears of all that another appends at once, after appends of its own", async () => {
      const options = { url: shared.plain!.url, prefix: newPrefix() };
      const [one, two] = [await open(options), await open(options)];
      const redis = clientOf(shared.plain!);
      const know = knows(one, "r");
      let tail = start;
      const listeners = async () => {
        const batch = next(tail);
        await one.append("r", tail, batch);
        tail = batch;
        return (await redis.pubsub("NUMSUB", `${options.prefix}more:0:r`))[1];
      };
      await expect.poll(listeners).toBe(0);
      const batches = [next(tail)];
      for (let more = 0; more < 2; more++) batches.push(next(batches.at(-1)!));
      await Promise.all(batches.map((batch, index) => two.append("r", batches[index - 1] ?? tail, batch)));
      await know(batches.at(-1)!.seq);
    });

    it("listens on as it did while two take turns", async () => {
      const server = await launch();
      const stores = [await open({ url: server.url }), await open({ url: server.url })];
      const redis = clientOf(server);
      const knowing = stores.map((store) => knows(store, "r"));
      await Promise.all(stores.map((store) => store.tail("r")));
      let tail = start;
      for (let turn = 0; turn < 20; turn++) {
        const batch = next(tail);
        await stores[turn % 2]!.append("r", tail, batch);
        tail = batch;
        await Promise.all(knowing.map((know) => know(batch.seq)));
      }
      expect(await callsOf(redis, "subscribe")).toBe(2);
      expect(await callsOf(redis, "unsubscribe")).toBe(0);
    });

    it("tells of appends where it may not count who listens", async () => {
      const server = await launch();
      const acl = ["SETUSER", "bound", "on", ">pw", "~*", "&*", "+@all", "-pubsub"] as const;
      await clientOf(server).call("ACL", ...acl);
      const bound = await open({ url: server.url.replace("//", "//bound:pw@") });
      const reader = await open({ url: server.url });
      const heard = Promise.withResolvers<Batch | undefined>();
      reader.watch("r", heard.resolve);
      await reader.tail("r");
      const [batch] = await fill(bound, "r", 1);
      expect(await heard.promise).toEqual(batch);
    });

    it.each([
      ["one server", false],
      ["a cluster", true],
    ])("says on %s what was done, also to a user who may not tell the others of it", async (_, cluster) => {
      const server = await launch({ cluster });
      const acl = ["SETUSER", "mute", "on", ">pw", "~*", "resetchannels", "+@all"] as const;
      await clientOf(server).call("ACL", ...acl);
      const mute = await open({ url: server.url.replace("//", "//mute:pw@") });
      const reader = await open({ url: server.url });
      reader.watch("r", () => {});
      await reader.tail("r");
      const [one] = await fill(mute, "r", 1, recordOf("r", 1, "a"));
      expect(await reader.list({ limit: 9 })).toEqual([recordOf("r", 1, "a")]);
      expect(await mute.delete("r", one!)).toBe(true);
      expect(await reader.list({ limit: 9 })).toEqual([]);
    });

    it("hands over what another one appends, but only tells of what is large", async () => {
      const prefix = newPrefix();
      const writer = await open({ url: shared.plain!.url, prefix });
      const reader = await open({ url: shared.plain!.url, prefix });
      const heard: (Batch | undefined)[] = [];
      const both = Promise.withResolvers<void>();
      reader.watch("r", (batch) => {
        if (heard.push(batch) === 2) both.resolve();
      });
      expect(await reader.tail("r")).toEqual(start);
      const small = next(start);
      const large = next(small, event.custom({ name: "large", data: "x".repeat(20_000) }));
      await writer.append("r", start, small);
      await writer.append("r", small, large);
      await both.promise;
      expect(heard).toEqual([small, undefined]);
      expect(await reader.read("r", small.seq, 1)).toEqual([large]);
    });

    it("hears nothing of another database, nor of another prefix", async () => {
      const heard: string[] = [];
      const url = shared.plain!.url;
      const prefix = newPrefix();
      const here = await open({ url, prefix });
      here.watch("r", () => heard.push("here"));
      await here.tail("r");
      await fill(await open({ url: `${url}/1`, prefix }), "r", 1);
      await fill(await open({ url, prefix: newPrefix() }), "r", 1);
      const done = Promise.withResolvers<void>();
      here.watch("last", () => done.resolve());
      await fill(here, "last", 1);
      await done.promise;
      expect(heard).toEqual([]);
      expect(await here.tail("r")).toEqual(start);
    });

    it("names those who beat by the clock of Redis, until their time is over", async () => {
      const prefix = newPrefix();
      const one = await open({ url: shared.plain!.url, prefix });
      const two = await open({ url: shared.plain!.url, prefix });
      const redis = clientOf(shared.plain!);
      // As if Redis had gone on by so much.
      const advance = async (ms: number) => {
        for (const holder of await redis.zrange(`${prefix}alive`, 0, -1))
          await redis.zincrby(`${prefix}alive`, -ms, holder);
      };
      const alive = async (store: Store, holder: string, ms: number) =>
        [...(await store.beat(holder, ms))].sort();
      expect(await alive(one, "a", 100_000)).toEqual(["a"]);
      expect(await alive(two, "b", 300_000)).toEqual(["a", "b"]);
      await advance(60_000);
      expect(await alive(one, "a", 100_000)).toEqual(["a", "b"]);
      await advance(90_000);
      expect(await alive(one, "c", 500_000)).toEqual(["a", "b", "c"]);
      await advance(20_000);
      expect(await alive(two, "c", 500_000)).toEqual(["b", "c"]);
    });
  });

  describe("keeps lists right", () => {
    const servers = [
      ["one server", () => shared.plain!],
      ["a cluster", () => shared.cluster!],
    ] as const;

    it.each(servers)("on %s, when a process died before the append of its entry", async (_, serverOf) => {
      const prefix = newPrefix();
      const store = await open({ url: serverOf().url, prefix });
      const redis = clientOf(serverOf());
      await fill(store, "there", 1, recordOf("there", 5, "a"));
      const entry = (await redis.zrange(`${prefix}all`, 0, -1))[0]!;
      const orphan = entry.replace("there", "never");
      await redis.zadd(`${prefix}all`, 0, orphan);
      await redis.zadd(`${prefix}tag:b`, 0, entry);
      expect(await store.list({ limit: 10 })).toEqual([recordOf("there", 5, "a")]);
      expect(await store.list({ limit: 10, tag: "b" })).toEqual([]);
      await expect.poll(() => redis.zrange(`${prefix}all`, 0, -1)).toEqual([entry]);
      await expect.poll(() => redis.exists(`${prefix}tag:b`)).toBe(0);
      // What was taken away can come back: where the append may have been on its way, with another number.
      await fill(store, "never", 1, recordOf("never", 5, "b"));
      const back = serverOf() === shared.cluster ? orphan.replace(/0$/, "1") : orphan;
      expect(await redis.zrange(`${prefix}all`, 0, -1)).toEqual([back, entry]);
      const [there] = await store.read("there", 0, 1);
      await store.append("there", there!, next(there!), recordOf("there", 5, "b"));
      expect((await store.list({ limit: 10, tag: "b" })).map(({ run }) => run)).toEqual(["there", "never"]);
      expect(await store.list({ limit: 10, tag: "a" })).toEqual([]);
    });

    it.each(servers)("on %s, while others list and clean up what runs leave behind", async (_, serverOf) => {
      const prefix = newPrefix();
      const url = serverOf().url;
      const writers = [await open({ url, prefix }), await open({ url, prefix })];
      const listers = [await open({ url, prefix }), await open({ url, prefix })];
      const tags = ["status:running", "status:waiting", "status:finished"];
      let working = true;
      const listing = listers.flatMap((store) =>
        [undefined, ...tags].map(async (tag) => {
          while (working) await store.list({ limit: 100, ...(tag !== undefined && { tag }) });
        }),
      );
      const missed: string[] = [];
      await Promise.all(
        Array.from({ length: 12 }, async (_, index) => {
          const run = `run-${index}`;
          const store = writers[index % 2]!;
          let tail = start;
          for (let turn = 0; turn < 30; turn++) {
            const tag = tags[turn % 3]!;
            const batch = next(tail);
            expect(await store.append(run, tail, batch, recordOf(run, index, tag))).toBeUndefined();
            tail = batch;
            for (const filter of [{}, { tag }]) {
              const found = await store.list({ limit: 100, ...filter });
              if (found.filter((record) => record.run === run).length !== 1) missed.push(`${run} as ${tag}`);
            }
          }
        }),
      );
      working = false;
      await Promise.all(listing);
      expect(missed).toEqual([]);
      const redis = clientOf(serverOf());
      await expect.poll(() => redis.zcard(`${prefix}all`)).toBe(12);
      // Nobody but the lists themselves may have to look for what stands there in vain.
      for (const tag of tags) await listers[0]!.list({ limit: 100, tag });
      await expect.poll(() => redis.zcard(`${prefix}tag:status:running`)).toBe(0);
    });

    it("and apart for tags that are written the same in UTF-8, or as JSON", async () => {
      const store = await open({ url: shared.plain!.url, prefix: newPrefix() });
      const lone = "a\ud83d";
      const tags = [lone, "a\ufffd", JSON.stringify(lone)];
      for (const [index, tag] of tags.entries())
        await fill(store, `r${index}`, 1, recordOf(`r${index}`, 1, tag));
      for (let time = 0; time < 2; time++) {
        for (const [index, tag] of tags.entries())
          expect(await store.list({ limit: 9, tag })).toEqual([recordOf(`r${index}`, 1, tag)]);
      }
    });

    it.each(servers)("on %s, and leaves nothing of a deleted run in them", async (_, serverOf) => {
      const prefix = newPrefix();
      const store = await open({ url: serverOf().url, prefix });
      const batches = await fill(store, "r", 3, recordOf("r", 1, "a", "b"));
      expect(await store.delete("r", batches.at(-1)!)).toBe(true);
      const left = await clientOf(serverOf()).keys(`${prefix}*`);
      expect(left.filter((key) => !key.endsWith(":fence"))).toEqual([]);
    });

    it.each(servers)("on %s, and lets go of ended runs after their time", async (_, serverOf) => {
      const prefix = newPrefix();
      const store = await open({ url: serverOf().url, prefix, keepEndedMs: 30 });
      const redis = clientOf(serverOf());
      const [running] = await fill(store, "open", 1, recordOf("open", 1, "status:running", "thread:t"));
      const [ended] = await fill(store, "ended", 1, recordOf("ended", 2, "status:running", "thread:t"));
      expect(await redis.pttl(`${prefix}{ended}:log`)).toBe(-1);
      await store.append(
        "ended",
        ended!,
        next(ended!),
        recordOf("ended", 2, "status:failed", "thread:t", "gone"),
      );
      const [behind] = await fill(store, "behind", 1, recordOf("behind", 3, "status:running", "thread:t"));
      await store.append("behind", behind!, undefined, recordOf("behind", 3, "status:failed", "gone"));
      await expect.poll(() => store.tail("behind")).toEqual(start);
      await expect.poll(() => store.tail("ended")).toEqual(start);
      expect(await store.record("ended")).toBeUndefined();
      expect(await store.read("ended", 0, 1000)).toEqual([]);
      await expect
        .poll(async () => {
          await store.beat("a", 1000);
          return [
            await redis.exists(`${prefix}tag:gone`),
            await redis.exists(`${prefix}tag:status:failed`),
            await redis.zcard(`${prefix}tag:thread:t`),
            await redis.zcard(`${prefix}all`),
            await redis.zcard(`${prefix}expire`),
          ];
        })
        .toEqual([0, 0, 1, 1, 0]);
      expect(await store.tail("open")).toMatchObject({ seq: running!.seq, check: running!.check });
    });
  });

  describe("without room", () => {
    it("refuses with store_full when the memory is full, goes on reading, and writes once there is more", async () => {
      const server = await launch();
      const store = await open({ url: server.url });
      const redis = clientOf(server);
      const [one] = await fill(store, "r", 1, recordOf("r", 1, "a"));
      await redis.config("SET", "maxmemory", "1");
      const two = next(one!);
      await expect(store.append("r", one!, two, recordOf("r", 1, "b"))).rejects.toMatchObject({
        code: "store_full",
        message: expect.stringMatching(/^Cannot append: OOM/),
      });
      expect(await store.read("r", 0, 1000)).toEqual([one]);
      expect(await store.list({ limit: 9 })).toEqual([recordOf("r", 1, "a")]);
      await redis.config("SET", "maxmemory", "0");
      expect(await store.append("r", one!, two, recordOf("r", 1, "b"))).toBeUndefined();
    });

    it("refuses with store_full when the disk does not take a snapshot", async () => {
      const server = await launch();
      const store = await open({ url: server.url });
      const redis = clientOf(server);
      const [one] = await fill(store, "r", 1);
      const folder = ((await redis.config("GET", "dir")) as string[])[1]!;
      // A folder stands where the file would go.
      mkdirSync(join(folder, "dump.rdb", "x"), { recursive: true });
      await redis.config("SET", "save", "3600 1000000");
      await redis.bgsave();
      await expect.poll(() => redis.info("persistence")).toMatch(/rdb_last_bgsave_status:err/);
      await expect(store.append("r", one!, next(one!))).rejects.toMatchObject({
        code: "store_full",
        message: expect.stringMatching(/^Cannot append: MISCONF/),
      });
      expect(await store.read("r", 0, 1000)).toEqual([one]);
    });
  });

  describe("while Redis is away", () => {
    it("refuses in time what nobody answers, and what became of it the tail tells", async () => {
      const server = await launch();
      const store = await open({ url: server.url, timeoutMs: 300 });
      const [one] = await fill(store, "r", 1);
      await server.kill("SIGSTOP");
      const two = next(one!);
      expect(await code(store.append("r", one!, two))).toBe("store_unavailable");
      expect(await code(store.read("r", 0, 1000))).toBe("store_unavailable");
      expect(await code(store.list({ limit: 1 }))).toBe("store_unavailable");
      await server.kill("SIGCONT");
      await expect.poll(() => store.tail("r").catch(() => {}), { timeout: 10_000 }).toMatchObject({ seq: 2 });
      expect(await store.read("r", 0, 1000)).toEqual([one, two]);
      expect(await store.append("r", one!, next(one!))).toEqual({ seq: two.seq, check: two.check });
    });

    it("wakes who watches here once it is back: of an append, the answer may be all that was lost", async () => {
      const server = await launch();
      const store = await open({ url: server.url, timeoutMs: 300 });
      const [one] = await fill(store, "r", 1);
      let woken = Promise.withResolvers<void>();
      store.watch("r", () => woken.resolve());
      await store.append("r", one!, undefined, recordOf("r", 1));
      await server.kill("SIGSTOP");
      expect(await code(store.append("r", one!, next(one!)))).toBe("store_unavailable");
      woken = Promise.withResolvers<void>();
      await server.kill("SIGCONT");
      await woken.promise;
      expect(await store.tail("r")).toMatchObject({ seq: 2 });
    });

    it.each([
      ["one server", false],
      ["a cluster", true],
    ])("comes back by itself to %s with all it promised, and wakes all who watch", async (_, cluster) => {
      const server = await launch({ appendfsync: "always", cluster });
      const store = await open({ url: server.url, timeoutMs: 500 });
      const acked = new Map<string, Batch[]>();
      let working = true;
      const writing = Array.from({ length: 16 }, async (_, index) => {
        const run = `run-${index}`;
        const log: Batch[] = [];
        acked.set(run, log);
        while (working) {
          const batch = next(log.at(-1) ?? start);
          try {
            if (await store.append(run, log.at(-1) ?? start, batch)) return;
            log.push(batch);
          } catch {
            return;
          }
        }
      });
      await expect.poll(() => [...acked.values()].every(({ length }) => length > 20)).toBe(true);
      const woken = Promise.withResolvers<void>();
      store.watch("never", () => woken.resolve());
      await store.tail("never");
      await server.kill("SIGKILL");
      await Promise.all(writing);
      working = false;
      await expect(store.append("r", start, next(start))).rejects.toMatchObject({
        code: "store_unavailable",
        message: expect.stringMatching(/^Cannot append: /),
      });
      expect(await code(store.tail("r"))).toBe("store_unavailable");
      await server.restart();
      await woken.promise;
      await expect.poll(() => code(store.tail("r")), { timeout: 10_000 }).toBe("done");
      for (const [run, log] of acked) {
        const kept = await store.read(run, 0, 1e9);
        expect(kept.slice(0, log.length)).toEqual(log);
        // At most the one that was on its way.
        expect(kept.length - log.length).toBeLessThanOrEqual(1);
      }
      const heard = Promise.withResolvers<Batch | undefined>();
      store.watch("r", heard.resolve);
      const batch = next(start);
      expect(await store.append("r", start, batch)).toBeUndefined();
      expect(await heard.promise).toEqual(batch);
    });

    it("waits for it a moment, so that a restart is not seen", async () => {
      const server = await launch({ appendfsync: "always" });
      const store = await open({ url: server.url });
      const [one] = await fill(store, "r", 1);
      await server.kill("SIGTERM");
      const answers = [
        store.append("r", one!, next(one!)),
        store.read("r", 0, 1),
        store.list({ limit: 1 }),
      ] as const;
      await server.restart();
      expect(await Promise.all(answers)).toEqual([undefined, [one], []]);
    });

    it("keeps the connection that came back, whatever the one that broke still waited for", async () => {
      const server = await launch({ appendfsync: "always" });
      const store = await open({ url: server.url, timeoutMs: 5_000 });
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
      onTestFinished(() => void vi.useRealTimers());
      await server.kill("SIGSTOP");
      const lost = code(store.tail("r"));
      await server.kill("SIGKILL");
      expect(await lost).toBe("store_unavailable");
      await server.restart();
      vi.advanceTimersByTime(1_000);
      expect(await store.tail("r")).toEqual(start);
      const redis = clientOf(server);
      const connection = async () =>
        /^id=(\d+) .*name=runlog /m.exec((await redis.client("LIST")) as string)?.[1];
      const back = await connection();
      vi.advanceTimersByTime(10_000);
      vi.useRealTimers();
      expect(await store.tail("r")).toEqual(start);
      expect(back).toBeDefined();
      expect(await connection()).toBe(back);
    });

    it("refuses writes while it is a replica, and takes them once it is the primary again", async () => {
      const server = await launch();
      const store = await open({ url: server.url });
      const redis = clientOf(server);
      const [one] = await fill(store, "r", 1);
      await redis.replicaof("127.0.0.1", 1);
      await expect(store.append("r", one!, next(one!))).rejects.toMatchObject({
        code: "store_unavailable",
        message: expect.stringMatching(/READONLY/),
      });
      expect(await store.read("r", 0, 1)).toEqual([one]);
      await redis.replicaof("NO", "ONE");
      expect(await store.append("r", one!, next(one!))).toBeUndefined();
    });

    it.each([
      ["one server", false],
      ["a cluster", true],
    ])("does in its order what %s is asked for at once, also the first time", async (_, cluster) => {
      const server = await launch({ appendfsync: "always", cluster });
      const store = await open({ url: server.url });
      const deleteAndAppend = async (run: string) => {
        const [one] = await fill(store, run, 1);
        return Promise.all([store.delete(run, one!), store.append(run, start, one!)]);
      };
      expect(await deleteAndAppend("first")).toEqual([true, undefined]);
      await server.restart();
      await expect.poll(() => code(store.tail("first")), { timeout: 10_000 }).toBe("done");
      expect(await deleteAndAppend("after a restart")).toEqual([true, undefined]);
    });

    it("sends its scripts again to one that has forgotten them", async () => {
      const server = await launch();
      const store = await open({ url: server.url });
      const [one] = await fill(store, "r", 1);
      await clientOf(server).script("FLUSH");
      expect(await store.append("r", one!, next(one!))).toBeUndefined();
      expect(await store.read("r", 0, 1)).toEqual([one]);
    });
  });

  describe("under hubs", () => {
    it("lets one process follow and cancel what the agent of another does", async () => {
      const server = await launch();
      const waits: AgentFunction = async function* waits(context) {
        yield event.textStarted({ id: "t" });
        yield event.textDelta({ id: "t", text: "Hello" });
        await new Promise((resolve) => context.signal.addEventListener("abort", resolve));
      };
      const one = await createHub({ store: await open({ url: server.url }), agents: [waits] });
      closers.push(one);
      const two = await createHub({ store: await open({ url: server.url }), agents: [waits] });
      closers.push(two);
      const { run } = await one.start({ input: "Hi" });
      const seen: string[] = [];
      for await (const { event: each } of two.run(run.id)) {
        seen.push(each.type);
        if (each.type === "text.delta") await two.run(run.id).cancel();
      }
      expect(seen).toEqual([
        "run.started",
        "text.started",
        "text.delta",
        "input.cancel",
        "text.finished",
        "run.cancelled",
      ]);
      expect((await two.list()).runs).toMatchObject([{ run: run.id, status: "cancelled" }]);
    });

    it("loses and doubles nothing that an agent says while Redis is killed and comes back", async () => {
      const server = await launch({ appendfsync: "always" });
      const store = await open({ url: server.url, timeoutMs: 500 });
      const words = Array.from({ length: 400 }, (_, index) => `word${index} `);
      const paused = Promise.withResolvers<void>();
      const talks: AgentFunction = async function* talks() {
        yield event.textStarted({ id: "t" });
        for (const [index, text] of words.entries()) {
          yield event.textDelta({ id: "t", text });
          if (index === 100) {
            await server.kill("SIGKILL");
            paused.resolve();
          }
          await new Promise((resolve) => setImmediate(resolve));
        }
        yield event.textFinished({ id: "t" });
      };
      const hub = await createHub({ store, agents: [talks], onError: () => {} });
      closers.push(hub);
      const { run } = await hub.start({ input: "Hi" });
      await paused.promise;
      await server.restart();
      await expect
        .poll(async () => (await run.info().catch(() => undefined))?.status, { timeout: 20_000 })
        .toBe("finished");
      const said = (await run.log.entries()).map(({ event: each }) =>
        each.type === "text.delta" ? each.text : "",
      );
      expect(said.join("")).toBe(words.join(""));
    });
  });

  describe("when Redis has lost what it had", () => {
    const started = event.custom({ name: "first", data: 1 });

    it("the follower is told to begin again, and that there is nothing", async () => {
      const server = await launch();
      const store = await open({ url: server.url });
      const one = next(start, started);
      await store.append("r", start, one);
      const slices = new Log(store, "r").follow({ pollMs: 20 });
      expect((await slices.next()).value).toMatchObject({ entries: [{ seq: 1 }] });
      await clientOf(server).flushall();
      expect((await slices.next()).value).toEqual({ reset: "lost" });
      await expect(slices.next()).rejects.toMatchObject({ code: "run_not_found" });
    });

    it("the follower gets the other log from its start, never a mixture", async () => {
      const server = await launch();
      const store = await open({ url: server.url });
      const redis = clientOf(server);
      const one = next(start, started);
      await store.append("r", start, one);
      await redis.save();
      const lost = next(one);
      await store.append("r", one, lost);
      const slices = new Log(store, "r").follow({ pollMs: 20 });
      const seen = async () => (await slices.next()).value as Slice;
      let last = 0;
      while (last < lost.seq) last = (await seen()).entries!.at(-1)!.seq;
      // It comes back with its snapshot.
      await server.kill("SIGKILL");
      await server.restart();
      expect(await seen()).toMatchObject({ reset: "lost" });
      const other = next(one);
      expect(await store.append("r", lost, next(lost))).toEqual({ seq: one.seq, check: one.check });
      await store.append("r", one, other);
      const again: number[] = [];
      while ((again.at(-1) ?? 0) < 2) for (const entry of (await seen()).entries!) again.push(entry.check);
      expect(again).toEqual([one.check, other.check]);
    });
  });
});
