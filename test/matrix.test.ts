import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createParser } from "eventsource-parser";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { AgentFunction, AgentStream, RunContext } from "../src/agent.ts";
import { SocketClient } from "../src/client/index.ts";
import { createHub, type Hub, type HubOptions, type Run } from "../src/hub.ts";
import { createApp } from "../src/server/app.ts";
import { type Listening, listen } from "../src/server/listen.ts";
import type { Store } from "../src/store.ts";
import { memoryStore } from "../src/stores/memory.ts";
import { natsStore } from "../src/stores/nats.ts";
import { redisStore } from "../src/stores/redis.ts";
import { sqliteStore } from "../src/stores/sqlite.ts";
import { startNats } from "../src/testing/nats-server.fixture.ts";
import { startRedis } from "../src/testing/redis-server.fixture.ts";
import { plainStore } from "./support/plain-store.ts";

const required = process.env.REQUIRE_ALL_STORES === "1";

/** Where a store is, for as long as the tests of it run. */
interface Place extends AsyncDisposable {
  open(): Promise<Store>;
}

interface Kind {
  readonly name: string;
  /** A program that has to be there. */
  readonly program?: string;
  place(): Promise<Place>;
}

const kinds: readonly Kind[] = [
  {
    name: "memory",
    place: async () => ({ open: async () => memoryStore(), async [Symbol.asyncDispose]() {} }),
  },
  {
    name: "sqlite",
    async place() {
      const folder = mkdtempSync(join(tmpdir(), "runlog-matrix-"));
      let files = 0;
      return {
        open: async () => sqliteStore(join(folder, `${files++}.db`)),
        async [Symbol.asyncDispose]() {
          rmSync(folder, { recursive: true });
        },
      };
    },
  },
  {
    name: "redis",
    program: "redis-server",
    async place() {
      const server = await startRedis({ appendfsync: "always" });
      let prefixes = 0;
      return {
        open: () => redisStore({ url: server.url, prefix: `matrix-${prefixes++}:` }),
        [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
      };
    },
  },
  {
    name: "nats",
    program: "nats-server",
    async place() {
      const server = await startNats();
      let names = 0;
      return {
        open: () => natsStore({ url: server.url, name: `matrix-${names++}` }),
        [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
      };
    },
  },
];

/** Entries as `{"seq","at","event"}`, and the cursors after them, up to the end of the run. */
interface Read {
  readonly entries: string[];
  readonly cursors: string[];
}
type Reader = (served: Served, run: Run, after: string) => Promise<Read>;

/** Every way of reading a run in the native view. */
const readers: Readonly<Record<string, Reader>> = {
  "SSE, written to the socket": async ({ server }, run, after) =>
    sse(await fetch(`${server.url}/runs/${run.id}/events?after=${after}`)),
  "SSE, as a Fetch response": async ({ hub }, run, after) =>
    sse(await createApp({ hub }).fetch(new Request(`http://localhost/runs/${run.id}/events?after=${after}`))),
  WebSocket: async ({ server }, run, after) => {
    using client = new SocketClient({ url: server.url.replace("http", "ws") });
    const read: Read = { entries: [], cursors: [] };
    for await (const { frames = [] } of client.follow(run.id, { after })) {
      for (const { data, cursor } of frames) {
        read.entries.push(typeof data === "string" ? data : JSON.stringify(data));
        read.cursors.push(cursor!);
      }
    }
    return read;
  },
  NDJSON: async ({ server }, run, after) => {
    const headers = { accept: "application/x-ndjson" };
    const response = await fetch(`${server.url}/runs/${run.id}/events?after=${after}`, { headers });
    const lines = (await response.text()).trimEnd().split("\n").filter(Boolean);
    const parsed = lines.map(
      (line) => JSON.parse(line) as { cursor: string; seq: number; at: number; event: object },
    );
    return {
      entries: parsed.map(({ seq, at, event }) => JSON.stringify({ seq, at, event })),
      cursors: parsed.map(({ cursor }) => cursor),
    };
  },
  "JSON pages": async ({ server }, run, after) => {
    // A page is what is there: it does not wait.
    await run.ended();
    const read: Read = { entries: [], cursors: [] };
    const headers = { accept: "application/json" };
    for (let next = after, ended = false; !ended; ) {
      const response = await fetch(`${server.url}/runs/${run.id}/events?limit=7&after=${next}`, { headers });
      const page = (await response.json()) as Page;
      for (const { seq, at, cursor, event } of page.entries) {
        read.entries.push(JSON.stringify({ seq, at, event }));
        read.cursors.push(cursor);
      }
      ({ next, ended } = page);
    }
    return read;
  },
};

interface Page {
  readonly entries: readonly { seq: number; at: number; cursor: string; event: object }[];
  readonly next: string;
  readonly ended: boolean;
}

async function sse(response: Response): Promise<Read> {
  const read: Read = { entries: [], cursors: [] };
  if (response.status === 204) return read;
  const onEvent = ({ id, data }: { id?: string | undefined; data: string }) => {
    read.entries.push(data);
    read.cursors.push(id!);
  };
  const parser = createParser({ onEvent });
  for await (const text of response.body!.pipeThrough(new TextDecoderStream())) parser.feed(text);
  return read;
}

interface Served {
  readonly hub: Hub;
  readonly server: Listening;
}

const messages = async (context: RunContext): Promise<void> => {
  while (context.takeMessages().length === 0 && !context.signal.aborted)
    await new Promise((resolve) => setImmediate(resolve));
};

/** Speaks a piece, and waits to be told to go on; ends after ten. */
async function* talker(context: RunContext): AgentStream {
  yield { type: "text.started", id: "1" };
  for (let n = 0; n < 10 && !context.signal.aborted; n++) {
    yield { type: "text.delta", id: "1", text: `piece ${n} 😀 \n ` };
    yield { type: "custom", name: "app.count", data: n };
    await messages(context);
  }
  yield { type: "text.finished", id: "1" };
}

async function* silent({ signal }: RunContext): AgentStream {
  yield { type: "text.started", id: "1" };
  yield { type: "text.delta", id: "1", text: "Hm" };
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
}

const goOn = (run: Run, n: number) =>
  run.send({
    type: "input.message",
    message: { id: `m-${n}`, role: "user", parts: [{ type: "text", text: "go" }] },
  });

describe.each(kinds)("on $name", ({ name, program, place }) => {
  const missing = program !== undefined && !isThere(program);
  if (missing && required) throw new Error(`Cannot leave out the store ${name}: there is no ${program}`);
  const why = missing ? ` (skipped: there is no ${program} on PATH)` : "";

  describe.skipIf(missing)(`a run${why}`, () => {
    let at: Place;
    beforeAll(async () => {
      at = await place();
    });
    afterAll(() => at?.[Symbol.asyncDispose]());
    const closing: (() => unknown)[] = [];
    afterEach(async () => {
      for (const close of closing.splice(0).reverse()) await close();
    });

    async function serve(
      options: Partial<HubOptions> = {},
      agents: readonly AgentFunction[] = [talker, silent],
    ) {
      const store = options.store ?? (await at.open());
      const hub = await createHub({ store, agents, ...options });
      const server = await listen({ hub, port: 0 });
      closing.push(
        () => store[Symbol.asyncDispose](),
        () => server.stop(0),
      );
      return { hub, server };
    }

    it("[F49] [F50] [F51] [F54] is the same for all who read it, in every way, live, late and from every cursor", async () => {
      const served = await serve();
      const { run } = await served.hub.start({ agent: "talker", input: "x" });
      const live = Object.values(readers).map((read) => read(served, run, ""));
      for (let n = 0; n < 4; n++) await goOn(run, n);
      const late = Object.values(readers).map((read) => read(served, run, ""));
      for (let n = 4; n < 10; n++) await goOn(run, n);
      await run.ended();
      const log = await run.log.entries();
      const entries = log.map(({ seq, at: time, json }) => `{"seq":${seq},"at":${time},"event":${json}}`);
      const cursors = log.map(({ cursor }) => cursor);
      for (const read of [...(await Promise.all(live)), ...(await Promise.all(late))])
        expect(read).toEqual({ entries, cursors });
      for (const [index, cursor] of cursors.entries()) {
        const rest = { entries: entries.slice(index + 1), cursors: cursors.slice(index + 1) };
        for (const [way, read] of Object.entries(readers))
          expect(await read(served, run, cursor), `${way}, after ${cursor}`).toEqual(rest);
      }
    });

    it("[F52] [F80] goes on, for itself and for the others, when viewers leave in its middle", async () => {
      const served = await serve();
      const { run } = await served.hub.start({ agent: "talker", input: "x" });
      const staying = readers["SSE, written to the socket"]!(served, run, "");
      const leaving = new AbortController();
      const left = fetch(`${served.server.url}/runs/${run.id}/events`, { signal: leaving.signal });
      await (await left).body!.getReader().read();
      for await (const _ of run) break;
      leaving.abort();
      for (let n = 0; n < 10; n++) await goOn(run, n);
      expect(await run.ended()).toMatchObject({ status: "finished" });
      expect((await staying).entries).toHaveLength((await run.log.entries()).length);
    });

    it("[F76] is read to its end by one that did not read while it was said", async () => {
      const served = await serve();
      const { run } = await served.hub.start({ agent: "talker", input: "x" });
      const response = await fetch(`${served.server.url}/runs/${run.id}/events`);
      for (let n = 0; n < 10; n++) await goOn(run, n);
      await run.ended();
      expect((await sse(response)).entries).toHaveLength((await run.log.entries()).length);
    });

    it("[F75] [F77] lets its agent be no further ahead of the commit than what may wait", async () => {
      const gate = Promise.withResolvers<void>();
      const store = gated(await at.open(), gate.promise);
      let yielded = 0;
      async function* eager(): AgentStream {
        for (; yielded < 3_000; yielded++) yield { type: "custom", name: "app.item", data: yielded };
      }
      const { hub } = await serve({ store }, [eager]);
      const { run } = await hub.start({ input: "go" });
      let before = -1;
      for (let quiet = 0; quiet < 20; quiet++) {
        await new Promise((resolve) => setImmediate(resolve));
        if (yielded !== before) quiet = 0;
        before = yielded;
      }
      expect(yielded).toBeGreaterThan(0);
      expect(yielded).toBeLessThanOrEqual(2 * 257);
      gate.resolve();
      expect(await run.ended()).toMatchObject({ status: "finished" });
      expect((await run.log.entries()).length).toBe(3_002);
    });

    it("[F78] [F79] is cancelled while it speaks: the agent is told, and what it said stays", async () => {
      const served = await serve();
      const { run } = await served.hub.start({ agent: "silent", input: "x" });
      const reading = readers["SSE, written to the socket"]!(served, run, "");
      const cancelled = await fetch(`${served.server.url}/runs/${run.id}/cancel`, { method: "POST" });
      expect(cancelled.status).toBe(202);
      expect(await run.ended()).toMatchObject({ status: "cancelled" });
      const types = (await reading).entries.map((entry) => JSON.parse(entry).event.type);
      expect(types.at(-1)).toBe("run.cancelled");
      expect(types.filter((type) => type.startsWith("text."))).toEqual(
        (await run.log.entries()).map(({ type }) => type).filter((type) => type.startsWith("text.")),
      );
      expect(served.hub.live).toBe(0);
    });

    it("[F81] [F82] ends with one event when its time is over, and so does what is read of it", async () => {
      const served = await serve({ limits: { idleMs: 30 } });
      const { run } = await served.hub.start({ agent: "silent", input: "x" });
      const { entries } = await readers.WebSocket!(served, run, "");
      expect(JSON.parse(entries.at(-1)!).event).toMatchObject({ type: "run.failed", code: "timeout" });
      expect(entries.filter((entry) => /"type":"run\.(finished|failed|cancelled)"/.test(entry))).toHaveLength(
        1,
      );
    });

    it("[F83] takes nothing more once it has ended", async () => {
      const { hub } = await serve();
      const { run } = await hub.start({ agent: null, input: "x" });
      await run.append([{ type: "run.finished" }]);
      await expect(run.append([{ type: "custom", name: "app.late", data: 1 }])).rejects.toMatchObject({
        code: "run_closed",
      });
      await expect(goOn(run, 1)).rejects.toMatchObject({ code: "run_closed" });
      expect((await run.log.last())?.type).toBe("run.finished");
    });
  });
});

/** A store whose appends wait, but for the first, which is the start of a run. */
function gated(store: Store, gate: Promise<void>): Store {
  let appends = 0;
  const append: Store["append"] = async (...given) => {
    if (appends++ > 0) await gate;
    return store.append(...given);
  };
  return { ...plainStore(store), append };
}

function isThere(program: string): boolean {
  try {
    execFileSync(program, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
