import { connect } from "node:net";
import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { z } from "zod";
import type { AgentLike, RunLimits } from "../src/agent.ts";
import { Agent } from "../src/ai/agent.ts";
import { tool } from "../src/ai/tool.ts";
import type { AgentEvent, StreamEvent } from "../src/events.ts";
import { createHub, type Hub, type Run } from "../src/hub.ts";
import { listen } from "../src/server/listen.ts";
import { memoryStore } from "../src/stores/memory.ts";
import { openaiChatServer } from "../src/testing/providers.ts";
import { get, post } from "./support/post.ts";
import { logProblems } from "./support/problems.ts";
import { seedFor } from "./support/seed.ts";

async function newHub(...agents: readonly AgentLike[]): Promise<Hub> {
  const hub = await createHub({ store: memoryStore(), agents });
  onTestFinished(() => hub[Symbol.asyncDispose]());
  return hub;
}

/** A server in this process, on a port of its own, gone with the test. */
async function serve(...agents: readonly AgentLike[]): Promise<{ readonly hub: Hub; readonly url: string }> {
  const hub = await newHub(...agents);
  const server = await listen({ hub, port: 0 });
  onTestFinished(() => server[Symbol.asyncDispose]());
  return { hub, url: server.url };
}

const eventsOf = async (run: Run): Promise<StreamEvent[]> =>
  (await run.log.entries()).map(({ event }) => event);

/** Its last event, after the log was looked over. */
async function endOf(run: Run): Promise<StreamEvent> {
  await run.ended();
  expect(logProblems(await run.log.entries())).toEqual([]);
  return (await eventsOf(run)).at(-1)!;
}

describe("a run that takes too long fails with code timeout [F81]:", () => {
  afterEach(() => {
    vi.useRealTimers();
  });
  const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  /** Lets what needs no time happen. */
  const settle = async () => {
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  const untilAborted = (signal: AbortSignal) =>
    new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));

  const cases: [string, Partial<RunLimits>, AgentLike["run"], number, RegExp][] = [
    [
      "all of it, however much it says",
      { timeoutMs: 60_000, idleMs: 1_000 },
      async function* ({ signal }) {
        yield { type: "text.started", id: "1" };
        for (let word = 0; !signal.aborted; word++) {
          yield { type: "text.delta", id: "1", text: `${word} ` };
          await sleep(500);
        }
      },
      60_000,
      /longer than 60000 ms/,
    ],
    [
      "the time between two events",
      { idleMs: 5_000 },
      async function* ({ signal }) {
        yield { type: "text.started", id: "1" };
        await sleep(4_000);
        yield { type: "text.delta", id: "1", text: "still here" };
        await untilAborted(signal);
      },
      9_000,
      /nothing for 5000 ms/,
    ],
    [
      "the time to its first word, which a step alone is not",
      { firstChunkMs: 3_000 },
      async function* ({ signal }) {
        yield { type: "step.started", step: 1 };
        await untilAborted(signal);
      },
      3_000,
      /first 3000 ms/,
    ],
    [
      "an agent that does not care about its signal, after 2 s more",
      { timeoutMs: 10_000 },
      async function* () {
        yield { type: "text.started", id: "1" };
        await new Promise(() => {});
      },
      12_000,
      /longer than 10000 ms/,
    ],
  ];
  test.for(cases)("%s", async ([, limits, run, endsAtMs, message]) => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance", "Date"] });
    const hub = await newHub({ name: "slow", limits, run });
    const { run: started } = await hub.start({ input: "x" });
    await settle();
    await vi.advanceTimersByTimeAsync(endsAtMs - 1);
    expect((await started.info()).status).toBe("running");
    await vi.advanceTimersByTimeAsync(1);
    const end = await endOf(started);
    expect(end).toMatchObject({
      type: "run.failed",
      code: "timeout",
      message: expect.stringMatching(message),
    });
    const open = (await eventsOf(started)).filter(({ type }) => type === "text.finished");
    expect(open.every((event) => "interrupted" in event && event.interrupted)).toBe(true);
    expect(hub.live).toBe(0);
  });

  test("but not while it waits for a person, however long", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance", "Date"] });
    const hub = await newHub({
      name: "asks",
      limits: { timeoutMs: 60_000, idleMs: 10_000, firstChunkMs: 10_000 },
      async *run({ entries }) {
        if (entries.length > 0) {
          await sleep(9_000);
          yield { type: "text.started", id: "1" };
          return;
        }
        yield { type: "approval.requested", approvalId: "a", callId: "c", name: "rm", input: {} };
      },
    });
    const { run } = await hub.start({ input: "x" });
    await settle();
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect((await run.info()).status).toBe("waiting");
    await run.send({ type: "input.approval", approvalId: "a", approved: true });
    await settle();
    await vi.advanceTimersByTimeAsync(9_000);
    expect(await endOf(run)).toMatchObject({ type: "run.finished" });
  });
});

describe("a run that goes too far fails with code limit_exceeded [F85]:", () => {
  const forever: AgentLike["run"] = async function* ({ signal }): AsyncGenerator<AgentEvent> {
    yield { type: "text.started", id: "1" };
    for (let step = 1; !signal.aborted; step++) {
      yield { type: "step.started", step };
      yield { type: "custom", name: "app.item", data: "x".repeat(100) };
      yield { type: "step.finished", step, finishReason: "stop", usage: null, cost: 0.25 };
    }
  };
  const exceeded = { type: "run.failed", code: "limit_exceeded" };

  test("in steps", async () => {
    const hub = await newHub({ name: "a", run: forever, limits: { maxSteps: 7 } });
    const { run } = await hub.start({ input: "x" });
    expect(await endOf(run)).toMatchObject({ ...exceeded, message: expect.stringContaining("7 steps") });
    expect((await eventsOf(run)).filter(({ type }) => type === "step.started")).toHaveLength(7);
  });

  test("in steps of a model that calls tools for ever", async () => {
    await using provider = await openaiChatServer(({ body }) => ({
      calls: [{ id: `call${body.messages.length}`, name: "again", input: {} }],
    }));
    let calls = 0;
    const again = tool({ input: z.object({}), execute: () => ++calls });
    const model = { baseURL: provider.url, name: "m" };
    const hub = await newHub(new Agent({ name: "a", model, tools: { again }, limits: { maxSteps: 3 } }));
    const { run } = await hub.start({ input: "x" });
    expect(await endOf(run)).toMatchObject(exceeded);
    expect(provider.requests).toHaveLength(3);
    expect(calls).toBe(3);
  });

  test("in dollars", async () => {
    const hub = await newHub({ name: "a", run: forever, limits: { maxCostUsd: 1 } });
    const { run } = await hub.start({ input: "x" });
    expect(await endOf(run)).toMatchObject({ ...exceeded, cost: 1.25 });
  });

  test("in events", async () => {
    const hub = await newHub({ name: "a", run: forever, limits: { maxSteps: 1e9, maxEvents: 1_000 } });
    const { run } = await hub.start({ input: "x" });
    expect(await endOf(run)).toMatchObject(exceeded);
    const { length } = await eventsOf(run);
    expect(length).toBeGreaterThanOrEqual(1_000);
    // What was on its way when the limit was reached, and what closes the run.
    expect(length).toBeLessThan(1_000 + 2 * 260);
  });

  test("in bytes", async () => {
    const hub = await newHub({ name: "a", run: forever, limits: { maxSteps: 1e9, maxBytes: 200_000 } });
    const { run } = await hub.start({ input: "x" });
    expect(await endOf(run)).toMatchObject(exceeded);
    const bytes = (await run.log.entries()).reduce((sum, { json }) => sum + json.length, 0);
    expect(bytes).toBeGreaterThan(150_000);
    expect(bytes).toBeLessThan(200_000 + 3 * 64 * 1024);
  });
});

describe("what a producer elsewhere may append", () => {
  test("ends with the end of the run: later it is 409 run_closed, and the log as it was", async () => {
    const { hub, url } = await serve();
    const { body } = await post(`${url}/runs`, { agent: null });
    const events = `${url}/runs/${body.run}/events`;
    expect(
      (await post(events, [{ type: "text.started", id: "1" }, { type: "run.finished" }])).body,
    ).toMatchObject({
      first: 2,
      ended: true,
    });
    const log = await eventsOf(hub.run(body.run));
    for (const late of [{ type: "text.delta", id: "1", text: "late" }, { type: "run.finished" }, []]) {
      expect(await post(events, late)).toMatchObject({ status: 409, body: { code: "run_closed" } });
    }
    expect(await eventsOf(hub.run(body.run))).toEqual(log);
    expect(logProblems(await hub.run(body.run).log.entries())).toEqual([]);
  });

  test("is taken whole or not at all: one event of a wrong shape, 400, and nothing is appended", async () => {
    const { hub, url } = await serve();
    const { body } = await post(`${url}/runs`, { agent: null });
    const good = { type: "text.delta", id: "1", text: "good" };
    const wrong: [unknown, string][] = [
      [{ type: "text.delta", id: "1" }, "invalid_event"],
      [{ type: "text.delta", id: 1, text: "x" }, "invalid_event"],
      [{ type: "no.such", id: "1" }, "invalid_event"],
      [{ type: "run.started", v: 1, agent: null, input: "x" }, "invalid_event"],
      [{ type: "input.cancel" }, "invalid_event"],
      [{ type: "status", status: "happy" }, "invalid_event"],
      [{ type: "__proto__" }, "invalid_event"],
      [{ type: "toString" }, "invalid_event"],
      [null, "invalid_event"],
      ["text", "invalid_event"],
      [[good], "invalid_event"],
      [{}, "invalid_event"],
    ];
    for (const [event, code] of wrong) {
      const answer = await post(`${url}/runs/${body.run}/events`, [good, event, good]);
      expect({ event, status: answer.status, code: answer.body.code }).toEqual({ event, status: 400, code });
    }
    // The end is not the last, or comes twice.
    for (const batch of [
      [{ type: "run.finished" }, good],
      [{ type: "run.finished" }, { type: "run.failed", code: "x", message: "y" }],
    ]) {
      expect((await post(`${url}/runs/${body.run}/events`, batch)).status).toBe(400);
    }
    for (const text of ["{", "nonsense", '{"type":"text.delta"', "\u0000"]) {
      const response = await fetch(`${url}/runs/${body.run}/events`, { method: "POST", body: text });
      expect({ text, status: response.status }).toEqual({ text, status: 400 });
    }
    expect((await eventsOf(hub.run(body.run))).map(({ type }) => type)).toEqual(["run.started"]);
  });

  test("is in the log where its answer says, whole and once, though 16 send at the same time", async () => {
    const { hub, url } = await serve();
    const { body } = await post(`${url}/runs`, { agent: null });
    const answers = await Promise.all(
      Array.from({ length: 16 }, async (_, sender) => {
        const taken: { first: number; last: number; data: string[] }[] = [];
        for (let turn = 0; turn < 20; turn++) {
          const data = Array.from({ length: 1 + (turn % 3) }, (_each, index) => `${sender}.${turn}.${index}`);
          const events = data.map((each) => ({ type: "custom", name: "app.item", data: each }));
          const answer = await post(`${url}/runs/${body.run}/events`, events);
          expect(answer.status).toBe(200);
          taken.push({ first: answer.body.first, last: answer.body.last, data });
        }
        return taken;
      }),
    );
    const events = await eventsOf(hub.run(body.run));
    const kept = events.map((event) => (event.type === "custom" ? event.data : undefined));
    for (const { first, last, data } of answers.flat()) expect(kept.slice(first - 1, last)).toEqual(data);
    expect(events).toHaveLength(1 + answers.flat().reduce((sum, { data }) => sum + data.length, 0));
    // What one sender said is in its order.
    for (const taken of answers)
      expect(taken.map(({ first }) => first)).toEqual(taken.map(({ first }) => first).sort((a, b) => a - b));
  });

  test("may be nothing, which renews its lease and leaves the log as it is", async () => {
    const { hub, url } = await serve();
    const { body } = await post(`${url}/runs`, { agent: null });
    const events = `${url}/runs/${body.run}/events`;
    const said = await post(events, { type: "text.started", id: "1" });
    for (let count = 0; count < 3; count++) {
      expect(await post(events, [])).toMatchObject({
        status: 200,
        body: { last: 2, cursor: said.body.cursor },
      });
    }
    expect((await eventsOf(hub.run(body.run))).map(({ type }) => type)).toEqual([
      "run.started",
      "text.started",
    ]);
    expect((await post(events, { type: "run.finished" })).body).toMatchObject({
      first: 3,
      last: 4,
      ended: true,
    });
  });

  test("is bounded like what an agent says: at the limit of events or bytes the run ends [F98]", async () => {
    const hub = await createHub({ store: memoryStore(), limits: { maxEvents: 100, maxBytes: 100_000 } });
    onTestFinished(() => hub[Symbol.asyncDispose]());
    for (const [count, size] of [
      [50, 1],
      [5, 10_000],
    ] as const) {
      const { run } = await hub.start({ input: "x", agent: null });
      const batch = Array.from({ length: count }, () => ({
        type: "custom" as const,
        name: "app.item",
        data: "x".repeat(size),
      }));
      let refused: unknown;
      for (let turn = 0; turn < 20 && !refused; turn++)
        await run.append(batch).catch((error) => (refused = error));
      expect(await run.info()).toMatchObject({ status: "failed", error: { code: "limit_exceeded" } });
      expect(logProblems(await run.log.entries())).toEqual([]);
    }
  });
});

test("the output of a tool of 5 MB is cut, says so, and how long it was", async () => {
  const { hub, url } = await serve({
    name: "dumps",
    async *run(): AsyncGenerator<AgentEvent> {
      yield { type: "tool.called", callId: "c", name: "dump", input: {} };
      // Characters of three bytes, so that the cut may fall into one.
      yield {
        type: "tool.returned",
        callId: "c",
        name: "dump",
        output: "五".repeat(5_000_000 / 3),
        durationMs: 1,
      };
    },
  });
  const { body } = await post(`${url}/runs`, { input: "x" });
  const run = hub.run(body.run);
  expect(await endOf(run)).toMatchObject({ type: "run.finished" });
  const returned = (await eventsOf(run)).find((event) => event.type === "tool.returned")!;
  expect(returned.truncated).toEqual({ bytes: Math.floor(5_000_000 / 3) * 3 });
  expect(returned.output).toMatch(/^五+$/);
  const kept = Buffer.byteLength(returned.output as string);
  expect(kept).toBeLessThanOrEqual(256 * 1024);
  expect(kept).toBeGreaterThan(256 * 1024 - 4);
  const seen = await get(`${url}/runs/${run.id}/events`);
  expect(JSON.stringify(seen.body).length).toBeLessThan(300 * 1024);
});

describe("a request", () => {
  test("for a run whose id is a path or holds control characters is 400, and touches nothing", async () => {
    const { hub, url } = await serve();
    const ids = [
      "..",
      "../..",
      "a/b",
      "a\r\nb",
      "a\nb",
      "a\0b",
      "a b",
      "é",
      "a".repeat(65),
      "%2e%2e",
      ".",
      "a.db",
      "",
    ];
    for (const id of ids) {
      const started = await post(`${url}/runs`, { agent: null, id });
      expect({ id, ...started }).toMatchObject({ id, status: 400, body: { code: "invalid_id" } });
      const thread = await post(`${url}/runs`, { agent: null, thread: id });
      expect({ id, ...thread }).toMatchObject({ id, status: 400, body: { code: "invalid_id" } });
      // A URL takes these out of its path by itself.
      if ([".", "..", ""].includes(id)) continue;
      const path = `${url}/runs/${encodeURIComponent(id)}`;
      for (const each of [path, `${path}/events`]) {
        expect({ id, ...(await get(each)) }).toMatchObject({ id, status: 400, body: { code: "invalid_id" } });
      }
      for (const each of ["cancel", "input", "events"]) {
        expect({ id, ...(await post(`${path}/${each}`, {})) }).toMatchObject({ id, status: 400 });
      }
    }
    expect((await hub.list()).runs).toEqual([]);
  });

  test("that is wrong in any way is told so in words, never with what is inside the server", async () => {
    const random = seedFor("wrong requests");
    const { hub, url } = await serve();
    const { body } = await post(`${url}/runs`, { agent: null });
    const paths = [
      "/runs",
      `/runs/${body.run}/events`,
      `/runs/${body.run}/input`,
      `/runs/${body.run}/cancel`,
      "/chat",
    ];
    const values = [
      null,
      1,
      -1,
      Number.MAX_VALUE,
      "",
      "x",
      [],
      {},
      [[]],
      { type: 1 },
      true,
      { input: {} },
      { __proto__: 1 },
    ];
    const keys = [
      "agent",
      "input",
      "id",
      "history",
      "thread",
      "tags",
      "metadata",
      "type",
      "reason",
      "message",
      "leaseMs",
    ];
    for (let count = 0; count < 500; count++) {
      const path = paths[random.between(0, paths.length - 1)]!;
      const sent = Object.fromEntries(
        Array.from({ length: random.between(0, 4) }, () => [
          keys[random.between(0, keys.length - 1)]!,
          values[random.between(0, values.length - 1)],
        ]),
      );
      const answer = await post(`${url}${path}`, random.chance(0.2) ? values[random.between(0, 12)] : sent);
      if (answer.status >= 500) throw new Error(`${path} ${JSON.stringify(sent)}: ${JSON.stringify(answer)}`);
      expect(JSON.stringify(answer.body)).not.toMatch(/node:internal|\.ts:\d|\n {4}at /);
    }
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    await hub.run(body.run).cancel();
  });

  test("of more than 1 MiB is 413 as soon as that is known, while the client still sends", async () => {
    const { hub, url } = await serve();
    const { hostname, port } = new URL(url);
    // With its length told, and without.
    for (const head of [`content-length: ${64 * 1024 * 1024}`, "transfer-encoding: chunked"]) {
      const answered = Promise.withResolvers<string>();
      const socket = connect(Number(port), hostname);
      let answer = "";
      socket.setEncoding("utf8").on("data", (text: string) => {
        answer += text;
        if (answer.includes("\r\n\r\n")) answered.resolve(answer);
      });
      socket.on("error", answered.reject);
      socket.on("close", () => answered.resolve(answer));
      socket.write(
        `POST /runs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n${head}\r\n\r\n`,
      );
      const piece = Buffer.alloc(64 * 1024, "x");
      const chunk = head.startsWith("transfer")
        ? Buffer.concat([Buffer.from("10000\r\n"), piece, Buffer.from("\r\n")])
        : piece;
      // 2 MB of what was to come: more than is taken, and far from the end.
      for (let count = 0; count < 32; count++) socket.write(chunk);
      expect(await answered.promise).toMatch(/^HTTP\/1\.1 413 /);
      socket.destroy();
    }
    expect((await hub.list()).runs).toEqual([]);
    expect((await get(`${url}/health`)).status).toBe(200);
  });

  test("of more than 1 MiB is 413 to a client that sends it all before it listens", async () => {
    const { url } = await serve();
    const answer = await post(`${url}/runs`, { agent: null, input: "x".repeat(5 * 1024 * 1024) });
    expect(answer).toMatchObject({ status: 413, body: { code: "too_large" } });
  });
});
