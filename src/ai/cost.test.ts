import { expect, test } from "vitest";
import { costOf } from "./cost.ts";

const usage = { inputTokens: 1_000_000, outputTokens: 0 };

test("[F23] a model of the list costs what the list says", async () => {
  const cost = await costOf(usage, { provider: "openai", model: "gpt-4o" });
  expect(cost).toBeGreaterThan(0);
  expect(
    await costOf({ ...usage, inputTokens: 2_000_000 }, { provider: "openai", model: "gpt-4o" }),
  ).toBeCloseTo(cost! * 2);
});

test("[F23] cached input is a part of the input, and cheaper", async () => {
  const model = { provider: "anthropic", model: "claude-sonnet-4-5" };
  const cached = { inputTokens: 100_000, outputTokens: 0, cacheReadTokens: 100_000 };
  const fresh = { inputTokens: 100_000, outputTokens: 0 };
  const [cheap, full] = [await costOf(cached, model), await costOf(fresh, model)];
  expect(cheap! / full!).toBeCloseTo(0.1);
});

test.each([
  ["a model nobody knows", usage, { provider: "openai", model: "nothing-1" }],
  ["a provider nobody knows", usage, { provider: "nobody", model: "gpt-4o" }],
  ["a provider whose name only looks alike", usage, { provider: "openai-compatible", model: "gpt-4o" }],
  [
    "a server of one's own",
    usage,
    { provider: "openai-compatible", model: "gpt-4o", baseURL: "http://127.0.0.1:1/v1" },
  ],
  ["usage nobody told", undefined, { provider: "openai", model: "gpt-4o" }],
  [
    "usage that cannot be",
    { ...usage, inputTokens: 1, cacheReadTokens: 9 },
    { provider: "openai", model: "gpt-4o" },
  ],
])("[F23] %s costs null, never 0", async (_, tokens, priced) => {
  expect(await costOf(tokens, priced)).toBeNull();
});

test("[F23] a compatible server of a known provider has that provider's price", async () => {
  const priced = {
    provider: "openai-compatible",
    model: "deepseek-chat",
    baseURL: "https://api.deepseek.com/v1",
  };
  expect(await costOf(usage, priced)).toBeGreaterThan(0);
});

test("[F23] the demo model is free", async () => {
  expect(await costOf(usage, { provider: "demo", model: "demo" })).toBe(0);
});
