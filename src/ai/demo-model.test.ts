import type { LanguageModelV4CallOptions, LanguageModelV4StreamPart } from "@ai-sdk/provider";
import { describe, expect, test } from "vitest";
import { type DemoModelOptions, demoModel } from "./demo-model.ts";

function callOf(question: string, tools: readonly string[] = []): LanguageModelV4CallOptions {
  return {
    prompt: [{ role: "user", content: [{ type: "text", text: question }] }],
    tools: tools.map((name) => ({ type: "function" as const, name, inputSchema: {} })),
  };
}

async function partsOf(
  options: DemoModelOptions,
  call: LanguageModelV4CallOptions,
): Promise<LanguageModelV4StreamPart[]> {
  const { stream } = await demoModel(options).doStream(call);
  return Array.fromAsync(stream);
}

const fast: DemoModelOptions = {
  firstTokenMs: 0,
  tokensPerSecond: Number.POSITIVE_INFINITY,
  sleep: () => Promise.reject(new Error("It must not wait")),
};
const tools = ["calculator", "clock", "list_files", "read_file", "send_email"];

const callsIn = (parts: readonly LanguageModelV4StreamPart[]) =>
  parts.flatMap((part) => (part.type === "tool-call" ? [[part.toolName, JSON.parse(part.input)]] : []));

describe("what it does", () => {
  test.each([
    ["What is 17% of 2340?", [["calculator", { expression: "17% of 2340" }]]],
    ["What is 17 percent of 2,340?", [["calculator", { expression: "17 % of 2340" }]]],
    ["Calculate (3 + 4) * 2, please.", [["calculator", { expression: "(3 + 4) * 2" }]]],
    ["How much is 12 times 12?", [["calculator", { expression: "12 * 12" }]]],
    ["What time is it?", [["clock", {}]]],
    ["What's the date in Tokyo?", [["clock", { timeZone: "Asia/Tokyo" }]]],
    ["Which files are there?", [["list_files", {}]]],
    [
      "Read menu.md, and notes.txt too",
      [
        ["read_file", { path: "menu.md" }],
        ["read_file", { path: "notes.txt" }],
      ],
    ],
    [
      "What is 2+2, and what time is it in Paris?",
      [
        ["calculator", { expression: "2+2" }],
        ["clock", { timeZone: "Europe/Paris" }],
      ],
    ],
    [
      "Email bob@example.org about the soup.",
      [
        [
          "send_email",
          { to: "bob@example.org", subject: "the soup", body: "Hello,\n\nthe soup.\n\nBest wishes" },
        ],
      ],
    ],
    ["Hello there", []],
    ["My birthday is 2026-11-21", []],
  ])("%s", async (question, calls) => {
    expect(callsIn(await partsOf(fast, callOf(question, tools)))).toEqual(calls);
  });

  test("it calls only the tools there are", async () => {
    expect(callsIn(await partsOf(fast, callOf("What is 2+2, and what time is it?", ["clock"])))).toEqual([
      ["clock", {}],
    ]);
  });

  test("it streams the arguments, and calls several tools in one step", async () => {
    const parts = await partsOf(fast, callOf("What is 2+2, and what time is it in Paris?", tools));
    const json = parts.flatMap((part) =>
      part.type === "tool-input-delta" && part.id === "call-1" ? [part.delta] : [],
    );
    expect(json.length).toBeGreaterThan(1);
    expect(JSON.parse(json.join(""))).toEqual({ expression: "2+2" });
    expect(parts.at(-1)).toMatchObject({ type: "finish", finishReason: { unified: "tool-calls" } });
  });

  test("without anything to do it says that it is a demo, in markdown, and what to try", async () => {
    const { content, usage } = await demoModel(fast).doGenerate(callOf("Hi", tools));
    const text = content.find((part) => part.type === "text")?.text;
    expect(text).toContain("**demo model**");
    expect(text).toContain('- "What is 17% of 2340?"');
    expect(usage.outputTokens.total).toBeGreaterThan(20);
    expect(usage.inputTokens.total).toBeGreaterThan(0);
  });

  test("it counts as far as it is asked", async () => {
    const { content } = await demoModel(fast).doGenerate(callOf("Count to 30"));
    expect(content.at(-1)).toMatchObject({ text: expect.stringContaining("28, 29, 30.") });
  });
});

describe("its rhythm", () => {
  async function waits(options: DemoModelOptions): Promise<number[]> {
    const waited: number[] = [];
    await partsOf({ ...options, sleep: async (ms) => void waited.push(ms) }, callOf("Hi"));
    return waited;
  }

  test("is a pause before the first piece and one between each two, as asked for", async () => {
    const [first, ...others] = await waits({ firstTokenMs: 300, tokensPerSecond: 50, jitter: 0 });
    expect(first).toBe(300);
    expect(new Set(others)).toEqual(new Set([20]));
    expect(others.length).toBeGreaterThan(20);
  });

  test("is 400 ms and 60 pieces a second by default, give or take the jitter", async () => {
    const [first, ...others] = await waits({});
    expect(Math.abs(first! - 400)).toBeLessThanOrEqual(200);
    for (const wait of others) expect(Math.abs(wait - 1000 / 60)).toBeLessThanOrEqual(500 / 60);
    expect(new Set(others).size).toBeGreaterThan(10);
  });

  test("is the same for the same question and seed, and another for another seed", async () => {
    expect(await waits({ seed: 7 })).toEqual(await waits({ seed: 7 }));
    expect(await waits({ seed: 7 })).not.toEqual(await waits({ seed: 8 }));
  });

  test("ends at once when it is aborted", async () => {
    const abort = new AbortController();
    const { stream } = await demoModel({ firstTokenMs: 3_600_000 }).doStream({
      ...callOf("Hi"),
      abortSignal: abort.signal,
    });
    const reader = stream.getReader();
    expect(await reader.read()).toMatchObject({ value: { type: "stream-start" } });
    const next = reader.read();
    abort.abort();
    await expect(next).rejects.toMatchObject({ name: "AbortError" });
  });

  test.each([{ firstTokenMs: -1 }, { tokensPerSecond: 0 }, { jitter: 2 }])("%j is refused", (options) => {
    expect(() => demoModel(options)).toThrow(RangeError);
  });
});
