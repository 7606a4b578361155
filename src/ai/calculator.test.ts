import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { calculate } from "./calculator.ts";

test.each([
  ["1 + 2 * 3", 7],
  ["(1 + 2) * 3", 9],
  ["2 ^ 3 ^ 2", 512],
  ["2 ** 10", 1024],
  ["-2 ^ 2", -4],
  ["2 ^ -1", 0.5],
  ["- -3", 3],
  ["10 / 4", 2.5],
  ["0.1 + 0.2", 0.3],
  [".5 * 4", 2],
  ["1e3 + 1", 1001],
  ["17% of 2340", 397.8],
  ["50%", 0.5],
  ["200 + 10%", 220],
  ["200 - 10%", 180],
  ["200 + 10% * 5", 200.5],
  ["(10 + 10)% of 50", 10],
])("%s is %d", (expression, result) => {
  expect(calculate(expression)).toBe(result);
});

test.each(["", "1 +", "(1", "1)", "1 2", "two", "process.exit()", "1; 2", "constructor", "%"])(
  "%j is no arithmetic",
  (expression) => {
    expect(() => calculate(expression)).toThrow(SyntaxError);
  },
);

test.each(["1 / 0", "0 / 0", "9 ^ 9 ^ 9", `${"1+".repeat(1_000)}1`])("%j has no result", (expression) => {
  expect(() => calculate(expression)).toThrow(RangeError);
});

describe("any text", () => {
  test("is a number or an error that says so", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."0123456789.+-*/^%() of") }), (expression) => {
        try {
          expect(Number.isFinite(calculate(expression))).toBe(true);
        } catch (error) {
          expect(error instanceof SyntaxError || error instanceof RangeError).toBe(true);
        }
      }),
    );
  });
});
