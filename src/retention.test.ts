import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { plainStore } from "../test/support/plain-store.ts";
import type { AgentStream, RunContext } from "./agent.ts";
import { RunError } from "./errors.ts";
import { createHub, type Hub, type HubOptions } from "./hub.ts";
import { type Retention, Sweeper } from "./retention.ts";
import { createApp } from "./server/app.ts";
import type { Store } from "./store.ts";
import { memoryStore } from "./stores/memory.ts";
import { sqliteStore } from "./stores/sqlite.ts";

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const NOON = Date.UTC(2026, 0, 1, 12);

async function* echo({ input, history }: RunContext): AgentStream {
  yield { type: "text.started", id: "1" };
  yield { type: "text.delta", id: "1", text: `${history.length}:${String(input)}` };
  yield { type: "text.finished", id: "1" };
}

async function* endless({ signal }: RunContext): AgentStream {
  yield { type: "text.started", id: "1" };
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
}

async function* asks(): AgentStream {
  yield { type: "tool.called", callId: "c", name: "pay", input: {} };
  yield { type: "approval.requested", approvalId: "a", callId: "c", name: "pay", input: {} };
}

let folder: string;
const opened: AsyncDisposable[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "runlog-keeping-"));
  vi.useFakeTimers({ toFake: ["Date"], now: NOON });
});

afterEach(async () => {
  vi.useRealTimers();
  for (const each of opened.splice(0).reverse()) await each[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** How stores are made here. */
const stores: Readonly<Record<string, () => Store>> = {
  memory: () => memoryStore(),
  sqlite: () => sqliteStore(join(folder, "runs.db")),
};

function opening(store: Store): Store {
  opened.push(store);
  return store;
}

async function hubOn(store: Store, options: Partial<HubOptions> = {}): Promise<Hub> {
  const hub = await createHub({ store, agents: [echo, endless, asks], ...options });
  opened.push(hub);
  return hub;
}

/** Runs that end one after the other, a minute apart. */
async function have(hub: Hub, ids: readonly string[], thread?: string): Promise<void> {
  for (const id of ids) {
    vi.setSystemTime(Date.now() + MINUTE);
    const { run } = await hub.start({ id, input: "Hello", ...(thread !== undefined && { thread }) });
    await run.ended();
  }
}

const idsOf = async (hub: Hub) => (await hub.list()).runs.map(({ run }) => run);

function sweep(store: Store, retention: Retention): Promise<number> {
  const onTrouble = (error: unknown) => {
    throw error;
  };
  return new Sweeper({ store, retention, onTrouble }).sweep();
}

describe.each(Object.keys(stores))("Retention in %s", (name) => {
  it("[F98] deletes what ended longer ago than it may, whole", async () => {
    const store = opening(stores[name]!());
    const hub = await hubOn(store);
    await have(hub, ["a", "b", "c"]);
    vi.setSystemTime(NOON + 2 * MINUTE + DAY);
    expect(await sweep(store, { maxAgeMs: DAY })).toBe(1);
    expect(await idsOf(hub)).toEqual(["c", "b"]);
    expect(await store.tail("a")).toEqual({ seq: 0, check: 0 });
    expect(await store.read("a", 0, 1)).toEqual([]);
    expect(await sweep(store, { maxAgeMs: DAY })).toBe(0);
  });

  it("[F98] counts from the end of a run, however long ago it started", async () => {
    const store = opening(stores[name]!());
    const hub = await hubOn(store);
    const { run } = await hub.start({ id: "long", agent: "endless", input: "x" });
    vi.setSystemTime(NOON + 2 * DAY);
    await run.cancel();
    await run.ended();
    expect(await sweep(store, { maxAgeMs: DAY })).toBe(0);
    vi.setSystemTime(NOON + 3 * DAY + 1);
    expect(await sweep(store, { maxAgeMs: DAY })).toBe(1);
  });

  it("[F98] deletes the oldest beyond a number, or a size", async () => {
    const store = opening(stores[name]!());
    const hub = await hubOn(store);
    await have(hub, ["a", "b", "c", "d"]);
    expect(await sweep(store, { maxRuns: 3 })).toBe(1);
    expect(await idsOf(hub)).toEqual(["d", "c", "b"]);
    const sizes = await Promise.all(["b", "c", "d"].map((run) => sizeOf(store, run)));
    const bytes = sizes.reduce((a, b) => a + b);
    expect(await sweep(store, { maxBytes: bytes })).toBe(0);
    expect(await sweep(store, { maxBytes: bytes - 1 })).toBe(1);
    expect(await idsOf(hub)).toEqual(["d", "c"]);
    expect(await sweep(store, { maxRuns: 0 })).toBe(2);
    expect(await idsOf(hub)).toEqual([]);
  });

  it("[F98] never deletes a run that works or waits, but counts it", async () => {
    const store = opening(stores[name]!());
    const hub = await hubOn(store);
    await hub.start({ id: "working", agent: "endless", input: "x" });
    vi.setSystemTime(NOON + 1);
    const { run } = await hub.start({ id: "waiting", agent: "asks", input: "x" });
    for await (const { entries } of run.follow())
      if (entries?.some(({ type }) => type === "approval.requested")) break;
    await have(hub, ["a", "b"]);
    vi.setSystemTime(NOON + 100 * DAY);
    expect(await sweep(store, { maxRuns: 3 })).toBe(1);
    expect(await idsOf(hub)).toEqual(["b", "waiting", "working"]);
    expect(await sweep(store, { maxAgeMs: 0, maxRuns: 0, maxBytes: 0 })).toBe(1);
    expect(await idsOf(hub)).toEqual(["waiting", "working"]);
  });

  it("[F98] may be done by several at once: each run is deleted once", async () => {
    const store = opening(stores[name]!());
    const hub = await hubOn(store);
    const ids = Array.from({ length: 40 }, (_, index) => `run-${index}`);
    await have(hub, ids);
    const counts = await Promise.all(Array.from({ length: 4 }, () => sweep(store, { maxRuns: 5 })));
    expect(counts.reduce((a, b) => a + b)).toBe(35);
    expect(await idsOf(hub)).toEqual(ids.slice(-5).reverse());
  });

  it("[F98] deletes a thread with the last of its runs, and until then tells what is left of it", async () => {
    const store = opening(stores[name]!());
    const hub = await hubOn(store);
    await have(hub, ["a", "b", "c"], "t");
    await hub.run("a").delete();
    await have(hub, ["d"], "t");
    // Two runs of two messages each.
    expect((await hub.run("d").log.entries()).map(({ event }) => event)).toContainEqual(
      expect.objectContaining({ type: "text.delta", text: "4:Hello" }),
    );
    await hub.run("d").delete();
    await hub.run("b").delete();
    expect((await store.tail("thread:t")).seq).toBe(4);
    vi.setSystemTime(NOON + DAY);
    await hub.run("c").delete();
    expect(await store.tail("thread:t")).toEqual({ seq: 0, check: 0 });
    await have(hub, ["e"], "t");
    expect((await hub.list({ thread: "t" })).runs.map(({ run }) => run)).toEqual(["e"]);
  });

  it("[F98] keeps a thread in which a run is about to start", async () => {
    const store = opening(stores[name]!());
    const hub = await hubOn(store);
    await have(hub, ["a"], "t");
    await hub.run("a").delete();
    expect((await store.tail("thread:t")).seq).toBe(1);
  });

  it("[F98] tells of a deleted run for 30 days, and then of none", async () => {
    const store = opening(stores[name]!());
    const hub = await hubOn(store);
    await have(hub, ["a", "b"]);
    const deletedAt = Date.now();
    await hub.run("a").delete();
    const refusals = () =>
      Promise.all(
        [
          hub.run("a").info(),
          hub.run("a").delete(),
          hub.run("a").log.entries(),
          hub.run("a").follow().next(),
          hub.run("a").send({ type: "input.cancel" }),
        ].map((each) => each.then(() => undefined).catch(({ code }) => code)),
      );
    expect(await refusals()).toEqual(Array(5).fill("run_deleted"));
    await expect(hub.run("never").info()).rejects.toMatchObject({ code: "run_not_found" });
    vi.setSystemTime(deletedAt + 30 * DAY - 1);
    expect(await refusals()).toEqual(Array(5).fill("run_deleted"));
    vi.setSystemTime(deletedAt + 30 * DAY);
    expect(await refusals()).toEqual(Array(5).fill("run_not_found"));
    // The next one to be deleted takes away what is left.
    expect((await store.tail("deleted:a")).seq).toBe(1);
    vi.setSystemTime(deletedAt + 30 * DAY + 1);
    await hub.run("b").delete();
    expect(await store.tail("deleted:a")).toEqual({ seq: 0, check: 0 });
    expect((await store.tail("deleted:b")).seq).toBe(1);
  });

  it("[F98] the name of a deleted run is free again, and is remembered anew with its next run", async () => {
    const store = opening(stores[name]!());
    const hub = await hubOn(store);
    await have(hub, ["a"]);
    await hub.run("a").delete();
    vi.setSystemTime(NOON + 20 * DAY);
    await have(hub, ["a"]);
    expect(await hub.run("a").info()).toMatchObject({ status: "finished" });
    await hub.run("a").delete();
    vi.setSystemTime(NOON + 40 * DAY);
    await expect(hub.run("a").info()).rejects.toMatchObject({ code: "run_deleted" });
  });

  it("[F98] lists no deleted run, on whatever page", async () => {
    const store = opening(stores[name]!());
    const hub = await hubOn(store);
    await have(hub, ["a", "b", "c", "d"]);
    await hub.run("b").delete();
    await hub.run("d").delete();
    const first = await hub.list({ limit: 1 });
    expect(first.runs.map(({ run }) => run)).toEqual(["c"]);
    const second = await hub.list({ limit: 1, before: first.next! });
    expect(second.runs.map(({ run }) => run)).toEqual(["a"]);
    expect(second.next).toBeUndefined();
  });
});

it("[F98] deletes also where there is no room for a tombstone, and writes it once there is", async () => {
  const store = memoryStore();
  const hub = await hubOn(store);
  await have(hub, ["a", "b"]);
  let refusals = 1;
  const { append } = store;
  vi.spyOn(store, "append").mockImplementation(async (...given) => {
    if (refusals-- > 0) throw new RunError("store_full", "Cannot append: there is no room");
    return append.apply(store, given);
  });
  await hub.run("a").delete();
  await expect(hub.run("a").info()).rejects.toMatchObject({ code: "run_deleted" });
  // Where there never is, nothing is remembered.
  refusals = Number.POSITIVE_INFINITY;
  await hub.run("b").delete();
  await expect(hub.run("b").info()).rejects.toMatchObject({ code: "run_not_found" });
});

/** As its record says, and not far from what the log has. */
async function sizeOf(store: Store, run: string): Promise<number> {
  const { bytes } = JSON.parse((await store.record(run))!.text);
  const [batch] = await store.read(run, 0, 1);
  expect(bytes).toBeGreaterThanOrEqual(batch!.text.length);
  return bytes;
}

describe("Retention", () => {
  it("[F98] goes on by itself every minute until the hub stops", async () => {
    vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"], now: NOON });
    const store = memoryStore();
    const hub = await hubOn(store, { retention: { maxRuns: 1 } });
    await have(hub, ["a", "b"]);
    await vi.advanceTimersByTimeAsync(MINUTE);
    await vi.waitFor(async () => {
      await vi.advanceTimersByTimeAsync(10);
      expect(await idsOf(hub)).toEqual(["b"]);
    });
    await hub.drain(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("sets no timer where all is kept", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    await hubOn(memoryStore());
    const without = vi.getTimerCount();
    await hubOn(memoryStore(), { retention: { maxRuns: 1 } });
    expect(vi.getTimerCount()).toBe(2 * without + 1);
  });

  it("refuses what is no limit", () => {
    const at = (retention: Retention) => () =>
      new Sweeper({ store: memoryStore(), retention, onTrouble() {} });
    expect(at({ maxRuns: -1 })).toThrow(RangeError);
    expect(at({ maxAgeMs: Number.NaN })).toThrow("maxAgeMs");
  });

  it("[F98] leaves the new run of a name alone that was free again meanwhile", async () => {
    const store = opening(memoryStore());
    const hub = await hubOn(store);
    await have(hub, ["a"]);
    let asked = 0;
    const slow: Store = {
      ...plainStore(store),
      // Between the list and the deletion, the run is deleted and its name taken.
      async tail(run) {
        if (run === "a" && asked++ === 0) {
          await hub.run("a").delete();
          await hub.start({ id: "a", agent: "endless", input: "again" });
        }
        return store.tail(run);
      },
    };
    const troubles: unknown[] = [];
    const sweeper = new Sweeper({
      store: slow,
      retention: { maxRuns: 0 },
      onTrouble: (error) => troubles.push(error),
    });
    expect(await sweeper.sweep()).toBe(0);
    expect(troubles).toMatchObject([{ code: "run_open" }]);
    expect(await hub.run("a").info()).toMatchObject({ status: "running", title: "again" });
  });

  it("[F98] does not take a run for deleted anew that a list which is behind still shows", async () => {
    const store = opening(memoryStore());
    const hub = await hubOn(store);
    await have(hub, ["a"]);
    const record = await store.record("a");
    await hub.run("a").delete();
    const behind: Store = { ...plainStore(store), record: async () => record, list: async () => [record!] };
    const sweeper = new Sweeper({
      store: behind,
      retention: { maxRuns: 0 },
      onTrouble: () => expect.unreachable(),
    });
    expect(await sweeper.sweep()).toBe(0);
    expect((await store.tail("deleted:a")).seq).toBe(1);
  });

  it("[F98] every door of the server answers 410 for a deleted run, and 404 for one that never was", async () => {
    const store = opening(memoryStore());
    const hub = await hubOn(store);
    const app = createApp({ hub });
    await have(hub, ["a"]);
    const ask = async (path: string, init?: RequestInit) => {
      const response = await app.fetch(new Request(`http://127.0.0.1${path}`, init));
      return [response.status, ((await response.json()) as { code: string }).code];
    };
    expect((await app.fetch(new Request("http://127.0.0.1/runs/a", { method: "DELETE" }))).status).toBe(204);
    for (const accept of ["text/event-stream", "application/json", "application/x-ndjson"]) {
      expect(await ask("/runs/a/events", { headers: { accept } })).toEqual([410, "run_deleted"]);
      expect(await ask("/runs/b/events", { headers: { accept } })).toEqual([404, "run_not_found"]);
    }
    expect(await ask("/runs/a")).toEqual([410, "run_deleted"]);
    expect(await ask("/runs/a", { method: "DELETE" })).toEqual([410, "run_deleted"]);
    expect(await ask("/runs/b", { method: "DELETE" })).toEqual([404, "run_not_found"]);
    const cancel = { method: "POST", body: "{}", headers: { "content-type": "application/json" } };
    expect(await ask("/runs/a/cancel", cancel)).toEqual([410, "run_deleted"]);
  });
});
