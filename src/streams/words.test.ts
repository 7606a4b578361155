import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { collect, cutText, from, seeded } from "./probe.fixture.ts";
import { sentences } from "./sentences.ts";
import { words } from "./words.ts";

describe("words", () => {
  it("[F44] come whole, each with the space after it, and the last one without", async () => {
    expect(await collect(words(from("Hel", "lo, wor", "ld  aga", "in")))).toEqual([
      "Hello, ",
      "world ",
      " again",
    ]);
  });

  it("[F44] are handed over as soon as their space is there", async () => {
    const iterator = words(
      (async function* () {
        yield "one ";
        yield* await new Promise<string[]>(() => {});
      })(),
    );
    expect(await iterator.next()).toEqual({ done: false, value: "one " });
    await iterator.return();
  });

  it("[F44] of scripts without spaces come letter by letter", async () => {
    expect(await collect(words(from("私は", "学生。", "𠮷野 and")))).toEqual([
      "私",
      "は",
      "学",
      "生。",
      "𠮷",
      "野 ",
      "and",
    ]);
  });
});

describe("sentences", () => {
  it.each([
    ["One. Two! Three? Four", ["One. ", "Two! ", "Three? ", "Four"]],
    [
      "Pi is 3.14, e.g. here. Dr. Who (J. Smith) agrees.",
      ["Pi is 3.14, e.g. here. ", "Dr. Who (J. Smith) agrees."],
    ],
    [
      'He said "No." Then "Yes!" And left...  Gone',
      ['He said "No." ', 'Then "Yes!" ', "And left... ", " Gone"],
    ],
    ["# A heading\n\nText.\n1. First\n2. Second", ["# A heading\n\n", "Text.\n", "1. First\n2. Second"]],
    ["私は学生です。「はい。」そう。", ["私は学生です。", "「はい。」", "そう。"]],
    ["Really?! Yes. ", ["Really?! ", "Yes. "]],
  ])("[F44] %j", async (text, expected) => {
    expect(await collect(sentences(from(text)))).toEqual(expected);
    expect(await collect(sentences(from(...text)))).toEqual(expected);
  });
});

describe.each([
  ["words", words],
  ["sentences", sentences],
])("%s", (_, chunk) => {
  it("[F2] [F44] put together are the text that came, and do not depend on where it was cut", async () => {
    await fc.assert(
      fc.asyncProperty(cutText, async ([text, pieces]) => {
        const chunks = await collect(chunk(from(...pieces)));
        expect(chunks.join("")).toBe(text);
        expect(chunks).toEqual(await collect(chunk(from(text))));
        expect(chunks).not.toContain("");
      }),
      { numRuns: 300, ...seeded },
    );
  });
});
