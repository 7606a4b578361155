import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, it } from "vitest";
import { WebSocket as NodeSocket } from "ws";
import type { AgentStream, RunContext } from "../agent.ts";
import { demoAgent } from "../ai/demo-agent.ts";
import { demoModel } from "../ai/demo-model.ts";
import { createHub } from "../hub.ts";
import { memoryStore } from "../stores/memory.ts";
import { ask, framesIn, type Heard, talk } from "../transports/websocket/talk.fixture.ts";
import type { RequestLine } from "./app.ts";
import { type ListenOptions, listen } from "./listen.ts";

async function* echo({ input }: RunContext): AgentStream {
  yield { type: "text.started", id: "1" };
  yield { type: "text.delta", id: "1", text: `You said ${input}` };
  yield { type: "text.finished", id: "1" };
  const parts = [{ type: "text" as const, text: `You said ${input}` }];
  yield { type: "message", message: { id: "m", role: "assistant", parts } };
}

async function* broken(): AgentStream {
  yield { type: "text.started", id: "1" };
  throw new Error("No luck");
}

async function* endless({ signal }: RunContext): AgentStream {
  yield { type: "text.started", id: "1" };
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
}

async function* asks(): AgentStream {
  yield { type: "approval.requested", approvalId: "a", callId: "c", name: "pay", input: {} };
}

async function serve(options: Partial<ListenOptions> = {}, agents: ListenAgents = [echo]) {
  const hub = await createHub({ store: memoryStore(), agents });
  const lines: RequestLine[] = [];
  const errors: unknown[] = [];
  const server = await listen({
    hub,
    port: 0,
    onRequest: (line) => lines.push(line),
    onError: (error) => errors.push(error),
    ...options,
  });
  const { url } = server;
  return { hub, url, lines, errors, stop: server.stop, [Symbol.asyncDispose]: () => server.stop(0) };
}
type ListenAgents = NonNullable<Parameters<typeof createHub>[0]["agents"]>;

interface Refusal {
  readonly status: number | undefined;
  readonly type: string | undefined;
  readonly problem: { readonly code: string; readonly detail: string; readonly status: number };
}

/** The HTTP answer to an upgrade that is refused. */
async function refusal(
  url: string,
  options: { path?: string; subprotocol?: string; headers?: Record<string, string> } = {},
): Promise<Refusal> {
  const { path = "/ws", subprotocol = "runlog.1", headers = {} } = options;
  const socket = new NodeSocket(`${url.replace(/^http/, "ws")}${path}`, subprotocol, { headers });
  const [, answer] = await once(socket, "unexpected-response");
  let body = "";
  for await (const chunk of answer) body += chunk;
  return { status: answer.statusCode, type: answer.headers["content-type"], problem: JSON.parse(body) };
}

describe("opening a socket", () => {
  it("[F58] [P19] speaks runlog.1 with who asks for it, among others too", async () => {
    await using server = await serve();
    using client = await talk(server.url);
    expect(client.socket.protocol).toBe("runlog.1");
    expect(client.socket.extensions).toBe("");
    expect(await ask(client, { type: "ping", id: "p" } as Heard)).toEqual({ type: "pong", id: "p" });
    const other = new WebSocket(`${server.url.replace(/^http/, "ws")}/ws`, ["other.2", "runlog.1"]);
    await once(other, "open");
    expect(other.protocol).toBe("runlog.1");
    other.close();
    await once(other, "close");
  });

  it("[P19] refuses a subprotocol that it does not know, and any other path", async () => {
    await using server = await serve();
    expect(await refusal(server.url, { subprotocol: "graphql-ws" })).toMatchObject({
      status: 400,
      type: "application/problem+json",
      problem: { code: "invalid_request", detail: expect.stringContaining('Cannot speak "graphql-ws"') },
    });
    expect(await refusal(server.url, { path: "/runs" })).toMatchObject({
      status: 404,
      problem: { code: "not_found", detail: "Cannot upgrade /runs: WebSockets are at /ws" },
    });
    expect(server.lines.map(({ method, path, status }) => `${method} ${path} ${status}`)).toEqual([
      "GET /ws 400",
      "GET /runs 404",
    ]);
  });

  it("answers as ever where what it tells of upgrades throws", async () => {
    const onRequest = () => {
      throw new Error("The log is full");
    };
    await using server = await serve({ onRequest });
    expect(await refusal(server.url, { path: "/runs" })).toMatchObject({ status: 404 });
    using client = await talk(server.url);
    expect(await ask(client, { type: "ping", id: "p" } as Heard)).toEqual({ type: "pong", id: "p" });
  });

  it("[P16] [P19] refuses a foreign Origin, and takes its own, one that is allowed, and none", async () => {
    await using server = await serve({ origins: ["https://app.example"] });
    expect(await refusal(server.url, { headers: { origin: "https://evil.example" } })).toMatchObject({
      status: 403,
      problem: { code: "forbidden" },
    });
    expect(await refusal(server.url, { headers: { origin: "null" } })).toMatchObject({ status: 403 });
    for (const origin of [server.url, "https://app.example", undefined]) {
      for (const subprotocol of ["runlog.1", ""]) {
        using client = await talk(server.url, subprotocol, origin === undefined ? {} : { origin });
        expect(client.socket.readyState).toBe(NodeSocket.OPEN);
      }
    }
  });

  it("[P16] [P19] refuses a Host that is not this machine's, where there is no token", async () => {
    await using server = await serve();
    expect(await refusal(server.url, { headers: { host: "rebound.example" } })).toMatchObject({
      status: 421,
      problem: { code: "misdirected" },
    });
  });

  it("[P16] [P19] needs the token, where there is one", async () => {
    await using server = await serve({ token: "secret" });
    for (const headers of [{}, { authorization: "Bearer wrong" }] as Record<string, string>[]) {
      expect(await refusal(server.url, { headers })).toMatchObject({
        status: 401,
        problem: { code: "unauthorized" },
      });
    }
    const headers = { authorization: "Bearer secret", host: "any.example" };
    using client = await talk(server.url, "runlog.1", { headers });
    expect(await ask(client, { type: "ping", id: "p" } as Heard)).toEqual({ type: "pong", id: "p" });
    expect(server.lines.at(-1)).toMatchObject({ method: "GET", path: "/ws", status: 101 });
  });

  it("answers a request that offers another upgrade as if it offered none", async () => {
    await using server = await serve();
    const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
    const offer = "Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk";
    socket.write(`GET /agents HTTP/1.1\r\nHost: localhost\r\n${offer}\r\n\r\n`);
    let answer = "";
    for await (const chunk of socket) answer += chunk;
    expect(answer).toContain("HTTP/1.1 200 OK");
    expect(answer).toContain('{"agents":[{"name":"echo"}]}');
  });

  it("answers a handshake that is none with 400, and goes on", async () => {
    await using server = await serve();
    const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
    socket.write("GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    let answer = "";
    for await (const chunk of socket) answer += chunk;
    expect(answer).toContain("HTTP/1.1 400 Bad Request");
    using client = await talk(server.url);
    expect(await ask(client, { type: "ping", id: "p" } as Heard)).toEqual({ type: "pong", id: "p" });
  });
});

describe("bytes that break the framing", () => {
  /** A frame as a client sends it, masked with zeros. */
  const frame = (first: number, payload: Buffer = Buffer.alloc(0), mask = 0x80) =>
    Buffer.concat([Buffer.of(first, mask | payload.length), Buffer.alloc(mask ? 4 : 0), payload]);

  it.each<[string, number, Buffer]>([
    ["a reserved bit", 1002, frame(0xc1, Buffer.from("{}"))],
    ["an unknown opcode", 1002, frame(0x83)],
    ["no mask", 1002, frame(0x81, Buffer.from("{}"), 0)],
    ["a continuation of nothing", 1002, frame(0x80)],
    ["a control frame in pieces", 1002, frame(0x09)],
    ["text that is no UTF-8", 1007, frame(0x81, Buffer.of(0xff, 0xfe))],
    ["a GiB that is only announced", 1009, Buffer.of(0x81, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0)],
    [
      "pieces without end",
      1008,
      Buffer.concat(Array.from({ length: 20_000 }, (_, index) => frame(index === 0 ? 0x01 : 0x00))),
    ],
  ])("[F60] %s closes the socket with %d, and no other", async (_, code, bytes) => {
    await using server = await serve();
    using other = await talk(server.url);
    const client = await talk(server.url);
    // Past the library, on the socket beneath it.
    (client.socket as unknown as { _socket: { write(bytes: Buffer): void } })._socket.write(bytes);
    expect((await client.closed).code).toBe(code);
    expect(await ask(other, { type: "ping", id: "p" } as Heard)).toEqual({ type: "pong", id: "p" });
    expect(server.errors).toEqual([]);
  });

  it("[F60] 100,000 pings whose pongs are not read end the socket, not the server", async () => {
    await using server = await serve();
    using other = await talk(server.url);
    const client = await talk(server.url);
    client.socket.pause();
    const raw = (client.socket as unknown as { _socket: NodeJS.WritableStream })._socket;
    const pings = Buffer.concat(Array.from({ length: 100_000 }, () => frame(0x89, Buffer.alloc(125))));
    await new Promise((resolve) => raw.write(pings, resolve));
    client.socket.resume();
    expect((await client.closed).code).toBe(1006);
    expect(await ask(other, { type: "ping", id: "p" } as Heard)).toEqual({ type: "pong", id: "p" });
  });
});

describe("a server that stops", () => {
  it("[F89] [P19] shows the end of what was at work, then closes with 1012, and takes no socket meanwhile", async () => {
    const server = await serve({}, [endless, asks]);
    const working = await server.hub.start({ agent: "endless", input: "x" });
    const waiting = await server.hub.start({ agent: "asks", input: "x" });
    using client = await talk(server.url);
    using agentor = await talk(server.url, "");
    using idle = await talk(server.url);
    client.say({ type: "subscribe", id: "working", run: working.run.id });
    client.say({ type: "subscribe", id: "waiting", run: waiting.run.id });
    agentor.say({ text: "Hello" });
    while ((await server.hub.list({ status: "running" })).runs.length < 2) await new Promise(setImmediate);
    const stopped = server.stop(0);
    const heard = await client.hearUntil(({ type }) => type === "end");
    expect(heard.at(-1)).toEqual({ type: "end", id: "working" });
    expect(framesIn(heard).at(-1)?.data.event).toMatchObject({ type: "run.failed", code: "server_stopped" });
    expect((await agentor.hear()).code).toBe("server_stopped");
    for (const each of [client, agentor, idle])
      expect(await each.closed).toEqual({ code: 1012, reason: "The server is stopping" });
    await stopped;
    await expect(client.hear()).rejects.toThrow("1012");
  });

  it("[P19] takes no socket while it lets its runs end", async () => {
    const server = await serve({}, [endless]);
    const { run } = await server.hub.start({ input: "x" });
    // A connection from before the stop.
    const early = connect(Number(new URL(server.url).port), "127.0.0.1");
    await once(early, "connect");
    early.write("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await once(early, "data");
    const draining = server.hub.drain(60_000);
    expect(await refusal(server.url)).toMatchObject({ status: 503, problem: { code: "stopping" } });
    await run.cancel();
    await draining;
    early.destroy();
    await server.stop(0);
  });

  it("does not wait for a client that does not close", async () => {
    const server = await serve();
    const client = await talk(server.url);
    // It reads nothing, so it does not hear that it is to close.
    client.socket.pause();
    await server.stop(0);
    client.socket.resume();
    await client.closed;
  });
});

describe("Agentor's socket", () => {
  const ends = ({ message, tool_action }: Heard) => message !== null && tool_action === null;

  it("[F58] [P19] answers texts one after the other, each event a message", async () => {
    await using server = await serve();
    using client = await talk(server.url, "");
    expect(client.socket.protocol).toBe("");
    client.say({ text: "one" });
    client.say({ text: "two" });
    const nothing = { message: null, chunk: null, tool_action: null, reasoning: null };
    for (const text of ["one", "two"]) {
      expect(await client.hear()).toEqual({
        ...nothing,
        type: "raw_response_event",
        chunk: `You said ${text}`,
      });
      expect(await client.hear()).toEqual({
        ...nothing,
        type: "run_item_stream_event",
        message: `You said ${text}`,
      });
    }
    expect((await server.hub.list()).runs).toHaveLength(2);
  });

  it("[F58] serves the client that Agentor's page prints, with the WebSocket of any browser", async () => {
    const model = demoModel({ firstTokenMs: 0, tokensPerSecond: Number.POSITIVE_INFINITY });
    await using server = await serve({}, [demoAgent({ model })]);
    // As there: send {"text": "Hello!"}; for each message, parse it, and print event.get("message") if there is one.
    const socket = new WebSocket(`${server.url.replace(/^http/, "ws")}/ws`);
    const printed: string[] = [];
    const done = Promise.withResolvers<void>();
    socket.onmessage = ({ data }) => {
      const event = JSON.parse(data);
      if (event.message) printed.push(event.message);
      if (ends(event)) done.resolve();
    };
    await once(socket, "open");
    socket.send(JSON.stringify({ text: "What is 17% of 2340?" }));
    await done.promise;
    expect(printed.at(-1)).toContain("397.8");
    socket.close();
    await once(socket, "close");
  });

  it.each(["hello", "", "[]", "null", '{"text":7}', '{"text":""}', '{"message":"x"}'])(
    "[F60] [P19] tells %j as a message of type error, and goes on",
    async (text) => {
      await using server = await serve();
      using client = await talk(server.url, "");
      client.say(text);
      expect(await client.hear()).toEqual({
        type: "error",
        message: 'Cannot read the message: it must be {"text": "..."}, and not empty',
        chunk: null,
        tool_action: null,
        reasoning: null,
        code: "invalid_request",
      });
      client.say({ text: "x" });
      expect((await client.hear()).chunk).toBe("You said x");
      expect(server.errors).toEqual([]);
    },
  );

  it("[F60] tells that a run failed, that there is no agent, and goes on", async () => {
    await using server = await serve({}, [broken]);
    using client = await talk(server.url, "");
    for (let count = 0; count < 2; count++) {
      client.say({ text: "x" });
      expect(await client.hear()).toMatchObject({ type: "error", message: "No luck", chunk: null });
    }
    await using empty = await serve({}, []);
    using other = await talk(empty.url, "");
    other.say({ text: "x" });
    expect(await other.hear()).toMatchObject({ type: "error", code: "agent_not_found" });
  });

  it("an answer is over when the run waits for a person: the next text is answered", async () => {
    await using server = await serve({}, [asks]);
    using client = await talk(server.url, "");
    client.say({ text: "one" });
    client.say("not JSON");
    const heard = await client.hearUntil(({ type }) => type === "error");
    expect(heard.at(-1)).toMatchObject({ code: "invalid_request" });
    expect((await server.hub.list({ status: "waiting" })).runs).toHaveLength(1);
  });

  it("[F52] closing it does nothing to its run", async () => {
    await using server = await serve({}, [endless]);
    const client = await talk(server.url, "");
    client.say({ text: "x" });
    while ((await server.hub.list()).runs.length === 0) await new Promise(setImmediate);
    client.socket.close();
    await client.closed;
    const [run] = (await server.hub.list()).runs;
    expect(run?.status).toBe("running");
  });
});
