import { randomBytes } from "node:crypto";
import { type JsMsg, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, headers } from "@nats-io/transport-node";
import { afterAll, afterEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { sealBatch } from "../batch.ts";
import { createHub } from "../hub.ts";
import { Log, type Slice } from "../log.ts";
import type { Batch, RunRecord, Store, Tail } from "../store.ts";
import { type NatsServer, startNats } from "../testing/nats-server.fixture.ts";
import { testStore } from "../testing/store.ts";
import { Writer } from "../writer.ts";
import { type NatsStoreOptions, natsStore } from "./nats.ts";
import { RecordIndex } from "./nats-index.ts";
import { openStore } from "./open.ts";

let missing: string | undefined;
let server: NatsServer | undefined;
try {
  if (process.env.NATS_URL === undefined) server = await startNats();
} catch (error) {
  if (process.env.REQUIRE_ALL_STORES === "1") throw error;
  missing = `no nats-server can be started, and NATS_URL is not set: ${error}`;
}
const url = process.env.NATS_URL ?? server?.url ?? "";
const names: string[] = [];
const newName = () => {
  names.push(`test-${randomBytes(6).toString("hex")}`);
  return names.at(-1)!;
};

const client = missing === undefined ? await connect({ servers: url.replace("nats://", "") }) : undefined;
const jsm = client && (await jetstreamManager(client));
/** Of all publishers: what a test replaces there is replaced for the stores, too. */
const publisher = client && Object.getPrototypeOf(jetstream(client));
/** The same of what reads single messages and purges. */
const streams = jsm && Object.getPrototypeOf(jsm.streams);

afterEach(() => vi.restoreAllMocks());
afterAll(async () => {
  for (const name of names.flatMap((name) => [name, `${name}-index`]))
    await jsm!.streams.delete(name).catch(() => {});
  await client?.close();
  await server?.[Symbol.asyncDispose]();
});

const nameOf = new WeakMap<Store, string>();
async function open(options: Partial<NatsStoreOptions> = {}): Promise<Store> {
  const name = options.name ?? newName();
  const store = await natsStore({ url, ...options, name });
  nameOf.set(store, name);
  return store;
}

/** Another process, as far as the server can tell. */
const another = (store: Store) => open({ name: nameOf.get(store)! });

const eventually = <Value>(ask: () => Promise<Value>) => expect.poll(ask, { timeout: 20_000 });

const start: Tail = { seq: 0, check: 0 };
let batches = 0;
const next = (tail: Tail, said = "x", count = 1): Batch =>
  sealBatch(tail, Array(count).fill(JSON.stringify({ type: "text.delta", text: said })), 1, `b${batches++}`);
const recordOf = (run: string, text = run, startedAt = 1): RunRecord => ({
  run,
  startedAt,
  tags: ["t"],
  text,
});
const runsOf = async (store: Store) => (await store.list({ limit: 100 })).map(({ run }) => run);

async function write(
  store: Store,
  run: string,
  count: number,
  said?: string,
  record?: RunRecord,
): Promise<Batch[]> {
  const log: Batch[] = [];
  while (log.length < count) {
    const batch = next(log.at(-1) ?? start, said);
    expect(
      await store.append(run, log.at(-1) ?? start, batch, log.length === 0 ? record : undefined),
    ).toBeUndefined();
    log.push(batch);
  }
  return log;
}

async function messagesOf(store: Store, subject: string): Promise<number> {
  const name = nameOf.get(store)!;
  const stream = /record|beat/.test(subject) ? `${name}-index` : name;
  const { state } = await jsm!.streams.info(stream, { subjects_filter: `${name}.${subject}` });
  return Object.values(state.subjects ?? {}).reduce((sum, count) => sum + count, 0);
}

if (missing !== undefined) it(`nats: skipped, as ${missing}`, ({ skip }) => skip(missing));
else {
  testStore("nats", {
    open: () => open(),
    reopen: async (store) => {
      await store[Symbol.asyncDispose]();
      return another(store);
    },
    advance: { skip: "beats go by the clock of the server" },
  });

  describe("the NATS store, in two processes", () => {
    it("lets exactly one of those win who append at the same place", async () => {
      await using a = await open();
      await using b = await another(a);
      const won = await Promise.all(
        [a, b, a, b].map(async (store) => {
          const mine: Batch[] = [];
          for (let tail: Tail = start; tail.seq < 100; ) {
            const batch = next(tail);
            const real = await store.append("r", tail, batch);
            if (!real) mine.push(batch);
            tail = real ?? batch;
          }
          return mine;
        }),
      );
      const log = await a.read("r", 0, 1e6);
      expect(won.flat().sort((x, y) => x.seq - y.seq)).toEqual(log);
      expect(log.length).toBe(100);
    });

    it("[F49] hands what one commits to the watchers of the other, in order", async () => {
      await using a = await open();
      await using b = await another(a);
      const handed: Batch[] = [];
      const done = Promise.withResolvers<void>();
      using _ = b.watch("r", (batch) => {
        if (batch) handed.push(batch);
        if (handed.length === 20) done.resolve();
      });
      // So that the server knows of the watch.
      await b.tail("r");
      const log = await write(a, "r", 20);
      await done.promise;
      expect(handed).toEqual(log);
    });

    it("[F99] lists what the other starts, changes and deletes", async () => {
      await using a = await open();
      await using b = await another(a);
      const [first] = await write(a, "r", 1, "x", recordOf("r", "one"));
      await eventually(() => b.list({ limit: 9 })).toEqual([recordOf("r", "one")]);
      const second = next(first!);
      await a.append("r", first!, second, recordOf("r", "two"));
      await eventually(() => b.list({ limit: 9 })).toEqual([recordOf("r", "two")]);
      expect(await b.record("r")).toEqual(recordOf("r", "two"));
      expect(await a.delete("r", second)).toBe(true);
      await eventually(() => b.list({ limit: 9 })).toEqual([]);
      expect(await b.record("r")).toBeUndefined();
    });

    it("[F98] decides a delete against appends of the other, again and again", async () => {
      await using a = await open();
      await using b = await another(a);
      for (let round = 0; round < 30; round++) {
        const run = `r${round % 3}`;
        const one = next(start, `round ${round}`);
        expect(await a.append(run, start, one, recordOf(run, `${round}`))).toBeUndefined();
        const two = next(one);
        const [refused, deleted] = await Promise.all([
          b.append(run, one, two, recordOf(run, "more")),
          a.delete(run, one),
        ]);
        expect(deleted).toBe(refused !== undefined);
        expect(await b.read(run, 0, 1e6)).toEqual(deleted ? [] : [one, two]);
        if (!deleted) expect(await b.delete(run, two)).toBe(true);
        expect(await a.tail(run)).toEqual(start);
        expect(await a.record(run)).toBeUndefined();
      }
      // The end of each.
      expect(await messagesOf(a, "log.>")).toBe(3);
      expect(await runsOf(a)).toEqual([]);
    });

    it("begins a run anew in the one that deleted it or in the other, also if its name was just freed", async () => {
      await using a = await open();
      await using b = await another(a);
      const [one] = await write(a, "r", 1, "x", recordOf("r", "old"));
      expect(await b.read("r", 0, 1e6)).toEqual([one]);
      expect(await a.delete("r", one!)).toBe(true);
      const other = next(start, "other");
      // It remembers where the deleted one ended.
      expect(await b.append("r", one!, next(one!))).toEqual(start);
      expect(await b.append("r", start, other, recordOf("r", "new"))).toBeUndefined();
      expect(await a.append("r", one!, next(one!))).toEqual({ seq: other.seq, check: other.check });
      expect(await a.read("r", 0, 1e6)).toEqual([other]);
      expect(await a.record("r")).toEqual(recordOf("r", "new"));
    });

    it.each(["stays", "is gone"])(
      "reads one log, also if the run is begun anew meanwhile and the end of the old one %s",
      async (end) => {
        await using a = await open();
        await using b = await another(a);
        const old = await write(a, "r", 4, "old");
        const renewed: Batch[] = [];
        const getMessage = streams.getMessage;
        let reads = 0;
        vi.spyOn(streams, "getMessage").mockImplementation(async function (this: unknown, ...args) {
          if (Object.hasOwn(args[1] as object, "next_by_subj") && ++reads === 3) {
            expect(await b.delete("r", old.at(-1)!)).toBe(true);
            if (end === "is gone") await jsm!.streams.purge(nameOf.get(a)!);
            renewed.push(...(await write(b, "r", 3, "new")));
          }
          return getMessage.apply(this, args);
        });
        const read = await a.read("r", 0, 1e6);
        expect(renewed.length).toBe(3);
        expect(read).toEqual(end === "stays" ? renewed : old.slice(0, 2));
        expect(await a.read("r", 0, 1e6)).toEqual(renewed);
      },
    );

    it("has all of a large batch if the run was begun and deleted before that was committed", async () => {
      await using a = await open();
      await using b = await another(a);
      const large = next(start, "x".repeat(2_500_000));
      const small = next(start);
      const publish = publisher.publish;
      const spy = vi.spyOn(publisher, "publish").mockImplementation(async function (this: unknown, ...args) {
        if ((args[0] as string).includes(".log.")) {
          spy.mockRestore();
          expect(await b.append("r", start, small)).toBeUndefined();
          expect(await b.delete("r", small)).toBe(true);
        }
        return publish.apply(this, args);
      });
      expect(await a.append("r", start, large)).toBeUndefined();
      expect(await a.read("r", 0, 1e9)).toEqual([large]);
      expect(await b.read("r", 0, 1e9)).toEqual([large]);
    });

    it("does not list by a tag what has lost it in the other while it is being listed", async () => {
      await using a = await open();
      await using b = await another(a);
      await write(a, "kept", 1, "x", recordOf("kept", "kept", 1));
      const [one] = await write(a, "r", 1, "x", recordOf("r", "r", 2));
      const listed = async () => (await b.list({ limit: 1, tag: "t" })).map(({ run }) => run);
      await eventually(listed).toEqual(["r"]);
      const getMessage = streams.getMessage;
      const spy = vi.spyOn(streams, "getMessage").mockImplementation(async function (this: unknown, ...args) {
        spy.mockRestore();
        expect(await a.append("r", one!, undefined, { ...recordOf("r", "r", 2), tags: [] })).toBeUndefined();
        return getMessage.apply(this, args);
      });
      expect(await listed()).toEqual(["kept"]);
    });

    it("keeps one record of those that many write at the same time: that of the last append", async () => {
      await using a = await open();
      await using b = await another(a);
      let last = "";
      await Promise.all(
        [a, b, a, b].map(async (store, writer) => {
          for (let tail: Tail = start, count = 0; tail.seq < 40; count++) {
            const batch = next(tail);
            const text = `${writer} ${count}`;
            const real = await store.append("r", tail, batch, recordOf("r", text));
            if (!real && batch.seq === 40) last = text;
            tail = real ?? batch;
          }
        }),
      );
      expect((await a.record("r"))?.text).toBe(last);
      expect((await b.record("r"))?.text).toBe(last);
    });
  });

  it("keeps the later one of two records that two processes store in the wrong order", async () => {
    await using a = await open();
    await using b = await another(a);
    const [one] = await write(a, "r", 1, "x", recordOf("r", "one"));
    const publish = publisher.publish;
    const held = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const spy = vi.spyOn(publisher, "publish").mockImplementation(async function (this: unknown, ...args) {
      if ((args[0] as string).includes(".record.")) {
        spy.mockRestore();
        asked.resolve();
        await held.promise;
      }
      return publish.apply(this, args);
    });
    const two = next(one!);
    const earlier = a.append("r", one!, two, recordOf("r", "two"));
    await asked.promise;
    expect(await b.append("r", two, next(two), recordOf("r", "three"))).toBeUndefined();
    held.resolve();
    expect(await earlier).toBeUndefined();
    expect(await a.record("r")).toEqual(recordOf("r", "three"));
  });

  it("does not list again what it deleted, when what came before comes round", () => {
    const index = new RecordIndex();
    const mark = { run: "r", startedAt: 1, tags: ["t"], at: 1 };
    const listed = () => [...index.after({ tag: "t" })].map(({ message }) => message);
    index.take(mark, 5);
    index.take({ ...mark, gone: true }, 7, true);
    index.take({ ...mark, at: 2 }, 6);
    expect(listed()).toEqual([]);
    index.take({ ...mark, gone: true }, 7);
    index.take({ ...mark, at: 8 }, 8);
    expect(listed()).toEqual([8]);
  });

  describe("the NATS store, when its process is killed", () => {
    it.each([true, false])(
      "[F99] has a run in the list exactly if it has its log, wherever it was stopped (with what it sent last: %s)",
      async (sent) => {
        for (let stop = 0; stop < 4; stop++) {
          const store = await open();
          await write(store, "other", 1, "x", recordOf("other"));
          const publish = publisher.publish;
          let published = 0;
          const spy = vi.spyOn(publisher, "publish").mockImplementation(async function (
            this: unknown,
            ...args
          ) {
            if (published++ === stop && sent) await publish.apply(this, args);
            if (published > stop) throw new Error("killed");
            return publish.apply(this, args);
          });
          const first = next(start);
          const outcome = await store
            .append("r", start, first, recordOf("r"))
            .then(() => store.append("r", first, next(first), recordOf("r", "second")))
            .catch((error) => error.code);
          spy.mockRestore();
          await using again = await another(store);
          const began = (await again.tail("r")).seq > 0;
          expect(await runsOf(again), `stopped at ${stop}: ${outcome}`).toEqual(
            began ? ["r", "other"] : ["other"],
          );
          expect((await again.record("r")) !== undefined).toBe(began);
          // It goes on from there.
          const tail = await again.tail("r");
          expect(await again.append("r", tail, next(tail), recordOf("r", "third"))).toBeUndefined();
          expect(await again.record("r")).toEqual(recordOf("r", "third"));
          await store[Symbol.asyncDispose]();
        }
      },
    );

    it.each([true, false])(
      "[F96] has a run listed as its log says, once another one has recovered it (with what it sent last: %s)",
      async (sent) => {
        for (let stop = 0; stop < 2; stop++) {
          const store = await open();
          const writer = new Writer(new Log(store, "r"), { holder: "dead" });
          await writer.begin({ type: "run.started", v: 1, agent: "test", input: "x" });
          const publish = publisher.publish;
          let published = 0;
          const spy = vi.spyOn(publisher, "publish").mockImplementation(async function (
            this: unknown,
            ...args
          ) {
            if (published++ === stop && sent) await publish.apply(this, args);
            if (published > stop) throw new Error("killed");
            return publish.apply(this, args);
          });
          await writer.append([], { decide: () => ({ type: "run.finished", cost: 0 }) }).catch(() => {});
          spy.mockRestore();
          const finished = stop > 0 || sent;
          await using again = await another(store);
          const behind = finished && !(stop === 1 && sent);
          expect((await again.list({ limit: 9, tag: "status:running" })).length, `stopped at ${stop}`).toBe(
            behind || !finished ? 1 : 0,
          );
          await using hub = await createHub({ store: again, leaseMs: 300 });
          const status = finished ? "finished" : "failed";
          await eventually(() => hub.list()).toMatchObject({ runs: [{ run: "r", status }] });
          expect(await hub.run("r").info()).toMatchObject({ status });
          expect((await hub.list({ status: "running" })).runs).toEqual([]);
          const record = await again.record("r");
          // Should it live after all, what it owes does not come over what is right.
          await store[Symbol.asyncDispose]();
          expect(await again.record("r")).toEqual(record);
          await eventually(() => again.list({ limit: 9 })).toEqual([record]);
        }
      },
    );

    it("leaves an empty log behind where a delete was cut short, that begins anew and can be deleted again", async () => {
      await using store = await open();
      const name = nameOf.get(store)!;
      const cut = async (run: string) => {
        const log = await write(store, run, 3, "old", recordOf(run));
        const ended = headers();
        ended.set("Runlog", "deleted");
        await jetstream(client!).publish(`${name}.log.${run}`, undefined, { headers: ended });
        expect(await store.append(run, log[2]!, next(log[2]!))).toEqual(start);
        expect(await store.read(run, 0, 1e6)).toEqual([]);
      };
      await cut("again");
      const log = await write(store, "again", 2, "new");
      await using fresh = await another(store);
      for (const reader of [store, fresh]) {
        for (const after of [0, 1, 2])
          expect(await reader.read("again", after, 1e6)).toEqual(log.slice(after));
      }
      await cut("r");
      expect(await store.delete("r", start)).toBe(true);
      expect(await store.record("r")).toBeUndefined();
      expect(await messagesOf(store, "log.r")).toBe(1);
    });

    it("stores the record later, if it could not be stored with its append", async () => {
      await using store = await open();
      const [one] = await write(store, "r", 1, "x", recordOf("r", "one"));
      const publish = publisher.publish;
      const spy = vi.spyOn(publisher, "publish").mockImplementation(function (this: unknown, ...args) {
        return (args[0] as string).includes(".record.")
          ? Promise.reject(new Error("no"))
          : publish.apply(this, args);
      });
      expect(await store.append("r", one!, next(one!), recordOf("r", "two"))).toBeUndefined();
      expect(await store.record("r")).toEqual(recordOf("r", "two"));
      spy.mockRestore();
      await store[Symbol.asyncDispose]();
      await using again = await another(store);
      expect(await again.record("r")).toEqual(recordOf("r", "two"));
    });

    it("rejects an append whose answer was lost, and has it", async () => {
      await using store = await open();
      const [one] = await write(store, "r", 1);
      const publish = publisher.publish;
      vi.spyOn(publisher, "publish").mockImplementationOnce(async function (this: unknown, ...args) {
        await publish.apply(this, args);
        throw new Error("timeout");
      });
      const two = next(one!);
      await expect(store.append("r", one!, two)).rejects.toMatchObject({ code: "store_unavailable" });
      expect(await store.append("r", one!, two)).toEqual({ seq: 2, check: two.check });
      expect(await store.read("r", 1, 1e6)).toEqual([two]);
    });
  });

  describe("the NATS store, reading", () => {
    it("[F54] goes on from any entry of runs that were written unevenly, also in a process that knows nothing of them", async () => {
      await using store = await open();
      const logs = new Map<string, Batch[]>();
      for (let turn = 0; turn < 1_500; turn++) {
        // Much of one run, then much of another, then all mixed.
        const run = turn < 300 ? "a" : turn < 600 ? "b" : `${"abc"[turn % 3]}`;
        const log = logs.get(run) ?? [];
        logs.set(run, log);
        log.push(next(log.at(-1) ?? start, "x", 1 + (turn % 4)));
      }
      await Promise.all(
        [...logs].map(async ([run, log]) => {
          await Promise.all(log.map((batch, index) => store.append(run, log[index - 1] ?? start, batch)));
        }),
      );
      for (const [run, log] of logs) {
        await using fresh = await another(store);
        const end = log.at(-1)!.seq;
        for (const after of [end - 1, 0, 1, 500, end - 100, Math.floor(end / 2), 64, 65, end, end + 5]) {
          const read = await fresh.read(run, after, 20_000);
          const rest = log.filter(({ seq }) => seq > after);
          expect(read.length > 0, `${run} after ${after}`).toBe(rest.length > 0);
          expect(read).toEqual(rest.slice(0, read.length));
        }
      }
    });

    it("keeps a batch that is larger than a message in parts, that go with the run", async () => {
      await using store = await open();
      await using other = await another(store);
      const large = next(start, "ä".repeat(2_000_000));
      const small = next(large);
      expect(await store.append("r", start, large, recordOf("r"))).toBeUndefined();
      expect(await messagesOf(store, "part.>")).toBeGreaterThan(3);
      expect(await other.append("r", large, small)).toBeUndefined();
      expect(await other.read("r", 0, 1e9)).toEqual([large, small]);
      // What is refused leaves none behind.
      const parts = await messagesOf(store, "part.>");
      expect(await store.append("r", large, next(large, "z".repeat(2_000_000)))).toEqual({
        seq: 2,
        check: small.check,
      });
      await eventually(() => messagesOf(store, "part.>")).toBe(parts);
      expect(await store.delete("r", small)).toBe(true);
      expect(await messagesOf(store, "part.>")).toBe(0);
    });

    it("refuses a record that is larger than a message", async () => {
      await using store = await open();
      const append = store.append("r", start, next(start), recordOf("r", "x".repeat(2_000_000)));
      await expect(append).rejects.toMatchObject({ code: "too_large" });
      expect(await store.tail("r")).toEqual(start);
    });

    it("takes a thread's log, and an id that is a wildcard elsewhere", async () => {
      await using store = await open();
      for (const run of ["thread:one", "a.b", "*", ">", "=2a=", "ä"]) {
        const log = await write(store, run, 2, run, recordOf(run));
        expect(await store.read(run, 0, 1e6)).toEqual(log);
        expect(await store.record(run)).toEqual(recordOf(run));
      }
    });
  });

  describe("a follower of a run in NATS", () => {
    it.each([
      ["the last message is lost", "lost", (name: string) => jsm!.streams.deleteMessage(name, 3)],
      ["the stream is purged", "lost", (name: string) => jsm!.streams.purge(name)],
      ["the stream is deleted", "lost", (name: string) => jsm!.streams.delete(name)],
    ])("[F54] hears of a reset when %s, and goes on with what there is", async (_, reset, lose) => {
      await using store = await open();
      const log = await write(store, "r", 3);
      const slices = new Log(store, "r").follow({ pollMs: 20 });
      const follow = async () => (await slices.next()).value as Slice;
      expect((await follow()).entries?.length).toBe(3);
      const waiting = follow();
      await lose(nameOf.get(store)!);
      expect(await waiting).toEqual({ reset });
      const tail = await store.tail("r");
      const more = sealBatch(tail, [JSON.stringify({ type: "run.finished" })], 1, "more");
      expect(await store.append("r", log[2]!, next(log[2]!))).toEqual(tail);
      expect(await store.append("r", tail, more)).toBeUndefined();
      const types: string[] = [];
      for await (const { entries } of slices) types.push(...(entries ?? []).map(({ type }) => type));
      expect(types).toEqual([...Array(tail.seq).fill("text.delta"), "run.finished"]);
    });
  });

  describe("who is alive, by NATS", () => {
    it("goes by the clock of the server, not by that of a process", async () => {
      await using a = await open();
      await using b = await another(a);
      const now = Date.now();
      const clock = vi.spyOn(Date, "now");
      clock.mockReturnValue(now + 1e9);
      expect(await a.beat("a", 60_000)).toEqual(["a"]);
      clock.mockReturnValue(now - 1e9);
      expect([...(await b.beat("b", 60_000))].sort()).toEqual(["a", "b"]);
      expect([...(await a.beat("a", 60_000))].sort()).toEqual(["a", "b"]);
    });

    it("forgets who is not heard of for the time it asked for, and at once who leaves", async () => {
      await using a = await open();
      await using b = await another(a);
      await a.beat("short", 50);
      await a.beat("long", 60_000);
      await eventually(() => b.beat("b", 60_000)).toEqual(["long", "b"]);
      expect(await a.beat("long", 0)).toEqual(["b"]);
      expect(await b.beat("b", 60_000)).toEqual(["b"]);
      await using c = await another(a);
      expect(await c.beat("*", 60_000)).toEqual(["b", "*"]);
    });
  });

  describe("opening the NATS store", () => {
    it("makes its streams once, if several processes open it first", async () => {
      const name = newName();
      const stores = await Promise.all(Array.from({ length: 4 }, () => open({ name })));
      const [log] = await write(stores[0]!, "r", 1);
      for (const store of stores) expect(await store.read("r", 0, 1e6)).toEqual([log]);
      for (const store of stores) await store[Symbol.asyncDispose]();
    });

    it("takes the end of a deleted log away if that is an hour ago, and not before", async () => {
      await using store = await open();
      const name = nameOf.get(store)!;
      const log = await write(store, "r", 3, "x", recordOf("r"));
      expect(await store.delete("r", log[2]!)).toBe(true);
      await using early = await another(store);
      // Behind all that it could have asked for: to see the end, and to take that and the record away.
      for (let turn = 0; turn < 3; turn++) await early.tail("r");
      expect(await messagesOf(store, "log.r")).toBe(1);
      expect(await messagesOf(store, "record.r")).toBe(1);
      // A message by which the server is an hour further on.
      const consumer = await jetstream(client!).consumers.get(`${name}-index`);
      const message = Object.getPrototypeOf(await consumer.next());
      const info = Object.getOwnPropertyDescriptor(message, "info")!.get!;
      vi.spyOn(message, "info", "get").mockImplementation(function (this: JsMsg) {
        const { timestampNanos, ...rest } = info.call(this);
        return { ...rest, timestampNanos: timestampNanos + (this.subject === `${name}.mark` ? 3_600e9 : 0) };
      });
      await using _ = await another(store);
      await eventually(() => messagesOf(store, "record.r")).toBe(0);
      expect(await messagesOf(store, "log.r")).toBe(0);
      expect((await write(store, "r", 2, "new")).length).toBe(2);
    });

    it.each([
      ["file", "D2", "power loss"],
      ["memory", "D1", "gone with the server"],
    ] as const)("says what an acknowledgement means: storage %s, class %s", async (storage, name, why) => {
      await using store = await open({ storage });
      expect(store.durability.class).toBe(name);
      expect(store.durability.why).toContain(why);
      // What there is decides, not what somebody expects.
      await using again = await another(store);
      expect(again.durability).toEqual(store.durability);
    });

    it("refuses streams that are not as they must be, and says what is wrong", async () => {
      const name = newName();
      await jsm!.streams.add({ name, subjects: [`${name}.log.*`], max_age: 60e9 });
      await expect(open({ name })).rejects.toMatchObject({
        code: "invalid_request",
        message: expect.stringContaining(`"${name}": its max_age is 60000000000, and must be 0`),
      });
      await using store = await open();
      const other = { name: nameOf.get(store)!, storage: "memory" } as const;
      await expect(open(other)).rejects.toMatchObject({
        message: expect.stringContaining('its storage is "file", and must be "memory"'),
      });
    });

    it("refuses what is no name and no URL, without the password", async () => {
      await expect(open({ name: "a.b" })).rejects.toMatchObject({ code: "invalid_request" });
      await expect(natsStore("nats://me:secret@host/path")).rejects.toMatchObject({
        code: "invalid_request",
        message: 'Cannot open store "nats://***@host/path": it must be "nats://HOST:PORT"',
      });
      await expect(natsStore("http://host")).rejects.toMatchObject({ code: "invalid_request" });
    });

    it("says when there is no server", async () => {
      const gone = await startNats();
      await gone[Symbol.asyncDispose]();
      await expect(openStore(gone.url)).rejects.toMatchObject({ code: "store_unavailable" });
    });

    it("takes a user or a token from the URL", async () => {
      for (const [config, who, wrong] of [
        ["authorization { user: me, password: 's/p' }", "me:s%2Fp", "me:no"],
        ["authorization { token: 'let me in' }", "let%20me%20in", "no"],
      ]) {
        await using guarded = await startNats(config);
        const at = (credentials: string) => guarded.url.replace("//", `//${credentials}@`);
        await using store = await openStore(at(who!));
        expect((await write(store, "r", 1)).length).toBe(1);
        await expect(openStore(at(wrong!))).rejects.toMatchObject({ code: "store_unavailable" });
      }
    });

    it("refuses a server without JetStream, or with too small messages", async () => {
      await using small = await startNats("max_payload: 4096");
      await expect(natsStore(small.url)).rejects.toMatchObject({
        code: "invalid_request",
        message: expect.stringContaining("max_payload"),
      });
    });
  });

  describe("a NATS server that goes and comes back", () => {
    it("is refused meanwhile, and used again after, with all that was acknowledged", async () => {
      await using restarted = await startNats();
      const onError = vi.fn();
      process.on("unhandledRejection", onError);
      onTestFinished(() => void process.off("unhandledRejection", onError));
      await using store = await natsStore(restarted.url);
      const log = await write(store, "r", 20, "x", recordOf("r", "before"));
      const woken = Promise.withResolvers<void>();
      using _ = store.watch("r", () => woken.resolve());
      await restarted.kill();
      const refused = { code: "store_unavailable" };
      await expect(store.append("r", log.at(-1)!, next(log.at(-1)!))).rejects.toMatchObject(refused);
      await expect(store.read("r", 0, 1)).rejects.toMatchObject(refused);
      await expect(store.list({ limit: 1 })).rejects.toMatchObject(refused);
      await expect(store.beat("a", 1_000)).rejects.toMatchObject(refused);
      await restarted.restart();
      await woken.promise;
      expect(await store.read("r", 0, 1e6)).toEqual(log);
      const more = next(log.at(-1)!);
      expect(await store.append("r", log.at(-1)!, more, recordOf("r", "after"))).toBeUndefined();
      expect(await store.list({ limit: 9 })).toEqual([recordOf("r", "after")]);
      expect(await store.beat("a", 1_000)).toEqual(["a"]);
      expect(onError).not.toHaveBeenCalled();
    });

    it("is used again with nothing in it, if it kept it in memory", async () => {
      await using restarted = await startNats();
      await using store = await natsStore({ url: restarted.url, storage: "memory" });
      const [one] = await write(store, "r", 1, "x", recordOf("r"));
      const woken = Promise.withResolvers<void>();
      using _ = store.watch("r", () => woken.resolve());
      await restarted.restart();
      await woken.promise;
      expect(await store.append("r", one!, next(one!))).toEqual(start);
      expect(await runsOf(store)).toEqual([]);
      expect((await write(store, "r", 2, "again", recordOf("r", "new"))).length).toBe(2);
      expect(await store.record("r")).toEqual(recordOf("r", "new"));
    });

    it("can be disposed of while it is gone", async () => {
      await using gone = await startNats();
      const store = await natsStore(gone.url);
      await gone.kill();
      await expect(store.tail("r")).rejects.toMatchObject({ code: "store_unavailable" });
      await store[Symbol.asyncDispose]();
    });
  });

  describe("a full NATS stream", () => {
    it("refuses appends with store_full until something is deleted", async () => {
      await using store = await open({ maxBytes: 200_000 });
      const text = "x".repeat(10_000);
      const kept = await write(store, "kept", 3, text, recordOf("kept"));
      const log: Batch[] = [];
      const refusal = await (async () => {
        while (true) {
          const batch = next(log.at(-1) ?? start, text);
          try {
            await store.append("r", log.at(-1) ?? start, batch, recordOf("r"));
          } catch (error) {
            return error;
          }
          log.push(batch);
        }
      })();
      expect(refusal).toMatchObject({ code: "store_full" });
      expect(await store.tail("r")).toEqual({ seq: log.at(-1)!.seq, check: log.at(-1)!.check });
      // Not even a word more fits.
      for (let tail: Tail = kept.at(-1)!, full = false; !full; ) {
        const batch = next(tail);
        full = await store.append("kept", tail, batch).then(
          () => false,
          () => true,
        );
        if (!full) tail = batch;
      }
      expect(await store.delete("r", log.at(-1)!)).toBe(true);
      expect(await runsOf(store)).toEqual(["kept"]);
      expect((await write(store, "r", 5, text, recordOf("r"))).length).toBe(5);
    });
  });
}
