import { createServer, get } from "node:http";
import { type AddressInfo, Socket } from "node:net";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { sealBatch } from "../../batch.ts";
import { event, type StreamEvent } from "../../events.ts";
import { EMPTY, Log } from "../../log.ts";
import { nativeView } from "../../protocols/native/view.ts";
import { encodeEvent } from "../../schema.ts";
import type { Tail } from "../../store.ts";
import { memoryStore } from "../../stores/memory.ts";
import type { View } from "../../view.ts";
import { DirectViewers } from "./direct.ts";
import { sseDefaults } from "./server.ts";

// Speed is shown in `bench/`. Here it is counted what is done, so that nothing is done for each viewer, or for each event,
// that could be done once for all.

const say = (n: number) => event.custom({ name: "app.said", data: `${n} ${"lorem ipsum ".repeat(12)}` });

/** A log that is shown to whoever connects, and what that takes. */
async function serve() {
  const store = memoryStore();
  const log = new Log(store, "r");
  let tail: Tail = EMPTY;
  const append = async (...events: StreamEvent[]) => {
    const before = tail;
    const batch = sealBatch(before, events.map(encodeEvent), 1, `by ${before.seq}`);
    tail = { seq: batch.seq, check: batch.check };
    await store.append("r", before, batch);
  };
  await append(event.runStarted({ v: 1, agent: "a", input: "x" }));
  const counts = { shown: 0, read: 0 };
  const native = nativeView();
  const view: View = {
    ...native,
    start() {
      const show = native.start();
      return (entry) => {
        counts.shown++;
        return show(entry);
      };
    },
  };
  const { read } = store;
  vi.spyOn(store, "read").mockImplementation((...asked) => {
    counts.read++;
    return read.apply(store, asked);
  });
  /** How often each buffer was written. */
  const writes = new Map<Buffer, number>();
  const { write } = Socket.prototype;
  vi.spyOn(Socket.prototype, "write").mockImplementation(function (this: Socket, ...given: unknown[]) {
    const [chunk] = given;
    if (Buffer.isBuffer(chunk) && chunk.includes("app.said")) writes.set(chunk, (writes.get(chunk) ?? 0) + 1);
    return Reflect.apply(write, this, given) as boolean;
  });
  const viewers = new DirectViewers(sseDefaults);
  const server = createServer((_, outgoing) => {
    outgoing.writeHead(200);
    outgoing.flushHeaders();
    viewers.show(outgoing, { log, view, after: EMPTY });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    vi.restoreAllMocks();
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  /** Connects, and resolves once it is shown something. */
  const watch = async () => {
    const got = { text: "", ended: Promise.withResolvers<void>() };
    await new Promise<void>((resolve) => {
      get({ port, host: "127.0.0.1", agent: false }, (response) => {
        response.setEncoding("utf8").on("data", (text: string) => {
          got.text += text;
          if (got.text.includes("run.started")) resolve();
        });
        response.on("end", got.ended.resolve);
      });
    });
    return got;
  };
  const finish = () => append(event.runFinished({ cost: 0 }));
  return { append, finish, watch, counts, writes };
}

const turns = async (count: number) => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
};

describe("what a viewer costs", () => {
  it("[F49] one that keeps up: an entry is shown and encoded once for all, each of them is written the same bytes once, and nothing is read", async () => {
    const [viewerCount, eventCount] = [50, 40];
    const { append, finish, watch, counts, writes } = await serve();
    const viewers = await Promise.all(Array.from({ length: viewerCount }, watch));
    // By then all of them are live.
    await turns(10);
    Object.assign(counts, { shown: 0, read: 0 });
    for (let n = 0; n < eventCount; n++) await append(say(n));
    await finish();
    await Promise.all(viewers.map(({ ended }) => ended.promise));

    expect(counts).toEqual({ shown: eventCount + 1, read: 0 });
    expect(writes.size).toBeGreaterThan(0);
    expect(writes.size).toBeLessThanOrEqual(eventCount);
    for (const times of writes.values()) expect(times).toBe(viewerCount);
    for (const { text } of viewers) expect(text.match(/app\.said/g)).toHaveLength(eventCount);
  });

  it("[F49] events of one commit are one write", async () => {
    const { append, finish, watch, writes } = await serve();
    const viewer = await watch();
    await turns(10);
    await append(...Array.from({ length: 16 }, (_, n) => say(n)));
    await turns(10);
    await finish();
    await viewer.ended.promise;
    expect([...writes.values()]).toEqual([1]);
    expect(viewer.text.match(/app\.said/g)).toHaveLength(16);
  });

  it("[F50] one that comes late: the log is read and written in slices, however small its commits are", async () => {
    const { append, finish, watch, counts, writes } = await serve();
    for (let n = 0; n < 5_000; n++) void append(say(n));
    await finish();
    Object.assign(counts, { shown: 0, read: 0 });
    const viewer = await watch();
    await viewer.ended.promise;
    expect(viewer.text.match(/app\.said/g)).toHaveLength(5_000);
    // About 1.5 MB in slices of 256 KB.
    expect(writes.size).toBeLessThanOrEqual(8);
    expect(counts.read).toBeLessThanOrEqual(writes.size + 2);
    expect(counts.shown).toBe(5_002);
  });
});
