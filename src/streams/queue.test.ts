import { describe, expect, it } from "vitest";
import { parseCursor, StoredEntry } from "../batch.ts";
import type { AgentEvent } from "../events.ts";
import { createHub } from "../hub.ts";
import { memoryStore } from "../stores/memory.ts";
import { joinDeltas } from "./join-deltas.ts";
import { collect, from, Probe } from "./probe.fixture.ts";
import { Disconnected, Queue, queued } from "./queue.ts";

const delta = (id: string, text: string): AgentEvent => ({ type: "text.delta", id, text });
const turn = () => new Promise(setImmediate);

describe("a queue", () => {
  it("[F75] [F76] wait: lets the producer wait, and go on once there is room", async () => {
    const queue = new Queue<number>({ limit: 2 });
    expect(queue.push(1)).toBeUndefined();
    let room = false;
    const waiting = queue.push(2)?.then(() => {
      room = true;
    });
    await turn();
    expect(room).toBe(false);
    const values = queue[Symbol.asyncIterator]();
    expect((await values.next()).value).toBe(1);
    await waiting;
    expect(queue.size).toBe(1);
    queue.end();
    expect((await values.next()).value).toBe(2);
    expect((await values.next()).done).toBe(true);
  });

  it("[F76] coalesce: joins neighbouring deltas of a block, and loses nothing", async () => {
    const queue = new Queue<AgentEvent>({ limit: 3, whenFull: "coalesce" });
    const said = [
      delta("1", "a"),
      delta("1", "b"),
      delta("1", "c"),
      delta("2", "d"),
      delta("2", "e"),
      delta("2", "f"),
    ];
    for (const event of said) expect(queue.push(event)).toBeUndefined();
    queue.end();
    expect(await collect(queue)).toEqual([delta("1", "abc"), delta("2", "def")]);
  });

  it("[F76] coalesce: lets the producer wait where nothing can be joined", () => {
    const queue = new Queue<AgentEvent>({ limit: 2, whenFull: "coalesce" });
    expect(queue.push({ type: "custom", name: "app.a", data: 1 })).toBeUndefined();
    expect(queue.push({ type: "custom", name: "app.b", data: 2 })).toBeInstanceOf(Promise);
  });

  it("[F76] snapshot: all that waits becomes one value", async () => {
    const queue = new Queue<number>({
      limit: 2,
      whenFull: "snapshot",
      snapshot: (waiting) => waiting.reduce((sum, each) => sum + each),
    });
    for (const value of [1, 2, 3, 4]) expect(queue.push(value)).toBeUndefined();
    queue.end();
    expect(await collect(queue)).toEqual([6, 4]);
  });

  it("[F76] disconnect: the reader is told how far it got, and the producer is not held up", async () => {
    const queue = new Queue<number>({ limit: 2, whenFull: "disconnect" });
    const values = queue[Symbol.asyncIterator]();
    queue.push(1);
    expect((await values.next()).value).toBe(1);
    for (const value of [2, 3, 4, 5]) expect(queue.push(value)).toBeUndefined();
    expect([queue.over, queue.size]).toEqual([true, 0]);
    const error = await values.next().catch((thrown) => thrown);
    expect(error).toBeInstanceOf(Disconnected);
    expect(error.last).toBe(1);
  });

  it("lets a waiting producer go, and takes nothing more, once its reader has gone", async () => {
    const queue = new Queue<number>({ limit: 1 });
    const values = queue[Symbol.asyncIterator]();
    queue.push(1);
    await values.next();
    const room = queue.push(2);
    await values.return();
    await room;
    expect(queue.push(3)).toBeUndefined();
    expect(queue.size).toBe(0);
  });

  it("gives what waits before the error of its producer", async () => {
    const queue = new Queue<number>();
    queue.push(1);
    queue.end(new Error("no more"));
    const values = queue[Symbol.asyncIterator]();
    expect((await values.next()).value).toBe(1);
    await expect(values.next()).rejects.toThrow("no more");
  });

  it("refuses a limit that is none, and a snapshot policy without its function", () => {
    expect(() => new Queue({ limit: 0 })).toThrow(RangeError);
    expect(() => new Queue({ whenFull: "snapshot" })).toThrow(TypeError);
  });
});

describe("queued", () => {
  it("[F75] reads ahead of a slow reader up to the limit, and then waits", async () => {
    let made = 0;
    const endless = async function* () {
      while (true) yield ++made;
    };
    const values = queued(endless(), { limit: 5 });
    expect((await values.next()).value).toBe(1);
    for (let turns = 0; turns < 20; turns++) await turn();
    expect(made).toBe(6);
    expect((await values.next()).value).toBe(2);
    await values.return();
  });

  it("[F76] a reader that was disconnected goes on from the log, and misses nothing", async () => {
    await using hub = await createHub({ store: memoryStore() });
    const { run } = await hub.start({ agent: null, input: "hello" });
    const slow = queued(run, { limit: 4, whenFull: "disconnect" });
    const seen: number[] = [(await slow.next()).value!.seq];
    await run.append(Array.from({ length: 20 }, (_, data) => ({ type: "custom", name: "app.n", data })));
    await turn();
    const error: Disconnected = await slow.next().catch((thrown) => thrown);
    await run.append([{ type: "run.finished" }]);
    const last = error.last as StoredEntry;
    for await (const { entries = [] } of run.follow({ after: parseCursor(last.cursor) }))
      seen.push(...entries.map(({ seq }) => seq));
    expect(seen).toEqual((await run.log.entries()).map(({ seq }) => seq));
  });

  it("tells a source whose reader is too slow that nobody reads it any more", async () => {
    const source = new Probe([1, 2, 3, 4], "hang");
    const values = queued(source, { limit: 1, whenFull: "disconnect" });
    await values.next();
    await turn();
    expect(source.told).toBe(1);
    await expect(values.next()).rejects.toThrow("Cannot keep up");
  });
});

describe("joinDeltas", () => {
  it("[F43] joins deltas of one block and one speaker only", () => {
    const events: AgentEvent[] = [
      delta("1", "a"),
      { ...delta("1", "b"), agent: "helper" } as AgentEvent,
      { type: "reasoning.delta", id: "1", text: "c" },
      { type: "reasoning.delta", id: "1", text: "d" },
      { type: "tool.delta", callId: "1", text: "{" },
      { type: "tool.delta", callId: "1", text: "}" },
    ];
    expect(joinDeltas(events)).toEqual([
      delta("1", "a"),
      { type: "text.delta", id: "1", text: "b", agent: "helper" },
      { type: "reasoning.delta", id: "1", text: "cd" },
      { type: "tool.delta", callId: "1", text: "{}" },
    ]);
  });

  it("[F43] gives joined entries the place and the cursor of the last", () => {
    const entry = (seq: number, text: string) =>
      new StoredEntry(seq, seq * 10, JSON.stringify(delta("1", text)), 7);
    expect(joinDeltas([entry(2, "a"), entry(3, "b")])).toEqual([
      { seq: 3, at: 30, event: delta("1", "ab"), cursor: entry(3, "").cursor },
    ]);
  });

  it("[F75] makes no delta longer than 16 Ki characters", async () => {
    const long = "x".repeat(10 * 1024);
    expect(joinDeltas(await collect(from(delta("1", long), delta("1", long))))).toHaveLength(2);
  });
});
