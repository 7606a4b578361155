import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { setImmediate as turn } from "node:timers/promises";
import { crc32 } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RunError } from "../errors.ts";
import type { Batch, RunRecord, Store, Tail } from "../store.ts";
import { type SqliteStoreOptions, sqliteStore } from "./sqlite.ts";
import { SqliteRows } from "./sqlite-rows.ts";

const start: Tail = { seq: 0, check: 0 };

let folder: string;
let path: string;
const opened: AsyncDisposable[] = [];
const children: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "runlog-sqlite-"));
  path = join(folder, "runs.db");
});

afterEach(async () => {
  vi.useRealTimers();
  for (const child of children.splice(0)) {
    if (child.exitCode === null && child.signalCode === null && child.kill("SIGKILL"))
      await once(child, "exit");
  }
  for (const store of opened.splice(0)) await store[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

function open(options?: SqliteStoreOptions, at = path): Store {
  const store = sqliteStore(at, options);
  opened.push(store);
  return store;
}

function refusal(action: () => unknown): RunError {
  try {
    action();
  } catch (error) {
    if (error instanceof RunError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

function next(before: Tail, text: string): Batch {
  return { seq: before.seq + 1, check: crc32(text, before.check), text };
}

async function fill(store: Store, run: string, count: number, text = "x".repeat(200), record?: RunRecord) {
  const batches: Batch[] = [];
  const answers: Promise<Tail | undefined>[] = [];
  for (let index = 0; index < count; index++) {
    const before = batches.at(-1) ?? start;
    batches.push(next(before, text));
    answers.push(store.append(run, before, batches.at(-1)!, index === 0 ? record : undefined));
  }
  await Promise.all(answers);
  return batches;
}

/** Counts what is in a table, as another program would. */
function count(table: string): number {
  using db = new DatabaseSync(path, { readOnly: true });
  return db.prepare(`SELECT count(*) AS count FROM ${table}`).get()!.count as number;
}

/** Counts the batches that are in rows, in however many. */
function countBatches(): number {
  using db = new DatabaseSync(path, { readOnly: true });
  return [...new SqliteRows({ db }, 0).after(0)].length;
}

function countPages() {
  using db = new DatabaseSync(path, { readOnly: true });
  const all = db.prepare("PRAGMA page_count").get()!.page_count as number;
  const free = db.prepare("PRAGMA freelist_count").get()!.freelist_count as number;
  return { all, used: all - free };
}

/** Appends a batch to each run in one commit. Whether there was room for it. */
async function appendToAll(store: Store, logs: ReadonlyMap<string, Batch[]>, textOf: (at: number) => string) {
  const answers = [...logs].map(async ([run, log], index) => {
    const batch = next(log.at(-1) ?? start, textOf(log.length * logs.size + index));
    await store.append(run, log.at(-1) ?? start, batch);
    log.push(batch);
  });
  return (await Promise.allSettled(answers)).every(({ status }) => status === "fulfilled");
}

/** What a killed process would leave: taken by another one, as closing a file here would drop its locks. */
function copyAsKilled(): string {
  const copy = mkdtempSync(join(folder, "killed-"));
  execFileSync("cp", [path, `${path}-wal`, copy]);
  return join(copy, basename(path));
}

/** Runs until the condition holds, one turn of the event loop after the other. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let turns = 0; turns < 10_000; turns++) {
    if (await condition()) return;
    await turn();
  }
  throw new Error("it never came to that");
}

/** Another process with the store open, told what to do with it by a script; its lines come as they are written. */
function startProcess(script: string, under: readonly string[] = []) {
  const source = `
    import { crc32 } from "node:zlib";
    import { sqliteStore } from ${JSON.stringify(new URL("./sqlite.ts", import.meta.url).href)};
    const path = ${JSON.stringify(path)};
    ${script}`;
  const [command, ...args] = [...under, process.execPath, "--input-type=module", "-e", source];
  const child = spawn(command!, args, { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
}

describe("sqliteStore opens", () => {
  it("with the durability it can promise", () => {
    expect(open().durability).toMatchObject({ class: "D3", why: expect.stringMatching(/^SQLite .*\.$/) });
    const normal = open({ synchronous: "normal" }, join(folder, "normal.db"));
    expect(normal.durability).toMatchObject({ class: "D2", why: expect.stringMatching(/^SQLite .*\.$/) });
    expect(normal.shared).toBe(false);
  });

  it("a path in folders that do not exist", async () => {
    path = join(folder, "a", "b", "runs.db");
    await fill(open(), "r", 1);
    expect(count("batches")).toBe(1);
  });

  it("an empty file", async () => {
    writeFileSync(path, "");
    expect(await open().tail("r")).toEqual(start);
  });

  it("nothing that is no path", () => {
    expect(() => sqliteStore(":memory:")).toThrow(TypeError);
    expect(() => sqliteStore("")).toThrow("memoryStore()");
    expect(() => sqliteStore(path, { synchronous: "off" as "full" })).toThrow(TypeError);
  });

  it("no folder, and no path through a file", () => {
    mkdirSync(path);
    expect(refusal(() => sqliteStore(path))).toMatchObject({
      code: "store_unavailable",
      message: `Cannot open "${path}": it is a folder`,
    });
    expect(existsSync(`${path}-lock`)).toBe(false);
    writeFileSync(join(folder, "file"), "");
    const through = join(folder, "file", "runs.db");
    expect(refusal(() => sqliteStore(through)).message).toContain(`Cannot open "${through}": `);
  });

  it("no file that is not a database, and leaves it as it was", () => {
    const text = "Dear diary, this is not a database.\n".repeat(100);
    writeFileSync(path, text);
    expect(refusal(() => sqliteStore(path))).toMatchObject({
      code: "store_unavailable",
      message: `Cannot open "${path}": file is not a database`,
      cause: expect.anything(),
    });
    expect(readFileSync(path, "utf8")).toBe(text);
  });

  it("no other program's database, and leaves it as it was", () => {
    using db = new DatabaseSync(path);
    db.exec("CREATE TABLE books (title TEXT)");
    db.close();
    const bytes = readFileSync(path);
    expect(refusal(() => sqliteStore(path)).message).toBe(
      `Cannot open "${path}": it is a database, but not one of Runlog's`,
    );
    expect(readFileSync(path)).toEqual(bytes);
  });

  it("no file of a later version, and names both", async () => {
    await open()[Symbol.asyncDispose]();
    using db = new DatabaseSync(path);
    const version = db.prepare("PRAGMA user_version").get()!.user_version;
    db.exec("PRAGMA user_version = 99");
    expect(refusal(() => sqliteStore(path))).toMatchObject({
      code: "store_unavailable",
      message: expect.stringMatching(/format is version 99, .* no later one than \d+$/),
    });
    db.exec(`PRAGMA user_version = ${version}`);
    expect(await open().tail("r")).toEqual(start);
  });

  it("again after it could not", () => {
    writeFileSync(path, "no database".repeat(100));
    refusal(() => sqliteStore(path));
    rmSync(path);
    open();
  });
});

describe("sqliteStore locks its file", () => {
  it("against a second store, and names the holder", async () => {
    const first = open();
    const since = String.raw`\d{4}-\d\d-\d\dT[\d:.]+Z`;
    expect(refusal(() => sqliteStore(path))).toMatchObject({
      code: "store_locked",
      message: expect.stringMatching(
        new RegExp(`^Cannot open ".*": held by process ${process.pid} on .+ since ${since}$`),
      ),
    });
    const [batch] = await fill(first, "r", 1);
    await first[Symbol.asyncDispose]();
    expect(await open().tail("r")).toEqual({ seq: 1, check: batch!.check });
  });

  it("also under another name", () => {
    open();
    symlinkSync(path, join(folder, "link.db"));
    expect(refusal(() => sqliteStore(join(folder, "link.db"))).code).toBe("store_locked");
    symlinkSync(folder, `${folder}/link`);
    expect(refusal(() => sqliteStore(join(folder, "link", "runs.db"))).code).toBe("store_locked");
  });

  it("also where a link was there before the file it leads to", () => {
    symlinkSync(path, join(folder, "link.db"));
    open({}, join(folder, "link.db"));
    expect(refusal(() => sqliteStore(path)).code).toBe("store_locked");
    expect(refusal(() => sqliteStore(join(folder, "link.db"))).code).toBe("store_locked");
  });

  it("while another process holds it, and no longer than that lives, however it ends", async () => {
    const { child, lines } = startProcess(`
      const store = sqliteStore(path);
      await store.append("r", { seq: 0, check: 0 }, { seq: 1, check: crc32("x"), text: "x" });
      console.log("held");
      setInterval(() => {}, 1000);`);
    expect((await lines.next()).value).toBe("held");
    const refused = refusal(() => sqliteStore(path));
    expect(refused.code).toBe("store_locked");
    expect(refused.message).toContain(`held by process ${child.pid} on `);
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(await open().tail("r")).toEqual({ seq: 1, check: crc32("x") });
  });
});

describe("sqliteStore commits", () => {
  it("all appends of a tick at once, before anyone is told", async () => {
    const store = open();
    const seen: number[] = [];
    const answers = Array.from({ length: 100 }, (_, index) => {
      store.watch(`run-${index}`, () => seen.push(countBatches()));
      return store.append(`run-${index}`, start, next(start, "x")).then(() => seen.push(countBatches()));
    });
    expect(countBatches()).toBe(0);
    await Promise.all(answers);
    expect(seen).toEqual(Array(200).fill(100));
  });

  it("also while a test has the timers replaced", async () => {
    vi.useFakeTimers({ toFake: ["setImmediate", "setTimeout", "setInterval"] });
    expect(await open().append("r", start, next(start, "x"))).toBeUndefined();
  });

  it("raw text too: NUL and line separators", async () => {
    const store = open();
    const batch = next(start, "a\u0000b\u2028c\u0000");
    await store.append("r", start, batch);
    expect(await store.read("r", 0, 1000)).toEqual([batch]);
  });

  it("again after a batch that it cannot keep", async () => {
    const store = open();
    const batch = next(start, "x");
    await expect(store.append("r", start, { seq: 1, check: 1 } as Batch)).rejects.toMatchObject({
      code: "store_unavailable",
      cause: expect.any(TypeError),
    });
    expect(await store.append("r", start, batch)).toBeUndefined();
  });

  it("nothing while someone else writes to the file, and goes on after", async () => {
    const store = open();
    const [one] = await fill(store, "r", 1);
    using db = new DatabaseSync(path);
    db.exec("BEGIN IMMEDIATE");
    const two = next(one!, "two");
    await expect(store.append("r", one!, two)).rejects.toMatchObject({
      code: "store_unavailable",
      cause: expect.objectContaining({ errcode: 5 }),
    });
    expect(await store.read("r", 0, 1000)).toEqual([one]);
    db.exec("ROLLBACK");
    expect(await store.append("r", one!, two)).toBeUndefined();
  });

  it("to the disk before it promises, when it is full", async (context) => {
    const trace = join(folder, "trace");
    const strace = ["strace", "-f", "-qq", "-o", trace, "-e", "trace=fsync,fdatasync,write"];
    if (spawnSync(strace[0]!, [...strace.slice(1), "true"]).status !== 0)
      context.skip("strace does not work here");
    const { child, lines } = startProcess(
      `
      const store = sqliteStore(path);
      for (let tail = { seq: 0, check: 0 }; tail.seq < 20; ) {
        const batch = { seq: tail.seq + 1, check: crc32("x", tail.check), text: "x" };
        await store.append("r", tail, batch);
        console.log("promised " + batch.seq);
        tail = batch;
      }
      process.exit();`,
      strace,
    );
    for (let seq = 1; seq <= 20; seq++) expect((await lines.next()).value).toBe(`promised ${seq}`);
    if (child.exitCode === null) await once(child, "exit");
    let syncs = 0;
    const before: number[] = [];
    for (const line of readFileSync(trace, "utf8").split("\n")) {
      if (/ f(data)?sync\(.*= 0$/.test(line)) syncs++;
      if (!line.includes('write(1, "promised ')) continue;
      before.push(syncs);
      syncs = 0;
    }
    expect(before).toHaveLength(20);
    expect(Math.min(...before)).toBeGreaterThan(0);
  });

  it("everything it promised, whenever its process is killed", async () => {
    const runs = Array.from({ length: 8 }, (_, index) => `run-${index}`);
    const acked = new Map<string, number>(runs.map((run) => [run, 0]));
    for (const [round, killAfter] of [1, 40, 300, 900, 1500].entries()) {
      const { child, lines } = startProcess(`
        const store = sqliteStore(path, { indexEvery: 100 });
        await Promise.all(${JSON.stringify(runs)}.map(async (run) => {
          for (let tail = await store.tail(run); ; ) {
            const text = run + " after " + tail.seq;
            const batch = { seq: tail.seq + 1, check: crc32(text, tail.check), text };
            if (await store.append(run, tail, batch)) process.exit(1);
            console.log(run + " " + batch.seq);
            tail = batch;
          }
        }));`);
      for (let seen = 0; seen < killAfter; seen++) {
        const [run, seq] = ((await lines.next()).value as string).split(" ");
        expect(Number(seq), `round ${round}`).toBe(acked.get(run!)! + 1);
        acked.set(run!, Number(seq));
      }
      child.kill("SIGKILL");
      for await (const line of lines) {
        const [run, seq] = line.split(" ");
        // The last line may be cut short.
        acked.set(run!, Math.max(acked.get(run!) ?? 0, Number(seq)));
      }
      if (child.signalCode === null) await once(child, "exit");
      await using store = sqliteStore(path, { indexEvery: 100 });
      for (const run of runs) {
        const log = await store.read(run, 0, 1e9);
        expect(log.length).toBeGreaterThanOrEqual(acked.get(run)!);
        let tail = start;
        for (const batch of log) {
          expect(batch).toEqual(next(tail, `${run} after ${tail.seq}`));
          tail = batch;
        }
        expect(await store.tail(run)).toEqual({ seq: tail.seq, check: tail.check });
        acked.set(run, log.length);
      }
    }
  });
});

describe("sqliteStore puts batches into rows", () => {
  /** Texts of every kind and size, among them some that no row is shared with. */
  const textOf = (index: number) =>
    ["", "word", "a\u0000b\u2028", "Grüße 😀", "x".repeat(900), "y".repeat(7_000), "ß".repeat(20_000)][
      (index * 5) % 7
    ]!;

  it("of their own if they are alone in their commit, and can be looked up there", async () => {
    const store = open();
    for (let index = 0; index < 5; index++) await fill(store, `r${index}`, 1, "x");
    expect(count("batches WHERE run > 0 AND seq = 1 AND text = 'x'")).toBe(5);
  });

  it("together if they are committed together: not an insert each", async () => {
    const store = open();
    const runs = Array.from({ length: 1000 }, (_, index) => `r${index}`);
    await Promise.all(runs.map((run) => fill(store, run, 1, "x".repeat(300))));
    expect(countBatches()).toBe(1000);
    // 25 of these fit into a row.
    expect(count("batches")).toBe(40);
    for (const run of runs) expect(await store.read(run, 0, 1)).toEqual([next(start, "x".repeat(300))]);
  });

  it.each([0, 7, 32_768])("and finds each again, whatever it is (index every %i)", async (indexEvery) => {
    let store = open({ indexEvery });
    const logs = new Map<string, Batch[]>(["a", "b", "c", "d"].map((run) => [run, []]));
    for (let turn = 0; turn < 60; turn++) {
      const answers: Promise<Tail | undefined>[] = [];
      // In some turns one run is alone, in others all append, or one several times.
      for (const [index, [run, log]] of [...logs].entries()) {
        for (let times = turn % 4 === 0 ? Number(index === 0) : 1 + (turn % 3); times > 0; times--) {
          const tail = log.at(-1) ?? start;
          log.push(next(tail, textOf(log.length + index)));
          answers.push(store.append(run, tail, log.at(-1)!));
        }
      }
      expect(await Promise.all(answers)).toEqual(answers.map(() => undefined));
    }
    const stores = [store, open({ indexEvery }, copyAsKilled())];
    await store[Symbol.asyncDispose]();
    store = open({ indexEvery });
    for (const each of [store, stores[1]!]) {
      for (const [run, log] of logs) {
        expect(await each.read(run, 0, 1e9)).toEqual(log);
        for (let after = 0; after < log.length; after += 3) {
          const some = await each.read(run, after, 5_000);
          expect(some).toEqual(log.slice(after, after + some.length));
          expect(await each.read(run, after, 1)).toEqual([log[after]]);
        }
        expect(await each.tail(run)).toEqual({ seq: log.length, check: log.at(-1)!.check });
      }
    }
  });

  it("that others leave: what remains is where it was", async () => {
    const store = open({ indexEvery: 5 });
    const runs = Array.from({ length: 12 }, (_, index) => `r${index}`);
    const logs = new Map<string, Batch[]>(runs.map((run) => [run, []]));
    for (let turn = 0; turn < 40; turn++) {
      await Promise.all(
        runs.map((run, index) => {
          const log = logs.get(run)!;
          const tail = log.at(-1) ?? start;
          log.push(next(tail, textOf(turn + index)));
          return store.append(run, tail, log.at(-1)!);
        }),
      );
    }
    for (const [index, run] of runs.entries()) {
      expect(await store.delete(run, logs.get(run)!.at(-1)!)).toBe(true);
      await until(() => count("trash") === 0);
      expect(countBatches()).toBe(40 * (runs.length - 1 - index));
      for (const other of runs.slice(index + 1)) {
        expect(await store.read(other, 0, 1e9)).toEqual(logs.get(other));
      }
      if (index === 5)
        expect(await open({}, copyAsKilled()).read("r7", 3, 1e9)).toEqual(logs.get("r7")!.slice(3));
    }
    expect(count("batches")).toBe(0);
  });

  it("that a few leave, without taking more room for the rest", async () => {
    const store = open();
    const logs = new Map(Array.from({ length: 25 }, (_, index): [string, Batch[]] => [`r${index}`, []]));
    const left = ["r3", "r24", "r0"];
    for (let turn = 0; turn < 60; turn++) await appendToAll(store, logs, () => "x".repeat(300));
    const { used } = countPages();
    for (const run of left) {
      expect(await store.delete(run, logs.get(run)!.at(-1)!)).toBe(true);
      logs.delete(run);
      await until(() => count("trash") === 0);
      expect(countPages().used).toBeLessThanOrEqual(used);
      expect(countBatches()).toBe(60 * logs.size);
    }
    const killed = open({}, copyAsKilled());
    for (const each of [store, killed]) {
      for (const run of left) expect(await each.tail(run)).toEqual(start);
      for (const [run, log] of logs) expect(await each.read(run, 0, 1e9)).toEqual(log);
    }
  });

  it("and nothing of a batch stays there when it is removed", async () => {
    const store = open();
    const logs = new Map<string, Batch[]>([
      ["kept", []],
      ["also kept", []],
    ]);
    const secret = next(start, "a secret");
    await Promise.all([appendToAll(store, logs, () => "x".repeat(300)), store.append("gone", start, secret)]);
    expect(count("batches WHERE text LIKE '%secret%'")).toBe(1);
    expect(await store.delete("gone", secret)).toBe(true);
    await until(() => count("trash") === 0);
    expect(count("batches WHERE run = 0")).toBe(1);
    expect(count("batches WHERE text LIKE '%secret%'")).toBe(0);
    for (const [run, log] of logs) expect(await store.read(run, 0, 1e9)).toEqual(log);
  });

  it("of which one is shared no more, and the one behind it still is", async () => {
    const store = open();
    const logs: Batch[][] = [[], []];
    const both = () =>
      logs.map((log, index) => {
        log.push(next(log.at(-1) ?? start, `text ${log.length}`));
        return store.append(`r${index}`, log.at(-2) ?? start, log.at(-1)!);
      });
    const gone = next(start, "gone".repeat(100));
    await Promise.all([...both(), store.append("gone", start, gone)]);
    await Promise.all(both());
    await store.delete("gone", gone);
    await until(() => count("trash") === 0);
    expect(count("batches WHERE run > 0")).toBe(2);
    expect(count("batches WHERE run = 0")).toBe(1);
    for (const [index, log] of logs.entries()) expect(await store.read(`r${index}`, 0, 1e9)).toEqual(log);
  });

  it("whose index is written with a commit, and loses nothing of that commit when it is killed", async () => {
    const store = open({ indexEvery: 3 });
    const log: Batch[] = [];
    for (let index = 0; index < 12; index++) {
      log.push(next(log.at(-1) ?? start, `text ${index}`));
      await store.append("r", log.at(-2) ?? start, log.at(-1)!);
      await using killed = sqliteStore(copyAsKilled());
      expect(await killed.read("r", 0, 1e9)).toEqual(log);
    }
  });
});

describe("sqliteStore takes a file of an older version", () => {
  /** As the versions wrote it in which each batch was a row, with the ids 1, 2, 3, ... by turns. */
  function writeOldFile(runs: readonly string[], count: number): Map<string, Batch[]> {
    using db = new DatabaseSync(path);
    db.exec(`
      PRAGMA application_id = 1380732743; PRAGMA user_version = 2; PRAGMA journal_mode = WAL;
      CREATE TABLE batches (
        id INTEGER PRIMARY KEY, run INTEGER NOT NULL, seq INTEGER NOT NULL, "check" INTEGER NOT NULL,
        text TEXT NOT NULL
      ) STRICT;
      CREATE TABLE pages (
        id INTEGER PRIMARY KEY, run INTEGER NOT NULL, last INTEGER NOT NULL, rows TEXT NOT NULL
      ) STRICT;
      CREATE INDEX pages_by_run ON pages (run, last);
      CREATE TABLE runs (
        no INTEGER PRIMARY KEY, run TEXT NOT NULL UNIQUE, started_at REAL, tags TEXT, text TEXT
      ) STRICT;
      CREATE INDEX runs_newest ON runs (started_at, run) WHERE started_at IS NOT NULL;
      CREATE TABLE tags (
        tag TEXT NOT NULL, started_at REAL NOT NULL, run TEXT NOT NULL, no INTEGER NOT NULL,
        PRIMARY KEY (tag, started_at, run)
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE trash (no INTEGER PRIMARY KEY) STRICT;
      CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
      CREATE TABLE packs (
        id INTEGER PRIMARY KEY, run INTEGER NOT NULL, last INTEGER NOT NULL, "check" INTEGER NOT NULL,
        bytes BLOB NOT NULL
      ) STRICT;
      CREATE INDEX packs_by_run ON packs (run, last);
      CREATE TABLE unpacked (no INTEGER PRIMARY KEY) STRICT;
      INSERT INTO meta VALUES ('indexed_through', ${runs.length * 300}), ('last_deleted', 0);`);
    const logs = new Map<string, Batch[]>(runs.map((run) => [run, []]));
    const insert = db.prepare("INSERT INTO batches VALUES (?, ?, ?, ?, ?)");
    let id = 0;
    for (const [index, run] of runs.entries()) {
      db.prepare("INSERT INTO runs (no, run) VALUES (?, ?)").run(index + 1, run);
    }
    db.exec("BEGIN");
    const rows = runs.map((): number[] => []);
    for (let seq = 1; seq <= count; seq++) {
      for (const [index, run] of runs.entries()) {
        const log = logs.get(run)!;
        const batch = next(log.at(-1) ?? start, `${run} ${seq}`);
        log.push(batch);
        insert.run(++id, index + 1, seq, batch.check, batch.text);
        // The first 300 are in pages, of which the ids stand as the distances between them.
        if (seq <= 300) rows[index]!.push(seq === 1 || seq === 257 ? id : runs.length, seq === 257 ? seq : 1);
      }
    }
    const page = db.prepare("INSERT INTO pages (run, last, rows) VALUES (?, ?, ?)");
    for (const index of runs.keys()) {
      page.run(index + 1, 256, JSON.stringify(rows[index]!.slice(0, 512)));
      page.run(index + 1, 300, JSON.stringify(rows[index]!.slice(512)));
    }
    db.exec("COMMIT");
    return logs;
  }

  it.each([[["r"]], [["a", "b", "c"]]])(
    "of runs %j: reads it, goes on with it, and clears it away",
    async (runs) => {
      // More than there are places in a row: their ids must not be taken for those of shared rows.
      const logs = writeOldFile(runs, 10_000);
      const store = open({ indexEvery: 50 });
      for (const [run, log] of logs) {
        expect(await store.tail(run)).toEqual({ seq: log.length, check: log.at(-1)!.check });
        expect(await store.read(run, 0, 1e9)).toEqual(log);
        for (const after of [0, 254, 256, 299, 300, 8_190, 8_192, 9_999]) {
          expect(await store.read(run, after, 1)).toEqual([log[after]]);
        }
      }
      const more = async () => {
        await Promise.all(
          [...logs].map(([run, log]) => {
            const tail = log.at(-1)!;
            log.push(next(tail, `more ${tail.seq}`));
            return store.append(run, tail, log.at(-1)!);
          }),
        );
      };
      for (let turn = 0; turn < 100; turn++) await more();
      for (const [run, log] of logs) expect(await store.read(run, 9_000, 1e9)).toEqual(log.slice(9_000));
      expect(await store.delete(runs[0]!, logs.get(runs[0]!)!.at(-1)!)).toBe(true);
      await until(() => count("trash") === 0);
      expect(countBatches()).toBe(10_100 * (runs.length - 1));
      for (const [run, log] of [...logs].slice(1)) expect(await store.read(run, 0, 1e9)).toEqual(log);
      await store[Symbol.asyncDispose]();
      for (const [run, log] of [...logs].slice(1)) {
        await using again = sqliteStore(path);
        expect(await again.read(run, 0, 1e9)).toEqual(log);
      }
    },
  );
});

describe("sqliteStore without room", () => {
  const record = { run: "r", startedAt: 1, tags: ["a"], text: "{}" };

  it("refuses with store_full, changes nothing, and goes on reading", async () => {
    const store = open({ maxPages: 100 });
    const batches = await fill(store, "r", 10, "x".repeat(4000), record);
    const tail = batches.at(-1)!;
    const small = next(tail, "small");
    const together = [
      store.append("r", tail, small, { ...record, startedAt: 2, tags: ["b"] }),
      store.append("r", tail, next(tail, "a rival")),
      store.append("other", start, next(start, "x".repeat(500_000)), { ...record, run: "other" }),
    ];
    for (const result of await Promise.allSettled(together)) {
      expect(result).toMatchObject({ status: "rejected", reason: { name: "RunError", code: "store_full" } });
    }
    expect(await store.tail("r")).toEqual({ seq: 10, check: tail.check });
    expect(await store.read("r", 0, 1e9)).toEqual(batches);
    expect(await store.tail("other")).toEqual(start);
    expect(await store.list({ limit: 9 })).toEqual([record]);
    expect(await store.list({ limit: 9, tag: "b" })).toEqual([]);
    expect(await store.append("r", tail, small)).toBeUndefined();
    expect(await store.append("other", start, next(start, "fits"))).toBeUndefined();
    await store[Symbol.asyncDispose]();
    expect(await open().read("r", 0, 1e9)).toEqual([...batches, small]);
  });

  it.each([0, 3, 32_768])("works again once a run is deleted (index every %i)", async (indexEvery) => {
    const store = open({ maxPages: 100, indexEvery });
    const batches = await fill(store, "old", 5, "x".repeat(4000));
    const log: Batch[] = [];
    const more = async () => {
      const batch = next(log.at(-1) ?? start, "y".repeat(4000));
      const answer = await store.append("new", log.at(-1) ?? start, batch).catch((error) => error.code);
      if (answer === undefined) log.push(batch);
      return answer;
    };
    await until(async () => (await more()) === "store_full");
    const full = log.length;
    expect(full).toBeGreaterThan(5);
    // An append that finds no room must not take the delete beside it down.
    const [deleted, refused] = await Promise.all([store.delete("old", batches.at(-1)!), more()]);
    expect([deleted, refused]).toEqual([true, "store_full"]);
    // Nor one that it would have conflicted with, had there been room for both.
    const kept = (await store.read("new", 0, 1e9)).at(-1)!;
    const again = await Promise.allSettled([
      store.append("tiny", start, next(start, "x")),
      store.delete("tiny", start),
      store.append("huge", start, next(start, "x".repeat(1e6))),
    ]);
    expect(again).toMatchObject([
      { reason: { code: "store_full" } },
      { value: true },
      { reason: { code: "store_full" } },
    ]);
    expect(await store.tail("new")).toEqual({ seq: kept.seq, check: kept.check });
    await until(async () => (await more()) === undefined);
    expect(await store.read("new", 0, 1e9)).toEqual(log);
    expect(log.length).toBeGreaterThan(full);
  });

  it("takes a delete, even if it needs room to write down what is to be removed", async () => {
    const store = open({ maxPages: 100, synchronous: "normal" });
    const log: Batch[] = [];
    const fillUp = async (run: string, before: Tail) => {
      for (let tail = before; ; tail = log.at(-1)!) {
        const batch = next(tail, "x".repeat(60));
        const refused = await store.append(run, tail, batch).catch((error) => error.code);
        if (refused !== undefined) return refused;
        log.push(batch);
      }
    };
    expect(await fillUp("old", start)).toBe("store_full");
    expect(await store.delete("old", log.at(-1)!)).toBe(true);
    await until(() => count("trash") === 0);
    const { length } = log;
    expect(await fillUp("new", start)).toBe("store_full");
    expect(log.length).toBeGreaterThan(1.9 * length);
    // In pages of 8 KiB.
    expect(countPages().all).toBeLessThan(55);
  });

  // Of varied sizes some do not fit in where they have to move, and the file has no page left for them.
  it.each([
    ["alike", () => "x".repeat(300)],
    ["varied", (at: number) => "x".repeat(1 + ((at * 7919) % 40))],
  ])("removes what is deleted from rows that others share (%s)", async (_, textOf) => {
    const store = open({ maxPages: 120, synchronous: "normal" });
    const logs = new Map(Array.from({ length: 25 }, (_, index): [string, Batch[]] => [`r${index}`, []]));
    while (await appendToAll(store, logs, textOf));
    const last = new Map([...logs].slice(0, 1));
    while (await appendToAll(store, last, textOf));
    const { used } = countPages();
    for (const [run, log] of [...logs].slice(1)) {
      expect(await store.delete(run, log.at(-1)!)).toBe(true);
      await until(() => count("trash") === 0);
    }
    expect(countPages().used).toBeLessThan(used / 2);
    expect(await store.read("r0", 0, 1e9)).toEqual(logs.get("r0"));
    expect(await appendToAll(store, last, textOf)).toBe(true);
  });

  it("works again when there is more", async () => {
    const small = open({ maxPages: 100 });
    await expect(fill(small, "r", 100, "x".repeat(4000))).rejects.toMatchObject({ code: "store_full" });
    expect(await small.tail("r")).toEqual(start);
    await small[Symbol.asyncDispose]();
    const store = open();
    const batches = await fill(store, "r", 100, "x".repeat(4000));
    expect(await store.read("r", 0, 1e9)).toEqual(batches);
  });
});

describe("sqliteStore cleans up", () => {
  it("every trace of a deleted run, a page at a time", async () => {
    const store = open({ indexEvery: 100 });
    const record = { run: "r", startedAt: 1, tags: ["a", "b"], text: "{}" };
    const batches = await fill(store, "r", 1000, "x", record);
    await fill(store, "kept", 3);
    expect(await store.delete("r", batches.at(-1)!)).toBe(true);
    expect([count("runs"), count("tags"), count("trash")]).toEqual([1, 0, 1]);
    await until(() => count("trash") === 0);
    expect(countBatches()).toBe(3);
    await store[Symbol.asyncDispose]();
    expect([countBatches(), count("pages"), count("runs")]).toEqual([3, 1, 1]);
  });

  it("what the process before had not come to, and mixes no new run up with it", async () => {
    const first = open();
    const old = await fill(first, "r", 600);
    await first.delete("r", old.at(-1)!);
    await first[Symbol.asyncDispose]();
    expect(countBatches()).toBeGreaterThan(300);
    const store = open({ indexEvery: 0 });
    const batches = await fill(store, "r", 2, "another");
    batches.push(next(batches[1]!, "third"));
    expect(await store.append("r", batches[1]!, batches[2]!)).toBeUndefined();
    expect(count("trash")).toBe(1);
    await until(() => count("trash") === 0);
    expect(countBatches()).toBe(3);
    expect(await store.read("r", 0, 1e9)).toEqual(batches);
  });

  it("what the process before had not come to, with nothing else to do", async () => {
    const first = open();
    const old = await fill(first, "r", 600);
    await first.delete("r", old.at(-1)!);
    await first[Symbol.asyncDispose]();
    open();
    await until(() => count("trash") === 0);
    expect(count("batches")).toBe(0);
  });

  it("a run that comes and goes in one tick", async () => {
    const store = open();
    const batch = next(start, "x");
    const answers = [
      store.append("r", start, batch),
      store.delete("r", batch),
      store.append("r", start, batch),
    ];
    expect(await Promise.all(answers)).toEqual([undefined, true, undefined]);
    await until(() => count("trash") === 0);
    expect([countBatches(), count("runs")]).toEqual([1, 1]);
  });

  it("the log of SQLite when it is closed", async () => {
    const store = open();
    await fill(store, "r", 10);
    expect(existsSync(`${path}-wal`)).toBe(true);
    await store[Symbol.asyncDispose]();
    expect(existsSync(`${path}-wal`)).toBe(false);
    expect(count("meta WHERE name = 'holder'")).toBe(0);
  });

  it("after a read that stopped in between, so that the log can be emptied", async () => {
    const store = open({ indexEvery: 0 });
    await fill(store, "r", 1000);
    expect(await store.read("r", 0, 1)).toHaveLength(1);
    using db = new DatabaseSync(path);
    expect(db.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get()).toMatchObject({ busy: 0, log: 0 });
  });
});

describe("sqliteStore over a damaged file", () => {
  it("says so, and never reads over a hole", async () => {
    const store = open({ indexEvery: 0 });
    const log: Batch[] = [];
    for (let index = 0; index < 10; index++) {
      log.push(next(log.at(-1) ?? start, "x"));
      await store.append("r", log.at(-2) ?? start, log.at(-1)!);
    }
    using db = new DatabaseSync(path);
    db.exec("DELETE FROM batches WHERE seq = 5");
    expect(await store.read("r", 5, 1e9)).toHaveLength(5);
    await expect(store.read("r", 0, 1e9)).rejects.toMatchObject({
      code: "store_unavailable",
      message: "Cannot read: the batch that ends at 5 is missing",
    });
  });

  it("never takes one batch for another", async () => {
    const store = open({ indexEvery: 0 });
    await Promise.all([fill(store, "r", 3, "mine"), fill(store, "other", 3, "theirs")]);
    using db = new DatabaseSync(path);
    // As if all were of the other run, or none where it was.
    db.exec("UPDATE batches SET text = replace(text, ' 1 2 ', ' 2 2 ') WHERE run = 0");
    expect(await store.read("r", 2, 1e9)).toHaveLength(1);
    await expect(store.read("r", 0, 1e9)).rejects.toThrow("the batch that ends at 2 is missing");
    db.exec("UPDATE batches SET text = ' ' || text WHERE run = 0");
    await expect(store.read("other", 2, 1e9)).rejects.toThrow("the batch that ends at 3 is missing");
  });
});
