import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RunError } from "../../errors.ts";
import { parseClientMessage, parseServerMessage, toError } from "./format.ts";

const errorOf = (message: unknown) => {
  const parsed = parseClientMessage(typeof message === "string" ? message : JSON.stringify(message));
  return parsed.error && { id: parsed.id, code: parsed.error.code, message: parsed.error.message };
};

describe("parseClientMessage", () => {
  it.each([
    { type: "subscribe", id: "a", run: "r1" },
    { type: "subscribe", id: "a", run: "r1", after: "7-1k0xkd1", view: "agentor", types: ["text.delta"] },
    { type: "unsubscribe", id: "a" },
    { type: "start", id: "a", request: { input: "Hello" } },
    { type: "input", id: "a", run: "r1", event: { type: "input.cancel" } },
    { type: "cancel", id: "a", run: "r1", reason: "enough" },
    { type: "append", id: "a", run: "r1", events: [] },
    { type: "ping" },
    { type: "ping", id: "a" },
  ])("[P19] takes $type as it is", (message) => {
    expect(parseClientMessage(JSON.stringify(message))).toEqual({ message });
  });

  it.each([
    ["hello", undefined, "it is no JSON object"],
    ["[]", undefined, "it is no JSON object"],
    [
      { id: "a" },
      "a",
      '"type" must be one of subscribe, unsubscribe, start, input, cancel, append, ping, got nothing',
    ],
    [{ id: "a", type: "constructor" }, "a", 'got "constructor"'],
    [{ type: "subscribe", run: "r1" }, undefined, '"id" must be a text of 1 to 64 characters, got nothing'],
    [{ type: "ping", id: 7 }, undefined, '"id" must be a text of 1 to 64 characters, got 7'],
    [
      { type: "subscribe", id: "a", run: ["r1"] },
      "a",
      '"run" must be a text of 1 to 64 characters, got an array',
    ],
    [{ type: "subscribe", id: "a", run: "r1", after: 7 }, "a", '"after" must be a cursor, got 7'],
    [
      { type: "subscribe", id: "a", run: "r1", types: "x" },
      "a",
      '"types" must be up to 100 event types, got "x"',
    ],
    [
      { type: "cancel", id: "a", run: "r1", reason: {} },
      "a",
      '"reason" must be a text of 1 to 10000 characters, got an object',
    ],
    [{ type: "start", id: "a" }, "a", '"request" must be there, got nothing'],
    [{ type: "unsubscribe", id: "a", run: "r1" }, "a", '"unsubscribe" has no field "run" (it has type, id)'],
    ['{"type":"ping","__proto__":1}', undefined, '"ping" has no field "__proto__"'],
  ])("[F60] [P19] says what is wrong with %j, under the id that it names", (message, id, why) => {
    expect(errorOf(message)).toMatchObject({ id, code: "invalid_request" });
    expect(errorOf(message)?.message).toMatch(/^Cannot read the message: /);
    expect(errorOf(message)?.message).toContain(why);
  });

  it("[F60] never throws, whatever the text", () => {
    const texts = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.json(),
      fc
        .record({
          type: fc.constantFrom("subscribe", "start", "ping", "toString"),
          id: fc.anything(),
          run: fc.anything(),
        })
        .map((message) =>
          JSON.stringify(message, (_, value) => (typeof value === "bigint" ? `${value}` : value)),
        ),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const parsed = parseClientMessage(text);
        expect(parsed.error ?? parsed.message).toBeTruthy();
      }),
    );
  });
});

describe("parseServerMessage", () => {
  it("[P18] passes over a type that it does not know, and refuses what is no message", () => {
    expect(parseServerMessage('{"type":"weather"}')).toBeUndefined();
    expect(() => parseServerMessage("nonsense")).toThrow('it is no message of "runlog.1"');
  });

  it("makes a RunError of a code it knows, and an error of any other", () => {
    const error = { type: "error", message: "Cannot", retry: false } as const;
    expect(toError({ ...error, code: "run_not_found" })).toMatchObject({
      code: "run_not_found",
      status: 404,
    });
    expect(toError({ ...error, code: "toString" })).not.toBeInstanceOf(RunError);
    expect(toError({ ...error, code: "toString" }).message).toBe("Cannot (toString)");
  });
});
