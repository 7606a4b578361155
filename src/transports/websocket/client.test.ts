import { once } from "node:events";
import { connect, createServer } from "node:net";
import { describe, expect, it } from "vitest";
import type { AgentStream, RunContext } from "../../agent.ts";
import { createHub } from "../../hub.ts";
import { listen } from "../../server/listen.ts";
import { memoryStore } from "../../stores/memory.ts";
import { type Fault, faultyProxy } from "../../testing/faults.ts";
import {
  type ClientSocket,
  SocketClient,
  type SocketClientOptions,
  SocketClosedError,
  type SocketFrames,
  type SocketState,
} from "./client.ts";

const SILENCE_MS = 25_000;

/** A server's side of one socket of a client. */
class FakeSocket implements ClientSocket {
  onopen: ClientSocket["onopen"] = null;
  onmessage: ClientSocket["onmessage"] = null;
  onclose: ClientSocket["onclose"] = null;
  onerror: ClientSocket["onerror"] = null;
  readonly heard: { readonly type: string; readonly id: string; readonly [field: string]: unknown }[] = [];
  closed = false;
  send = (text: string) => void this.heard.push(JSON.parse(text));
  close = () => {
    this.closed = true;
  };
  open = () => this.onopen?.();
  says = (message: object) => this.onmessage?.({ data: JSON.stringify(message) });
  ends = (code = 1006, reason = "") => this.onclose?.({ code, reason });
  /** The name of the last subscription. */
  get id(): string {
    return this.heard.findLast(({ type }) => type === "subscribe")!.id;
  }
  frames(...seqs: number[]): void {
    this.says({
      type: "frames",
      id: this.id,
      frames: seqs.map((seq) => ({ cursor: `${seq}-a`, data: { seq } })),
    });
  }
}

/** A client with no network: its sockets, and what it waited for. Waits end at once, but for the silence. */
function scene(options: Partial<SocketClientOptions> = {}) {
  const sockets: FakeSocket[] = [];
  const states: SocketState[] = [];
  const silences: (() => void)[] = [];
  const asked: string[] = [];
  const client = new SocketClient({
    url: "http://server.test/base/",
    open: (url, token) => {
      asked.push(token === undefined ? url : `${url} ${token}`);
      sockets.push(new FakeSocket());
      return sockets.at(-1)!;
    },
    fetch: () => Promise.reject(new TypeError("fetch failed")),
    onConnection: (state) => states.push(state),
    random: () => 1,
    wait: (ms, signal) =>
      ms !== SILENCE_MS
        ? Promise.resolve()
        : new Promise((resolve) => {
            silences.push(resolve);
            signal.addEventListener("abort", () => resolve());
          }),
    ...options,
  });
  return { client, sockets, states, asked, silences };
}

/** Lets everything that waits for nothing but its turn happen. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** What a follower got: seqs, and the reasons of resets. */
function collect(frames: AsyncIterable<SocketFrames>) {
  const got: unknown[] = [];
  const done = (async () => {
    for await (const { frames: each, reset } of frames) {
      if (each) got.push(...each.map(({ data }) => (data as { seq: number }).seq));
      else got.push(reset);
    }
    return got;
  })();
  done.catch(() => {});
  return { got, done };
}

describe("following over a socket", () => {
  it("[F59] asks for what comes after the last frame when the connection was lost, and stops at the end", async () => {
    const { client, sockets, asked, states } = scene();
    const { done } = collect(client.follow("r1", { view: "native", types: ["text.delta"] }));
    await settle();
    sockets[0]!.open();
    expect(sockets[0]!.heard).toEqual([
      { type: "subscribe", id: "1", run: "r1", view: "native", types: ["text.delta"] },
    ]);
    sockets[0]!.frames(1, 2);
    sockets[0]!.ends();
    await settle();
    sockets[1]!.open();
    expect(sockets[1]!.heard[0]).toMatchObject({ type: "subscribe", run: "r1", after: "2-a" });
    sockets[1]!.frames(3);
    sockets[1]!.says({ type: "end", id: sockets[1]!.id });
    expect(await done).toEqual([1, 2, 3]);
    expect(asked).toEqual(["ws://server.test/base/ws", "ws://server.test/base/ws"]);
    expect(states).toEqual([
      { state: "live", attempt: 0 },
      { state: "reconnecting", attempt: 1, delayMs: 250 },
      { state: "live", attempt: 1 },
    ]);
    expect(sockets[1]!.heard).toHaveLength(1);
    client.close();
  });

  it("[F59] passes a reset on, and goes on from the new log", async () => {
    const { client, sockets } = scene();
    const { done } = collect(client.follow("r1", { after: "7-a" }));
    await settle();
    sockets[0]!.open();
    expect(sockets[0]!.heard[0]).toMatchObject({ after: "7-a" });
    sockets[0]!.says({ type: "reset", id: "1", reason: "lost" });
    sockets[0]!.ends(1012);
    await settle();
    sockets[1]!.open();
    expect(sockets[1]!.heard[0]).not.toHaveProperty("after");
    sockets[1]!.frames(1);
    sockets[1]!.says({ type: "end", id: sockets[1]!.id });
    expect(await done).toEqual(["lost", 1]);
    client.close();
  });

  it("[F80] stops when its consumer stops or its signal aborts: only the subscription ends", async () => {
    const { client, sockets } = scene();
    const stop = new AbortController();
    const one = client.follow("r1");
    const first = one.next();
    const other = collect(client.follow("r2", { signal: stop.signal }));
    await settle();
    const [socket] = sockets;
    socket!.open();
    const [a, b] = socket!.heard.map(({ id }) => id);
    socket!.says({ type: "frames", id: a, frames: [{ cursor: "1-a", data: { seq: 1 } }] });
    expect((await first).value).toEqual({ frames: [{ cursor: "1-a", data: { seq: 1 } }] });
    await one.return();
    stop.abort();
    expect(await other.done).toEqual([]);
    expect(socket!.heard.slice(2)).toEqual([
      { type: "unsubscribe", id: a },
      { type: "unsubscribe", id: b },
    ]);
    expect(socket!.closed).toBe(false);
    client.close();
    expect(socket!.closed).toBe(true);
  });

  it("[F75] a consumer that is a MiB behind is unsubscribed, and subscribed again once it has caught up", async () => {
    const { client, sockets } = scene();
    const frames = client.follow("r1");
    const first = frames.next();
    await settle();
    const [socket] = sockets;
    socket!.open();
    const say = (seq: number) =>
      socket!.says({
        type: "frames",
        id: "1",
        frames: [{ cursor: `${seq}-a`, data: { seq, text: "x".repeat(200_000) } }],
      });
    for (let seq = 1; seq <= 10; seq++) say(seq);
    expect(socket!.heard.map(({ type }) => type)).toEqual(["subscribe", "unsubscribe"]);
    const seqs: unknown[] = [];
    const take = ({ value }: IteratorResult<SocketFrames, void>) => {
      seqs.push(...(value?.frames ?? []).map(({ data }) => (data as { seq: number }).seq));
    };
    take(await first);
    for (let count = 0; count < 5; count++) take(await frames.next());
    // The sixth was more than a MiB: what came on its heels is asked for again.
    const rest = frames.next();
    await settle();
    expect(socket!.heard.at(-1)).toMatchObject({ type: "subscribe", after: "6-a" });
    socket!.frames(7);
    take(await rest);
    expect(seqs).toEqual([1, 2, 3, 4, 5, 6, 7]);
    client.close();
  });

  it("throws what the server refuses, for this run alone", async () => {
    const { client, sockets } = scene();
    const one = collect(client.follow("none"));
    const other = collect(client.follow("r2"));
    await settle();
    const [socket] = sockets;
    socket!.open();
    socket!.says({ type: "error", id: "1", code: "run_not_found", message: "Cannot find it", retry: false });
    await expect(one.done).rejects.toMatchObject({ name: "RunError", code: "run_not_found" });
    socket!.frames(1);
    socket!.says({ type: "end", id: "2" });
    expect(await other.done).toEqual([1]);
    client.close();
  });

  it("asks again for what the server cannot show now", async () => {
    const { client, sockets } = scene();
    const { done } = collect(client.follow("r1"));
    await settle();
    const [socket] = sockets;
    socket!.open();
    socket!.frames(1);
    socket!.says({ type: "error", id: "1", code: "store_unavailable", message: "Cannot read", retry: true });
    await settle();
    expect(socket!.heard.at(-1)).toEqual({ type: "subscribe", id: "2", run: "r1", after: "1-a" });
    socket!.says({ type: "end", id: "2" });
    expect(await done).toEqual([1]);
    client.close();
  });
});

describe("losing the connection", () => {
  it("waits longer each time, from 250 ms up to 15 s, and anew after a sign of life", async () => {
    const { client, sockets, states } = scene();
    collect(client.follow("r1"));
    for (let count = 0; count < 9; count++) {
      await settle();
      sockets.at(-1)!.ends();
    }
    await settle();
    sockets.at(-1)!.open();
    sockets.at(-1)!.frames(1);
    sockets.at(-1)!.ends();
    const delays = states.map((state) => (state.state === "reconnecting" ? state.delayMs : "live"));
    expect(delays).toEqual([250, 500, 1000, 2000, 4000, 8000, 15000, 15000, 15000, "live", 250]);
    client.close();
  });

  it("fails what it is used for where no socket can be made, first or again", async () => {
    const refused = new SyntaxError("Insecure");
    const sockets = [new FakeSocket()];
    const open = () => {
      const socket = sockets.shift();
      if (!socket) throw refused;
      return socket;
    };
    const [first] = sockets;
    const { client } = scene({ open });
    const { done } = collect(client.follow("r1"));
    await settle();
    first!.open();
    first!.ends();
    await expect(done).rejects.toMatchObject({ name: "SocketClosedError", cause: refused });
    const again = collect(client.follow("r1")).done;
    await expect(again).rejects.toMatchObject({ name: "SocketClosedError", cause: refused });
    await expect(client.start({ input: "x" })).rejects.toMatchObject({ cause: refused });
  });

  it("gives up after as many attempts as it was told", async () => {
    const { client, sockets } = scene({ maxAttempts: 2 });
    const { done } = collect(client.follow("r1"));
    const started = client.start({ input: "x" });
    started.catch(() => {});
    for (let count = 0; count < 3; count++) {
      await settle();
      sockets.at(-1)!.ends();
    }
    await expect(done).rejects.toThrow(SocketClosedError);
    await expect(done).rejects.toThrow("ws://server.test/base/ws closed the connection with 1006");
    await expect(started).rejects.toThrow(SocketClosedError);
    expect(sockets).toHaveLength(3);
  });

  it.each([1002, 1003, 1007, 1009])(
    "does not come again after %d: it would do the same once more",
    async (code) => {
      const { client, sockets } = scene();
      const { done } = collect(client.follow("r1"));
      await settle();
      sockets[0]!.open();
      sockets[0]!.ends(code, "no");
      await expect(done).rejects.toThrow(`closed the connection with ${code} (no)`);
      expect(sockets).toHaveLength(1);
    },
  );

  it("[F89] comes again when the server stops", async () => {
    const { client, sockets } = scene();
    collect(client.follow("r1"));
    await settle();
    sockets[0]!.open();
    sockets[0]!.ends(1012, "The server is stopping");
    await settle();
    expect(sockets).toHaveLength(2);
    client.close();
  });

  it("asks a silent server for a sign of life, and goes elsewhere when none comes", async () => {
    const { client, sockets, silences, states } = scene();
    collect(client.follow("r1"));
    await settle();
    sockets[0]!.open();
    sockets[0]!.frames(1);
    silences.shift()!();
    await settle();
    // It was heard of, so nothing happens; and then it is not.
    expect(sockets).toHaveLength(1);
    silences.shift()!();
    await settle();
    expect(sockets[0]!.heard.at(-1)).toEqual({ type: "ping" });
    expect(sockets[0]!.closed).toBe(true);
    expect(states.at(-1)).toMatchObject({ state: "reconnecting", attempt: 1 });
    sockets[0]!.frames(2);
    sockets[1]!.open();
    expect(sockets[1]!.heard[0]).toMatchObject({ after: "1-a" });
    client.close();
  });

  it("sends again what may be done twice, and rejects what may not", async () => {
    const { client, sockets } = scene();
    const asked = [client.start({ input: "x" }), client.cancel("r1", "enough")];
    const input = client.input("r1", { type: "input.message", message: "x" });
    const appended = client.append("r2", []);
    sockets[0]!.open();
    const before = sockets[0]!.heard;
    expect(before.map(({ type }) => type)).toEqual(["start", "cancel", "input", "append"]);
    sockets[0]!.ends();
    await expect(input).rejects.toThrow("The connection was lost before the answer to the input came");
    await expect(appended).rejects.toThrow(SocketClosedError);
    await settle();
    sockets[1]!.open();
    expect(sockets[1]!.heard).toEqual(before.slice(0, 2));
    const [start, cancel] = sockets[1]!.heard;
    // It has an id, so that it starts once however often it is sent.
    expect(start).toMatchObject({ request: { id: expect.stringMatching(/^[0-9a-z]{20}$/), input: "x" } });
    sockets[1]!.says({ type: "started", id: start!.id, run: "r9", created: false });
    sockets[1]!.says({ type: "ok", id: cancel!.id });
    expect(await asked[0]).toEqual({ run: "r9", created: false });
    await asked[1];
    client.close();
  });

  it("names a run that was given no name, also where its id is undefined", async () => {
    const { client, sockets } = scene();
    client.start({ id: undefined, input: "x" }).catch(() => {});
    client.start({ id: "mine", input: "x" }).catch(() => {});
    sockets[0]!.open();
    expect(sockets[0]!.heard).toMatchObject([
      { request: { id: expect.stringMatching(/^[0-9a-z]{20}$/), input: "x" } },
      { request: { id: "mine", input: "x" } },
    ]);
    client.close();
  });

  it("is told why a socket cannot be opened, where asking again is of no use", async () => {
    const problem = { code: "unauthorized", detail: "Cannot serve the request: send the token" };
    const urls: string[] = [];
    const { client, sockets, asked } = scene({
      token: "wrong",
      fetch: async (url) => {
        urls.push(String(url));
        return new Response(JSON.stringify(problem), { status: 401 });
      },
      wait: (_, signal) => new Promise((resolve) => signal.addEventListener("abort", () => resolve())),
    });
    const { done } = collect(client.follow("r1"));
    await settle();
    sockets[0]!.ends();
    await expect(done).rejects.toMatchObject({ code: "unauthorized", message: problem.detail });
    expect(urls).toEqual(["http://server.test/base/ws"]);
    expect(asked).toEqual(["ws://server.test/base/ws wrong"]);
  });

  it("closing ends what is followed, rejects what is asked, and nothing can be asked any more", async () => {
    const { client, sockets } = scene();
    const { done } = collect(client.follow("r1"));
    const started = client.start({ input: "x" });
    await settle();
    client.close();
    expect(await done).toEqual([]);
    await expect(started).rejects.toThrow("The client was closed before the answer");
    await expect(client.start({ input: "x" })).rejects.toThrow("Cannot use the client: it was closed");
    await expect(client.follow("r1").next()).rejects.toThrow(SocketClosedError);
    sockets[0]!.ends();
    await settle();
    expect(sockets).toHaveLength(1);
  });

  it("refuses what is no server's URL, and a message over the limit", async () => {
    expect(() => new SocketClient({ url: "file:///x" })).toThrow('Cannot use "file:///x" as a server');
    const { client } = scene();
    await expect(client.start({ input: "ø".repeat(140_000) })).rejects.toThrow("the limit is 262144");
    client.close();
  });
});

describe("against a server", () => {
  /** Says words, one a turn, so that there is something to be cut off from. */
  async function* words({ input }: RunContext): AgentStream {
    yield { type: "text.started", id: "1" };
    for (let count = 0; count < 60; count++) {
      yield { type: "text.delta", id: "1", text: `${input} ${count} ø€😀 ` };
      await new Promise(setImmediate);
    }
    yield { type: "text.finished", id: "1" };
  }

  /** Waits between attempts are left out; a silence is waited for in vain. */
  const wait = (ms: number, signal: AbortSignal): Promise<void> =>
    ms !== SILENCE_MS
      ? Promise.resolve()
      : new Promise((resolve) => signal.addEventListener("abort", () => resolve()));

  it("[F58] starts, follows, sends and cancels with the WebSocket of Node", async () => {
    await using hub = await createHub({ store: memoryStore(), agents: [words] });
    await using server = await listen({ hub, port: 0, token: "secret" });
    using client = new SocketClient({ url: server.url, token: "secret" });
    const { run } = await client.start({ input: "Hello" });
    const { done } = collect(client.follow(run));
    const seqs = (await done) as number[];
    expect(seqs).toEqual((await hub.run(run).log.entries()).map(({ seq }) => seq));
    const produced = await client.start({ agent: null });
    const { cursor } = await client.append(produced.run, [{ type: "text.started", id: "1" }]);
    expect(cursor).toBe((await hub.run(produced.run).log.last())?.cursor);
    await client.input(produced.run, { type: "input.message", message: "More" });
    await client.cancel(produced.run, "enough");
    await expect(client.cancel("none")).rejects.toMatchObject({ code: "run_not_found" });
    const types = (await hub.run(produced.run).log.entries()).map(({ event }) => event.type);
    expect(types).toEqual(["run.started", "text.started", "input.message", "input.cancel"]);
    await client.append(produced.run, [{ type: "run.finished" }]);
  });

  it("[P16] is refused with a wrong token", async () => {
    await using hub = await createHub({ store: memoryStore() });
    await using server = await listen({ hub, port: 0, token: "secret" });
    using client = new SocketClient({ url: server.url, token: "wrong" });
    await expect(client.start({ agent: null })).rejects.toMatchObject({ code: "unauthorized" });
  });

  it("[F59] loses nothing and gets nothing twice, wherever its connections are cut", async () => {
    const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
    console.info(`cut sockets: SEED=${seed}`);
    let state = seed;
    /** Park and Miller's numbers: enough to cut with. */
    const below = (most: number) => {
      state = (state * 48_271 + 11) % 0x7fff_ffff;
      return state % most;
    };
    const fault = (connection: number): Fault =>
      connection < 20
        ? { kind: "cut", afterBytes: 1 + below(3_000), how: below(2) === 0 ? "reset" : "end" }
        : { kind: "bytewise" };
    await using hub = await createHub({ store: memoryStore(), agents: [words] });
    await using server = await listen({ hub, port: 0 });
    await using proxy = await faultyProxy({ target: server.url, fault });
    using client = new SocketClient({ url: proxy.url, wait });
    const runs = await Promise.all(
      ["one", "two", "three"].map(async (input) => (await hub.start({ input })).run),
    );
    const views = [undefined, "agentor", undefined];
    const seen = await Promise.all(
      runs.map(async ({ id }, index) => {
        const frames = [];
        for await (const { frames: some, reset } of client.follow(id, { view: views[index] })) {
          expect(reset).toBeUndefined();
          frames.push(...some!);
        }
        return frames;
      }),
    );
    expect(proxy.cuts).toBeGreaterThan(10);
    for (const [index, run] of runs.entries()) {
      using direct = new SocketClient({ url: server.url });
      const expected = [];
      for await (const { frames } of direct.follow(run.id, { view: views[index] })) expected.push(...frames!);
      expect(seen[index]).toEqual(expected);
    }
  });

  it("[F89] follows a run into the next life of its server", async () => {
    const store = memoryStore();
    const first = await createHub({ store });
    const one = await listen({ hub: first, port: 0 });
    const { run } = await first.start({ agent: null, input: "x" });
    let target = one.url;
    await using door = await movingDoor(() => target);
    const states: string[] = [];
    using client = new SocketClient({
      url: door.url,
      wait,
      onConnection: ({ state }) => states.push(state),
      fetch: () => Promise.reject(new TypeError("fetch failed")),
    });
    const frames = client.follow(run.id);
    expect((await frames.next()).value?.frames).toHaveLength(1);
    const rest = collect(frames);
    await one.stop(0);
    await using second = await createHub({ store });
    await using two = await listen({ hub: second, port: 0 });
    target = two.url;
    await second.run(run.id).append([{ type: "run.finished" }]);
    expect(await rest.done).toEqual([2]);
    expect(states).toContain("reconnecting");
  });
});

/** A place that stays, in front of servers that come and go. */
async function movingDoor(target: () => string) {
  const server = createServer((client) => {
    const upstream = connect(Number(new URL(target()).port), "127.0.0.1");
    client.pipe(upstream).pipe(client);
    client.on("error", () => upstream.destroy());
    upstream.on("error", () => client.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    async [Symbol.asyncDispose]() {
      server.close();
    },
  };
}
