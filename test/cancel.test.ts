import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import type { AgentLike } from "../src/agent.ts";
import { Agent } from "../src/ai/agent.ts";
import { tool } from "../src/ai/tool.ts";
import type { AgentEvent, StreamEvent } from "../src/events.ts";
import { createHub, type Hub, type Run } from "../src/hub.ts";
import { listen } from "../src/server/listen.ts";
import { memoryStore } from "../src/stores/memory.ts";
import { openaiChatServer } from "../src/testing/providers.ts";
import { endlessProvider } from "./support/endless-provider.ts";
import { openEvents } from "./support/events-connection.ts";
import { get, post } from "./support/post.ts";
import { logProblems } from "./support/problems.ts";
import { readLog } from "./support/read-log.ts";
import { seedFor } from "./support/seed.ts";

/** A server in this process, on a port of its own, gone with the test. */
async function serve(...agents: readonly AgentLike[]): Promise<{ readonly hub: Hub; readonly url: string }> {
  const hub = await createHub({ store: memoryStore(), agents });
  const server = await listen({ hub, port: 0 });
  onTestFinished(() => server[Symbol.asyncDispose]());
  return { hub, url: server.url };
}

/** Resolves with the first event of a type. */
async function seen<Type extends StreamEvent["type"]>(run: Run, type: Type): Promise<void> {
  for await (const { event } of run) if (event.type === type) return;
}

const eventsOf = async (run: Run): Promise<StreamEvent[]> =>
  (await run.log.entries()).map(({ event }) => event);
const typesOf = async (run: Run): Promise<string[]> => (await eventsOf(run)).map(({ type }) => type);

test("a cancel closes the provider's connection, keeps what was said, marks it, and ends the run once [F78][F79]", async () => {
  await using provider = await endlessProvider();
  const agent = new Agent({ name: "talker", model: { baseURL: provider.baseURL, name: "endless" } });
  const { hub, url } = await serve(agent);
  const { body } = await post(`${url}/runs`, { input: "Talk" });
  const run = hub.run(body.run);
  const viewer = await openEvents(url, run.id);
  const frames = Array.fromAsync(viewer);
  await seen(run, "text.delta");

  const answer = await post(`${url}/runs/${run.id}/cancel`, { reason: "Enough" });
  expect(answer.status).toBe(202);
  // The provider's own socket, seen from its side.
  await provider.silent;
  await run.ended();

  const log = await readLog(url, run.id);
  expect(logProblems(log)).toEqual([]);
  const events = log.map(({ event }) => event);
  expect(events.at(-1)).toMatchObject({ type: "run.cancelled", reason: "Enough" });
  const text = events.flatMap((event) => (event.type === "text.delta" ? [event.text] : [])).join("");
  expect(text).toMatch(/^(word\d+ )+$/);
  expect(events.filter(({ type }) => type === "text.finished")).toMatchObject([{ interrupted: true }]);
  expect(events.filter(({ type }) => type === "step.finished")).toMatchObject([
    { finishReason: "interrupted" },
  ]);
  // Who watches sees the same end.
  expect((await frames).map(({ raw }) => raw)).toEqual(log.map(({ frame }) => frame));
  expect((await get(`${url}/runs/${run.id}`)).body.status).toBe("cancelled");
});

test("a cancel reaches a provider that has said nothing yet [F78]", async () => {
  await using provider = await endlessProvider({ quiet: true });
  const agent = new Agent({ name: "silent", model: { baseURL: provider.baseURL, name: "endless" } });
  const { hub, url } = await serve(agent);
  const { body } = await post(`${url}/runs`, { input: "Talk" });
  await provider.answering(1);
  await post(`${url}/runs/${body.run}/cancel`);
  await provider.silent;
  await hub.run(body.run).ended();
  const types = await typesOf(hub.run(body.run));
  expect(types.at(-1)).toBe("run.cancelled");
  expect(types.filter((type) => type.startsWith("run."))).toEqual(["run.started", "run.cancelled"]);
});

test.for([
  ["listens to its signal", true],
  ["hangs and does not care", false],
] as const)(
  "a cancel reaches a tool that %s, and the call is marked as interrupted [F78]",
  async ([, listens]) => {
    await using provider = await openaiChatServer([
      { text: ["I look. "], calls: [{ id: "call1", name: "hang", input: {} }] },
    ]);
    const aborted = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    const hang = tool({
      input: z.object({}),
      execute: (_, { signal }) =>
        new Promise((_resolve, reject) => {
          started.resolve();
          signal.addEventListener("abort", () => {
            aborted.resolve();
            if (listens) reject(signal.reason);
          });
        }),
    });
    const agent = new Agent({ name: "looker", model: { baseURL: provider.url, name: "m" }, tools: { hang } });
    const { hub, url } = await serve(agent);
    const { body } = await post(`${url}/runs`, { input: "Look" });
    const run = hub.run(body.run);
    await started.promise;
    expect((await post(`${url}/runs/${run.id}/cancel`)).status).toBe(202);
    await aborted.promise;
    await run.ended();
    const events = await eventsOf(run);
    expect(logProblems(await run.log.entries())).toEqual([]);
    expect(events.at(-1)?.type).toBe("run.cancelled");
    expect(events.filter(({ type }) => type === "tool.failed")).toMatchObject([
      { callId: "call1", code: "interrupted" },
    ]);
    // What the model had said before stays, whole.
    expect(events.flatMap((event) => (event.type === "text.delta" ? [event.text] : [])).join("")).toBe(
      "I look. ",
    );
  },
);

test("a second cancel, one after the end, and one of a finished run are answered and change nothing [F78]", async () => {
  const { hub, url } = await serve({
    name: "hang",
    async *run({ signal }): AsyncGenerator<AgentEvent> {
      yield { type: "text.started", id: "1" };
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    },
  });
  const { body } = await post(`${url}/runs`, { input: "x" });
  const run = hub.run(body.run);
  await seen(run, "text.started");
  const cancel = (reason: string) => post(`${url}/runs/${run.id}/cancel`, { reason });
  const answers = await Promise.all([cancel("1"), cancel("2"), cancel("3")]);
  expect(answers.map(({ status }) => status)).toEqual([202, 202, 202]);
  await run.ended();
  const ended = await readLog(url, run.id);
  expect(logProblems(ended)).toEqual([]);
  expect((await cancel("4")).status).toBe(202);
  expect((await post(`${url}/runs/${run.id}/input`, { type: "input.cancel" })).status).toBe(202);
  expect(await readLog(url, run.id)).toEqual(ended);

  const produced = await post(`${url}/runs`, { agent: null });
  await post(`${url}/runs/${produced.body.run}/events`, { type: "run.finished" });
  expect((await post(`${url}/runs/${produced.body.run}/cancel`)).status).toBe(202);
  expect(await typesOf(hub.run(produced.body.run))).toEqual(["run.started", "run.finished"]);
  expect(await post(`${url}/runs/nobody/cancel`)).toMatchObject({
    status: 404,
    body: { code: "run_not_found" },
  });
});

test("a run that waits for a person is cancelled at once, without its agent [F78]", async () => {
  let starts = 0;
  const { hub, url } = await serve({
    name: "asks",
    async *run(): AsyncGenerator<AgentEvent> {
      starts++;
      yield { type: "tool.called", callId: "c1", name: "rm", input: {} };
      yield { type: "approval.requested", approvalId: "a1", callId: "c1", name: "rm", input: {} };
    },
  });
  const { body } = await post(`${url}/runs`, { input: "x" });
  const run = hub.run(body.run);
  await expect.poll(() => run.info()).toMatchObject({ status: "waiting" });
  await expect.poll(() => hub.live).toBe(0);
  expect((await post(`${url}/runs/${run.id}/cancel`, { reason: "no" })).body.status).toBe("cancelled");
  const late = { type: "input.approval", approvalId: "a1", approved: true };
  expect(await post(`${url}/runs/${run.id}/input`, late)).toMatchObject({
    status: 409,
    body: { code: "run_closed" },
  });
  expect(logProblems(await run.log.entries())).toEqual([]);
  expect((await eventsOf(run)).slice(-2)).toMatchObject([
    { type: "tool.failed", callId: "c1", code: "interrupted" },
    { type: "run.cancelled", reason: "no" },
  ]);
  expect(starts).toBe(1);
});

test("an open run cannot be deleted, an ended one is gone whole", async () => {
  const { hub, url } = await serve({
    name: "hang",
    async *run({ signal }): AsyncGenerator<AgentEvent> {
      yield { type: "text.started", id: "1" };
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    },
  });
  const { body } = await post(`${url}/runs`, { input: "x" });
  const run = hub.run(body.run);
  await seen(run, "text.started");
  const remove = async () => {
    const response = await fetch(`${url}/runs/${run.id}`, { method: "DELETE" });
    const text = await response.text();
    return { status: response.status, body: text && JSON.parse(text) };
  };
  expect(await remove()).toMatchObject({ status: 409, body: { code: "run_open" } });
  expect(await typesOf(run)).toEqual(["run.started", "text.started"]);
  await post(`${url}/runs/${run.id}/cancel`);
  await run.ended();
  expect((await remove()).status).toBe(204);
  for (const path of ["", "/events"]) {
    expect([404, 410]).toContain((await get(`${url}/runs/${run.id}${path}`)).status);
  }
  expect([404, 410]).toContain((await remove()).status);
  expect((await get(`${url}/runs`)).body.runs).toEqual([]);
});

test("run.finished never follows input.cancel, whoever comes first in 400 races of the two", async () => {
  const random = seedFor("cancel against finish");
  const turns = async (count: number): Promise<void> => {
    for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  let patience = 0;
  const { hub, url } = await serve({
    name: "brief",
    async *run(): AsyncGenerator<AgentEvent> {
      const mine = patience;
      yield { type: "text.started", id: "1" };
      yield { type: "text.delta", id: "1", text: "done" };
      await turns(mine);
    },
  });
  const ends = new Map<string, number>();
  for (let race = 0; race < 400; race++) {
    patience = random.between(0, 6);
    const byAgent = race % 2 === 0;
    const { run } = await hub.start({ input: "x", agent: byAgent ? "brief" : null });
    const finish = byAgent
      ? undefined
      : turns(random.between(0, 6)).then(() => run.append([{ type: "run.finished" }]));
    const cancel = turns(random.between(0, 8)).then(async () => {
      // Now and then as a client does it.
      if (random.chance(0.1)) await post(`${url}/runs/${run.id}/cancel`);
      else await run.cancel();
    });
    await Promise.all([finish?.catch(() => {}), cancel]);
    await run.ended();
    const log = await run.log.entries();
    expect(logProblems(log)).toEqual([]);
    const types = log.map(({ event }) => event.type);
    const asked = types.includes("input.cancel");
    const end = types.at(-1)!;
    expect({ asked, end }).toEqual({ asked, end: asked ? "run.cancelled" : "run.finished" });
    ends.set(end, (ends.get(end) ?? 0) + 1);
  }
  // A race that always ends the same way is none.
  expect(ends.get("run.finished")).toBeGreaterThan(0);
  expect(ends.get("run.cancelled")).toBeGreaterThan(0);
}, 60_000);
