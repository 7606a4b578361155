import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setImmediate as turn } from "node:timers/promises";
import { crc32 } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { sealBatch } from "../batch.ts";
import type { Batch, RunRecord, Store, Tail } from "../store.ts";
import { type SqliteStoreOptions, sqliteStore } from "./sqlite.ts";
import { packBatches, unpackBatches } from "./sqlite-pack.ts";
import { SqliteRows } from "./sqlite-rows.ts";

const start: Tail = { seq: 0, check: 0 };

let folder: string;
let path: string;
const opened: AsyncDisposable[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "runlog-packs-"));
  path = join(folder, "runs.db");
});

afterEach(async () => {
  vi.useRealTimers();
  for (const store of opened.splice(0)) await store[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

function open(options: SqliteStoreOptions = { compactAfterMs: 0 }, at = path): Store {
  const store = sqliteStore(at, options);
  opened.push(store);
  return store;
}

function recordOf(run: string, status: string): RunRecord {
  return { run, startedAt: 1, tags: [`status:${status}`], text: `{"status":"${status}"}` };
}

/** Batches of one to three entries each. */
function batchesOf(count: number, textOf = (index: number) => `word ${index}`, before = start): Batch[] {
  const batches: Batch[] = [];
  for (let index = 0; index < count; index++) {
    const { seq, check } = batches.at(-1) ?? before;
    const text = textOf(index);
    batches.push({ seq: seq + 1 + (index % 3), check: crc32(text, check), text });
  }
  return batches;
}

/** Appends them; the first and the last have a record. */
async function write(store: Store, run: string, batches: readonly Batch[], end = "finished"): Promise<void> {
  const answers = batches.map((batch, index) => {
    const record = index === batches.length - 1 ? recordOf(run, end) : recordOf(run, "running");
    const changed = index === 0 || index === batches.length - 1;
    return store.append(run, batches[index - 1] ?? start, batch, changed ? record : undefined);
  });
  expect(await Promise.all(answers)).toEqual(batches.map(() => undefined));
}

async function all(store: Store, run: string, maxBytes = 4096): Promise<Batch[]> {
  const batches: Batch[] = [];
  while (true) {
    const some = await store.read(run, batches.at(-1)?.seq ?? 0, maxBytes);
    if (some.length === 0) return batches;
    batches.push(...some);
  }
}

function ask(sql: string, at = path): number {
  using db = new DatabaseSync(at, { readOnly: true });
  return Object.values(db.prepare(sql).get()!)[0] as number;
}

/** Counts the batches that are in rows, in however many. */
function countBatches(at = path): number {
  using db = new DatabaseSync(at, { readOnly: true });
  return [...new SqliteRows({ db }, 0).after(0)].length;
}

const left = () => ask("SELECT count(*) FROM unpacked");

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn();
}

describe("sqliteStore compacts", () => {
  it("[F97] an ended run into few rows: the same batches are read from every position", async () => {
    const store = open({ compactAfterMs: 0, indexEvery: 100 });
    const ended = batchesOf(1_000, (index) => (index % 97 === 0 ? `Grüße 😀\0\n${index}` : `word ${index}`));
    const running = batchesOf(40);
    await Promise.all([write(store, "r", ended), write(store, "open", running, "waiting")]);
    await until(() => left() === 0);
    expect(countBatches()).toBe(40);
    expect(ask("SELECT count(*) FROM packs")).toBe(4);
    expect(await all(store, "r")).toEqual(ended);
    expect(await all(store, "open")).toEqual(running);
    for (let after = 0; after <= ended.at(-1)!.seq; after += 7) {
      expect(await store.read("r", after, 1)).toEqual(ended.filter(({ seq }) => seq > after).slice(0, 1));
    }
    const { seq, check } = ended.at(-1)!;
    expect(await store.tail("r")).toEqual({ seq, check });
    expect(await store.record("r")).toEqual(recordOf("r", "finished"));
    expect(await store.list({ tag: "status:finished", limit: 9 })).toHaveLength(1);
  });

  it.each(["finished", "failed", "cancelled"])("[F97] what is %s", async (status) => {
    const store = open();
    await write(store, "r", batchesOf(3), status);
    await until(() => left() === 0);
    expect(ask("SELECT count(*) FROM packs")).toBe(1);
    expect(await all(store, "r")).toEqual(batchesOf(3));
  });

  it("[F97] runs one after the other, whatever their batches are: tiny, huge, not to be made smaller", async () => {
    const store = open();
    const noise = (length: number) => {
      let text = "";
      while (text.length < length) text += crc32(text).toString(36);
      return text;
    };
    const logs = {
      one: batchesOf(1),
      big: batchesOf(5, () => noise(50_000)),
      huge: batchesOf(2, () => "a".repeat(3e6)),
    };
    for (const [run, batches] of Object.entries(logs)) await write(store, run, batches);
    await until(() => left() === 0);
    expect(ask("SELECT count(*) FROM batches")).toBe(0);
    for (const [run, batches] of Object.entries(logs)) expect(await all(store, run)).toEqual(batches);
  });

  it("[F97] from where it was, when it was closed or killed at any moment", async () => {
    const logs = new Map(
      Array.from({ length: 6 }, (_, index) => [`run-${index}`, batchesOf(300 + 100 * index)]),
    );
    const store = open({ compactAfterMs: 0, indexEvery: 500 });
    await Promise.all([...logs].map(([run, batches]) => write(store, run, batches)));
    // What killed processes would leave: a copy after each step of which the file tells.
    const copies: string[] = [];
    let seen = "";
    while (left() > 0) {
      const now = ["batches", "packs", "pages", "unpacked"]
        .map((table) => ask(`SELECT count(*) FROM ${table}`))
        .join();
      if (now !== seen) {
        const copy = join(folder, `copy-${copies.length}.db`);
        copyFileSync(path, copy);
        if (existsSync(`${path}-wal`)) copyFileSync(`${path}-wal`, `${copy}-wal`);
        copies.push(copy);
        seen = now;
      }
      await turn();
    }
    expect(copies.length).toBeGreaterThan(5);
    for (const [index, copy] of copies.entries()) {
      const again = open({ compactAfterMs: 0, indexEvery: 500 }, copy);
      // What is new must not be taken for what is old, and the other way round.
      const fresh = batchesOf(50, (each) => `fresh ${each}`);
      await write(again, "fresh", fresh, "running");
      for (const [run, batches] of logs) expect(await all(again, run)).toEqual(batches);
      if (index % 2 === 0) await until(() => ask("SELECT count(*) FROM unpacked", copy) === 0);
      await again.delete("run-3", logs.get("run-3")!.at(-1)!);
      await until(() => ask("SELECT count(*) FROM trash", copy) === 0);
      await until(() => ask("SELECT count(*) FROM unpacked", copy) === 0);
      expect(await all(again, "fresh")).toEqual(fresh);
      expect(await all(again, "run-3")).toEqual([]);
      expect(countBatches(copy)).toBe(50);
      for (const [run, batches] of logs) if (run !== "run-3") expect(await all(again, run)).toEqual(batches);
      await again[Symbol.asyncDispose]();
    }
  });

  it("[F97] [F98] nothing of a run that is deleted meanwhile, nor of the next one of its name", async () => {
    const store = open();
    for (let round = 0; round < 20; round++) {
      const old = batchesOf(700, (index) => `old ${round} ${index}`);
      await write(store, "r", old);
      // As far as it has come by then.
      for (let turns = 0; turns < round * 3; turns++) await turn();
      expect(await store.delete("r", old.at(-1)!)).toBe(true);
      const fresh = batchesOf(5, (index) => `fresh ${round} ${index}`);
      await write(store, "r", fresh, "running");
      expect(await all(store, "r")).toEqual(fresh);
      expect(await store.delete("r", fresh.at(-1)!)).toBe(true);
    }
    await until(() => left() === 0 && ask("SELECT count(*) FROM trash") === 0);
    for (const table of ["batches", "packs", "pages", "runs"])
      expect(ask(`SELECT count(*) FROM ${table}`)).toBe(0);
  });

  it("[F97] while others append, and also takes what comes to a run after its end", async () => {
    const store = open({ compactAfterMs: 0, indexEvery: 10 });
    const log = batchesOf(600);
    await write(store, "r", log);
    const more = batchesOf(300, (index) => `more ${index}`, log.at(-1));
    const live = batchesOf(300);
    for (const [index, batch] of more.entries()) {
      const answers = [
        store.append("r", more[index - 1] ?? log.at(-1)!, batch),
        store.append("live", live[index - 1] ?? start, live[index]!),
      ];
      expect(await Promise.all(answers)).toEqual([undefined, undefined]);
      await turn();
    }
    expect(await all(store, "r")).toEqual([...log, ...more]);
    expect(await all(store, "live")).toEqual(live);
    await store[Symbol.asyncDispose]();
    const again = open();
    await until(() => left() === 0);
    expect(await all(again, "r")).toEqual([...log, ...more]);
    expect(await all(again, "live")).toEqual(live);
  });

  it("[F97] the ended runs of a file from before there were packs", async () => {
    const old = open({ compactAfterMs: Number.POSITIVE_INFINITY });
    await write(old, "r", batchesOf(400));
    await write(old, "open", batchesOf(4), "running");
    await old[Symbol.asyncDispose]();
    {
      using db = new DatabaseSync(path);
      db.exec("DROP TABLE packs; DROP TABLE unpacked; DELETE FROM meta WHERE name = 'last_deleted'");
      db.exec("PRAGMA user_version = 1");
    }
    const store = open();
    await until(() => left() === 0);
    expect(ask("SELECT count(*) FROM packs")).toBe(2);
    expect(await all(store, "r")).toEqual(batchesOf(400));
  });

  it("[F97] a file that is full, which makes room", async () => {
    const store = open({ compactAfterMs: Number.POSITIVE_INFINITY, maxPages: 200 });
    const log = batchesOf(1_000, () => "x".repeat(500));
    await write(store, "r", log);
    const refused = async () => {
      const more = batchesOf(400, () => "y".repeat(500));
      await write(store, "more", more, "running");
    };
    await expect(refused()).rejects.toMatchObject({ code: "store_full" });
    await store[Symbol.asyncDispose]();
    const again = open({ compactAfterMs: 0, maxPages: 200 });
    await until(() => left() === 0);
    await write(
      again,
      "more",
      batchesOf(400, () => "y".repeat(500)),
      "running",
    );
    expect(await all(again, "r")).toEqual(log);
  });

  it("[F97] no run that is damaged: it stays as it is, and the others are not kept waiting", async () => {
    const store = open({ compactAfterMs: Number.POSITIVE_INFINITY });
    for (const run of ["a", "b", "c"])
      await write(
        store,
        run,
        batchesOf(10, (index) => `${run} ${index}`),
      );
    await store[Symbol.asyncDispose]();
    {
      using db = new DatabaseSync(path);
      db.exec("UPDATE batches SET text = replace(text, 'b 5', 'B 5')");
    }
    const again = open();
    await until(() => left() === 1);
    expect(ask("SELECT count(*) FROM packs")).toBe(2);
    expect(countBatches()).toBe(10);
    expect(await all(again, "c")).toEqual(batchesOf(10, (index) => `c ${index}`));
    expect((await all(again, "b")).map(({ text }) => text)).toContain("B 5");
  });

  it("[F97] runs that shared rows with others: these keep theirs, until they end too", async () => {
    const store = open({ compactAfterMs: 0, indexEvery: 30 });
    const logs = new Map(
      Array.from({ length: 20 }, (_, index) => {
        const run = `run-${index}`;
        return [run, batchesOf(30 + 5 * index, (each) => `${run} ${"x".repeat(each * 7)}`)] as const;
      }),
    );
    // A turn for each batch, so that all rows are shared; the shorter ones end while the others go on.
    for (let index = 0; index < 125; index++) {
      const answers = [...logs].flatMap(([run, log]) => {
        const batch = log[index];
        if (batch === undefined) return [];
        const status = index === log.length - 1 ? "finished" : "running";
        return [store.append(run, log[index - 1] ?? start, batch, recordOf(run, status))];
      });
      expect(await Promise.all(answers)).toEqual(answers.map(() => undefined));
      if (index % 10 === 0)
        for (const [run, log] of logs) expect(await all(store, run)).toEqual(log.slice(0, index + 1));
    }
    await until(() => left() === 0);
    for (const [run, log] of logs) expect(await all(store, run)).toEqual(log);
    expect(ask("SELECT count(*) FROM batches")).toBe(0);
    expect(ask("SELECT count(*) FROM pages")).toBe(0);
  });

  it("[F97] and leaves all commits as durable as they were, also when someone else keeps it out", async () => {
    const exec = vi.spyOn(DatabaseSync.prototype, "exec");
    const store = open({ compactAfterMs: 0, synchronous: "full" });
    await write(store, "r", batchesOf(3));
    using other = new DatabaseSync(path);
    other.exec("BEGIN IMMEDIATE");
    await until(() => exec.mock.results.some(({ type }) => type === "throw"));
    const keptOut = exec.mock.results.findIndex(({ type }) => type === "throw");
    const connection = exec.mock.contexts[keptOut]! as DatabaseSync;
    exec.mockRestore();
    other.exec("ROLLBACK");
    const synchronous = () => connection.prepare("PRAGMA synchronous").get()!.synchronous;
    expect(synchronous()).toBe(2);
    await write(store, "another", batchesOf(3));
    await until(() => left() === 0);
    expect(synchronous()).toBe(2);
  });

  it("[F97] many short runs with few transactions", async () => {
    const store = open({ compactAfterMs: Number.POSITIVE_INFINITY });
    const runs = Array.from({ length: 160 }, (_, index) => `run-${index}`);
    await Promise.all(runs.map((run) => write(store, run, batchesOf(3))));
    await store[Symbol.asyncDispose]();
    const exec = vi.spyOn(DatabaseSync.prototype, "exec");
    const again = open();
    await until(() => left() === 0);
    const commits = exec.mock.calls.filter(([sql]) => sql === "COMMIT").length;
    exec.mockRestore();
    // Packs of 16 runs in each, then their batches, then what named them.
    expect(commits).toBe(10 + 2 + 10);
    for (const run of runs) expect(await all(again, run)).toEqual(batchesOf(3));
  });

  it("[F97] after the time it is told, and sets no timer while there is nothing to do", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const store = open({ compactAfterMs: 5_000 });
    await write(store, "r", batchesOf(3), "running");
    expect(vi.getTimerCount()).toBe(0);
    const [last] = batchesOf(1, () => "end", batchesOf(3).at(-1));
    await store.append("r", batchesOf(3).at(-1)!, last!, recordOf("r", "finished"));
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(4_999);
    expect(ask("SELECT count(*) FROM packs")).toBe(0);
    await vi.waitFor(async () => {
      await vi.advanceTimersByTimeAsync(100);
      expect(left()).toBe(0);
      expect(vi.getTimerCount()).toBe(0);
    });
    expect(ask("SELECT count(*) FROM packs")).toBe(1);
  });

  it("[F97] nothing where that is off", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const store = open({ compactAfterMs: Number.POSITIVE_INFINITY });
    await write(store, "r", batchesOf(3));
    expect(vi.getTimerCount()).toBe(0);
    expect(left()).toBe(1);
  });
});

describe("A pack", () => {
  it("gives back what went in, behind any batch", async () => {
    const log = batchesOf(30, (index) => ["", "\n", "😀", "\u2028", "7 7 7"][index % 5]!);
    const bytes = await packBatches(log[9]!, log.slice(10));
    expect(unpackBatches(bytes, log.at(-1)!)).toEqual(log.slice(10));
  });

  it("gives back batches as writers seal them", async () => {
    const log: Batch[] = [];
    for (let index = 0; index < 40; index++) {
      const lines = Array.from({ length: 1 + (index % 3) }, (_, each) =>
        JSON.stringify({ text: `${each} ß 😀` }),
      );
      log.push(sealBatch(log.at(-1) ?? start, lines, 1, "test"));
    }
    const bytes = await packBatches(start, log);
    expect(unpackBatches(bytes, log.at(-1)!)).toEqual(log);
    expect(unpackBatches(await packBatches(log[6]!, log.slice(7, 8)), log[7]!)).toEqual([log[7]]);
    expect(() => unpackBatches(bytes, { seq: log.at(-1)!.seq, check: 1 })).toThrow("is damaged");
  });

  it("gives back what went in where a header does not tell the check before it", async () => {
    const before = sealBatch(start, ['{"type":"a"}'], 1, "test");
    // As if it came behind another batch of the same length.
    const { text } = sealBatch({ seq: 1, check: 7 }, ['{"type":"b"}'], 1, "test");
    const wrong = { seq: 2, check: crc32(text, before.check), text };
    expect(unpackBatches(await packBatches(start, [before, wrong]), wrong)).toEqual([before, wrong]);
  });

  it("is not made of batches of which one is not what its check says", async () => {
    const log = batchesOf(3);
    const wrong = [log[0]!, { ...log[1]!, text: "wrong" }, log[2]!];
    await expect(packBatches(start, wrong)).rejects.toThrow("is damaged");
  });

  it("is refused if it is not the one that was put there", async () => {
    const log = batchesOf(3);
    const bytes = await packBatches(start, log);
    expect(() => unpackBatches(bytes, { seq: log[2]!.seq, check: 1 })).toThrow("is damaged");
    expect(() => unpackBatches(bytes, log[1]!)).toThrow("is damaged");
    expect(() => unpackBatches(bytes.subarray(0, -2), log[2]!)).toThrow();
  });
});
