import { createParser } from "eventsource-parser";
import { afterEach, describe, expect, it } from "vitest";
import type { AgentStream, RunContext } from "../agent.ts";
import { createHub, type Hub } from "../hub.ts";
import { memoryStore } from "../stores/memory.ts";
import { type AppOptions, createApp, type RequestLine } from "./app.ts";

const HOST = "http://127.0.0.1:8000";

async function* echo({ input }: RunContext): AgentStream {
  yield { type: "reasoning.started", id: "r" };
  yield { type: "reasoning.delta", id: "r", text: "Let me see" };
  yield { type: "reasoning.finished", id: "r" };
  yield { type: "tool.called", callId: "c", name: "clock", input: {} };
  yield { type: "tool.returned", callId: "c", name: "clock", output: "noon", durationMs: 1 };
  yield { type: "text.started", id: "1" };
  yield { type: "text.delta", id: "1", text: `You said ${input}` };
  yield { type: "text.finished", id: "1" };
}

async function* broken(): AgentStream {
  yield { type: "text.started", id: "1" };
  throw new Error("No luck");
}

async function* endless({ signal }: RunContext): AgentStream {
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
}

const hubs: Hub[] = [];
afterEach(async () => {
  for (const hub of hubs.splice(0)) await hub.drain(0);
});

/** A server without a socket: `ask` sends a request, as a client on this machine would. */
async function serve(options: Partial<AppOptions> = {}) {
  const hub = await createHub({ store: memoryStore(), agents: [echo, broken, endless] });
  hubs.push(hub);
  const app = createApp({ hub, ...options });
  const ask = (path: string, init: RequestInit & { json?: unknown } = {}) => {
    const { json, ...rest } = init;
    const body = json === undefined ? {} : { method: "POST", body: JSON.stringify(json) };
    return app.fetch(new Request(HOST + path, { ...body, ...rest }));
  };
  const started = async (json: object = { input: "Hello" }) => {
    const { run } = (await (await ask("/runs", { json })).json()) as { run: string };
    return run;
  };
  const ended = async (json?: object) => {
    const run = await started(json);
    await hub.run(run).ended();
    return run;
  };
  return { hub, ask, started, ended };
}

/** Whatever the data of a frame holds, native or not. */
type Data = { readonly event: { readonly type: string } };

async function sse(
  response: Response,
): Promise<{ id: string | undefined; event: string | undefined; data: Data }[]> {
  const messages: { id: string | undefined; event: string | undefined; data: Data }[] = [];
  const parser = createParser({
    onEvent: ({ id, event, data }) => messages.push({ id, event, data: JSON.parse(data) }),
  });
  parser.feed(await response.text());
  return messages;
}

const problemOf = async (response: Response) => ({
  status: response.status,
  ...((await response.json()) as { code: string; detail: string }),
});

describe("POST /runs", () => {
  it("[P2] answers 201 with the run and where it is", async () => {
    const { ask } = await serve();
    const response = await ask("/runs", { json: { input: "Hello", metadata: { user: 7 } } });
    expect(response.status).toBe(201);
    const run = (await response.json()) as { run: string };
    expect(run).toMatchObject({ status: "running", agent: "echo", input: "Hello", metadata: { user: 7 } });
    expect(response.headers.get("location")).toBe(`/runs/${run.run}`);
  });

  it("[F57] streams the run itself to who accepts SSE", async () => {
    const { ask } = await serve();
    const response = await ask("/runs", {
      json: { input: "Hello" },
      headers: { accept: "text/event-stream" },
    });
    const types = (await sse(response)).map(({ data }) => data.event.type);
    expect([types[0], types.at(-1)]).toEqual(["run.started", "run.finished"]);
    expect(response.headers.get("runlog-run")).toMatch(/^[0-9a-z]{20}$/);
  });

  it("[P3] starts one run for one Idempotency-Key, and refuses another request under it", async () => {
    const { ask } = await serve();
    const headers = { "idempotency-key": "k1" };
    const first = await ask("/runs", { json: { input: "Hello" }, headers });
    const again = await ask("/runs", { json: { input: "Hello" }, headers });
    expect([first.status, again.status]).toEqual([201, 200]);
    expect(((await again.json()) as { run: string }).run).toBe(((await first.json()) as { run: string }).run);
    expect(await problemOf(await ask("/runs", { json: { input: "Other" }, headers }))).toMatchObject({
      status: 409,
      code: "run_exists",
    });
  });

  it("[P17] refuses what it cannot start, and says why", async () => {
    const { ask } = await serve();
    const refused = async (json: unknown, status: number, detail: string) => {
      expect(await problemOf(await ask("/runs", { json }))).toMatchObject({
        status,
        detail: expect.stringContaining(detail),
      });
    };
    await refused({ agent: "nobody", input: "x" }, 404, 'Cannot find agent "nobody"');
    await refused({ input: "" }, 400, '"input" must be');
    await refused({ input: 5 }, 400, '"input" must be');
    await refused({ input: [{ role: "user" }] }, 400, '"input" must be');
    await refused([], 400, "must be a JSON object");
    await refused({ input: "x", inptu: 1 }, 400, 'there is no field "inptu"');
    await refused({ input: "x", id: "../etc" }, 400, "must match");
    await refused({ input: "x", metadata: { big: "x".repeat(9000) } }, 413, "8 KiB");
    const text = await ask("/runs", { method: "POST", body: "{not json" });
    expect(await problemOf(text)).toMatchObject({ status: 400, code: "invalid_request" });
    const large = await ask("/runs", {
      method: "POST",
      body: JSON.stringify({ input: "x".repeat(2_000_000) }),
    });
    expect(await problemOf(large)).toMatchObject({ status: 413, code: "too_large" });
  });
});

describe("GET /runs/:id/events", () => {
  it("[P5] [F53] is SSE for who does not say otherwise: { seq, at, event } with the cursor as id, and an end", async () => {
    const { ask, ended, hub } = await serve();
    const run = await ended();
    const messages = await sse(await ask(`/runs/${run}/events`));
    const entries = await hub.run(run).log.entries();
    expect(messages).toEqual(
      entries.map(({ seq, at, event, cursor }) => ({
        id: cursor,
        event: undefined,
        data: { seq, at, event },
      })),
    );
  });

  it("[P6] [F54] resumes after Last-Event-ID or ?after=, with nothing left out and nothing twice", async () => {
    const { ask, ended } = await serve();
    const run = await ended();
    const all = await sse(await ask(`/runs/${run}/events`));
    for (const [index, { id }] of all.slice(0, -1).entries()) {
      const rest = all.slice(index + 1);
      expect(await sse(await ask(`/runs/${run}/events?after=${id}`))).toEqual(rest);
      expect(
        await sse(await ask(`/runs/${run}/events?after=0`, { headers: { "last-event-id": id ?? "" } })),
      ).toEqual(rest);
    }
  });

  it("[P8] [F54] answers 204 once there is nothing left to show, so that an EventSource stays away", async () => {
    const { ask, ended } = await serve();
    const run = await ended();
    const last = (await sse(await ask(`/runs/${run}/events`))).at(-1);
    expect((await ask(`/runs/${run}/events`, { headers: { "last-event-id": last?.id ?? "" } })).status).toBe(
      204,
    );
  });

  it("[P9] [F71] is NDJSON or a JSON page for who asks for it", async () => {
    const { ask, ended } = await serve();
    const run = await ended();
    const ndjson = await (
      await ask(`/runs/${run}/events`, { headers: { accept: "application/x-ndjson" } })
    ).text();
    const lines = ndjson
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    const headers = { accept: "application/json" };
    const pages: unknown[] = [];
    let after = "0";
    for (let ended = false; !ended; ) {
      const page = (await (await ask(`/runs/${run}/events?limit=4&after=${after}`, { headers })).json()) as {
        entries: object[];
        next: string;
        ended: boolean;
      };
      pages.push(...page.entries);
      after = page.next;
      ended = page.ended;
    }
    expect(pages).toEqual(lines);
    expect(lines.map(({ seq }) => seq)).toEqual(lines.map((_, index) => index + 1));
  });

  it("[P10] shows only the types that are asked for, and always the end", async () => {
    const { ask, ended } = await serve();
    const run = await ended();
    const types = (await sse(await ask(`/runs/${run}/events?types=text.delta,tool.c*`))).map(
      ({ data }) => data.event.type,
    );
    expect(types).toEqual(["tool.called", "text.delta", "run.finished"]);
  });

  it("[P7] [F54] resets a viewer whose cursor is not of this log; refuses it where there is no stream", async () => {
    const { ask, ended } = await serve();
    const [run, other] = [await ended(), await ended({ input: "Another" })];
    const foreign = (await sse(await ask(`/runs/${other}/events`)))[2]?.id;
    const all = await sse(await ask(`/runs/${run}/events`));
    const [reset, ...rest] = await sse(await ask(`/runs/${run}/events?after=${foreign}`));
    expect(reset).toMatchObject({ event: "reset", data: { reason: "mismatch" } });
    expect(rest).toEqual(all);
    const page = await ask(`/runs/${run}/events?after=${foreign}`, {
      headers: { accept: "application/json" },
    });
    expect(await problemOf(page)).toMatchObject({ status: 409, code: "cursor_mismatch" });
    const ahead = await sse(await ask(`/runs/${run}/events?after=999-abc`));
    expect(ahead[0]).toMatchObject({ event: "reset", data: { reason: "ahead" } });
  });

  it("[F30] shows any run in another view by name, and resumes there too", async () => {
    const { ask, ended } = await serve();
    const run = await ended();
    const all = await sse(await ask(`/runs/${run}/events?view=agentor`));
    expect(all.map(({ data }) => data)).toContainEqual(expect.objectContaining({ chunk: "You said Hello" }));
    const rest = await sse(await ask(`/runs/${run}/events?view=agentor&after=${all[1]?.id}`));
    expect(rest).toEqual(all.slice(2));
    const unknown = await problemOf(await ask(`/runs/${run}/events?view=teletext`));
    expect(unknown).toMatchObject({
      status: 400,
      detail: expect.stringContaining("there is native, agentor"),
    });
  });

  it("refuses garbage for a cursor, however long", async () => {
    const { ask, ended } = await serve();
    const run = await ended();
    for (const after of ["x", "-1", "1-%0d%0adata:x", "1".repeat(10_000)]) {
      expect(await problemOf(await ask(`/runs/${run}/events?after=${after}`))).toMatchObject({
        status: 400,
        code: "invalid_cursor",
      });
    }
  });
});

describe("other routes of a run", () => {
  it("[P14] GET /runs/:id tells status, input, usage, cost, times and the last cursor", async () => {
    const { ask, ended, hub } = await serve();
    const run = await ended();
    const last = await hub.run(run).log.last();
    const told = await (await ask(`/runs/${run}`)).json();
    expect(told).toMatchObject({
      run,
      status: "finished",
      agent: "echo",
      input: "Hello",
      cost: 0,
      cursor: last?.cursor,
    });
    expect(await problemOf(await ask("/runs/none"))).toMatchObject({ status: 404, code: "run_not_found" });
    expect(await problemOf(await ask("/runs/none/events"))).toMatchObject({ status: 404 });
    for (const id of ["..%2fx", "a%0d%0ab", "a%00"])
      expect(await problemOf(await ask(`/runs/${id}`))).toMatchObject({ status: 400, code: "invalid_id" });
  });

  it("[F99] GET /runs lists by status and agent, a page at a time", async () => {
    const { ask, ended, started } = await serve();
    await ended();
    await ended();
    await started({ agent: "endless", input: "x" });
    const list = async (query: string) =>
      (await (await ask(`/runs?${query}`)).json()) as { runs: object[]; next?: string };
    expect((await list("status=running")).runs).toHaveLength(1);
    const first = await list("agent=echo&limit=1");
    const second = await list(`agent=echo&limit=1&before=${first.next}`);
    expect([first.runs.length, second.runs.length, second.next]).toEqual([1, 1, undefined]);
    expect(await problemOf(await ask("/runs?status=sleeping"))).toMatchObject({ status: 400 });
    expect(await problemOf(await ask("/runs?limit=0"))).toMatchObject({ status: 400 });
  });

  it("[F78] POST cancel is idempotent, and DELETE takes an ended run away", async () => {
    const { ask, started, hub } = await serve();
    const run = await started({ agent: "endless", input: "x" });
    expect(await problemOf(await ask(`/runs/${run}`, { method: "DELETE" }))).toMatchObject({
      status: 409,
      code: "run_open",
    });
    expect((await ask(`/runs/${run}/cancel`, { json: { reason: "enough" } })).status).toBe(202);
    await hub.run(run).ended();
    const again = await ask(`/runs/${run}/cancel`, { method: "POST" });
    expect(await again.json()).toMatchObject({ status: "cancelled" });
    expect((await ask(`/runs/${run}`, { method: "DELETE" })).status).toBe(204);
    expect((await ask(`/runs/${run}`)).status).toBe(410);
  });

  it("[P12] [F32] POST events appends what a producer elsewhere says; wrong shapes change nothing", async () => {
    const { ask, started } = await serve();
    const run = await started({ agent: null });
    const append = (json: unknown) => ask(`/runs/${run}/events`, { json });
    expect(await (await append({ type: "text.started", id: "1" })).json()).toMatchObject({
      first: 2,
      last: 2,
      ended: false,
    });
    const bad = await problemOf(
      await append([
        { type: "text.delta", id: "1", text: "x" },
        { type: "text.delta", id: "1" },
      ]),
    );
    expect(bad).toMatchObject({
      status: 400,
      code: "invalid_event",
      detail: expect.stringContaining("Event 1:"),
    });
    expect(
      await (await append([{ type: "text.delta", id: "1", text: "x" }, { type: "run.finished" }])).json(),
    ).toMatchObject({ first: 3, last: 5, ended: true });
    expect(await problemOf(await append([]))).toMatchObject({ status: 409, code: "run_closed" });
    expect(await problemOf(await append({ type: "text.started", id: "2" }))).toMatchObject({
      status: 409,
      code: "run_closed",
    });
    expect(await problemOf(await ask("/runs/none/events", { json: [] }))).toMatchObject({ status: 404 });
  });

  it("[P20] [F100] POST import keeps a recording as a run, with its times, and refuses what is none", async () => {
    const { ask, ended } = await serve();
    const run = await ended();
    const headers = { accept: "application/x-ndjson" };
    const recording = await (await ask(`/runs/${run}/events`, { headers })).text();
    const load = (body: string, id: string) => ask(`/runs/import?id=${id}`, { method: "POST", body });
    expect((await load(recording, "copy")).status).toBe(201);
    const copy = await (await ask("/runs/copy/events", { headers })).text();
    const plain = (text: string) => text.replaceAll(/"cursor":"[^"]*",/g, "");
    expect(plain(copy)).toBe(plain(recording));
    expect(await problemOf(await load(recording, "copy"))).toMatchObject({ status: 409, code: "run_exists" });
    const wrong = await problemOf(await load("{}\n{}", "other"));
    expect(wrong).toMatchObject({ status: 400, detail: expect.stringContaining("line 1") });
    expect((await ask("/runs/other")).status).toBe(404);
  });

  it("[P11] POST input takes a message as a text, and refuses what is no input", async () => {
    const { ask, started } = await serve();
    const run = await started({ agent: "endless", input: "x" });
    const send = (json: unknown) => ask(`/runs/${run}/input`, { json });
    expect((await send({ type: "input.message", message: "And now?" })).status).toBe(202);
    expect(await problemOf(await send({ type: "text.started", id: "1" }))).toMatchObject({ status: 400 });
    expect(
      await problemOf(await send({ type: "input.approval", approvalId: "a", approved: true })),
    ).toMatchObject({ status: 409, code: "not_waiting" });
  });
});

describe("POST /chat", () => {
  it("[P13] streams one compact object for each line of data, and names the run", async () => {
    const { ask } = await serve();
    const response = await ask("/chat", { json: { input: "Hello", stream: true } });
    expect(response.headers.get("runlog-run")).toBeTruthy();
    const empty = { message: null, chunk: null, tool_action: null, reasoning: null };
    expect((await sse(response)).map(({ data }) => data)).toEqual([
      { ...empty, type: "run_item_stream_event", reasoning: "Let me see" },
      { ...empty, type: "run_item_stream_event", tool_action: { name: "clock", type: "tool_called" } },
      {
        ...empty,
        type: "run_item_stream_event",
        message: "noon",
        tool_action: { name: "clock", type: "tool_output" },
      },
      { ...empty, type: "raw_response_event", chunk: "You said Hello" },
    ]);
  });

  it("waits for the answer when it is not to stream", async () => {
    const { ask } = await serve();
    const response = await ask("/chat", { json: { input: [{ role: "user", content: "Hello" }] } });
    expect(await response.json()).toMatchObject({
      status: "finished",
      text: "You said [object Object]",
      usage: null,
      cost: 0,
    });
  });

  it("says that a run failed: as an event in a stream, as 502 without one", async () => {
    const { ask } = await serve();
    const streamed = await sse(await ask("/chat", { json: { input: "x", agent: "broken", stream: true } }));
    expect(streamed).toMatchObject([{ event: "error", data: { code: "agent_error", message: "No luck" } }]);
    expect(await problemOf(await ask("/chat", { json: { input: "x", agent: "broken" } }))).toMatchObject({
      status: 502,
      code: "run_failed",
    });
  });
});

describe("who may ask", () => {
  it("[P16] serves only this machine's names without a token: a rebound DNS name is refused", async () => {
    const { ask } = await serve();
    for (const host of ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io:8000", "10.0.0.5"]) {
      expect(await problemOf(await ask("/runs", { headers: { host } }))).toMatchObject({
        status: 421,
        code: "misdirected",
      });
    }
    for (const host of ["localhost:8000", "127.0.0.1", "[::1]:1"])
      expect((await ask("/runs", { headers: { host } })).status).toBe(200);
  });

  it("refuses a foreign page on every method but GET, and gives it no CORS", async () => {
    const { ask } = await serve();
    for (const origin of ["https://evil.example", "null", "http://localhost:9999"]) {
      const headers = { host: "localhost:8000", origin };
      expect(await problemOf(await ask("/runs", { json: { input: "x" }, headers }))).toMatchObject({
        status: 403,
        code: "forbidden",
      });
      expect((await ask("/runs", { headers })).headers.get("access-control-allow-origin")).toBeNull();
    }
    expect(
      (
        await ask("/runs", {
          json: { input: "x" },
          headers: { host: "localhost:8000", origin: "http://localhost:8000" },
        })
      ).status,
    ).toBe(201);
  });

  it("lets a page in that is allowed by name", async () => {
    const { ask } = await serve({ origins: ["https://app.example"] });
    const headers = { host: "localhost:8000", origin: "https://app.example" };
    const response = await ask("/runs", { json: { input: "x" }, headers });
    expect(response.status).toBe(201);
    expect(response.headers.get("access-control-allow-origin")).toBe("https://app.example");
    expect(
      (await ask("/runs", { method: "OPTIONS", headers })).headers.get("access-control-allow-headers"),
    ).toContain("authorization");
  });

  it("wants the token, if there is one, on every route", async () => {
    const { ask } = await serve({ token: "secret" });
    for (const path of ["/", "/agents", "/runs", "/runs/x", "/runs/x/events", "/nowhere"]) {
      expect(await problemOf(await ask(path))).toMatchObject({ status: 401, code: "unauthorized" });
      expect((await ask(path, { headers: { authorization: "Bearer wrong!" } })).status).toBe(401);
    }
    expect(
      (await ask("/runs", { headers: { authorization: "Bearer secret", host: "runs.example" } })).status,
    ).toBe(200);
  });

  it("[F115] [F67] tells who has no token whether it is well, and what A2A's clients have to bring", async () => {
    const { ask } = await serve({ token: "secret" });
    expect(await (await ask("/health")).json()).toEqual({ status: "ok" });
    expect((await ask("/health", { method: "HEAD" })).status).toBe(200);
    const known = await ask("/health", { headers: { authorization: "Bearer secret" } });
    expect(await known.json()).toMatchObject({ status: "ok", live: 0, store: { class: "D0" } });
    for (const at of ["", "/agents/echo/a2a"]) {
      const card = await ask(`${at}/.well-known/agent-card.json`);
      expect(await card.json()).toMatchObject({ securitySchemes: { bearer: expect.anything() } });
    }
  });

  it("logs who, what, status and ms of each request, and neither query nor token", async () => {
    const lines: RequestLine[] = [];
    const { ask } = await serve({ token: "secret", onRequest: (line) => lines.push(line) });
    await ask("/runs?token=secret", { headers: { authorization: "Bearer secret" } });
    expect(lines).toEqual([{ from: "-", method: "GET", path: "/runs", status: 200, ms: expect.any(Number) }]);
  });
});

describe("the server", () => {
  it("says what is here, as text and as a page", async () => {
    const { ask } = await serve();
    expect(await (await ask("/")).text()).toContain("agents      echo, broken, endless");
    const page = await ask("/", { headers: { accept: "text/html" } });
    expect(page.headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(await (await ask("/agents")).json()).toEqual({
      agents: [{ name: "echo" }, { name: "broken" }, { name: "endless" }],
    });
  });

  it("[F115] tells its health, and the durability of its store", async () => {
    const { ask } = await serve();
    expect(await (await ask("/health")).json()).toMatchObject({ status: "ok", store: { class: "D0" } });
  });

  it("[P15] answers what is not there, and what goes wrong inside, as problem JSON without a stack", async () => {
    const errors: unknown[] = [];
    const { ask, hub } = await serve({ onError: (error) => errors.push(error) });
    expect(await problemOf(await ask("/nowhere"))).toMatchObject({ status: 404, code: "not_found" });
    hub.list = async () => {
      throw new Error("secret detail");
    };
    const response = await ask("/runs");
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    const text = await response.text();
    expect(text).not.toContain("secret detail");
    expect(errors).toHaveLength(1);
  });

  it("answers as ever where what it tells of requests and errors throws", async () => {
    const broken = () => {
      throw new Error("The log is full");
    };
    const { ask, hub } = await serve({ onError: broken, onRequest: broken });
    hub.list = broken;
    expect(await problemOf(await ask("/runs"))).toMatchObject({ status: 503, code: "store_unavailable" });
    expect((await ask("/agents")).status).toBe(200);
  });

  it("refuses by name what JSON can hold and no run can", async () => {
    const { ask, hub } = await serve();
    await hub.start({ id: "p", agent: null, input: "x" });
    const bodyOf = (name: string, depth: number) =>
      `{"input":"x","${name}":${'{"a":'.repeat(depth)}1${"}".repeat(depth)}}`;
    const posts: [string, string][] = [
      ["/runs", bodyOf("metadata", 20_000)],
      ["/runs/p/events", '{"type":{"toString":1}}'],
    ];
    for (const [path, body] of posts) {
      const answer = await ask(path, { method: "POST", body });
      expect(await problemOf(answer)).toMatchObject({ status: 400, code: "invalid_event" });
    }
  });

  it("takes an empty Idempotency-Key for none", async () => {
    const { ask } = await serve();
    const start = async () => {
      const headers = { "idempotency-key": "" };
      return (await ask("/runs", { method: "POST", headers, body: '{"input":"x"}' })).headers.get(
        "runlog-run",
      );
    };
    expect(await start()).not.toBe(await start());
  });

  it("refuses a body that is no UTF-8, which would be another text in the log", async () => {
    const { ask } = await serve();
    const body = Buffer.from('{"input":"caf\xe9"}', "latin1");
    expect(await problemOf(await ask("/runs", { method: "POST", body }))).toMatchObject({
      status: 400,
      code: "invalid_request",
      detail: "Cannot read the body: it is no UTF-8",
    });
  });
});
