import { describe, expect, it, vi } from "vitest";
import { sealBatch } from "./batch.ts";
import { Channel, Channels, type ChannelViewer, type Piece } from "./channel.ts";
import { event, type StreamEvent } from "./events.ts";
import { EMPTY, Log } from "./log.ts";
import { nativeView } from "./protocols/native/view.ts";
import { encodeEvent } from "./schema.ts";
import type { Store, Tail } from "./store.ts";
import { memoryStore } from "./stores/memory.ts";
import type { Frames, View } from "./view.ts";

const turns = async (count = 20) => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
};
const say = (text: string) => event.textDelta({ id: "1", text });

/** A log that the test appends to. */
async function logWith(store: Store, ...events: StreamEvent[]) {
  let tail: Tail = EMPTY;
  const append = async (...more: StreamEvent[]) => {
    const batch = sealBatch(tail, more.map(encodeEvent), 1, `by ${tail.seq}`);
    await store.append("r", tail, batch);
    tail = { seq: batch.seq, check: batch.check };
  };
  if (events.length > 0) await append(...events);
  return { log: new Log(store, "r"), append };
}

/** A viewer that keeps what it is handed. */
function viewer() {
  const pieces: Piece<string>[] = [];
  const failures: unknown[] = [];
  const taking: ChannelViewer<string> = {
    take: (piece) => void pieces.push(piece),
    fail: (error) => void failures.push(error),
  };
  return { taking, pieces, failures, text: () => pieces.map(({ encoded }) => encoded ?? "").join("") };
}

const started = event.runStarted({ v: 1, agent: "a", input: "x" });
const finished = event.runFinished({ cost: 0 });

describe("Channel", () => {
  it("[F49] [F75] follows the log once and encodes each piece once, however many take it", async () => {
    const store = memoryStore();
    const watch = vi.spyOn(store, "watch");
    const { log, append } = await logWith(store, started);
    const encode = vi.fn((frames: Frames) => frames.map(({ data }) => data).join("\n"));
    using channel = new Channel({ log, view: nativeView(), encode });
    await channel.ready;
    const viewers = Array.from({ length: 100 }, viewer);
    for (const { taking } of viewers) expect(channel.join(taking, channel.handedOn)).toBe(true);
    for (let n = 0; n < 10; n++) {
      await append(say(`${n}`));
      await turns();
    }
    const [first] = viewers;
    await vi.waitFor(() => expect(first!.pieces.at(-1)?.tail.seq).toBe(11));
    expect(watch).toHaveBeenCalledTimes(1);
    // Fewer than events where the machine is busy: what comes meanwhile is one piece.
    expect(encode.mock.calls.length).toBe(first!.pieces.length);
    expect(first!.pieces.length).toBeLessThanOrEqual(10);
    expect(first!.text().match(/text\.delta/g)).toHaveLength(10);
    for (const [index, { after }] of first!.pieces.entries())
      expect(after).toBe(index === 0 ? 1 : first!.pieces[index - 1]!.tail.seq);
    for (const { pieces } of viewers) expect(pieces).toEqual(first!.pieces);
  });

  it("[F50] lets nobody in who has less than it has handed on: there is more to be read", async () => {
    const { log, append } = await logWith(memoryStore(), started, say("a"));
    using channel = new Channel({ log, view: nativeView(), encode: JSON.stringify });
    await channel.ready;
    const [first, second] = await log.entries();
    const late = viewer();
    expect(channel.join(late.taking, first!)).toBe(false);
    expect(channel.join(late.taking, second!)).toBe(true);
    await append(say("b"));
    await turns();
    expect(late.pieces.map(({ after, tail }) => [after, tail.seq])).toEqual([[2, 3]]);
    expect(channel.join(viewer().taking, second!)).toBe(false);
  });

  it("lets nobody in who has another log, or more than one that has ended", async () => {
    const { log, append } = await logWith(memoryStore(), started, say("a"));
    using channel = new Channel({ log, view: nativeView(), encode: JSON.stringify });
    await channel.ready;
    const ahead = viewer();
    expect(channel.join(ahead.taking, { seq: 2, check: 1 })).toBe(false);
    expect(channel.join(ahead.taking, { seq: 9, check: 1 })).toBe(true);
    channel.leave(ahead.taking);
    await append(finished);
    await turns();
    expect(channel.join(ahead.taking, { seq: 9, check: 1 })).toBe(false);
    expect(ahead.pieces).toEqual([]);
  });

  it("[F82] tells the end, also to who comes after it", async () => {
    const { log, append } = await logWith(memoryStore(), started);
    using channel = new Channel({ log, view: nativeView(), encode: JSON.stringify });
    await channel.ready;
    const [early, late] = [viewer(), viewer()];
    channel.join(early.taking, channel.handedOn);
    await append(finished);
    await turns();
    expect(early.pieces.at(-1)).toMatchObject({ ended: true, tail: { seq: 2 } });
    expect(channel.join(late.taking, channel.handedOn)).toBe(true);
    expect(late.pieces).toMatchObject([{ ended: true, encoded: undefined }]);
  });

  it("shows a view with state the log from its start, and hands on only what is new", async () => {
    const seen: number[] = [];
    const counting: View = {
      name: "counting",
      start: () => {
        let entries = 0;
        return ({ seq }) => {
          seen.push(seq);
          return [{ data: `${++entries}` }];
        };
      },
    };
    const { log, append } = await logWith(memoryStore(), started, say("a"), say("b"));
    const encode = (frames: Frames) => frames.map(({ data }) => data).join();
    using channel = new Channel({ log, view: counting, encode });
    await channel.ready;
    const one = viewer();
    channel.join(one.taking, channel.handedOn);
    await append(say("c"));
    await turns();
    expect(seen).toEqual([1, 2, 3, 4]);
    expect(one.text()).toBe("4");
  });

  it("tells its viewers that a log was replaced, and shows the new one from its start", async () => {
    const [before, restored] = [memoryStore(), memoryStore()];
    await logWith(before, started, say("a"));
    await logWith(restored, started, say("other"), say("more"));
    let store: Store = before;
    let wake = () => {};
    const replaced: Store = new Proxy(before, {
      get(_, name: keyof Store) {
        if (name !== "watch") return (store[name] as () => unknown).bind?.(store) ?? store[name];
        return (_run: string, woken: () => void) => {
          wake = woken;
          return { [Symbol.dispose]() {} };
        };
      },
    });
    using channel = new Channel({
      log: new Log(replaced, "r"),
      view: nativeView(),
      encode: JSON.stringify,
    });
    await channel.ready;
    const one = viewer();
    channel.join(one.taking, channel.handedOn);
    store = restored;
    wake();
    await vi.waitFor(() => expect(one.text()).toContain("other"));
    expect(one.pieces[0]).toMatchObject({ reset: true });
  });

  it("fails its viewers when the store does, and whoever comes later", async () => {
    const store = memoryStore();
    const { log } = await logWith(store, started);
    using channel = new Channel({ log, view: nativeView(), encode: JSON.stringify });
    await channel.ready;
    const one = viewer();
    channel.join(one.taking, channel.handedOn);
    const broken = new Error("gone");
    vi.spyOn(store, "read").mockRejectedValue(broken);
    // A batch that does not continue what is known: only reading can tell what became of the log.
    await store.delete("r", await store.tail("r"));
    await logWith(store, started, say("other"));
    await vi.waitFor(() => expect(one.failures).toEqual([broken]));
    expect(() => channel.join(viewer().taking, channel.handedOn)).toThrow("gone");
  });

  it("fails all its viewers where a piece cannot be encoded, and no other channel with them", async () => {
    const broken = new Error("no frames");
    const [{ log, append }, other] = [
      await logWith(memoryStore(), started),
      await logWith(memoryStore(), started),
    ];
    const encode = () => {
      throw broken;
    };
    using channel = new Channel<string>({ log, view: nativeView(), encode });
    using sound = new Channel({ log: other.log, view: nativeView(), encode: JSON.stringify });
    await Promise.all([channel.ready, sound.ready]);
    const [one, two, third] = [viewer(), viewer(), viewer()];
    vi.spyOn(one.taking, "fail").mockImplementation(() => {
      throw new Error("not to be told");
    });
    channel.join(one.taking, channel.handedOn);
    channel.join(two.taking, channel.handedOn);
    sound.join(third.taking, sound.handedOn);
    await Promise.all([append(say("a")), other.append(say("b"))]);
    await vi.waitFor(() => expect(third.text()).toContain("b"));
    expect(one.taking.fail).toHaveBeenCalledWith(broken);
    expect(two.failures).toEqual([broken]);
    expect(channel.over).toBe(true);
  });

  it("fails a viewer that throws, and hands on to the others", async () => {
    const { log, append } = await logWith(memoryStore(), started);
    using channel = new Channel({ log, view: nativeView(), encode: JSON.stringify });
    await channel.ready;
    const broken = new Error("no connection");
    const [one, other] = [viewer(), viewer()];
    const take = vi.spyOn(one.taking, "take").mockImplementation(() => {
      throw broken;
    });
    channel.join(one.taking, channel.handedOn);
    channel.join(other.taking, channel.handedOn);
    for (const text of ["a", "b"]) {
      await append(say(text));
      await vi.waitFor(() => expect(other.text()).toContain(text));
    }
    expect(take).toHaveBeenCalledTimes(1);
    expect(one.failures).toEqual([broken]);
    expect(other.failures).toEqual([]);
  });
});

describe("Channels", () => {
  it("[F49] are one for each run and view, made with the first viewer and gone with the last", async () => {
    const { log } = await logWith(memoryStore(), started);
    const channels = new Channels(JSON.stringify);
    const one = channels.use(log, nativeView());
    const same = channels.use(log, nativeView());
    const other = channels.use(log, nativeView({ types: ["text.*"] }));
    expect(same).toBe(one);
    expect(other).not.toBe(one);
    channels.release(one);
    expect(channels.use(log, nativeView())).toBe(one);
    channels.release(one);
    channels.release(one);
    const again = channels.use(log, nativeView());
    expect(again).not.toBe(one);
    channels.release(again);
    channels.release(other);
  });

  it("are made anew once the log has ended or the store has failed, whoever has the old ones", async () => {
    const store = memoryStore();
    const { log, append } = await logWith(store, started);
    const channels = new Channels(JSON.stringify);
    const read = vi.spyOn(store, "read").mockRejectedValue(new Error("gone"));
    const failed = channels.use(log, nativeView());
    await failed.ready;
    read.mockRestore();
    const live = channels.use(log, nativeView());
    expect(live).not.toBe(failed);
    await live.ready;
    channels.release(failed);
    expect(channels.use(log, nativeView())).toBe(live);
    await append(finished);
    expect(channels.use(log, nativeView())).not.toBe(live);
  });
});
