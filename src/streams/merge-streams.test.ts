import fc from "fast-check";
import { describe, expect, expectTypeOf, it } from "vitest";
import { mergeStreams } from "./merge-streams.ts";
import { collect, from, Probe, seeded } from "./probe.fixture.ts";

describe("mergeStreams", () => {
  it("[F45] names the source of each value, and knows its type", async () => {
    for await (const each of mergeStreams({ numbers: from(1), texts: from("a") })) {
      if (each.source === "numbers") expectTypeOf(each.value).toBeNumber();
      else expectTypeOf(each.value).toBeString();
      expect(each).toEqual(
        each.source === "numbers" ? { source: "numbers", value: 1 } : { source: "texts", value: "a" },
      );
    }
  });

  it("[F45] does not wait for a silent source to show what another says", async () => {
    const merged = mergeStreams({ silent: new Probe([], "hang"), chatty: from(1, 2, 3) });
    const seen = [await merged.next(), await merged.next(), await merged.next()].map(
      ({ value }) => value?.value,
    );
    expect(seen).toEqual([1, 2, 3]);
    await merged.return();
  });

  it("[F45] keeps the order of each source, and all of its values", async () => {
    const source = fc.array(fc.tuple(fc.integer(), fc.nat({ max: 3 })));
    const late = async function* (values: [number, number][]) {
      for (const [value, turns] of values) {
        for (let turn = 0; turn < turns; turn++) await undefined;
        yield value;
      }
    };
    await fc.assert(
      fc.asyncProperty(source, source, source, async (a, b, c) => {
        const merged = await collect(mergeStreams({ a: late(a), b: late(b), c: late(c) }));
        for (const [name, values] of Object.entries({ a, b, c })) {
          const seen = merged.filter((each) => each.source === name).map((each) => each.value);
          expect(seen).toEqual(values.map(([value]) => value));
        }
      }),
      seeded,
    );
  });

  it("[F45] asks no source for more than one value ahead of its reader", async () => {
    let asked = 0;
    const counting = async function* () {
      while (true) yield asked++;
    };
    const merged = mergeStreams({ one: counting() });
    for (let read = 1; read <= 5; read++) {
      expect((await merged.next()).value?.value).toBe(read - 1);
      await new Promise(setImmediate);
      expect(asked).toBeLessThanOrEqual(read + 1);
    }
    await merged.return();
  });

  it("[F45] closes the others when one fails", async () => {
    const silent = new Probe([], "hang");
    const merged = mergeStreams({ silent, failing: new Probe([1], "fail") });
    expect((await merged.next()).value).toEqual({ source: "failing", value: 1 });
    await expect(merged.next()).rejects.toThrow("the source failed");
    expect(silent.told).toBe(1);
  });

  it("ends at once without sources", async () => {
    expect(await collect(mergeStreams({}))).toEqual([]);
  });
});
