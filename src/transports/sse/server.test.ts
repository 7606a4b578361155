import { getEventListeners } from "node:events";
import { createParser, type EventSourceMessage } from "eventsource-parser";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Frames } from "../../view.ts";
import { formatFrame } from "./format.ts";
import { sseDefaults, sseResponse } from "./server.ts";

/** What a client's parser makes of a text. */
function parse(text: string): EventSourceMessage[] {
  const messages: EventSourceMessage[] = [];
  createParser({ onEvent: (message) => messages.push(message) }).feed(text);
  return messages;
}

async function* framesOf(...slices: Frames[]): AsyncGenerator<Frames> {
  yield* slices;
}

describe("formatFrame", () => {
  it("[F53] puts the cursor in the id, the name in the event and the JSON in one line of data", () => {
    expect(formatFrame({ data: '{"a":1}', cursor: "1-a" })).toBe('id: 1-a\ndata: {"a":1}\n\n');
    expect(formatFrame({ data: "{}", event: "reset", cursor: "0-0" })).toBe(
      "id: 0-0\nevent: reset\ndata: {}\n\n",
    );
  });

  it("[F110] lets no payload forge a frame: a parser sees exactly what was sent", () => {
    const hostile = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom("\ndata: x\n\n", "\r\n\r\nid: 9\n", "\u2028", "\0", ": ping", "\ufeffdata:", "\ud800"),
    );
    fc.assert(
      fc.property(fc.array(hostile, { minLength: 1 }), (texts) => {
        const wire = texts
          .map((text, i) => formatFrame({ data: JSON.stringify({ text }), cursor: `${i}-a` }))
          .join("");
        const seen = parse(wire);
        expect(seen.map(({ data }) => JSON.parse(data).text)).toEqual(texts);
        expect(seen.map(({ id }) => id)).toEqual(texts.map((_, i) => `${i}-a`));
      }),
    );
  });

  it("[F110] refuses a view that would put a line end into its data", () => {
    for (const end of ["\n", "\r", "\0"])
      expect(() => formatFrame({ data: `{${end}}` })).toThrow("holds a line end");
  });
});

describe("sseResponse", () => {
  afterEach(() => void vi.useRealTimers());

  it("[F55] [F56] tells proxies not to hold back, and clients when to come again", async () => {
    const response = sseResponse(() => framesOf([{ data: "{}", cursor: "1-a" }]));
    expect(Object.fromEntries(response.headers)).toEqual({
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store, no-transform",
      "x-accel-buffering": "no",
    });
    expect(await response.text()).toBe("retry: 1000\n\nid: 1-a\ndata: {}\n\n");
  });

  it("[F55] sends a comment whenever it has been quiet for the heartbeat", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const later = Promise.withResolvers<void>();
    const response = sseResponse(
      async function* () {
        await later.promise;
        yield [{ data: "{}" }];
      },
      { ...sseDefaults, heartbeatMs: 1_000 },
    );
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    const text: string[] = [];
    const reading = (async () => {
      for (let read = await reader.read(); !read.done; read = await reader.read()) text.push(read.value);
    })();
    await vi.advanceTimersByTimeAsync(2_500);
    later.resolve();
    await reading;
    expect(text).toEqual(["retry: 1000\n\n", ":\n\n", ":\n\n", "data: {}\n\n"]);
  });

  it("[F75] makes nothing before the client has read what came before", async () => {
    let made = 0;
    const response = sseResponse(async function* () {
      while (made < 100) yield [{ data: `${made++}` }];
    });
    const reader = response.body!.getReader();
    for (let i = 0; i < 3; i++) await reader.read();
    expect(made).toBeLessThanOrEqual(3);
    await reader.cancel();
  });

  it("lets the source go when the client goes, also while it waits for an event", async () => {
    const gone = Promise.withResolvers<void>();
    const response = sseResponse(async function* (signal) {
      signal.addEventListener("abort", () => gone.resolve());
      yield [{ data: "{}" }];
      await gone.promise;
    });
    const reader = response.body!.getReader();
    await reader.read();
    await reader.read();
    const pending = reader.read();
    await reader.cancel();
    await gone.promise;
    expect((await pending).done).toBe(true);
  });

  it("lets the source go when the client goes between two reads", async () => {
    const gone = Promise.withResolvers<void>();
    const response = sseResponse(async function* () {
      try {
        yield [{ data: "{}" }];
        yield [{ data: "{}" }];
      } finally {
        gone.resolve();
      }
    });
    const reader = response.body!.getReader();
    await reader.read();
    await reader.read();
    await reader.cancel();
    await gone.promise;
  });

  it("listens for the server's stop only while it is read", async () => {
    const { signal } = new AbortController();
    const response = sseResponse(() => framesOf([{ data: "{}" }]), { ...sseDefaults, signal });
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
    const reader = response.body!.getReader();
    await reader.read();
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
    await reader.cancel();
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });

  it("[F89] ends also where the server has stopped before anything was read", async () => {
    const stop = new AbortController();
    const response = sseResponse(
      async function* (signal) {
        if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
      { ...sseDefaults, signal: stop.signal },
    );
    stop.abort();
    expect(await response.text()).toMatch(/^retry: 1000\n\nretry: \d+\n\n$/);
  });

  it("[F89] ends cleanly when the server stops, and says when to come back, to each another time", async () => {
    const stop = new AbortController();
    const response = sseResponse(
      async function* (signal) {
        yield [{ data: "{}" }];
        if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
      { ...sseDefaults, signal: stop.signal },
    );
    const reader = response.body!.getReader();
    await reader.read();
    await reader.read();
    const next = reader.read();
    stop.abort();
    expect(new TextDecoder().decode((await next).value)).toMatch(/^retry: \d+\n\n$/);
    expect((await reader.read()).done).toBe(true);
  });
});
