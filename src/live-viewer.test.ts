import { describe, expect, it, vi } from "vitest";
import { sealBatch } from "./batch.ts";
import { Channels } from "./channel.ts";
import { event } from "./events.ts";
import { LiveViewer } from "./live-viewer.ts";
import { EMPTY, Log } from "./log.ts";
import { nativeView } from "./protocols/native/view.ts";
import { encodeEvent } from "./schema.ts";
import type { Tail } from "./store.ts";
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

const turns = async (count = 20) => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
};

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
});
