import fc from "fast-check";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { StreamEvent, TerminalEvent } from "./events.ts";
import { Log } from "./log.ts";
import type { Store } from "./store.ts";
import { memoryStore } from "./stores/memory.ts";
import { faultyStore } from "./testing/faulty-store.ts";
import { Writer } from "./writer.ts";

const started: StreamEvent = { type: "run.started", v: 1, agent: "test", input: "Hello" };
const finish = (): TerminalEvent => ({ type: "run.finished", cost: 0 });

function writerOn(store: Store, holder = "w", onMissed?: (type: string) => void): Writer {
  return new Writer(new Log(store, "r"), { holder, onMissed: (entry) => onMissed?.(entry.type) });
}

async function begun(store: Store): Promise<Writer> {
  const writer = writerOn(store);
  expect(await writer.begin(started)).toBe(true);
  return writer;
}

async function logOf(store: Store): Promise<StreamEvent[]> {
  return (await new Log(store, "r").entries()).map((entry) => entry.event);
}

const types = async (store: Store) => (await logOf(store)).map((event) => event.type);

describe("Writer", () => {
  it("[F2] merges deltas of one block that wait for the same commit; their text stays the same, byte for byte", async () => {
    const store = memoryStore();
    const writer = await begun(store);
    writer.write({ type: "text.started", id: "1" });
    for (const text of ["He", "llo", " ", "you"]) writer.write({ type: "text.delta", id: "1", text });
    writer.write({ type: "reasoning.delta", id: "2", text: "hm" });
    writer.write({ type: "text.delta", id: "1", text: "!" });
    await writer.flushed();
    expect((await logOf(store)).slice(2)).toEqual([
      { type: "text.delta", id: "1", text: "Hello you" },
      { type: "reasoning.delta", id: "2", text: "hm" },
      { type: "text.delta", id: "1", text: "!" },
    ]);
  });

  it("[F43] [F2] waits for more where it is told to, and commits it as one batch", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    const store = memoryStore();
    const append = vi.spyOn(store, "append");
    const writer = new Writer(new Log(store, "r"), { holder: "w", coalesceMs: 50 });
    await writer.begin(started);
    for (const text of ["one ", "two ", "three"]) {
      writer.write({ type: "text.delta", id: "1", text });
      await vi.advanceTimersByTimeAsync(20);
    }
    await writer.flushed();
    expect(append).toHaveBeenCalledTimes(2);
    expect((await logOf(store)).at(-1)).toEqual({ type: "text.delta", id: "1", text: "one two three" });
  });

  it("[F2] keeps a character whole that two deltas share, and half of one where the other half never comes", async () => {
    const store = memoryStore();
    const writer = await begun(store);
    writer.write({ type: "text.started", id: "1" });
    writer.write({ type: "text.delta", id: "1", text: "a\ud83d" });
    await writer.flushed();
    writer.write({ type: "text.delta", id: "1", text: "\ude00b\ud83d" });
    await writer.flushed();
    writer.write({ type: "text.finished", id: "1" });
    await writer.end(finish);
    const texts = (await logOf(store)).map((event) => (event.type === "text.delta" ? event.text : ""));
    expect(texts.filter(Boolean)).toEqual(["a", "😀b", "\ud83d"]);
  });

  it.each([
    ["says nothing", ""],
    ["ends within a character", "\ud83d"],
  ])("[F2] commits what comes after a delta that %s", async (_, text) => {
    const store = memoryStore();
    const writer = await begun(store);
    writer.write({ type: "text.started", id: "1" });
    await writer.flushed();
    writer.write({ type: "text.delta", id: "1", text });
    writer.write({ type: "text.delta", id: "1", text: "\ude00 there" });
    await writer.flushed();
    expect((await logOf(store)).at(-1)).toEqual({ type: "text.delta", id: "1", text: `${text}\ude00 there` });
  });

  it("[F2] keeps a character whole that a delta shares with a long one, or with one of its own fields", async () => {
    const store = memoryStore();
    const writer = await begun(store);
    const long = `\ude00${"b".repeat(20_000)}\ud83d`;
    writer.write({ type: "text.delta", id: "1", text: "a\ud83d" });
    writer.write({ type: "text.delta", id: "1", text: long });
    writer.write({ type: "text.delta", id: "1", text: "\ude00c\ud83d" });
    writer.write({ type: "text.delta", id: "1", text: "\ude00", note: "mine" } as StreamEvent);
    await writer.end(finish);
    const texts = (await logOf(store)).map((event) => (event.type === "text.delta" ? event.text : ""));
    expect(texts.join("")).toBe(`a😀${long.slice(1, -1)}😀c😀`);
  });

  it("[F2] has its own copy of what it was given: an agent may use an event again", async () => {
    const store = memoryStore();
    const writer = await begun(store);
    const delta = { type: "text.delta" as const, id: "1", text: "" };
    for (const text of ["one ", "two ", "three"]) writer.write(Object.assign(delta, { text }));
    await writer.flushed();
    expect((await logOf(store)).at(-1)).toEqual({ ...delta, text: "one two three" });
  });

  it("refuses a delta that is too large by its name", async () => {
    const writer = await begun(memoryStore());
    const delta = { type: "text.delta", id: "1".repeat(2_000_000), text: "x" } as const;
    expect(() => writer.write(delta)).toThrow("is more than");
  });

  it("[F1] takes nothing more while the end is on its way: the end closes all that is open", async () => {
    let refused = 2;
    let ending = false;
    const store = memoryStore();
    const writer = await begun(faultyStore(store, { refuse: () => ending && refused-- > 0 }));
    writer.write({ type: "text.started", id: "1" });
    await writer.flushed();
    ending = true;
    await writer.end(() => {
      if (refused < 2) {
        const late = { type: "text.started", id: "late" } as const;
        expect(() => writer.write(late)).toThrow('Cannot append to run "r": it is ending');
      }
      return finish();
    });
    expect(refused).toBe(-1);
    expect(await types(store)).toEqual(["run.started", "text.started", "text.finished", "run.finished"]);
  });

  it("[F1] ends in one batch: what is open is closed, then comes the terminal event, and nothing after it", async () => {
    const store = memoryStore();
    const writer = await begun(store);
    writer.write({ type: "step.started", step: 1 });
    writer.write({ type: "text.started", id: "1" });
    writer.write({ type: "tool.called", callId: "c", name: "clock", input: {} });
    await writer.end(() => ({ type: "run.failed", code: "timeout", message: "Too late", cost: null }));
    expect((await logOf(store)).slice(4)).toEqual([
      { type: "text.finished", id: "1", interrupted: true },
      { type: "tool.failed", callId: "c", name: "clock", code: "interrupted", message: "Too late" },
      { type: "step.finished", step: 1, finishReason: "interrupted", usage: null, cost: null },
      { type: "run.failed", code: "timeout", message: "Too late", cost: null },
    ]);
    const batches = await store.read("r", 4, 1_000_000);
    expect(batches).toHaveLength(1);
    const more = { type: "text.delta", id: "1", text: "late" } as const;
    expect(() => writer.write(more)).toThrow('Cannot append to run "r": it ended with "run.failed"');
    await expect(writer.append([more])).rejects.toMatchObject({ code: "run_closed" });
  });

  it("[F91] tells in the record what the log tells, to the ms", async () => {
    for (let round = 0; round < 200; round++) {
      const store = memoryStore();
      const writer = await begun(store);
      await writer.end(finish);
      const entries = await new Log(store, "r").entries();
      const { startedAt, endedAt } = JSON.parse((await store.record("r"))!.text);
      expect([startedAt, endedAt]).toEqual([entries[0]?.at, entries.at(-1)?.at]);
      expect([writer.summary.startedAt, writer.summary.endedAt]).toEqual([startedAt, endedAt]);
    }
  });

  it("[F27] refuses a bad event and keeps what came before and what comes after", async () => {
    const store = memoryStore();
    const writer = await begun(store);
    writer.write({ type: "text.started", id: "1" });
    expect(() => writer.write({ type: "text.delta", id: 5, text: "x" } as never)).toThrow(
      '"id" must be a string',
    );
    await expect(
      writer.append([{ type: "text.finished", id: "1" }, { type: "nonsense" } as never]),
    ).rejects.toThrow("no such type");
    await writer.end(finish);
    expect(await types(store)).toEqual(["run.started", "text.started", "text.finished", "run.finished"]);
  });

  it("[F26] keeps a field of an application's own on a delta, whatever it holds", async () => {
    const store = memoryStore();
    const writer = await begun(store);
    writer.write({ type: "text.delta", id: "1", text: "a" });
    writer.write({ type: "text.delta", id: "1", text: "b", big: 1n } as StreamEvent);
    await writer.flushed();
    expect((await logOf(store)).slice(1)).toEqual([
      { type: "text.delta", id: "1", text: "a" },
      { type: "text.delta", id: "1", text: "b", big: "1" },
    ]);
  });

  it("[F12] refuses a status that cannot follow the one before", async () => {
    const writer = await begun(memoryStore());
    const status = (status: string) => writer.write({ type: "status", status } as StreamEvent);
    for (const each of ["starting", "working", "working", "waiting", "working", "completed"]) status(each);
    expect(() => status("waiting")).toThrow('Cannot accept status "waiting": it cannot follow "completed"');
    writer.write({ type: "status", status: "waiting", agent: "another" });
  });

  it("[F32] resolves an append with its places, and with what was written before it in front", async () => {
    const store = memoryStore();
    const writer = await begun(store);
    writer.write({ type: "text.started", id: "1" });
    const { first, tail } = await writer.append([
      { type: "text.delta", id: "1", text: "a" },
      { type: "text.delta", id: "1", text: "b" },
    ]);
    expect([first, tail.seq]).toEqual([3, 4]);
    expect(await types(store)).toEqual(["run.started", "text.started", "text.delta", "text.delta"]);
  });

  it("[F8] cuts a tool's output of 5 MB, and says how long it was", async () => {
    const store = memoryStore();
    const writer = await begun(store);
    writer.write({
      type: "tool.returned",
      callId: "c",
      name: "big",
      output: "x".repeat(5_000_000),
      durationMs: 1,
    });
    await writer.flushed();
    const last = (await logOf(store)).at(-1);
    expect(last).toMatchObject({ truncated: { bytes: 5_000_000 } });
    expect(JSON.stringify(last).length).toBeLessThan(300_000);
  });

  it("[F77] asks its agent to wait when it is far ahead of the commit", async () => {
    let release = () => {};
    const store = memoryStore();
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const writer = await begun(store);
    const slow = writerOn({
      ...faultyStore(store, {}),
      append: async (...args) => gate.then(() => store.append(...args)),
    });
    await slow.load();
    let written = 0;
    while (!slow.room()) slow.write({ type: "custom", name: "app.n", data: written++ });
    expect(written).toBeGreaterThan(100);
    expect(written).toBeLessThanOrEqual(257);
    release();
    await slow.room();
    expect(slow.room()).toBeUndefined();
    expect(await types(store)).toHaveLength(1 + written);
    expect(writer.closed).toBeUndefined();
  });

  it("reads what others appended, renumbers its batch and goes on", async () => {
    const store = memoryStore();
    await begun(store);
    const missed: string[] = [];
    const owner = writerOn(store, "owner", (type) => missed.push(type));
    const other = writerOn(store, "other");
    await owner.load();
    await other.load();
    await other.append([{ type: "input.message", message: { id: "u", role: "user", parts: [] } }]);
    owner.write({ type: "text.started", id: "1" });
    await owner.flushed();
    expect(missed).toEqual(["input.message"]);
    expect(await types(store)).toEqual(["run.started", "input.message", "text.started"]);
  });

  it("[F78] asks again how the run ends when a cancel came first", async () => {
    const store = memoryStore();
    await begun(store);
    const owner = writerOn(store, "owner");
    const other = writerOn(store, "other");
    await owner.load();
    await other.load();
    await other.append([{ type: "input.cancel" }]);
    await owner.end(({ cancel, totals }) => (cancel ? { type: "run.cancelled", ...totals } : finish()));
    expect(await types(store)).toEqual(["run.started", "input.cancel", "run.cancelled"]);
  });

  it("waits out a store that refuses, and says so", async () => {
    const store = memoryStore();
    await begun(store);
    let refusals = 2;
    const trouble: unknown[] = [];
    const writer = new Writer(new Log(faultyStore(store, { refuse: () => refusals-- > 0 }), "r"), {
      holder: "w",
      onTrouble: (error) => trouble.push(error),
    });
    await writer.load();
    writer.write({ type: "text.started", id: "1" });
    await writer.flushed();
    expect(trouble).toHaveLength(2);
    expect(await types(store)).toEqual(["run.started", "text.started"]);
  });

  it("writes the record of a log again that was left with an older one, unless somebody has appended since", async () => {
    const store = memoryStore();
    const apart: Store = {
      ...faultyStore(store, {}),
      append: (run, expected, batch) => store.append(run, expected, batch),
    };
    const first = await begun(store);
    const statusOf = async () => JSON.parse((await store.record("r"))!.text).status;
    const left = writerOn(apart);
    await left.load();
    await left.append([
      { type: "approval.requested", approvalId: "a", callId: "c", name: "deploy", input: {} },
    ]);
    expect(await statusOf()).toBe("running");
    await first.describe();
    expect(await statusOf()).toBe("running");
    const second = writerOn(store);
    await second.load();
    await second.describe();
    expect(await statusOf()).toBe("waiting");
    await left.end(finish);
    await second.describe();
    expect(await statusOf()).toBe("waiting");
    await left.describe();
    expect(await statusOf()).toBe("waiting");
    const third = writerOn(store);
    await third.load();
    await third.describe();
    expect(await statusOf()).toBe("finished");
    expect(await types(store)).toEqual(["run.started", "approval.requested", "run.finished"]);
  });

  it("[F1] [F48] whatever is lost and whoever writes, nothing is doubled or reordered and there is one end", async () => {
    const answers = fc.array(fc.integer({ min: 0, max: 99 }), { minLength: 64, maxLength: 64 });
    await fc.assert(
      fc.asyncProperty(
        answers,
        fc.integer({ min: 1, max: 40 }),
        fc.boolean(),
        async (dice, count, cancels) => {
          const store = memoryStore();
          await begun(store);
          let throws = 0;
          const faulty = faultyStore(store, { loseAnswer: () => (dice[throws++ % dice.length] ?? 0) < 20 });
          const owner = writerOn(faulty, "owner");
          const input = writerOn(faulty, "input");
          const reaper = writerOn(faulty, "reaper");
          for (const writer of [owner, input, reaper]) await writer.load();
          const work = async () => {
            for (let i = 0; i < count; i++) {
              try {
                owner.write({ type: "custom", name: "app.n", data: i });
              } catch (error) {
                expect(error).toMatchObject({ code: "run_closed" });
                return;
              }
              if ((dice[i] ?? 0) % 3 === 0) await owner.flushed();
            }
            await owner.end(({ cancel, totals }) =>
              cancel ? { type: "run.cancelled", ...totals } : finish(),
            );
          };
          // Refused and not there: the sender tries again. Closed: it was too late.
          const send = async (event: StreamEvent): Promise<void> => {
            try {
              await input.append([event]);
            } catch (error) {
              if ((error as { code?: string }).code !== "run_closed") await send(event);
            }
          };
          const say = async () => {
            for (let i = 0; i < 3; i++) {
              await send({ type: "input.message", message: { id: `u${i}`, role: "user", parts: [] } });
            }
            if (cancels) await send({ type: "input.cancel" });
          };
          const reap = async () => {
            await reaper.end(({ totals }) => ({
              type: "run.failed",
              code: "producer_lost",
              message: "gone",
              ...totals,
            }));
          };
          await Promise.all([work(), say(), (dice[0] ?? 0) % 2 ? reap() : undefined]);
          const log = await logOf(store);
          const numbers = log.flatMap((event) => (event.type === "custom" ? [event.data as number] : []));
          expect(numbers).toEqual(numbers.map((_, index) => index));
          const said = log.flatMap((event) => (event.type === "input.message" ? [event.message.id] : []));
          expect(said).toEqual(said.map((_, index) => `u${index}`));
          const ends = log.flatMap(({ type }, index) =>
            /^run\.(finished|failed|cancelled)$/.test(type) ? [index] : [],
          );
          expect(ends).toEqual([log.length - 1]);
          const asked = log.some(({ type }) => type === "input.cancel");
          if (asked) expect(log.at(-1)?.type).not.toBe("run.finished");
        },
      ),
      { numRuns: 150 },
    );
  });
});
