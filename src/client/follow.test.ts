import { describe, expect, test } from "vitest";
import { type Connection, type FollowOptions, follow } from "./follow.ts";
import { Http, UnreachableError } from "./http.ts";

const SILENCE_MS = 45_000;

const entry = (seq: number, event: object = { type: "custom", name: "n", data: seq }) =>
  `id: ${seq}-c${seq}\ndata: ${JSON.stringify({ seq, at: 1000 + seq, event })}\n\n`;
const end = (seq: number) => entry(seq, { type: "run.finished", cost: 0 });
const reset = 'id: 0-0\nevent: reset\ndata: {"reason":"lost"}\n\n';

/** An answer that says these pieces and then ends, breaks, or stays open until the request is aborted. */
function stream(pieces: readonly (string | Uint8Array)[], then: "end" | "break" | "open" = "end") {
  return (_url: string, signal: AbortSignal): Response => {
    const left = [...pieces];
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          const piece = left.shift();
          if (piece !== undefined)
            return controller.enqueue(typeof piece === "string" ? new TextEncoder().encode(piece) : piece);
          if (then === "end") return controller.close();
          if (then === "break") return controller.error(new TypeError("terminated"));
          return new Promise<void>((_, reject) => {
            signal.addEventListener("abort", () => reject(signal.reason));
          });
        },
      },
      { highWaterMark: 0 },
    );
    return new Response(body, { headers: { "content-type": "text/event-stream; charset=utf-8" } });
  };
}

const refusal = (status: number, code: string) => () =>
  new Response(JSON.stringify({ code, detail: `detail of ${code}`, status }), { status });

type Answer = (url: string, signal: AbortSignal) => Response;

/** A server that gives these answers in turn, and what a follower made of them. */
function scene(answers: readonly Answer[], options: Partial<FollowOptions> = {}) {
  const asked: string[] = [];
  const delays: number[] = [];
  const connections: Connection[] = [];
  const left = [...answers];
  const http = new Http({
    url: "http://server.test",
    fetch: async (input, init) => {
      const url = String(input);
      asked.push(new URL(url).search);
      const answer = left.shift();
      if (!answer) throw new TypeError("fetch failed", { cause: { code: "ECONNREFUSED" } });
      return answer(url, init?.signal ?? new AbortController().signal);
    },
  });
  const slices = follow(http, "r1", {
    random: () => 1,
    onConnection: (connection) => connections.push(connection),
    wait: (ms, signal) => {
      if (ms !== SILENCE_MS) delays.push(ms);
      return ms === SILENCE_MS
        ? new Promise((resolve) => signal.addEventListener("abort", () => resolve()))
        : Promise.resolve();
    },
    ...options,
  });
  /** Everything that came: the seq of each entry, and each reset. */
  const all = async () => {
    const got: (number | string)[] = [];
    for await (const { entries, reset } of slices) {
      got.push(...(entries ? entries.map(({ seq }) => seq) : [reset]));
    }
    return got;
  };
  return { all, slices, asked, delays, connections };
}

describe("following a run", () => {
  test("ends with the terminal event, without asking again", async () => {
    const { all, asked } = scene([stream([entry(1) + entry(2), end(3)], "open")]);
    expect(await all()).toEqual([1, 2, 3]);
    expect(asked).toEqual([""]);
  });

  test("keeps each entry as the server sent it, with its cursor", async () => {
    const json = '{"seq":1,"at":5,"event":{"type":"run.finished","cost":1.50}}';
    const { slices } = scene([stream([`id: 1-abc\ndata: ${json}\n\n`])]);
    const { value } = await slices.next();
    expect(value?.entries?.[0]).toMatchObject({ seq: 1, at: 5, cursor: "1-abc", json });
  });

  test("[F54] asks for what comes after the last entry, and drops what it has seen", async () => {
    const { all, asked } = scene([
      stream([entry(1), entry(2)], "break"),
      stream([entry(2), entry(3)]),
      stream([end(4)]),
    ]);
    expect(await all()).toEqual([1, 2, 3, 4]);
    expect(asked).toEqual(["", "?after=2-c2", "?after=3-c3"]);
  });

  test("begins after the cursor it is given", async () => {
    const { all, asked } = scene([stream([end(8)])], { after: "7-c7" });
    expect(await all()).toEqual([8]);
    expect(asked).toEqual(["?after=7-c7"]);
  });

  test("reads an entry that comes in pieces, cut in the middle of a character", async () => {
    const bytes = new TextEncoder().encode(entry(1, { type: "custom", name: "n", data: "ø€😀" }) + end(2));
    const pieces = Array.from(bytes, (byte) => Uint8Array.of(byte));
    const { slices } = scene([stream(pieces)]);
    const { value } = await slices.next();
    expect(value?.entries?.[0]?.event).toMatchObject({ data: "ø€😀" });
    await slices.return();
  });

  test("an entry that was cut off is not half an entry: it comes again whole", async () => {
    const { all, asked } = scene([stream([entry(1), entry(2).slice(0, 30)]), stream([entry(2), end(3)])]);
    expect(await all()).toEqual([1, 2, 3]);
    expect(asked).toEqual(["", "?after=1-c1"]);
  });

  test("passes a reset on, and takes the log from its start again", async () => {
    const { all, asked } = scene([
      stream([entry(1), entry(2)], "break"),
      stream([reset], "break"),
      stream([entry(1), end(2)]),
    ]);
    expect(await all()).toEqual([1, 2, "lost", 1, 2]);
    expect(asked).toEqual(["", "?after=2-c2", ""]);
  });

  test("204 is the end: nothing is left to show", async () => {
    const { all, asked } = scene([stream([entry(1)], "break"), () => new Response(null, { status: 204 })]);
    expect(await all()).toEqual([1]);
    expect(asked).toHaveLength(2);
  });

  test("passes what it does not know", async () => {
    const odd = 'event: weather\ndata: {"rain":true}\n\n';
    const { all } = scene([stream([odd + entry(1, { type: "new.happened" }) + end(2)])]);
    expect(await all()).toEqual([1, 2]);
  });
});

describe("losing the connection", () => {
  test("waits longer each time, from 250 ms up to 15 s, and anew after a sign of life", async () => {
    const down: Answer = () => {
      throw new TypeError("fetch failed");
    };
    const { all, delays } = scene([
      ...Array.from({ length: 9 }, () => down),
      stream([entry(1)], "break"),
      down,
      stream([end(2)]),
    ]);
    expect(await all()).toEqual([1, 2]);
    expect(delays).toEqual([250, 500, 1000, 2000, 4000, 8000, 15000, 15000, 15000, 250, 500]);
  });

  test("an answer that says nothing before it ends is no sign of life, a heartbeat is one", async () => {
    const greeting = "retry: 1000\n\n";
    const { all, delays } = scene([
      stream([greeting]),
      stream([greeting]),
      stream([greeting, ":\n\n"]),
      stream([end(1)]),
    ]);
    expect(await all()).toEqual([1]);
    expect(delays).toEqual([250, 500, 250]);
  });

  test("the wait is spread over its upper half", async () => {
    const { all, delays } = scene([stream([entry(1)]), stream([end(2)])], { random: () => 0 });
    await all();
    expect(delays).toEqual([125]);
  });

  test("tells of each attempt, and when the connection is there again", async () => {
    const { all, connections } = scene([
      stream([entry(1)], "break"),
      refusal(503, "stopping"),
      stream([end(2)]),
    ]);
    await all();
    expect(connections).toEqual([
      { state: "live", attempt: 0 },
      { state: "reconnecting", attempt: 1, delayMs: 250 },
      { state: "reconnecting", attempt: 2, delayMs: 500 },
      { state: "live", attempt: 2 },
    ]);
  });

  test("a connection without a byte for too long is given up", async () => {
    let silent = 2;
    const { all, asked } = scene([stream([entry(1)], "open"), stream([end(2)])], {
      wait: (ms, signal) => {
        // The answer and the first entry have come; the next silence is the long one.
        if (ms !== SILENCE_MS || silent-- === 0) return Promise.resolve();
        return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
      },
    });
    expect(await all()).toEqual([1, 2]);
    expect(asked).toEqual(["", "?after=1-c1"]);
  });

  test("a request without an answer for too long is given up, and tried again", async () => {
    let requests = 0;
    const http = new Http({
      url: "http://server.test",
      fetch: (url, init) =>
        requests++ > 0
          ? Promise.resolve(stream([end(1)])(String(url), init!.signal!))
          : new Promise((_, reject) => {
              init!.signal!.addEventListener("abort", () => reject(init!.signal!.reason));
            }),
    });
    const slices = follow(http, "r1", {
      wait: (_ms, signal) =>
        requests < 2
          ? Promise.resolve()
          : new Promise((resolve) => signal.addEventListener("abort", () => resolve())),
    });
    expect((await slices.next()).value?.entries).toMatchObject([{ seq: 1 }]);
  });

  test("what cannot be read is no sign of life: it is given up like silence", async () => {
    const garbled = stream(["data: {\n\n"]);
    const { all, delays } = scene([garbled, garbled, garbled, garbled], { maxAttempts: 2 });
    await expect(all()).rejects.toThrow("the connection breaks every time");
    expect(delays).toEqual([250, 500]);
  });

  test("an answer that is no event stream is tried again, as of a proxy in between", async () => {
    const { all } = scene([
      () => new Response("<html>", { headers: { "content-type": "text/html" } }),
      () => new Response("<html>", { status: 502 }),
      stream([end(1)]),
    ]);
    expect(await all()).toEqual([1]);
  });

  test("gives up after as many attempts as it may, with what was wrong last", async () => {
    const { all, delays } = scene([], { maxAttempts: 3 });
    await expect(all()).rejects.toThrow(UnreachableError);
    expect(delays).toHaveLength(3);
    const broken = scene([stream([]), stream([])], { maxAttempts: 1 });
    await expect(broken.all()).rejects.toThrow("the connection breaks every time");
  });

  test.each([
    [404, "run_not_found"],
    [410, "run_deleted"],
    [400, "invalid_cursor"],
    [401, "unauthorized"],
  ])("a refusal for good is thrown: %i %s", async (status, code) => {
    const { all, asked } = scene([stream([entry(1)], "break"), refusal(status, code)]);
    await expect(all()).rejects.toMatchObject({ code, message: `detail of ${code}` });
    expect(asked).toHaveLength(2);
  });
});

describe("leaving", () => {
  test("the signal ends it without an error, while it reads and while it waits", async () => {
    const reading = new AbortController();
    const one = scene([stream([entry(1)], "open")], { signal: reading.signal });
    await one.slices.next();
    const next = one.slices.next();
    reading.abort();
    expect(await next).toEqual({ done: true, value: undefined });

    const waiting = new AbortController();
    const two = scene([], {
      signal: waiting.signal,
      wait: (_ms, signal) =>
        new Promise((resolve) => {
          signal.addEventListener("abort", () => resolve());
          waiting.abort();
        }),
    });
    expect(await two.all()).toEqual([]);
  });

  test("[F52] breaking the loop closes the connection, and asks the server for nothing", async () => {
    let closed = false;
    const { slices, asked } = scene([
      (url, signal) => {
        signal.addEventListener("abort", () => {
          closed = true;
        });
        return stream([entry(1)], "open")(url, signal);
      },
    ]);
    for await (const _ of slices) break;
    expect(closed).toBe(true);
    expect(asked).toHaveLength(1);
  });

  test("nothing is asked before the first entry is wanted", async () => {
    const { slices, asked } = scene([stream([end(1)])]);
    await slices.return();
    expect(asked).toEqual([]);
  });
});
