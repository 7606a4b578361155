import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { buffered } from "./buffered.ts";
import { collect, from, Probe, seeded } from "./probe.fixture.ts";

afterEach(() => void vi.useRealTimers());

describe("buffered", () => {
  it("[F43] groups by count, and gives the rest at the end", async () => {
    expect(await collect(buffered(from(1, 2, 3, 4, 5), { count: 2 }))).toEqual([[1, 2], [3, 4], [5]]);
  });

  it("[F43] groups by bytes of UTF-8; a longer value comes alone", async () => {
    const groups = await collect(buffered(from("ab", "é", "c", "much longer", "d"), { bytes: 5 }));
    expect(groups).toEqual([["ab", "é", "c"], ["much longer"], ["d"]]);
  });

  it("[F43] hands a group over after the time, counted from its first value", async () => {
    vi.useFakeTimers();
    const { promise, resolve } = Promise.withResolvers<void>();
    const groups = buffered(
      (async function* () {
        yield "a";
        yield "b";
        await promise;
        yield "c";
      })(),
      { ms: 50 },
    );
    const first = groups.next();
    await vi.advanceTimersByTimeAsync(49);
    const early = await Promise.race([first, Promise.resolve("nothing yet")]);
    expect(early).toBe("nothing yet");
    await vi.advanceTimersByTimeAsync(1);
    expect(await first).toEqual({ done: false, value: ["a", "b"] });
    resolve();
    expect(await collect(groups)).toEqual([["c"]]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each([Number.POSITIVE_INFINITY, 2 ** 31])("waits as long as it may, also for %d ms", async (ms) => {
    vi.useFakeTimers();
    const { promise, resolve } = Promise.withResolvers<void>();
    const groups = buffered(
      (async function* () {
        yield "a";
        await promise;
        yield "b";
      })(),
      { ms },
    );
    const first = groups.next();
    await vi.advanceTimersByTimeAsync(1_000);
    resolve();
    expect((await first).value).toEqual(["a", "b"]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("[F43] does not lose what comes while nobody asks", async () => {
    vi.useFakeTimers();
    const { promise, resolve } = Promise.withResolvers<void>();
    const groups = buffered(
      (async function* () {
        yield 1;
        await promise;
        yield 2;
      })(),
      { ms: 10 },
    );
    const first = groups.next();
    await vi.advanceTimersByTimeAsync(10);
    expect((await first).value).toEqual([1]);
    resolve();
    await vi.advanceTimersByTimeAsync(100);
    expect(await collect(groups)).toEqual([[2]]);
  });

  it("[F43] gives what it holds before the error of its source", async () => {
    const groups = buffered(new Probe([1, 2, 3], "fail"), { count: 2 });
    const seen: unknown[] = [];
    const reading = (async () => {
      for await (const group of groups) seen.push(group);
    })();
    await expect(reading).rejects.toThrow("the source failed");
    expect(seen).toEqual([[1, 2], [3]]);
  });

  it("[F43] keeps the order and loses nothing, whatever the limits", async () => {
    const options = fc
      .record(
        { count: fc.integer({ min: 1, max: 5 }), bytes: fc.integer({ min: 1, max: 20 }) },
        { requiredKeys: [] },
      )
      .filter((limits) => Object.keys(limits).length > 0);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: "binary" })), options, async (values, limits) => {
        const groups = await collect(buffered(from(...values), limits));
        expect(groups.flat()).toEqual(values);
        for (const group of groups) {
          expect(group.length).toBeGreaterThan(0);
          expect(group.length).toBeLessThanOrEqual(limits.count ?? group.length);
          if (group.length > 1)
            expect(Buffer.byteLength(group.join(""))).toBeLessThanOrEqual(
              limits.bytes ?? Number.POSITIVE_INFINITY,
            );
        }
      }),
      seeded,
    );
  });

  it("refuses to have no limit, or one that is none", () => {
    expect(() => buffered(from(1), {})).toThrow(TypeError);
    expect(() => buffered(from(1), { count: 0 })).toThrow(RangeError);
    expect(() => buffered(from(1), { ms: Number.NaN })).toThrow(RangeError);
  });
});
