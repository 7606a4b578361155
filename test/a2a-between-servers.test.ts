import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { AgentFunction, AgentLike } from "../src/agent.ts";
import type { EventOf, EventType } from "../src/events.ts";
import { createHub, type Hub, type Run, type StartOptions } from "../src/hub.ts";
import { finalText, toMessages } from "../src/messages.ts";
import { type A2aAgentOptions, a2aAgent } from "../src/protocols/a2a/agent.ts";
import { breakingFetch } from "../src/protocols/a2a/agent-server.fixture.ts";
import { listen } from "../src/server/listen.ts";
import { memoryStore } from "../src/stores/memory.ts";
import { TestRun } from "../src/testing/run-context.ts";

const words = ["Once ", "upon ", "a ", "time ", "there ", "was ", "a ", "log."];

/** Tells a story, a word at a time, in as many steps as it has sentences. */
const storyteller: AgentFunction = async function* storyteller({ history }) {
  yield { type: "step.started", step: 1 };
  yield { type: "tool.called", callId: "c", name: "look", input: {} };
  yield { type: "tool.returned", callId: "c", name: "look", output: "A log", durationMs: 1 };
  yield { type: "text.started", id: "1" };
  for (const text of [...words, ` (${history.length})`]) {
    yield { type: "text.delta", id: "1", text };
    // Each word in an entry of its own.
    await new Promise(setImmediate);
  }
  yield { type: "text.finished", id: "1" };
  yield {
    type: "artifact",
    id: "book",
    action: "created",
    name: "book",
    parts: [{ type: "data", data: { pages: 1 } }],
  };
  const usage = { inputTokens: 30, outputTokens: 20 };
  yield { type: "step.finished", step: 1, finishReason: "stop", usage, cost: 0.25 };
};

/** Never ends by itself. */
const counter: AgentFunction = async function* counter({ signal }) {
  yield { type: "text.started", id: "1" };
  yield { type: "text.delta", id: "1", text: "1" };
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
};

/** Asks before it deletes. */
const careful: AgentFunction = async function* careful({ entries }) {
  const step = entries.length === 0 ? 1 : 2;
  yield { type: "step.started", step };
  const answer = entries.find(({ event }) => event.type === "input.approval")?.event as
    | EventOf<"input.approval">
    | undefined;
  const text = answer ? ` ${answer.approved ? "Deleted" : "Kept"}: ${answer.reason}` : "May I?";
  yield { type: "text.started", id: `${step}` };
  yield { type: "text.delta", id: `${step}`, text };
  yield { type: "text.finished", id: `${step}` };
  const call = { callId: "c-1", name: "delete", input: { file: "a" } };
  if (answer) yield { type: "tool.returned", callId: "c-1", name: "delete", output: null, durationMs: 1 };
  else {
    yield { type: "tool.called", ...call };
    yield { type: "approval.requested", approvalId: "a-1", ...call, reason: "It is gone then" };
  }
  const finishReason = answer ? "stop" : "tool-calls";
  yield { type: "step.finished", step, finishReason, usage: { inputTokens: 3, outputTokens: 2 }, cost: 0.5 };
};

const failing: AgentFunction = async function* failing() {
  yield { type: "text.started", id: "1" };
  yield { type: "text.delta", id: "1", text: "Well" };
  throw Object.assign(new Error("No more tokens"), { code: "rate_limited" });
};

async function serve(agent: AgentLike | AgentFunction): Promise<{ readonly hub: Hub; readonly url: string }> {
  const hub = await createHub({ store: memoryStore(), agents: [agent] });
  const server = await listen({ hub, port: 0 });
  onTestFinished(async () => {
    await server[Symbol.asyncDispose]();
    await hub.drain(0);
  });
  return { hub, url: server.url };
}

interface Card {
  readonly supportedInterfaces: readonly { readonly protocolBinding: string }[];
}

/** The card as it has to be for each way to speak. */
const wires = {
  "JSON-RPC 1.0": (card: Card) => card,
  "REST 1.0": (card: Card) => ({
    ...card,
    supportedInterfaces: card.supportedInterfaces.filter((each) => each.protocolBinding !== "JSONRPC"),
  }),
  "JSON-RPC 0.3": ({ supportedInterfaces: _, ...card }: Card) => card,
};

/** Requests that another `fetch` makes, over one wire; and which of them went on after an event. */
function over(wire: keyof typeof wires, inner: typeof fetch = fetch) {
  const after: string[] = [];
  const fetching: typeof fetch = async (input, init) => {
    const id = new Headers(init?.headers).get("last-event-id");
    if (id) after.push(id);
    const response = await inner(input, init);
    return String(input).endsWith(".json")
      ? Response.json(wires[wire]((await response.json()) as Card))
      : response;
  };
  return { fetch: fetching, after };
}

/** A `fetch` that knows how many bytes its streams had. */
function measuring() {
  const sizes: number[] = [];
  const measured: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    if (!response.headers.get("content-type")?.startsWith("text/event-stream")) return response;
    const body = await response.text();
    sizes.push(Buffer.byteLength(body));
    return new Response(body, response);
  };
  return { fetch: measured, sizes };
}

async function start(far: { url: string }, options: Partial<A2aAgentOptions & StartOptions> = {}) {
  const { thread, sleep = async () => {}, ...more } = options;
  const agent = a2aAgent({ url: far.url, name: "near", sleep, ...more } as A2aAgentOptions);
  const near = await serve(agent);
  const { run } = await near.hub.start({ input: "Tell me", ...(thread !== undefined && { thread }) });
  return { ...near, run };
}

const said = async (run: Run) => finalText(toMessages(await run.log.entries()));
const deltas = async (run: Run) => (await of(run, "text.delta")).map(({ text }) => text).join("");

async function of<Type extends EventType>(run: Run, type: Type): Promise<EventOf<Type>[]> {
  const events = (await run.log.entries()).map(({ event }) => event);
  return events.filter((event) => event.type === type) as unknown[] as EventOf<Type>[];
}

async function seen(run: Run, type: string): Promise<void> {
  for await (const { entries = [] } of run.follow())
    if (entries.some(({ event }) => event.type === type)) return;
}

async function onlyRun(hub: Hub) {
  const { runs } = await hub.list();
  expect(runs).toHaveLength(1);
  return runs[0]!;
}

describe.each(Object.keys(wires) as (keyof typeof wires)[])("[F70] two servers, over %s", (wire) => {
  it("have one answer, at one cost", async () => {
    const far = await serve(storyteller);
    const { run } = await start(far, over(wire));
    expect(await run.ended()).toMatchObject({ status: "finished" });
    expect(await said(run)).toBe(`${words.join("")} (0)`);
    expect(await run.info()).toMatchObject({ cost: 0.25, usage: { inputTokens: 30, outputTokens: 20 } });
    expect(await of(run, "artifact")).toMatchObject([{ name: "book", parts: [{ data: { pages: 1 } }] }]);
    expect(await of(run, "custom")).toMatchObject([
      { name: "a2a.task", data: { taskId: (await onlyRun(far.hub)).run } },
    ]);
  });

  it("go on after the last event when the connection breaks, at whichever byte", async () => {
    const far = await serve(storyteller);
    const { fetch: measured, sizes } = measuring();
    await (await start(far, over(wire, measured))).run.ended();
    const [whole] = sizes as [number];
    let went = 0;
    // The first event names the task: before it, nobody can know what became of the message.
    for (let cut = 700; cut < whole; cut += Math.ceil(whole / 40)) {
      const { fetch, after } = over(wire, breakingFetch(cut, 300, 500));
      const { run } = await start(far, { fetch });
      expect([cut, (await run.ended()).status]).toEqual([cut, "finished"]);
      expect([cut, await deltas(run)]).toEqual([cut, `${words.join("")} (0)`]);
      expect(await of(run, "artifact")).toHaveLength(1);
      went += after.length;
    }
    expect(went).toBeGreaterThan(20);
  });

  it("cancel together", async () => {
    const far = await serve(counter);
    const { run } = await start(far, over(wire));
    await seen(run, "text.delta");
    await run.cancel();
    expect(await run.ended()).toMatchObject({ status: "cancelled" });
    const { run: task } = await onlyRun(far.hub);
    expect(await far.hub.run(task).ended()).toMatchObject({ status: "cancelled" });
  });

  it("fail alike", async () => {
    const { run } = await start(await serve(failing), over(wire));
    expect(await run.ended()).toMatchObject({
      status: "failed",
      error: { code: "rate_limited", message: "The remote agent failed: No more tokens" },
    });
    expect(await deltas(run)).toBe("Well");
  });

  it("ask one person, and both go on with the answer", async () => {
    const far = await serve(careful);
    const { run } = await start(far, over(wire));
    await seen(run, "step.finished");
    expect(await run.info()).toMatchObject({ status: "waiting", cost: 0.5 });
    const [asked] = await of(run, "approval.requested");
    expect(asked).toMatchObject({
      approvalId: "a-1",
      name: "delete",
      input: { file: "a" },
      reason: "It is gone then",
    });
    await run.send({ type: "input.approval", approvalId: "a-1", approved: true, reason: "Old" });
    expect(await run.ended()).toMatchObject({ status: "finished" });
    const task = await onlyRun(far.hub);
    expect(task).toMatchObject({ status: "finished", cost: 1 });
    expect(await of(far.hub.run(task.run), "input.approval")).toMatchObject([
      { approved: true, reason: "Old" },
    ]);
    expect(await of(far.hub.run(task.run), "input.message")).toEqual([]);
    // What was told before the answer is not told again.
    expect((await of(run, "text.started")).length).toBeLessThanOrEqual(3);
    expect((await deltas(run)).match(/Deleted: Old/g)).toHaveLength(1);
    expect(await run.info()).toMatchObject({ cost: 1, usage: { inputTokens: 6, outputTokens: 4 } });
  });

  it("keep one conversation", async () => {
    const far = await serve(storyteller);
    const { hub, run } = await start(far, { ...over(wire), thread: "t-1" });
    await run.ended();
    const { run: next } = await hub.start({ input: "Again", thread: "t-1" });
    await next.ended();
    expect(await said(next)).toMatch(/\(2\)$/);
    const { runs } = await far.hub.list();
    expect(runs.map(({ thread }) => thread)).toEqual(["t-1", "t-1"]);
  });
});

it.each(["arrived", "was lost"])(
  "[F70] an answer that %s when its process died is answered once",
  async (when) => {
    const goOn = Promise.withResolvers<void>();
    const slow: AgentFunction = async function* slow(context) {
      yield* careful(context);
      if (context.entries.length > 0) await goOn.promise;
    };
    const far = await serve(slow);
    const agent = a2aAgent({ url: far.url, name: "near" });
    const dead = new TestRun(agent);
    expect(await dead.go()).toEqual({ status: "waiting" });
    dead.answer("a-1", true, "Old");
    const log = [...dead.events];
    if (when === "arrived") {
      void dead.go();
      await vi.waitFor(() => expect(dead.text).toContain("Deleted"));
      log.push(...dead.events.slice(log.length));
    } else log.push({ type: "step.started", step: 2 });

    const taken = new TestRun(agent, { events: [...log, { type: "run.resumed", fromStep: 2 }] });
    const outcome = taken.go();
    // Told by the task while it is at work, not by one that is over.
    await vi.waitFor(() => expect(taken.of("text.delta").some(({ id }) => id.startsWith("2.2"))).toBe(true));
    goOn.resolve();
    expect(await outcome).toEqual({ status: "finished" });
    expect(finalText(toMessages(taken.entries))).toBe(" Deleted: Old");
    expect(taken.of("approval.requested")).toHaveLength(1);
    expect(taken.of("tool.returned")).toHaveLength(1);
    const { run: task } = await onlyRun(far.hub);
    expect(await of(far.hub.run(task), "input.approval")).toHaveLength(1);
  },
);

it("[F70] three servers in a row pass on answers and cancels", async () => {
  const far = await serve(careful);
  const middle = await serve(a2aAgent({ url: far.url, name: "middle" }));
  const { run } = await start(middle);
  await seen(run, "step.finished");
  const [asked] = await of(run, "approval.requested");
  await run.send({ type: "input.approval", approvalId: asked!.approvalId, approved: false, reason: "New" });
  expect(await run.ended()).toMatchObject({ status: "finished" });
  expect((await deltas(run)).match(/Kept: New/g)).toHaveLength(1);
  expect(await run.info()).toMatchObject({ cost: 1 });

  const endless = await serve(counter);
  const between = await serve(a2aAgent({ url: endless.url, name: "between" }));
  const { run: first } = await start(between);
  await seen(first, "text.delta");
  await first.cancel();
  await first.ended();
  for (const { hub } of [between, endless]) {
    const { run: task } = await onlyRun(hub);
    expect(await hub.run(task).ended()).toMatchObject({ status: "cancelled" });
  }
});
