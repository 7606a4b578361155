import { afterEach, describe, expect, test, vi } from "vitest";
import { providerFailure, publicMessage } from "./provider-failure.ts";

const withStatus = (statusCode: number, message = "no") => Object.assign(new Error(message), { statusCode });

describe("what a failure is", () => {
  test.each([
    [withStatus(429), "rate_limited", true],
    [
      Object.assign(withStatus(429), { responseBody: '{"error":{"code":"insufficient_quota"}}' }),
      "quota_exceeded",
      false,
    ],
    [withStatus(500), "provider_unavailable", true],
    [withStatus(503), "provider_unavailable", true],
    [withStatus(408), "provider_unavailable", true],
    [withStatus(529), "provider_overloaded", true],
    [{ type: "overloaded_error", message: "Overloaded" }, "provider_overloaded", true],
    [{ error: { type: "overloaded_error", message: "Overloaded" } }, "provider_overloaded", true],
    [withStatus(401), "provider_unauthorized", false],
    [withStatus(403), "provider_unauthorized", false],
    [withStatus(404), "model_unknown", false],
    [withStatus(400), "provider_rejected", false],
    [withStatus(422), "provider_rejected", false],
    [new TypeError("terminated"), "provider_disconnected", true],
    [
      new TypeError("fetch failed", { cause: Object.assign(new Error("connect"), { code: "ECONNREFUSED" }) }),
      "provider_disconnected",
      true,
    ],
    [Object.assign(new Error("bad prompt"), { name: "AI_InvalidPromptError" }), "provider_rejected", false],
    [Object.assign(new Error("bad JSON"), { name: "AI_JSONParseError" }), "provider_garbled", true],
    [Object.assign(new Error("gave up"), { lastError: withStatus(429) }), "rate_limited", true],
    ["boom", "model_error", true],
    [undefined, "model_error", true],
    [Object.assign(new Error("no"), { isRetryable: false }), "model_error", false],
  ])("%o is %s", (error, code, retryable) => {
    expect(providerFailure(error)).toMatchObject({ code, retryable });
  });

  test.each([
    [{ "retry-after": "2" }, 2_000],
    [{ "retry-after-ms": "150" }, 150],
    [{ "retry-after": "99999" }, 60_000],
    [{ "retry-after": "soon" }, undefined],
    [{}, undefined],
  ])("the wait a provider asks for by %j is %s", (responseHeaders, ms) => {
    expect(providerFailure(Object.assign(withStatus(429), { responseHeaders })).retryAfterMs).toBe(ms);
  });
});

describe("[F17] what viewers are told", () => {
  afterEach(() => void vi.unstubAllEnvs());

  test("holds no key: neither one that looks like it, nor one that is set", () => {
    vi.stubEnv("SOME_API_KEY", "very-private-thing");
    const said = publicMessage(
      new Error("Refused sk-proj-abc***xyz and very-private-thing and Bearer abc.def"),
    );
    expect(said).toBe("Refused [hidden] and [hidden] and [hidden]");
  });

  test("holds no stack, and is short", () => {
    expect(publicMessage(new Error("a".repeat(2_000)))).toHaveLength(500);
    expect(publicMessage(new Error("no"))).toBe("no");
  });
});
