import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cutOutput, MAX_DEPTH, MAX_OUTPUT_BYTES, toJson } from "./json.ts";

describe("toJson", () => {
  it("[F28] encodes what a tool may return, the same way every time", () => {
    const failure = Object.assign(new Error("no", { cause: new RangeError("deep") }), { code: "E1" });
    const value = {
      date: new Date(0),
      never: new Date(Number.NaN),
      big: 2n ** 70n,
      bytes: new Uint8Array([1, 2, 255]),
      buffer: Buffer.from("hi"),
      map: new Map([["a", 1n]]),
      pairs: new Map([[1, "a"]]),
      set: new Set([1, new Date(0)]),
      failure,
      url: new URL("http://localhost/x"),
      nothing: undefined,
      call: () => 1,
      list: [undefined, Number.NaN, Symbol("s")],
    };
    const expected = {
      date: "1970-01-01T00:00:00.000Z",
      never: null,
      big: "1180591620717411303424",
      bytes: { $bytes: "AQL/" },
      buffer: { $bytes: "aGk=" },
      map: { a: "1" },
      pairs: [[1, "a"]],
      set: [1, "1970-01-01T00:00:00.000Z"],
      failure: { name: "Error", message: "no", code: "E1", cause: { name: "RangeError", message: "deep" } },
      url: "http://localhost/x",
      list: [null, null, null],
    };
    expect(toJson(value)).toEqual(expected);
    expect(JSON.stringify(toJson(value))).toBe(JSON.stringify(toJson(value)));
  });

  it("[F28] never keeps the stack of an error", () => {
    expect(JSON.stringify(toJson({ error: new Error("x") }))).not.toContain("at ");
  });

  it("[F28] refuses a cycle and names the place, but not the same object twice", () => {
    const self: Record<string, unknown> = { one: { two: {} } };
    (self.one as Record<string, unknown>).self = self;
    expect(() => toJson(self)).toThrow('it contains a cycle at "self"');
    const shared = { a: 1 };
    expect(toJson([shared, shared])).toEqual([{ a: 1 }, { a: 1 }]);
  });

  it("refuses more levels than a reader's parser should bear", () => {
    const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)]);
    expect(toJson(deep(MAX_DEPTH))).toBeDefined();
    expect(() => toJson(deep(MAX_DEPTH + 1))).toThrow(`more than ${MAX_DEPTH} levels`);
  });

  it("leaves the prototype of objects alone", () => {
    const hostile = JSON.parse('{"__proto__":{"polluted":true},"constructor":1}');
    expect(JSON.stringify(toJson(hostile))).toBe('{"__proto__":{"polluted":true},"constructor":1}');
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  it("[F28] leaves any JSON as it is", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(JSON.stringify(toJson(value))).toBe(JSON.stringify(value));
      }),
    );
  });
});

describe("cutOutput", () => {
  it("[F8] keeps a small output whole and cuts a large one, with its true size", () => {
    expect(cutOutput({ rows: [1, 2] })).toEqual({ output: { rows: [1, 2] } });
    const large = "ä".repeat(MAX_OUTPUT_BYTES);
    const { output, truncated } = cutOutput(large);
    expect(truncated).toEqual({ bytes: 2 * MAX_OUTPUT_BYTES });
    expect(Buffer.byteLength(output as string)).toBeLessThanOrEqual(MAX_OUTPUT_BYTES);
    expect(large.startsWith(output as string)).toBe(true);
  });

  it("[F8] counts what escapes take: what is cut fits into an event, whatever it holds", () => {
    for (const unit of ["\0", "\u0007x", '"', "😀"]) {
      const { output, truncated } = cutOutput(unit.repeat(MAX_OUTPUT_BYTES));
      expect(truncated).toEqual({ bytes: MAX_OUTPUT_BYTES * Buffer.byteLength(unit) });
      const bytes = Buffer.byteLength(JSON.stringify(output));
      expect(bytes).toBeLessThanOrEqual(MAX_OUTPUT_BYTES + 2);
      expect(bytes).toBeGreaterThan(MAX_OUTPUT_BYTES / 2);
      expect((output as string).isWellFormed()).toBe(true);
    }
    expect(cutOutput("\0".repeat(MAX_OUTPUT_BYTES / 2))).toMatchObject({ truncated: {} });
  });
});
