import { afterEach, describe, expect, test, vi } from "vitest";
import { openaiChatServer } from "../testing/providers.ts";
import { TestRun } from "../testing/run-context.ts";
import { Agent } from "./agent.ts";
import { checkModel, resolveModel } from "./models.ts";

const keys = { OPENAI_API_KEY: "k", ANTHROPIC_API_KEY: "k", GEMINI_API_KEY: "k" };

afterEach(() => void vi.unstubAllEnvs());

describe("a model's name", () => {
  test.each([
    ["demo", "demo", "demo"],
    ["openai/gpt-5.1", "openai.responses", "gpt-5.1"],
    ["openai-chat/gpt-4o", "openai.chat", "gpt-4o"],
    ["anthropic/claude-sonnet-4-5", "anthropic.messages", "claude-sonnet-4-5"],
    ["google/gemini-2.5-flash", "google.generative-ai", "gemini-2.5-flash"],
    ["ollama/llama3.2:3b", "ollama.chat", "llama3.2:3b"],
  ])("%s is the model %s %s", async (name, provider, modelId) => {
    const resolved = await resolveModel(name, { env: keys });
    expect(resolved.model).toMatchObject({ provider, modelId, specificationVersion: "v4" });
    expect(resolved.id).toBe(name);
  });

  test.each(["", "gpt-5.1", "openai", "openai/", "nobody/gpt", "toString/x"])(
    "%j is none, and the known ones are told",
    (name) => {
      expect(() => checkModel(name, { env: keys })).toThrow(
        expect.objectContaining({
          code: "model_not_found",
          message: `Cannot use the model "${name}": known are demo, openai/..., openai-chat/..., anthropic/..., google/..., ollama/...`,
        }),
      );
    },
  );

  test.each([
    ["openai/gpt-5.1", "set OPENAI_API_KEY to"],
    ["anthropic/claude-sonnet-4-5", "set ANTHROPIC_API_KEY to"],
    ["google/gemini-2.5-flash", "set GOOGLE_GENERATIVE_AI_API_KEY (or GEMINI_API_KEY) to"],
  ])("%s without its key names the variable", (name, says) => {
    expect(() => checkModel(name, { env: {} })).toThrow(
      expect.objectContaining({ code: "missing_key", message: expect.stringContaining(says) }),
    );
    expect(() => checkModel(name, { env: {}, apiKey: "k" })).not.toThrow();
  });

  test("an agent without its key, or its fallback's, is not made", () => {
    vi.stubEnv("OPENAI_API_KEY", "");
    expect(() => new Agent({ name: "a", model: "openai/gpt-5.1" })).toThrow("set OPENAI_API_KEY");
    expect(() => new Agent({ name: "a", model: "demo", fallback: ["openai/gpt-5.1"] })).toThrow(
      "set OPENAI_API_KEY",
    );
  });
});

describe("a compatible server", () => {
  test("is asked at its place, with the key and the headers it wants", async () => {
    await using server = await openaiChatServer([{ text: ["Hello"] }]);
    const model = {
      baseURL: server.url,
      name: "org/local-7b",
      apiKey: "secret",
      headers: { "x-team": "red" },
    };
    const run = new TestRun(new Agent({ name: "a", model }));
    expect(await run.go()).toEqual({ status: "finished" });
    expect(server.requests[0]).toMatchObject({
      path: "/v1/chat/completions",
      headers: { authorization: "Bearer secret", "x-team": "red" },
      body: { model: "org/local-7b", stream: true, stream_options: { include_usage: true } },
    });
    expect(run.of("step.started")[0]?.model).toBe("org/local-7b");
  });

  test("without a key is sent none", async () => {
    await using server = await openaiChatServer([{ text: ["Hello"] }]);
    await new TestRun(new Agent({ name: "a", model: { baseURL: server.url, name: "local" } })).go();
    expect(server.requests[0]?.headers.authorization).toBeUndefined();
  });

  test("takes any name that no provider has, and its own with a prefix", async () => {
    expect(await resolveModel("local-7b", { baseURL: "http://127.0.0.1:1/v1" })).toMatchObject({
      id: "local-7b",
      baseURL: "http://127.0.0.1:1/v1",
    });
    expect(await resolveModel("demo", { baseURL: "http://127.0.0.1:1/v1" })).toMatchObject({
      provider: "demo",
    });
  });

  test.each([
    ["127.0.0.1:PORT", ""],
    ["http://127.0.0.1:PORT/", ""],
    ["0.0.0.0:PORT", ""],
    ["http://127.0.0.1:PORT/prefix", "/prefix"],
  ])("of Ollama is found by OLLAMA_HOST=%s", async (host, prefix) => {
    await using server = await openaiChatServer([{ text: ["Hello"] }]);
    const { port } = new URL(server.url);
    const { model } = await resolveModel("ollama/llama3.2", {
      env: { OLLAMA_HOST: host.replace("PORT", port) },
    });
    expect(await new TestRun(new Agent({ name: "a", model })).go()).toEqual({ status: "finished" });
    expect(server.requests[0]).toMatchObject({
      path: `${prefix}/v1/chat/completions`,
      body: { model: "llama3.2" },
    });
  });
});
