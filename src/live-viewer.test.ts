import { describe, expect, it, onTestFinished, vi } from "vitest";
import { sealBatch } from "./batch.ts";
import { Channel, Channels } from "./channel.ts";
import { event, type StreamEvent } from "./events.ts";
import { LiveViewer } from "./live-viewer.ts";
import { EMPTY, Log } from "./log.ts";
import { nativeView } from "./protocols/native/view.ts";
import { encodeEvent } from "./schema.ts";
import type { Batch, Store, Tail } from "./store.ts";
import { memoryStore } from "./stores/memory.ts";

const KiB = 1024;

/** A log that holds so many events of so many bytes, and an outlet that keeps what is written to it. */
async function viewing(count: number, size = 10) {
  const store = memoryStore();
  let tail: Tail = EMPTY;
  const append = async (text: string) => {
    const batch = sealBatch(tail, [encodeEvent(event.textDelta({ id: "1", text }))], 1, `by ${tail.seq}`);
    await store.append("r", tail, batch);
    tail = { seq: batch.seq, check: batch.check };
  };
  for (let n = 0; n < count; n++) await append("x".repeat(size));
  const channels = new Channels((frames) => frames.length);
  const ended = Promise.withResolvers<boolean>();
  const outlet = {
    written: 0,
    unread: 0,
    write: (frames: number) => {
      outlet.written += frames;
      outlet.unread += frames * size;
    },
    room: (): Promise<void> | undefined => undefined,
    end: (whole: boolean) => ended.resolve(whole),
    fail: (error: unknown) => ended.reject(error),
  };
  const source = { log: new Log(store, "r"), view: nativeView(), after: EMPTY };
  return {
    store,
    append,
    channels,
    outlet,
    ended: ended.promise,
    viewer: new LiveViewer(channels, source, outlet),
  };
}

const say = (text: string) => event.textDelta({ id: "1", text });
const finished = event.runFinished({ cost: 0 });

/** Appends to a log from its start. */
function appender(store: Store) {
  let tail: Tail = EMPTY;
  return async (...events: StreamEvent[]) => {
    for (const each of events) {
      const batch = sealBatch(tail, [encodeEvent(each)], 1, `by ${tail.seq}`);
      expect(await store.append("r", tail, batch)).toBeUndefined();
      tail = { seq: batch.seq, check: batch.check };
    }
  };
}

/** Viewers of one run, which keep a word for each frame. Each reads, unless it is told not to. */
function audience(store: Store) {
  const channels = new Channels((frames) =>
    frames.map(({ data, event }) => event ?? /"text":"(\w+)"/.exec(data)?.[1] ?? "finished"),
  );
  const show = () => {
    const got: string[] = [];
    const ended = Promise.withResolvers<boolean>();
    ended.promise.catch(() => {});
    let reading: PromiseWithResolvers<void> | undefined;
    const outlet = {
      write: (words: string[]) => void got.push(...words),
      get unread() {
        return reading ? Number.POSITIVE_INFINITY : 0;
      },
      room: () => reading?.promise,
      end: ended.resolve,
      fail: ended.reject,
    };
    const source = { log: new Log(store, "r"), view: nativeView(), after: EMPTY };
    void new LiveViewer(channels, source, outlet).show();
    return {
      got,
      ended: ended.promise,
      pause: () => {
        reading = Promise.withResolvers();
      },
      resume: () => {
        reading?.resolve();
        reading = undefined;
      },
    };
  };
  return show;
}

/** A store that can lose its logs for those of another one; hints come when the test gives them. */
function losing(store: Store) {
  let current = store;
  const wakes = new Set<(batch?: Batch) => void>();
  const front: Store = new Proxy(store, {
    get(_, name: keyof Store) {
      if (name !== "watch") return (current[name] as () => unknown).bind?.(current) ?? current[name];
      return (_run: string, wake: () => void) => {
        wakes.add(wake);
        return { [Symbol.dispose]: () => void wakes.delete(wake) };
      };
    },
  });
  return {
    store: front,
    lose: (other: Store) => {
      current = other;
    },
    hint: () => {
      for (const wake of [...wakes]) wake();
    },
  };
}

const turns = async (count = 20) => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
};

/** A run with two entries, of which its one viewer has read only the first. */
async function oneNotReading() {
  const store = memoryStore();
  const show = audience(store);
  const append = appender(store);
  await append(say("a"));
  const slow = show();
  await turns();
  slow.pause();
  await append(say("b"));
  await turns();
  return { store, show, append, slow };
}

describe("LiveViewer", () => {
  it("[F50] shows what was, then what comes, and once it is stopped what there is by then", async () => {
    const { viewer, append, outlet, ended } = await viewing(5);
    void viewer.show();
    await turns();
    expect(outlet.written).toBe(5);
    await append("more");
    await append("and more");
    viewer.stop();
    expect(await ended).toBe(false);
    expect(outlet.written).toBe(7);
  });

  it("[F52] leaves nothing behind that watches the store, whenever it leaves", async () => {
    const { store, channels, viewer } = await viewing(5);
    const watch = vi.spyOn(store, "watch");
    const use = vi.spyOn(channels, "use");
    const showing = viewer.show();
    // While it reads what was.
    viewer.leave();
    await showing;
    await turns();
    expect(use).not.toHaveBeenCalled();
    expect(watch).not.toHaveBeenCalled();
  });

  it("[F76] ends where the server stops and nobody reads, without taking the rest of the log into memory", async () => {
    const { viewer, outlet, ended } = await viewing(400, 8 * KiB);
    void viewer.show();
    viewer.stop();
    expect(await ended).toBe(false);
    expect(outlet.unread).toBeLessThan(600 * KiB);
    expect(outlet.written).toBeLessThan(400);
  });

  it.each([["shorter", 1] as const, ["longer", 9] as const])(
    "shows all the run that has the name of a deleted one, though somebody did not read then, a %s one",
    async (_, count) => {
      const { store, show, append, slow } = await oneNotReading();
      // More than it reads, so that it leaves the channel; and then the end, which it does not hear of.
      await append(say("c"), finished);
      await turns();
      await store.delete("r", await store.tail("r"));
      const appendNew = appender(store);
      const words = Array.from({ length: count }, (_, n) => `new${n}`);
      await appendNew(...words.map(say));
      const other = show();
      await turns();
      await appendNew(say("live"));
      await turns();
      expect(other.got).toEqual([...words, "live"]);
      slow.resume();
      await turns();
      // By then both are live.
      const read = vi.spyOn(store, "read");
      await turns();
      expect(read).not.toHaveBeenCalled();
      await appendNew(finished);
      expect(await Promise.all([slow.ended, other.ended])).toEqual([true, true]);
      expect(other.got).toEqual([...words, "live", "finished"]);
      expect(slow.got.slice(slow.got.indexOf("reset"))).toEqual(["reset", ...other.got]);
    },
  );

  it("shows a run once the store is well again, though somebody did not read when it failed", async () => {
    const { store, show, slow } = await oneNotReading();
    const read = vi.spyOn(store, "read").mockRejectedValue(new Error("gone"));
    // A batch that does not continue what is known has to be read.
    await store.delete("r", await store.tail("r"));
    const appendNew = appender(store);
    await appendNew(say("new"));
    await turns();
    read.mockRestore();
    const other = show();
    await turns();
    await appendNew(finished);
    expect(await other.ended).toBe(true);
    expect(other.got).toEqual(["new", "finished"]);
    slow.resume();
    expect(await slow.ended).toBe(true);
  });

  it.each([
    ["has another entry in its place", [say("b"), say("c"), finished]],
    ["ends before it", [finished]],
  ])(
    "begins anew where the store has lost what the channel had not handed on yet, and %s",
    async (_, rest) => {
      const [before, after] = [memoryStore(), memoryStore()];
      const [append, appendOther] = [appender(before), appender(after)];
      const { store, lose, hint } = losing(before);
      const show = audience(store);
      await append(say("a"));
      show();
      await turns();
      await append(say("lost"), say("lost"));
      const ahead = show();
      await turns();
      expect(ahead.got).toEqual(["a", "lost", "lost"]);
      await appendOther(say("a"));
      lose(after);
      for (const event of rest) {
        await appendOther(event);
        hint();
        await turns();
      }
      expect(await ahead.ended).toBe(true);
      expect(ahead.got.slice(3)).toEqual([
        "reset",
        "a",
        ...rest.map((each) => ("text" in each ? each.text : "finished")),
      ]);
    },
  );

  it("lets all else have its turn, however often it is not let in", async () => {
    const { viewer, ended } = await viewing(1);
    let asked = 0;
    const join = vi.spyOn(Channel.prototype, "join").mockImplementation(() => ++asked === 10_000);
    onTestFinished(() => join.mockRestore());
    void viewer.show();
    await turns(20);
    expect(asked).toBeGreaterThan(0);
    expect(asked).toBeLessThanOrEqual(20);
    viewer.stop();
    await ended;
  });
});
