import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatCursor, openBatch, parseCursor, sealBatch } from "./batch.ts";

const check = fc.integer({ min: 0, max: 0xffff_ffff });
const seq = fc.integer({ min: 0, max: 1_000_000 });

describe("a batch", () => {
  it("gives back what was sealed into it, whatever that is", () => {
    const line = fc.json().map((text) => text.replaceAll("\n", " "));
    const producer = fc.record({ id: fc.string({ unit: "binary" }), epoch: seq, seq });
    fc.assert(
      fc.property(
        fc.record({ seq, check }),
        fc.array(line, { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 0, max: 2 ** 48 }),
        fc.string({ unit: "binary" }),
        fc.option(producer, { nil: undefined }),
        (before, lines, at, by, of) => {
          const batch = sealBatch(before, lines, at, by, of);
          const open = openBatch(batch);
          expect(open).toMatchObject({ first: before.seq + 1, at, before: before.check, by });
          expect(open.producer).toEqual(of);
          expect(open.tail).toEqual({ seq: before.seq + lines.length, check: batch.check });
          expect(open.entries.map(({ json }) => json)).toEqual(lines);
          expect(open.entries.map((entry) => entry.seq)).toEqual(lines.map((_, i) => before.seq + 1 + i));
          for (const entry of open.entries) expect(entry).toMatchObject({ at, check: batch.check });
        },
      ),
    );
  });

  it("has a header that is JSON", () => {
    const { text } = sealBatch({ seq: 3, check: 7 }, ["{}"], 1, "w.0", { id: "p", epoch: 0, seq: 2 });
    expect(JSON.parse(text.slice(0, text.indexOf("\n")))).toEqual({
      v: 1,
      first: 4,
      at: 1,
      before: 7,
      by: "w.0",
      producer: { id: "p", epoch: 0, seq: 2 },
    });
  });

  it.each(["", "no header", '{"v":2,"first":1,"at":1,"before":0,"by":"w"}\n{}', '{"v":1,"first":1'])(
    "that is none of this version is told, not guessed at: %j",
    (text) => {
      expect(() => openBatch({ seq: 1, check: 1, text })).toThrow("The batch that ends at 1 cannot be read");
    },
  );
});

describe("a cursor", () => {
  it("is the seq and the check in base 36, and is read back", () => {
    fc.assert(
      fc.property(seq, fc.oneof(check, fc.constantFrom(0, 35, 36, 1295, 1296, 46_655, 46_656)), (at, sum) => {
        const text = formatCursor({ seq: at, check: sum });
        expect(text).toBe(`${at}-${sum.toString(36)}`);
        expect(parseCursor(text)).toEqual({ seq: at, check: sum });
      }),
    );
  });
});
