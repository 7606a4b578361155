import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import type { AgentStream, RunContext } from "../../agent.ts";
import { Channels } from "../../channel.ts";
import { errorTable, RunError } from "../../errors.ts";
import { createHub, type Hub } from "../../hub.ts";
import { socketActions } from "../../server/socket-actions.ts";
import { views } from "../../server/views.ts";
import type { Store } from "../../store.ts";
import { memoryStore } from "../../stores/memory.ts";
import type { Frames } from "../../view.ts";
import { EncodedFrames } from "./encoded-frames.ts";
import { formatError, MAX_MESSAGE_BYTES } from "./format.ts";
import { serveSocket } from "./server.ts";
import { ask, framesIn, type Heard, talk } from "./talk.fixture.ts";

async function* story({ input }: RunContext): AgentStream {
  yield { type: "reasoning.started", id: "r" };
  yield { type: "reasoning.delta", id: "r", text: "Let me see" };
  yield { type: "reasoning.finished", id: "r" };
  yield { type: "text.started", id: "1" };
  for (const word of ["You", " said ", "\u2028", "😀", String(input)]) {
    yield { type: "text.delta", id: "1", text: word };
    yield { type: "tool.progressed", callId: "c", data: word };
    await new Promise(setImmediate);
  }
  yield { type: "text.finished", id: "1" };
}

async function* endless({ signal }: RunContext): AgentStream {
  yield { type: "text.started", id: "1" };
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
}

async function* asks({ entries }: RunContext): AgentStream {
  if (entries.some(({ event }) => event.type === "input.approval")) return;
  yield { type: "approval.requested", approvalId: "a", callId: "c", name: "pay", input: {} };
}

/** Says nothing before it is told how much, in texts of 64 KiB. */
async function* bulk({ takeMessages, input }: RunContext): AgentStream {
  while (takeMessages().length === 0) await new Promise(setImmediate);
  for (let count = 0; count < Number(input); count++)
    yield { type: "custom", name: "app.bulk", data: `${count} ${"x".repeat(64 * 1024)}` };
}

/** `serveSocket` on real sockets, each of which the test can look at. */
async function serve({ store = memoryStore() }: { store?: Store } = {}) {
  const hub = await createHub({ store, agents: [story, endless, asks, bulk] });
  const encode = vi.fn((frames: Frames) => new EncodedFrames(frames));
  const channels = new Channels(encode);
  const stopping = new AbortController();
  const errors: unknown[] = [];
  const sockets: WebSocket[] = [];
  const http = createServer();
  const server = new WebSocketServer({ server: http, maxPayload: MAX_MESSAGE_BYTES });
  server.on("connection", (socket, { socket: wire }) => {
    sockets.push(socket);
    serveSocket(socket, {
      wire,
      actions: socketActions(hub, views),
      channels,
      stopping: stopping.signal,
      onError: (error) => errors.push(error),
    });
  });
  await new Promise<void>((resolve) => void http.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  return {
    hub,
    url,
    encode,
    sockets,
    errors,
    stopping,
    async ended(agent: string, input = "Hello") {
      const { run } = await hub.start({ agent, input });
      await run.ended();
      return run.id;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.terminate();
      server.close();
      http.close();
      await hub.drain(0);
    },
  };
}

/** Who is told of new batches of any run, from now on. */
function watchersOf(store: Store): ReadonlySet<() => void> {
  const watching = new Set<() => void>();
  const { watch } = store;
  store.watch = (run, wake) => {
    const hint = () => wake();
    const inner = watch.call(store, run, wake);
    watching.add(hint);
    return {
      [Symbol.dispose]() {
        watching.delete(hint);
        inner[Symbol.dispose]();
      },
    };
  };
  return watching;
}

const isEnd = ({ type }: Heard) => type === "end";

describe("subscribing", () => {
  it("[F58] [P19] shows a run from its start, then live, and says when it has ended", async () => {
    await using server = await serve();
    using client = await talk(server.url);
    const { run } = await ask(client, { type: "start", id: "1", request: { input: "Hello" } } as Heard);
    client.say({ type: "subscribe", id: "a", run });
    const heard = await client.hearUntil(isEnd);
    expect(heard[0]).toEqual({ type: "ok", id: "a" });
    expect(heard.at(-1)).toEqual({ type: "end", id: "a" });
    const entries = await server.hub.run(run).log.entries();
    expect(framesIn(heard)).toEqual(
      entries.map(({ seq, at, event, cursor }) => ({ cursor, data: { seq, at, event } })),
    );
  });

  it.each([undefined, "agentor"])(
    "[F59] [P19] goes on after every cursor of a run with exactly the rest (view: %s)",
    async (view) => {
      await using server = await serve();
      const run = await server.ended("story");
      using client = await talk(server.url);
      const show = async (after?: string) => {
        client.say({ type: "subscribe", id: "a", run, ...(view && { view }), ...(after && { after }) });
        return framesIn(await client.hearUntil(isEnd));
      };
      const all = await show();
      expect(all.length).toBeGreaterThan(5);
      for (const [index, { cursor }] of all.entries())
        expect(await show(cursor)).toEqual(all.slice(index + 1));
    },
  );

  it("[F58] shows several runs on one socket, each in its own order", async () => {
    await using server = await serve();
    using client = await talk(server.url);
    const runs = ["r1", "r2", "r3"];
    for (const run of runs) {
      client.say({ type: "start", id: `start ${run}`, request: { id: run, input: run } });
      client.say({ type: "subscribe", id: run, run });
    }
    let ends = 0;
    const heard = await client.hearUntil((message) => isEnd(message) && ++ends === runs.length);
    for (const run of runs) {
      const frames = framesIn(heard.filter(({ id }) => id === run));
      const entries = await server.hub.run(run).log.entries();
      expect(frames.map(({ data }) => data.seq)).toEqual(entries.map(({ seq }) => seq));
      expect(frames[0]?.data.event.input).toBe(run);
    }
  });

  it("[P19] what is asked of one run is done in the order in which it was asked", async () => {
    await using server = await serve();
    using client = await talk(server.url);
    client.say({ type: "start", id: "1", request: { agent: null, id: "p" } });
    for (let count = 0; count < 20; count++) {
      const event = { type: "custom", name: "app.n", data: count };
      client.say({ type: "append", id: `${count}`, run: "p", events: [event] });
    }
    client.say({ type: "cancel", id: "cancel", run: "p" });
    client.say({ type: "append", id: "end", run: "p", events: { type: "run.finished" } });
    const answers = await client.hearUntil(({ id }) => id === "end");
    expect(answers[0]).toEqual({ type: "started", id: "1", run: "p", created: true });
    expect(answers[1]).toMatchObject({ type: "ok", id: "0", first: 2, last: 2, ended: false });
    expect(answers.at(-1)).toMatchObject({ type: "ok", first: 23, ended: true });
    const events = (await server.hub.run("p").log.entries()).map(({ event }) => event);
    expect(events.filter(({ type }) => type === "custom").map((event) => (event as Heard).data)).toEqual(
      Array.from({ length: 20 }, (_, count) => count),
    );
    expect(events.at(-1)?.type).toBe("run.cancelled");
  });

  it("[F59] [P7] tells a cursor that does not fit, and shows all of the run", async () => {
    await using server = await serve();
    const [run, other] = [await server.ended("story"), await server.ended("story", "Bye")];
    using client = await talk(server.url);
    const { cursor } = (await server.hub.run(other).log.entry(3))!;
    for (const view of ["native", "agentor"]) {
      client.say({ type: "subscribe", id: "a", run, after: cursor, view });
      const [ok, reset, ...frames] = await client.hearUntil(isEnd);
      expect([ok, reset]).toEqual([
        { type: "ok", id: "a" },
        { type: "reset", id: "a", reason: "mismatch" },
      ]);
      client.say({ type: "subscribe", id: "b", run, view });
      expect(framesIn(frames)).toEqual(framesIn(await client.hearUntil(isEnd)));
    }
    client.say({ type: "subscribe", id: "a", run, after: "900-a" });
    expect((await client.hearUntil(isEnd))[1]).toEqual({ type: "reset", id: "a", reason: "ahead" });
  });

  it("[P10] shows only some types, and the end", async () => {
    await using server = await serve();
    const run = await server.ended("story");
    using client = await talk(server.url);
    client.say({ type: "subscribe", id: "a", run, types: ["text.started"] });
    const frames = framesIn(await client.hearUntil(isEnd));
    expect(frames.map(({ data }) => data.event.type)).toEqual(["text.started", "run.finished"]);
  });

  it("[P19] unsubscribing ends only the subscription, and nothing comes under its name afterwards", async () => {
    await using server = await serve();
    const { run } = await server.hub.start({ agent: null, input: "x" });
    using client = await talk(server.url);
    client.say({ type: "subscribe", id: "a", run: run.id });
    client.say({ type: "subscribe", id: "b", run: run.id });
    client.say({ type: "unsubscribe", id: "a" });
    client.say({ type: "unsubscribe", id: "never" });
    await client.hearUntil(({ id }) => id === "never");
    await run.append([{ type: "run.finished" }]);
    const rest = await client.hearUntil(isEnd);
    expect(rest.map(({ id }) => id)).not.toContain("a");
    expect((await run.info()).status).toBe("finished");
  });

  it("[P19] a second subscription under one name takes the place of the first", async () => {
    await using server = await serve();
    const [open, run] = [
      await server.hub.start({ agent: "endless", input: "x" }),
      await server.ended("story"),
    ];
    using client = await talk(server.url);
    await ask(client, { type: "subscribe", id: "a", run: open.run.id } as Heard);
    client.say({ type: "subscribe", id: "a", run });
    const frames = framesIn(await client.hearUntil(isEnd));
    const entries = await server.hub.run(run).log.entries();
    expect(frames.slice(-entries.length).map(({ data }) => data.event)).toEqual(
      entries.map(({ event }) => event),
    );
    await open.run.cancel();
    await open.run.ended();
    client.say({ type: "ping", id: "p" });
    expect(await client.hearUntil(({ type }) => type === "pong")).toEqual([{ type: "pong", id: "p" }]);
  });

  it("[F75] [P19] a socket has up to 64 subscriptions, and room for more when one ends", async () => {
    await using server = await serve();
    const { run } = await server.hub.start({ agent: "endless", input: "x" });
    using client = await talk(server.url);
    for (let count = 0; count < 64; count++) client.say({ type: "subscribe", id: `${count}`, run: run.id });
    const refused = { type: "subscribe", id: "more", run: run.id } as Heard;
    expect(await ask(client, refused)).toMatchObject({ type: "error", code: "too_large" });
    client.say({ type: "unsubscribe", id: "7" });
    expect(await ask(client, refused)).toEqual({ type: "ok", id: "more" });
  });

  it("[F49] [F75] a run is followed once and its frames are encoded once, on however many sockets it is shown", async () => {
    const store = memoryStore();
    await using server = await serve({ store });
    const { run } = await server.hub.start({ agent: null, input: "x" });
    const watching = watchersOf(store);
    const clients = await Promise.all(Array.from({ length: 20 }, () => talk(server.url)));
    for (const [index, client] of clients.entries()) {
      client.say({ type: "subscribe", id: `${index % 2}`, run: run.id });
      await client.hearUntil(({ type }) => type === "frames");
    }
    await vi.waitFor(() => expect(watching.size).toBe(1));
    // Those that still look whether there is more in the log join the channel in the meantime.
    for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate);
    server.encode.mockClear();
    for (let count = 0; count < 10; count++)
      await run.append([{ type: "custom", name: "app.n", data: count }]);
    await run.append([{ type: "run.finished" }]);
    const entries = (await run.log.entries()).slice(1);
    for (const client of clients) {
      const frames = framesIn(await client.hearUntil(isEnd));
      expect(frames.map(({ cursor }) => cursor)).toEqual(entries.map(({ cursor }) => cursor));
      client.socket.terminate();
    }
    expect(server.encode.mock.calls.length).toBeLessThanOrEqual(entries.length);
    expect(watching.size).toBe(0);
  });

  it("[F52] closing the socket does nothing to the run, and lets go of its log", async () => {
    const store = memoryStore();
    await using server = await serve({ store });
    const { run } = await server.hub.start({ agent: "endless", input: "x" });
    const watching = watchersOf(store);
    const client = await talk(server.url);
    await ask(client, { type: "subscribe", id: "a", run: run.id } as Heard);
    await vi.waitFor(() => expect(watching.size).toBe(1));
    client.socket.terminate();
    await vi.waitFor(() => expect(watching.size).toBe(0));
    expect((await run.info()).status).toBe("running");
  });

  it("a log that breaks ends its subscription with an error; the socket and the others go on", async () => {
    const store = memoryStore();
    await using server = await serve({ store });
    const { run } = await server.hub.start({ agent: "endless", id: "broken", input: "x" });
    const other = await server.ended("story");
    const { read } = store;
    let broken = false;
    store.read = async (...asked) => {
      if (broken && asked[0] === "broken") throw new Error("secret");
      return read.apply(store, asked);
    };
    const watching = watchersOf(store);
    using client = await talk(server.url);
    client.say({ type: "subscribe", id: "a", run: run.id });
    await client.hearUntil(({ type }) => type === "frames");
    await vi.waitFor(() => expect(watching.size).toBe(1));
    broken = true;
    for (const wake of watching) wake();
    const heard = await client.hearUntil(({ type }) => type === "error");
    expect(heard.at(-1)).toEqual({
      type: "error",
      id: "a",
      code: "store_unavailable",
      message: "Something went wrong inside the server",
      retry: true,
    });
    expect(server.errors).toEqual([new Error("secret")]);
    client.say({ type: "subscribe", id: "a", run: other });
    await client.hearUntil(isEnd);
  });
});

describe("sending to runs", () => {
  it("[F58] starts a run once for one id, and refuses another request under it", async () => {
    await using server = await serve();
    using client = await talk(server.url);
    const start = (id: string, input: string) =>
      ask(client, { type: "start", id, request: { agent: "endless", id: "r1", input } } as Heard);
    expect(await start("1", "x")).toEqual({ type: "started", id: "1", run: "r1", created: true });
    expect(await start("2", "x")).toEqual({ type: "started", id: "2", run: "r1", created: false });
    expect(await start("3", "y")).toMatchObject({ type: "error", id: "3", code: "run_exists", retry: false });
  });

  it("[F58] [P11] answers an approval, and cancels, as often as it is asked", async () => {
    await using server = await serve();
    using client = await talk(server.url);
    const waiting = await server.hub.start({ agent: "asks", input: "x" });
    while ((await waiting.run.info()).status !== "waiting") await new Promise(setImmediate);
    const event = { type: "input.approval", approvalId: "a", approved: true };
    const input = { type: "input", id: "1", run: waiting.run.id, event } as Heard;
    expect(await ask(client, input)).toEqual({
      type: "ok",
      id: "1",
      cursor: expect.stringMatching(/^\d+-\w+$/),
    });
    expect(await ask(client, input)).toMatchObject({
      type: "error",
      code: expect.stringMatching(/not_waiting|run_closed/),
    });
    expect((await waiting.run.ended()).status).toBe("finished");

    const working = await server.hub.start({ agent: "endless", input: "x" });
    const cancel = { type: "cancel", id: "2", run: working.run.id, reason: "enough" } as Heard;
    expect(await ask(client, cancel)).toEqual({ type: "ok", id: "2" });
    expect(await ask(client, cancel)).toEqual({ type: "ok", id: "2" });
    expect((await working.run.ended()).status).toBe("cancelled");

    const other = await server.hub.start({ agent: "endless", input: "x" });
    const byInput = { type: "input", id: "3", run: other.run.id, event: { type: "input.cancel" } } as Heard;
    expect(await ask(client, byInput)).toEqual({ type: "ok", id: "3" });
    expect((await other.run.ended()).status).toBe("cancelled");
  });
});

describe("what cannot be done", () => {
  it.each([
    [{ type: "subscribe", run: "none" }, "run_not_found"],
    [{ type: "subscribe", run: "../etc" }, "invalid_id"],
    [{ type: "subscribe", run: "none", after: "x" }, "invalid_cursor"],
    [{ type: "subscribe", run: "none", view: "opera" }, "invalid_request"],
    [{ type: "start", request: {} }, "invalid_request"],
    [{ type: "start", request: { input: "x", agent: "nobody" } }, "agent_not_found"],
    [{ type: "input", run: "none", event: { type: "input.message", message: "x" } }, "run_not_found"],
    [{ type: "input", run: "none", event: { type: "text.delta", id: "1", text: "x" } }, "invalid_request"],
    [{ type: "cancel", run: "none" }, "run_not_found"],
    [{ type: "append", run: "none", events: { type: "text.started", id: "1" } }, "run_not_found"],
    [{ type: "append", run: "none", events: { type: "?" } }, "invalid_event"],
    [{ type: "fly" }, "invalid_request"],
  ])("[F60] [P19] %j is answered with %s, and the connection goes on", async (message, code) => {
    await using server = await serve();
    using client = await talk(server.url);
    const answer = await ask(client, { ...message, id: "x" } as Heard);
    expect(answer).toMatchObject({ type: "error", id: "x", code });
    expect(answer.message).toMatch(/^Cannot /);
    expect(answer.retry).toBe(errorTable[code as keyof typeof errorTable].retry);
    expect(await ask(client, { type: "ping", id: "p" } as Heard)).toEqual({ type: "pong", id: "p" });
  });

  it("[F60] [P19] a text that is no JSON is answered without an id, also when it is empty", async () => {
    await using server = await serve();
    using client = await talk(server.url);
    for (const text of ["", "hello", "null", "[".repeat(100_000)]) {
      client.say(text);
      expect(await client.hear()).toEqual(
        JSON.parse(
          formatError(new RunError("invalid_request", "Cannot read the message: it is no JSON object")),
        ),
      );
    }
    client.say({ type: "ping" });
    expect(await client.hear()).toEqual({ type: "pong" });
  });

  it("[F60] 10,000 random messages leave the connection and the process as they were", async () => {
    const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
    console.info(`random messages: SEED=${seed}`);
    await using server = await serve();
    await server.hub.start({ agent: "endless", id: "open", input: "x" });
    using client = await talk(server.url);
    const type = fc.constantFrom(
      "subscribe",
      "unsubscribe",
      "start",
      "input",
      "cancel",
      "append",
      "ping",
      "x",
    );
    const some = <Value>(value: Value) =>
      fc.oneof({ arbitrary: fc.constant(value), weight: 3 }, fc.jsonValue());
    const shaped = fc.record(
      {
        type: some("subscribe").chain(() => type),
        id: fc.oneof(fc.string({ maxLength: 70 }), fc.jsonValue()),
        run: fc.oneof(fc.constantFrom("open", "none", "__proto__"), fc.jsonValue()),
        after: some("1-a"),
        view: some("agentor"),
        types: fc.oneof(fc.array(fc.string()), fc.jsonValue()),
        reason: fc.jsonValue(),
        request: fc.oneof(fc.record({ input: fc.jsonValue(), agent: fc.jsonValue() }), fc.jsonValue()),
        event: fc.oneof(
          fc.record({ type: some("input.approval"), approvalId: fc.jsonValue() }),
          fc.jsonValue(),
        ),
        events: fc.array(fc.jsonValue()),
      },
      { requiredKeys: ["type"] },
    );
    const text = fc.oneof(
      { arbitrary: shaped.map((message) => JSON.stringify(message)), weight: 5 },
      fc.json(),
      fc.string({ unit: "grapheme" }),
    );
    let errors = 0;
    for (const each of fc.sample(text, { numRuns: 10_000, seed })) client.say(each);
    client.say({ type: "ping", id: "the last one of all that were said, and its id is nobody else's" });
    const answers = await client.hearUntil(({ id }) => id?.startsWith("the last one") ?? false);
    for (const answer of answers) {
      if (answer.type !== "error") continue;
      errors++;
      expect(Object.keys(errorTable)).toContain(answer.code);
    }
    expect(errors).toBeGreaterThan(8_000);
    expect(server.errors).toEqual([]);
    using other = await talk(server.url);
    expect(await ask(other, { type: "ping", id: "p" } as Heard)).toEqual({ type: "pong", id: "p" });
  });

  it("[F60] [P19] a binary message closes with 1003, one over 256 KiB with 1009, and one of 256 KiB is read", async () => {
    await using server = await serve();
    const binary = await talk(server.url);
    binary.socket.send(Buffer.from('{"type":"ping"}'));
    expect((await binary.closed).code).toBe(1003);

    const large = await talk(server.url);
    const padded = (bytes: number) => `{"type":"ping"}`.padEnd(bytes);
    large.say(padded(MAX_MESSAGE_BYTES));
    expect(await large.hear()).toEqual({ type: "pong" });
    large.say(padded(MAX_MESSAGE_BYTES + 1));
    expect((await large.closed).code).toBe(1009);
  });
});

describe("a server that stops", () => {
  it("[F89] [P19] shows what is in the log by then to who is still reading it, then closes with 1012 and tells of no end", async () => {
    const store = memoryStore();
    await using server = await serve({ store });
    const { run } = await server.hub.start({ agent: null, input: "x" });
    await run.append([{ type: "custom", name: "app.n", data: 1 }]);
    const { read } = store;
    const [reading, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    using client = await talk(server.url);
    let reads = 0;
    store.read = async (...asked) => {
      // The first looks whether there is a log.
      if (++reads > 1) {
        reading.resolve();
        await go.promise;
      }
      return read.apply(store, asked);
    };
    client.say({ type: "subscribe", id: "a", run: run.id });
    await reading.promise;
    // It closes by itself, before its time is up.
    vi.useFakeTimers({ toFake: ["setTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    server.stopping.abort();
    await new Promise(setImmediate);
    go.resolve();
    expect(await client.closed).toMatchObject({ code: 1012 });
    const heard: Heard[] = [];
    await expect(
      (async () => {
        while (true) heard.push(await client.hear());
      })(),
    ).rejects.toThrow("1012");
    expect(framesIn(heard).map(({ data }) => data.event.type)).toEqual(["run.started", "custom"]);
    expect(heard.filter(isEnd)).toEqual([]);
  });
});

describe("a viewer that does not read", () => {
  const TEXTS = 320;

  it("[P19] hears nothing of a subscription that it has ended, however much of it was still to come", async () => {
    await using server = await serve();
    const { run } = await server.hub.start({ agent: "bulk", input: String(TEXTS) });
    await run.send({
      type: "input.message",
      message: { id: "m", role: "user", parts: [{ type: "text", text: "go" }] },
    });
    await run.ended();
    using client = await talk(server.url);
    client.socket.pause();
    client.say({ type: "subscribe", id: "a", run: run.id });
    const [socket] = server.sockets;
    while (socket!.bufferedAmount < 256 * 1024) await new Promise(setImmediate);
    client.say({ type: "unsubscribe", id: "a" });
    client.say({ type: "ping", id: "p" });
    client.socket.resume();
    const heard = await client.hearUntil(({ type }) => type === "pong");
    const oks = heard.flatMap(({ type }, index) => (type === "ok" ? [index] : []));
    expect(oks).toEqual([0, heard.length - 2]);
    expect(framesIn(heard).length).toBeLessThan(TEXTS);
  });

  it("[F75] [F76] has the server hold less than 1 MiB of a run of 20 MB, and gets all of it once it reads", async () => {
    await using server = await serve();
    const { run } = await server.hub.start({ agent: "bulk", input: String(TEXTS) });
    using client = await talk(server.url);
    // Two subscriptions share the socket, and the bound.
    for (const id of ["a", "b"]) await ask(client, { type: "subscribe", id, run: run.id } as Heard);
    client.socket.pause();
    await run.send({
      type: "input.message",
      message: { id: "m", role: "user", parts: [{ type: "text", text: "go" }] },
    });
    const [socket] = server.sockets;
    let most = 0;
    let written = 0;
    for await (const { json } of entriesOf(server.hub, run.id)) {
      written += json.length;
      most = Math.max(most, socket!.bufferedAmount);
    }
    expect(written).toBeGreaterThan(20 * 1000 * 1000);
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThan(1024 * 1024);
    client.socket.resume();
    let ends = 0;
    const heard = await client.hearUntil((message) => isEnd(message) && ++ends === 2);
    const entries = await run.log.entries();
    for (const id of ["a", "b"]) {
      const frames = framesIn(heard.filter((message) => message.id === id));
      expect(frames.map(({ cursor }) => cursor)).toEqual(
        entries.slice(-frames.length).map(({ cursor }) => cursor),
      );
      expect(frames.length).toBeGreaterThanOrEqual(TEXTS);
    }
  });

  it("[F75] is not read any more when it only asks: its answers are bounded too", async () => {
    await using server = await serve();
    using client = await talk(server.url);
    client.socket.pause();
    // More than the buffers of both systems take, so that the server must hold back.
    const texts = 60_000;
    const text = JSON.stringify({ id: "i".repeat(64), type: "t".repeat(80) });
    for (let count = 0; count < texts; count++) client.say(text);
    const [socket] = server.sockets;
    let most = 0;
    // It reads no more: what the client has to say stays with the client.
    for (let quiet = 0, before = -1; quiet < 200; quiet++) {
      most = Math.max(most, socket!.bufferedAmount);
      if (before !== client.socket.bufferedAmount) quiet = 0;
      before = client.socket.bufferedAmount;
      await new Promise(setImmediate);
    }
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThan(256 * 1024);
    client.socket.resume();
    for (let count = 0; count < texts; count++) await client.hear();
    expect(await ask(client, { type: "ping", id: "p" } as Heard)).toEqual({ type: "pong", id: "p" });
  });
});

/** Entries as they are committed. */
async function* entriesOf(hub: Hub, run: string) {
  for await (const { entries } of hub.run(run).follow()) yield* entries ?? [];
}
