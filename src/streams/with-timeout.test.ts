import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { collect, from, Probe } from "./probe.fixture.ts";
import { withTimeout } from "./with-timeout.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** What a reading comes to after so much time. */
async function outcome(ms: number, reading: Promise<unknown>): Promise<unknown> {
  const settled = reading.catch((error: DOMException) => `${error.name}: ${error.message}`);
  await vi.advanceTimersByTimeAsync(ms);
  return Promise.race([settled, Promise.resolve("still waits")]);
}

describe("withTimeout", () => {
  it("[F81] throws a TimeoutError after a silence, and tells the source", async () => {
    const source = new Probe(["a"], "hang");
    const values = withTimeout(source, { idleMs: 100 });
    expect((await values.next()).value).toBe("a");
    const next = values.next();
    expect(await outcome(99, next)).toBe("still waits");
    expect(await outcome(1, next)).toBe(
      "TimeoutError: Cannot wait any longer: the source said nothing for 100 ms",
    );
    expect(source.told).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("[F81] has a limit of its own for the first value", async () => {
    const values = withTimeout(new Probe([], "hang"), { firstMs: 500, idleMs: 100 });
    const next = values.next();
    expect(await outcome(499, next)).toBe("still waits");
    expect(await outcome(1, next)).toContain("said nothing for 500 ms");
  });

  it("[F81] has a limit for all of it, also on a source that never pauses", async () => {
    const endless = (async function* () {
      while (true) yield await new Promise((resolve) => setTimeout(resolve, 10, "tick"));
    })();
    const reading = collect(withTimeout(endless, { totalMs: 1_000 }));
    expect(await outcome(1_010, reading)).toBe(
      "TimeoutError: Cannot wait any longer: the source took longer than 1000 ms",
    );
  });

  it("does not count the time that its reader takes", async () => {
    const values = withTimeout(from("a", "b"), { idleMs: 100 });
    await values.next();
    await vi.advanceTimersByTimeAsync(10_000);
    expect((await values.next()).value).toBe("b");
  });

  it("refuses to have no limit, or one that is none", () => {
    expect(() => withTimeout(from(1), {})).toThrow(TypeError);
    expect(() => withTimeout(from(1), { idleMs: -1 })).toThrow(RangeError);
  });
});
