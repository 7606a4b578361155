import { afterEach, describe, expect, it, vi } from "vitest";
import type { Entry } from "../events.ts";
import { on, withHandlers } from "./handlers.ts";
import { collect, from, Probe } from "./probe.fixture.ts";
import { Disconnected } from "./queue.ts";

afterEach(() => void vi.useRealTimers());

describe("withHandlers", () => {
  it("[F46] gives every handler every value in order, and the reader too", async () => {
    const one: number[] = [];
    const other: number[] = [];
    const seen = await collect(
      withHandlers(from(1, 2, 3), {
        one: (value) => one.push(value),
        other: async (value) => {
          await new Promise(setImmediate);
          other.push(value);
        },
      }),
    );
    expect([seen, one, other]).toEqual([
      [1, 2, 3],
      [1, 2, 3],
      [1, 2, 3],
    ]);
  });

  it("[F46] one that throws is told of by its name, and gets the next value; nobody else notices", async () => {
    const errors: string[] = [];
    const good: number[] = [];
    const handlers = {
      bad: (value: number) => {
        throw new Error(`no ${value}`);
      },
      rejecting: (value: number) => Promise.reject(new Error(`never ${value}`)),
      good: (value: number) => good.push(value),
    };
    const onError = (error: unknown, name: string) => {
      errors.push(`${name}: ${(error as Error).message}`);
      throw new Error("and this one is dropped");
    };
    expect(await collect(withHandlers(from(1, 2), handlers, { onError }))).toEqual([1, 2]);
    expect(good).toEqual([1, 2]);
    expect(errors.sort()).toEqual(["bad: no 1", "bad: no 2", "rejecting: never 1", "rejecting: never 2"]);
  });

  it("[F46] [F75] one that hangs is given up, and holds up the end only for the grace", async () => {
    vi.useFakeTimers();
    const errors: unknown[] = [];
    const seen: number[] = [];
    const reading = collect(
      withHandlers(
        from(1, 2, 3, 4, 5),
        { stuck: () => new Promise(() => {}), good: (value) => seen.push(value) },
        {
          limit: 2,
          graceMs: 100,
          onError: (error) => errors.push(error),
        },
      ),
    );
    await vi.advanceTimersByTimeAsync(100);
    expect(await reading).toEqual([1, 2, 3, 4, 5]);
    expect(seen).toEqual([1, 2, 3, 4, 5]);
    expect(vi.getTimerCount()).toBe(0);
    // It is told once it comes back, and this one never does.
    expect(errors).toEqual([]);
  });

  it("[F76] one that is too slow is told to be disconnected", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const errors: unknown[] = [];
    const values = withHandlers(
      from(1, 2, 3, 4, 5),
      { slow: () => promise },
      {
        limit: 1,
        onError: (error) => errors.push(error),
      },
    );
    for (let count = 0; count < 5; count++) await values.next();
    resolve();
    expect((await values.next()).done).toBe(true);
    expect(errors).toEqual([expect.any(Disconnected)]);
  });

  it("[F76] with the policy wait, the reader goes at the pace of the slowest", async () => {
    const releases: (() => void)[] = [];
    const values = withHandlers(
      from(1, 2, 3),
      { slow: () => new Promise<void>((resolve) => releases.push(resolve)) },
      {
        limit: 1,
        whenFull: "wait",
      },
    );
    let read = 0;
    const reading = (async () => {
      for await (const value of values) read = value;
    })();
    await new Promise(setImmediate);
    expect(read).toBeLessThan(3);
    while (read < 3 || releases.length > 0) {
      releases.shift()?.();
      await new Promise(setImmediate);
    }
    await reading;
    expect(read).toBe(3);
  });

  it("compose: what one passes on, another handles", async () => {
    const order: string[] = [];
    const inner = withHandlers(from("a"), { inner: (value) => order.push(`inner ${value}`) });
    expect(await collect(withHandlers(inner, { outer: (value) => order.push(`outer ${value}`) }))).toEqual([
      "a",
    ]);
    expect(order.sort()).toEqual(["inner a", "outer a"]);
  });

  it("gives the handlers what came before the source failed", async () => {
    const seen: number[] = [];
    const values = withHandlers(new Probe([1, 2], "fail"), { one: (value) => seen.push(value) });
    await expect(collect(values)).rejects.toThrow("the source failed");
    expect(seen).toEqual([1, 2]);
  });
});

describe("on", () => {
  const entries: Entry[] = [
    { seq: 1, at: 0, event: { type: "text.delta", id: "1", text: "a" } },
    { seq: 2, at: 0, event: { type: "tool.called", callId: "c", name: "clock", input: {} } },
    { seq: 3, at: 0, event: { type: "text.delta", id: "2", text: "b", agent: "helper" } },
  ];

  it("[F42] [F46] handles events of a type, of a glob, of an agent", async () => {
    const seen: unknown[] = [];
    const handlers = {
      text: on("text.delta", (event) => seen.push(event.text)),
      tools: on("tool.*", (event) => seen.push(event.type)),
      some: on(["tool.called", "tool.returned"], (event, said) =>
        seen.push([event.callId, "seq" in said && said.seq]),
      ),
      helper: on({ agents: ["helper"] }, (event) => seen.push(event.agent)),
    };
    await collect(withHandlers(from(...entries), handlers));
    expect(seen).toHaveLength(5);
    expect(seen).toEqual(expect.arrayContaining(["a", "b", "tool.called", ["c", 2], "helper"]));
  });
});
