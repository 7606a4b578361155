import { describe, expect, it } from "vitest";
import { Pacer } from "./pacer.ts";

/** Commits at a rate, of which each write takes so long, for some time: how many were joined, and how late they were. */
function pace(
  { everyMs, writeMs, forMs }: { everyMs: number; writeMs: number; forMs: number },
  pacer = paced(),
) {
  const { clock, schedule } = pacer;
  const from = clock.at;
  let waiting: number[] = [];
  const writes: { readonly joined: number; readonly lateMs: number }[] = [];
  const write = () => {
    writes.push({ joined: waiting.length, lateMs: clock.at - waiting[0]! + writeMs });
    waiting = [];
    clock.at += writeMs;
  };
  for (let due = from; due < from + forMs; due += everyMs) {
    clock.until(due);
    waiting.push(due);
    schedule(write);
  }
  clock.until(from + forMs + 1_000);
  return writes;
}

/** A pacer on a clock that stands still unless it is moved. */
function paced() {
  const clock = {
    at: 0,
    timer: undefined as { readonly run: () => void; readonly at: number } | undefined,
    now: () => clock.at,
    later: (run: () => void, ms: number) => {
      clock.timer = { run, at: clock.at + ms };
    },
    until(time: number) {
      while (clock.timer && clock.timer.at <= time) {
        const { run, at } = clock.timer;
        clock.timer = undefined;
        clock.at = Math.max(clock.at, at);
        run();
      }
      clock.at = Math.max(clock.at, time);
    },
  };
  const pacer = new Pacer(clock);
  return { clock, schedule: (write: () => void) => pacer.schedule(write) };
}

describe("Pacer", () => {
  it("writes each commit at once while there is time, also where writing takes a good part of it", () => {
    const writes = pace({ everyMs: 20, writeMs: 8, forMs: 2_000 });
    expect(writes).toHaveLength(100);
    expect(Math.max(...writes.map(({ lateMs }) => lateMs))).toBe(8);
  });

  it("brings commits together where each by itself would take more time than there is, and is never late", () => {
    const writes = pace({ everyMs: 5, writeMs: 6, forMs: 5_000 });
    expect(writes.reduce((sum, { joined }) => sum + joined, 0)).toBe(1_000);
    const later = writes.slice(writes.length / 2);
    for (const { joined, lateMs } of later.slice(0, -1)) {
      expect(joined).toBeGreaterThanOrEqual(2);
      expect(lateMs).toBeLessThanOrEqual(30);
    }
  });

  it("goes back to writing at once when the load is over", () => {
    const pacer = paced();
    pace({ everyMs: 5, writeMs: 6, forMs: 2_000 }, pacer);
    const writes = pace({ everyMs: 50, writeMs: 6, forMs: 2_000 }, pacer);
    for (const { lateMs } of writes.slice(10)) expect(lateMs).toBe(6);
  });

  it("writes once for all that was asked for before it came to it", () => {
    const { clock, schedule } = paced();
    const calls: string[] = [];
    const [one, other] = [() => void calls.push("one"), () => void calls.push("other")];
    for (const write of [one, other, one, one]) schedule(write);
    clock.until(1);
    expect(calls).toEqual(["one", "other"]);
  });

  it("writes all that is due, also where one of it throws", () => {
    const { clock, schedule } = paced();
    const calls: string[] = [];
    schedule(() => {
      throw new Error("no room");
    });
    schedule(() => void calls.push("other"));
    expect(() => clock.until(1)).toThrow("no room");
    expect(calls).toEqual(["other"]);
    schedule(() => void calls.push("next"));
    clock.until(20);
    expect(calls).toEqual(["other", "next"]);
  });
});
