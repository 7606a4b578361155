import fc from "fast-check";

/** How a source goes on after its values. */
export type Ending = "end" | "fail" | "hang";

/** A source that knows whether it was told to stop. */
export class Probe<Value> implements AsyncIterable<Value> {
  opened = 0;
  /** How often it was told; an ended source is not told. */
  told = 0;
  /** Whether it ended or failed by itself. */
  over = false;
  readonly #values: readonly Value[];
  readonly #ending: Ending;

  constructor(values: readonly Value[], ending: Ending = "end") {
    this.#values = values;
    this.#ending = ending;
  }

  /** Whether whoever opened it has also left it. */
  get left(): boolean {
    return this.opened === 0 || this.over || this.told === 1;
  }

  [Symbol.asyncIterator](): AsyncIterator<Value> {
    this.opened++;
    let at = 0;
    return {
      next: async () => {
        const value = this.#values[at++];
        if (at <= this.#values.length) return { done: false, value: value as Value };
        if (this.#ending === "hang") return new Promise(() => {});
        this.over = true;
        if (this.#ending === "fail") throw new Error("the source failed");
        return { done: true, value: undefined };
      },
      return: async () => {
        this.told++;
        return { done: true, value: undefined };
      },
    };
  }
}

export async function collect<Value>(source: AsyncIterable<Value>): Promise<Value[]> {
  const values: Value[] = [];
  for await (const value of source) values.push(value);
  return values;
}

export async function* from<Value>(...values: Value[]): AsyncGenerator<Value, void, undefined> {
  yield* values;
}

/** A text, and the same in pieces. */
export const cutText = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        " ",
        "\n",
        "\n\n",
        "\t",
        ". ",
        "! ",
        "?",
        "…",
        '."',
        "3.14",
        "Dr. ",
        "e.g. ",
        "1. ",
        "。",
        "」",
      ),
      fc.constantFrom("word", "私は", "学生", "สวัสดี", "𠮷", "🧮", "👩‍👧", "é", "x"),
      fc.string({ unit: "binary", maxLength: 4 }),
    ),
    { maxLength: 30 },
  )
  .chain((parts) => {
    const text = parts.join("");
    return fc.tuple(
      fc.constant(text),
      fc.array(fc.nat({ max: Math.max(text.length, 1) }), { maxLength: 20 }).map((cuts) => {
        const places = [...new Set([0, ...cuts, text.length])].sort((a, b) => a - b);
        return places.slice(1).map((place, index) => text.slice(places[index], place));
      }),
    );
  });

/** What a property test runs with: `SEED` in the environment, where it is set; fast-check prints the seed of a failure. */
export const seeded = process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) };
