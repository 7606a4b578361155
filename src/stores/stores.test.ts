import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { afterAll } from "vitest";
import type { Store } from "../store.ts";
import { testStore } from "../testing/store.ts";
import { memoryStore } from "./memory.ts";
import { type SqliteStoreOptions, sqliteStore } from "./sqlite.ts";

let clock = 0;
const now = () => clock;
const advance = (ms: number) => {
  clock += ms;
};

testStore("memory", {
  open: () => memoryStore({ now }),
  reopen: { skip: "memory is gone with its store" },
  advance,
});

const folder = mkdtempSync(join(tmpdir(), "runlog-stores-"));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
const paths = new WeakMap<Store, string>();

function testSqlite(name: string, options: SqliteStoreOptions, kill = false): void {
  const open = (path: string) => {
    const store = sqliteStore(path, { ...options, now });
    paths.set(store, path);
    return store;
  };
  testStore(name, {
    open: () => open(join(folder, `${++files}.db`)),
    reopen: async (store) => {
      let path = paths.get(store)!;
      if (kill) {
        // What a killed process would leave: taken by another one, as closing a file here would drop its locks.
        await setImmediate();
        const copy = mkdtempSync(join(folder, "killed-"));
        execFileSync("cp", [path, `${path}-wal`, copy]);
        path = join(copy, basename(path));
      }
      await store[Symbol.asyncDispose]();
      return open(path);
    },
    advance,
  });
}

testSqlite("sqlite", {});
testSqlite("sqlite, not waiting for the disk", { synchronous: "normal" });
// So that runs are in the index, in memory and in both.
testSqlite("sqlite, indexed after every batch", { indexEvery: 0 });
testSqlite("sqlite, indexed after every few batches", { indexEvery: 7 });
testSqlite("sqlite, killed instead of closed", {}, true);
testSqlite("sqlite, indexed after every few batches and killed", { indexEvery: 7 }, true);
