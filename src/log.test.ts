import { afterEach, describe, expect, it, vi } from "vitest";
import { formatCursor, parseCursor, sealBatch } from "./batch.ts";
import type { StreamEvent } from "./events.ts";
import { EMPTY, Log, type Slice } from "./log.ts";
import { encodeEvent } from "./schema.ts";
import type { Store, Tail } from "./store.ts";
import { memoryStore } from "./stores/memory.ts";
import { faultyStore } from "./testing/faulty-store.ts";

const delta = (text: string): StreamEvent => ({ type: "text.delta", id: "1", text });
const finished: StreamEvent = { type: "run.finished", cost: 0 };

/** Appends a batch for each group of events. */
async function write(store: Store, run: string, ...groups: StreamEvent[][]): Promise<Tail> {
  let tail = await store.tail(run);
  for (const events of groups) {
    const batch = sealBatch(tail, events.map(encodeEvent), 7, "test");
    expect(await store.append(run, tail, batch)).toBeUndefined();
    tail = batch;
  }
  return tail;
}

/** What an iteration yields, one word for each entry or reset. */
async function collect(slices: AsyncIterable<Slice>): Promise<string[]> {
  const words: string[] = [];
  for await (const { entries, reset } of slices) {
    words.push(...(entries?.map((entry) => `${entry.seq}:${entry.type}`) ?? [`reset:${reset}`]));
  }
  return words;
}

/** A store that does not find the second batch, as long as that is to be hidden. */
function holed() {
  const store = memoryStore();
  let hidden = true;
  const { read } = store;
  vi.spyOn(store, "read").mockImplementation(async (...asked) =>
    (await read.apply(store, asked)).filter(({ seq }) => !hidden || seq !== 2),
  );
  return {
    store,
    hide: (hide: boolean) => {
      hidden = hide;
    },
  };
}

describe("Log.follow", () => {
  afterEach(() => void vi.useRealTimers());

  it("[F50] [F51] yields what was there before anybody looked, then what comes, and ends with the run", async () => {
    const store = memoryStore();
    await write(store, "r", [delta("a"), delta("b")]);
    const all = collect(new Log(store, "r").follow());
    await write(store, "r", [delta("c")], [finished]);
    expect(await all).toEqual(["1:text.delta", "2:text.delta", "3:text.delta", "4:run.finished"]);
  });

  it("[F54] goes on after every cursor, also one in the middle of a batch", async () => {
    const store = memoryStore();
    await write(store, "r", [delta("a"), delta("b"), delta("c")], [delta("d"), finished]);
    const log = new Log(store, "r");
    const entries = await log.entries();
    for (const entry of entries) {
      const rest = await collect(log.follow({ after: parseCursor(entry.cursor) }));
      expect(rest).toEqual(entries.slice(entry.seq).map((each) => `${each.seq}:${each.type}`));
    }
  });

  it("still gets everything when every hint is lost", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const store = memoryStore();
    await write(store, "r", [delta("a")]);
    const all = collect(new Log(faultyStore(store, { loseHints: true }), "r").follow({ pollMs: 1_000 }));
    await vi.advanceTimersByTimeAsync(1);
    await write(store, "r", [finished]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await all).toEqual(["1:text.delta", "2:run.finished"]);
  });

  it("[F54] answers a cursor of another log with a reset and the whole log, never with the other's data", async () => {
    const store = memoryStore();
    await write(store, "a", [delta("secret"), delta("more")]);
    await write(store, "b", [delta("mine"), finished]);
    const foreign = parseCursor((await new Log(store, "a").entry(1))!.cursor);
    expect(await collect(new Log(store, "b").follow({ after: foreign }))).toEqual([
      "reset:mismatch",
      "1:text.delta",
      "2:run.finished",
    ]);
  });

  it("answers a cursor ahead of the log with a reset", async () => {
    const store = memoryStore();
    await write(store, "r", [finished]);
    expect(await collect(new Log(store, "r").follow({ after: { seq: 9, check: 1 } }))).toEqual([
      "reset:ahead",
      "1:run.finished",
    ]);
  });

  it("notices a log that was lost and written anew under a live viewer", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const store = memoryStore();
    const tail = await write(store, "r", [delta("old"), delta("old")]);
    const log = new Log(faultyStore(store, { loseHints: true }), "r");
    const all = collect(log.follow({ pollMs: 1_000 }));
    await vi.advanceTimersByTimeAsync(1);
    await store.delete("r", tail);
    await write(store, "r", [delta("new"), finished]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await all).toEqual([
      "1:text.delta",
      "2:text.delta",
      "reset:lost",
      "1:text.delta",
      "2:run.finished",
    ]);
  });

  it("refuses a log of which a part is missing, once that is still so after a new beginning", async () => {
    const { store } = holed();
    await write(store, "r", [delta("a")], [delta("b")], [delta("c"), finished]);
    const words: string[] = [];
    const reading = async () => {
      for await (const { entries, reset } of new Log(store, "r").follow())
        if (words.push(reset ?? `${entries!.length}`) > 10) return;
    };
    await expect(reading()).rejects.toMatchObject({
      code: "store_unavailable",
      message: 'Cannot read run "r": entry 2 does not continue its log',
    });
    expect(words).toEqual(["1", "mismatch", "1"]);
  });

  it("goes on once what was missing is there, and begins anew where it is missing again", async () => {
    const { store, hide } = holed();
    let tail = await write(store, "r", [delta("a")], [delta("b")], [delta("c")]);
    const iterator = new Log(store, "r").follow();
    const next = async () => {
      const { entries, reset } = (await iterator.next()).value!;
      return reset ?? entries!.length;
    };
    expect([await next(), await next()]).toEqual([1, "mismatch"]);
    hide(false);
    expect(await next()).toBe(3);
    await store.delete("r", tail);
    tail = await write(store, "r", [delta("new")], [delta("new")], [delta("new")]);
    expect(await next()).toBe("lost");
    hide(true);
    expect([await next(), await next()]).toEqual([1, "mismatch"]);
    hide(false);
    expect(await next()).toBe(3);
    await iterator.return();
  });

  it("refuses a run of which nothing was ever written", async () => {
    await expect(collect(new Log(memoryStore(), "none").follow())).rejects.toMatchObject({
      code: "run_not_found",
    });
  });

  it("[F72] [F80] ends without an error when its signal aborts or its reader breaks, and lets the store go", async () => {
    const store = memoryStore();
    await write(store, "r", [delta("a")]);
    let watching = 0;
    const counted: Store = {
      ...faultyStore(store, {}),
      watch: (run, wake) => {
        watching++;
        const watch = store.watch(run, wake);
        return {
          [Symbol.dispose]() {
            watching--;
            watch[Symbol.dispose]();
          },
        };
      },
    };
    const log = new Log(counted, "r");
    const abort = new AbortController();
    const waiting = collect(log.follow({ signal: abort.signal }));
    for await (const _ of log.follow()) break;
    expect(watching).toBe(1);
    abort.abort();
    expect(await waiting).toEqual(["1:text.delta"]);
    expect(watching).toBe(0);
  });

  it("[F49] [F75] holds no more than a slice for a reader that is slow, and loses nothing", async () => {
    const store = memoryStore();
    await write(store, "r", [delta("a")]);
    const iterator = new Log(store, "r").follow();
    expect((await iterator.next()).value?.entries).toHaveLength(1);
    // 2 MiB arrive while nobody reads: more than is kept of what is handed over.
    for (let i = 0; i < 64; i++) await write(store, "r", [delta("x".repeat(32 * 1024))]);
    await write(store, "r", [finished]);
    const rest: number[] = [];
    for await (const { entries } of iterator) {
      rest.push(...(entries ?? []).map((entry) => entry.seq));
      expect((entries ?? []).reduce((sum, entry) => sum + entry.json.length, 0)).toBeLessThan(600 * 1024);
    }
    expect(rest).toEqual(Array.from({ length: 65 }, (_, i) => i + 2));
  });
});

describe("cursors", () => {
  it("are at most 24 characters, and read back as they were", () => {
    for (const tail of [EMPTY, { seq: 1, check: 1 }, { seq: 100_000, check: 0xffff_ffff }]) {
      const text = formatCursor(tail);
      expect(text).toMatch(/^[0-9a-z-]{1,24}$/);
      expect(parseCursor(text)).toEqual(tail);
    }
  });

  it("are refused when they cannot be ours", () => {
    for (const text of [
      "-1",
      "1",
      "abc",
      "1-",
      "1-ABC",
      "1-zzzzzzz",
      "1.5-a",
      "9".repeat(40),
      `1-${"a".repeat(10_000)}`,
      "1-a\0",
      "1-a\n",
    ]) {
      expect(parseCursor(text), text.slice(0, 20)).toBeUndefined();
    }
  });
});
