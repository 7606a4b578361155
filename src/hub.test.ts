import { afterEach, describe, expect, it, vi } from "vitest";
import type { AgentFunction, AgentLike, AgentStream, RunContext } from "./agent.ts";
import { sealBatch } from "./batch.ts";
import type { StreamEvent } from "./events.ts";
import { createHub, type Hub, type HubOptions, type Run } from "./hub.ts";
import { EMPTY, Log } from "./log.ts";
import { finalText, toMessages } from "./messages.ts";
import { encodeEvent } from "./schema.ts";
import type { Store } from "./store.ts";
import { memoryStore } from "./stores/memory.ts";
import { faultyStore } from "./testing/faulty-store.ts";
import { over } from "./testing/over.ts";
import { Writer } from "./writer.ts";

/** Says back what it is asked. */
async function* echo({ input, history }: RunContext): AgentStream {
  yield { type: "text.started", id: "1" };
  yield {
    type: "text.delta",
    id: "1",
    text: `${history.length}:${typeof input === "string" ? input : "messages"}`,
  };
  yield { type: "text.finished", id: "1" };
}

/** Works until it is told to stop. */
async function* endless({ signal }: RunContext): AgentStream {
  yield { type: "text.started", id: "1" };
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
}

/** Asks a person before it pays. */
async function* careful({ entries }: RunContext): AgentStream {
  const answer = entries.findLast(({ event }) => event.type === "input.approval")?.event;
  if (answer?.type === "input.approval") {
    yield answer.approved
      ? { type: "tool.returned", callId: "c", name: "pay", output: "paid", durationMs: 1 }
      : { type: "tool.failed", callId: "c", name: "pay", code: "denied", message: "no" };
    return;
  }
  yield { type: "tool.called", callId: "c", name: "pay", input: { eur: 3 } };
  yield { type: "approval.requested", approvalId: "a", callId: "c", name: "pay", input: { eur: 3 } };
}

const hubs: Hub[] = [];
async function hubWith(
  agents: readonly (AgentLike | AgentFunction)[],
  options: Partial<HubOptions> = {},
): Promise<Hub> {
  const hub = await createHub({ store: memoryStore(), agents, ...options });
  hubs.push(hub);
  return hub;
}

afterEach(async () => {
  vi.useRealTimers();
  for (const hub of hubs.splice(0)) await hub.drain(0);
});

async function typesOf(run: Run): Promise<string[]> {
  return (await run.log.entries()).map((entry) => entry.type);
}

async function isWaiting(run: Run): Promise<void> {
  for await (const { entries } of run.follow())
    if (entries?.some(({ type }) => type === "approval.requested")) return;
}

describe("Hub.start", () => {
  it("[P1] [F1] [F82] writes one start, what the agent yields, and one end", async () => {
    const hub = await hubWith([echo]);
    const { run, created } = await hub.start({ input: "Hello" });
    expect(created).toBe(true);
    expect(await run.ended()).toMatchObject({ status: "finished", agent: "echo", title: "Hello" });
    expect(await typesOf(run)).toEqual([
      "run.started",
      "text.started",
      "text.delta",
      "text.finished",
      "run.finished",
    ]);
  });

  it("[P4] [F24] [F25] numbers the entries 1, 2, 3, ... and dates them", async () => {
    const hub = await hubWith([echo]);
    const { run } = await hub.start({ input: "Hello" });
    await run.ended();
    const entries = await run.log.entries();
    expect(entries.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
    for (const { at } of entries) expect(new Date(at).getFullYear()).toBeGreaterThan(2020);
  });

  it("[P18] [F26] says the version of the events first", async () => {
    const hub = await hubWith([echo]);
    const { run } = await hub.start({ input: "Hello" });
    expect((await run.log.entry(1))?.event).toMatchObject({ type: "run.started", v: 1 });
  });

  it("[F72] is an iterable in the process that has it; to break only detaches", async () => {
    const hub = await hubWith([echo]);
    const { run } = await hub.start({ input: "Hello" });
    for await (const entry of run) if (entry.seq === 2) break;
    const seen: number[] = [];
    for await (const entry of run) seen.push(entry.seq);
    expect(seen).toEqual([1, 2, 3, 4, 5]);
    expect((await run.info()).status).toBe("finished");
  });

  it("starts a run once however often it is asked with the same id, and refuses another request under it", async () => {
    const hub = await hubWith([echo]);
    const starts = await Promise.all(
      Array.from({ length: 5 }, () => hub.start({ id: "one", input: "Hello" })),
    );
    expect(starts.filter(({ created }) => created)).toHaveLength(1);
    await starts[0]?.run.ended();
    expect((await hub.start({ id: "one", input: "Hello" })).created).toBe(false);
    expect(await typesOf(hub.run("one"))).toHaveLength(5);
    await expect(hub.start({ id: "one", input: "Other" })).rejects.toMatchObject({ code: "run_exists" });
  });

  it("refuses unknown agents, empty input and ids that could be paths", async () => {
    const hub = await hubWith([echo]);
    await expect(hub.start({ agent: "nobody", input: "x" })).rejects.toThrow(
      'Cannot find agent "nobody": this server has "echo"',
    );
    await expect(hub.start({ input: "" })).rejects.toMatchObject({ code: "invalid_request" });
    await expect(hub.start({ id: "../x", input: "x" })).rejects.toMatchObject({ code: "invalid_id" });
    await expect(hub.run("none").info()).rejects.toMatchObject({ code: "run_not_found" });
  });

  it("[F17] tells a failure with the agent's own code, once, and without a stack", async () => {
    const errors: unknown[] = [];
    const thrown = Object.assign(new Error("The model is tired"), { code: "model_tired" });
    const hub = await hubWith(
      [
        async function* fails(): AgentStream {
          yield { type: "error", code: "warning", message: "Soon" };
          throw thrown;
        },
      ],
      { onError: (error) => errors.push(error) },
    );
    const { run } = await hub.start({ input: "x" });
    expect(await run.ended()).toMatchObject({
      status: "failed",
      error: { code: "model_tired", message: "The model is tired" },
    });
    expect(errors).toEqual([thrown]);
    expect(JSON.stringify((await run.log.last())?.event)).not.toContain("hub.test");
  });

  it("fails a run whose agent writes what only the hub may write", async () => {
    const hub = await hubWith([
      async function* forger(): AgentStream {
        yield { type: "run.finished", cost: 0 } as never;
      },
    ]);
    const { run } = await hub.start({ input: "x" });
    expect(await run.ended()).toMatchObject({ status: "failed", error: { code: "invalid_event" } });
  });

  it("gives the hook before the append the last word", async () => {
    const before = (event: StreamEvent): StreamEvent =>
      event.type === "text.delta" ? { ...event, text: event.text.replaceAll("secret", "***") } : event;
    const hub = await hubWith([echo], { before });
    const { run } = await hub.start({ input: "my secret" });
    await run.ended();
    expect(finalText(toMessages(await run.log.entries()))).toBe("0:my ***");
  });

  it("gives that hook the question, what closes the run and its end too", async () => {
    const before = (event: StreamEvent): StreamEvent =>
      JSON.parse(JSON.stringify(event).replaceAll("secret", "***"));
    const hub = await hubWith(
      [
        async function* breaks(): AgentStream {
          yield { type: "tool.called", callId: "c", name: "tell", input: {} };
          throw new Error("my secret");
        },
      ],
      { before },
    );
    const { run } = await hub.start({ input: "my secret" });
    await run.ended();
    const log = JSON.stringify((await run.log.entries()).map(({ event }) => event));
    expect(log.match(/my [a-z*]+/g)).toEqual(["my ***", "my ***", "my ***"]);
  });

  it("goes on where what it tells of a trouble to throws", async () => {
    const warned = new Promise<Error>((resolve) => process.once("warning", resolve));
    const hub = await hubWith(
      [
        async function* breaks(): AgentStream {
          yield { type: "custom", name: "app.x", data: null };
          throw new Error("broken");
        },
      ],
      {
        onError: () => {
          throw new Error("The logger is broken");
        },
      },
    );
    const { run } = await hub.start({ input: "x" });
    expect(await run.ended()).toMatchObject({ status: "failed" });
    expect((await warned).message).toBe("A listener threw: The logger is broken");
  });
});

describe("limits", () => {
  /** Calls a model for ever, at half a dollar each. */
  async function* steps(): AgentStream {
    const spent = { usage: { inputTokens: 1, outputTokens: 1 }, cost: 0.5 };
    for (let step = 1; ; step++) {
      yield { type: "step.started", step };
      yield { type: "step.finished", step, finishReason: "tool-calls", ...spent };
    }
  }

  const limited = async (agent: AgentFunction, limits: HubOptions["limits"]) => {
    const hub = await hubWith([agent], { limits: limits ?? {} });
    return (await hub.start({ input: "x" })).run;
  };

  it("[F85] ends a run that takes more steps than it may", async () => {
    const run = await limited(steps, { maxSteps: 3 });
    expect(await run.ended()).toMatchObject({
      status: "failed",
      steps: 3,
      cost: 1.5,
      error: { code: "limit_exceeded" },
    });
  });

  it("[F85] ends a run that costs more than it may, and keeps what it cost", async () => {
    const run = await limited(steps, { maxCostUsd: 0.9 });
    expect(await run.ended()).toMatchObject({
      cost: 1,
      error: { message: "The run went over the limit of 0.9 USD" },
    });
  });

  it("ends a run with more events than it may have", async () => {
    const run = await limited(
      async function* talker() {
        for (let n = 0; ; n++) {
          yield { type: "custom", name: "app.n", data: n };
          await Promise.resolve();
        }
      },
      { maxEvents: 20 },
    );
    expect(await run.ended()).toMatchObject({ error: { code: "limit_exceeded" } });
  });
});

describe("approval", () => {
  it("[F12] [F86] waits without an owner, and the answer makes it go on", async () => {
    const hub = await hubWith([careful]);
    const { run } = await hub.start({ input: "Pay" });
    await isWaiting(run);
    expect(await run.info()).toMatchObject({ status: "waiting" });
    await run.send({ type: "input.approval", approvalId: "a", approved: true });
    expect(await run.ended()).toMatchObject({ status: "finished" });
    expect((await typesOf(run)).slice(1)).toEqual([
      "tool.called",
      "approval.requested",
      "input.approval",
      "tool.returned",
      "run.finished",
    ]);
  });

  it("[F87] hears a message that came as it was about to return, if it takes messages at all", async () => {
    const hub = await hubWith([
      async function* attentive({ run, entries, takeMessages }): AgentStream {
        takeMessages();
        yield { type: "custom", name: "app.round", data: entries.length > 0 };
        if (entries.length > 0) return;
        await hub.run(run).send({ type: "input.message", message: { id: "u1", role: "user", parts: [] } });
      },
    ]);
    const { run } = await hub.start({ input: "x" });
    await run.ended();
    expect(await typesOf(run)).toEqual(["run.started", "custom", "input.message", "custom", "run.finished"]);
  });

  it("outlives its process: another one takes the answer and goes on", async () => {
    const store = memoryStore();
    const first = await createHub({ store, agents: [careful] });
    const { run } = await first.start({ input: "Pay" });
    await isWaiting(run);
    await first.drain(0);
    const second = await hubWith([careful], { store });
    expect(await second.run(run.id).info()).toMatchObject({ status: "waiting" });
    await second.run(run.id).send({ type: "input.approval", approvalId: "a", approved: false });
    expect(await second.run(run.id).ended()).toMatchObject({ status: "finished" });
    expect(await typesOf(run)).toContain("tool.failed");
  });

  it("is answered once: a second answer, and one that nobody asked for, are refused", async () => {
    const hub = await hubWith([careful]);
    const { run } = await hub.start({ input: "Pay" });
    await isWaiting(run);
    const answer = { type: "input.approval", approvalId: "a", approved: true } as const;
    const answers = await Promise.allSettled([
      run.send(answer),
      run.send(answer),
      run.send({ ...answer, approvalId: "b" }),
    ]);
    expect(answers.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    await run.ended();
    expect((await typesOf(run)).filter((type) => type === "tool.returned")).toHaveLength(1);
  });

  it("[F78] cancels a run that waits, at once", async () => {
    const hub = await hubWith([careful]);
    const { run } = await hub.start({ input: "Pay" });
    await isWaiting(run);
    await run.cancel({ reason: "Changed my mind" });
    await run.ended();
    expect((await typesOf(run)).slice(-3)).toEqual(["input.cancel", "tool.failed", "run.cancelled"]);
  });
});

describe("Hub.cancel", () => {
  it("[F78] [F79] aborts the agent, keeps what it said as interrupted, and is idempotent", async () => {
    const hub = await hubWith([endless]);
    const { run } = await hub.start({ input: "x" });
    await run.cancel({ reason: "enough" });
    await run.cancel();
    expect(await run.ended()).toMatchObject({ status: "cancelled" });
    await run.cancel();
    const types = await typesOf(run);
    expect(types.at(-1)).toBe("run.cancelled");
    expect(types.filter((type) => type === "input.cancel")).toHaveLength(1);
    expect((await run.log.last())?.event).toMatchObject({ reason: "enough" });
  });

  it("ends a run without its agent when that does not react", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const hub = await hubWith([
      async function* deaf(): AgentStream {
        yield { type: "text.started", id: "1" };
        await new Promise(() => {});
      },
    ]);
    const { run } = await hub.start({ input: "x" });
    await run.cancel();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(await run.ended()).toMatchObject({ status: "cancelled" });
  });

  it("[F78] reaches an agent that is silent in another process", async () => {
    const store = memoryStore();
    const heard = Promise.withResolvers<void>();
    const owner = await hubWith(
      [
        async function* silent({ signal }): AgentStream {
          yield { type: "text.started", id: "1" };
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
          heard.resolve();
        },
      ],
      { store },
    );
    const { run } = await owner.start({ input: "x" });
    const other = await hubWith([], { store });
    await other.run(run.id).cancel();
    await heard.promise;
    expect(await run.ended()).toMatchObject({ status: "cancelled" });
  });

  it("[F78] is obeyed for a run of a process that does not react: the one that was asked writes the end", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const store = memoryStore();
    // It hears of nothing, and writes nothing by which it would.
    const owner = await hubWith([endless], { store: faultyStore(store, { loseHints: true }) });
    const { run } = await owner.start({ input: "x" });
    const other = await hubWith([], { store });
    await other.run(run.id).cancel();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(await other.run(run.id).ended()).toMatchObject({ status: "cancelled" });
  });
});

describe("Hub.cancel, of a run that waits", () => {
  it("[F78] ends it also where the wish to cancel is in its log already", async () => {
    const store = memoryStore();
    const first = await createHub({ store, agents: [careful] });
    const { run } = await first.start({ input: "Pay" });
    await isWaiting(run);
    await first.drain(0);
    // Its process died between the two.
    const writer = new Writer(new Log(store, run.id), { holder: "dead" });
    await writer.load();
    await writer.append([{ type: "input.cancel" }]);
    const hub = await hubWith([careful], { store });
    await hub.run(run.id).cancel();
    expect(await hub.run(run.id).info()).toMatchObject({ status: "cancelled" });
  });

  it("[F78] ends it when the wish is sent as an event", async () => {
    const hub = await hubWith([careful]);
    const { run } = await hub.start({ input: "Pay" });
    await isWaiting(run);
    await run.send({ type: "input.cancel" });
    expect(await run.ended()).toMatchObject({ status: "cancelled" });
  });
});

describe("Hub.drain", () => {
  it("[F89] refuses a start that waits for its turn, and no agent begins after it", async () => {
    const hub = await hubWith([endless]);
    await hub.start({ input: "x", thread: "t" });
    const queued = hub.start({ input: "y", thread: "t", whileBusy: "queue" });
    const refused = expect(queued).rejects.toMatchObject({ code: "stopping" });
    const late = hub.start({ input: "z" });
    await hub.drain(0);
    await refused;
    expect(await (await late).run.info()).toMatchObject({ error: { code: "server_stopped" } });
    expect(hub.live).toBe(0);
  });

  it("[F89] takes no new run, lets those at work end, then stops them; waiting runs stay", async () => {
    const store = memoryStore();
    const hub = await hubWith([endless, careful], { store });
    const { run } = await hub.start({ input: "x", agent: "endless" });
    const { run: asks } = await hub.start({ input: "x", agent: "careful" });
    await isWaiting(asks);
    const drained = hub.drain(0);
    await expect(hub.start({ input: "y" })).rejects.toMatchObject({ code: "stopping" });
    await drained;
    expect(await run.info()).toMatchObject({ status: "failed", error: { code: "server_stopped" } });
    expect(await asks.info()).toMatchObject({ status: "waiting" });
  });
});

describe("Hub.recover", () => {
  /** A run whose process died: its log is open and its owner unknown. */
  async function orphan(
    store: Store,
    run: string,
    events: readonly StreamEvent[] = [],
    status = "running",
  ): Promise<void> {
    const started: StreamEvent = { type: "run.started", v: 1, agent: "echo", input: "x" };
    const batch = sealBatch(EMPTY, [started, ...events].map(encodeEvent), 1, "dead.0");
    const text = JSON.stringify({
      run,
      status,
      agent: "echo",
      title: "x",
      startedAt: 1,
      steps: 0,
      cost: 0,
      owner: "dead",
    });
    await store.append(run, EMPTY, batch, { run, startedAt: 1, tags: [`status:${status}`], text });
  }

  it("[F1] [F96] ends what a dead process left open, with one terminal event, when a store opens", async () => {
    const store = memoryStore();
    await orphan(store, "plain", [{ type: "text.started", id: "1" }]);
    await orphan(store, "asked-to-stop", [{ type: "input.cancel", reason: "no" }]);
    const hub = await hubWith([echo], { store });
    expect(await typesOf(hub.run("plain"))).toEqual([
      "run.started",
      "text.started",
      "text.finished",
      "run.failed",
    ]);
    expect(await hub.run("plain").info()).toMatchObject({
      status: "failed",
      error: { code: "producer_lost" },
    });
    expect(await hub.run("asked-to-stop").info()).toMatchObject({ status: "cancelled" });
  });

  it("[F96] ends the others where one of them cannot be read, and says so", async () => {
    const store = memoryStore();
    for (const run of ["one", "broken", "two"]) await orphan(store, run);
    const read: Store["read"] = async (run, ...asked) => {
      if (run === "broken") throw new Error("Its log is damaged");
      return store.read(run, ...asked);
    };
    const onError = vi.fn();
    const hub = await hubWith([echo], { store: over(store, { read }), onError });
    for (const run of ["one", "two"]) expect(await hub.run(run).info()).toMatchObject({ status: "failed" });
    expect(onError.mock.calls).toMatchObject([[{ message: "Its log is damaged" }, "broken"]]);
  });

  it("[F96] leaves alone what another process of the store is at work on", async () => {
    const store = memoryStore();
    const owner = await hubWith([endless], { store });
    const { run } = await owner.start({ input: "x" });
    const other = await hubWith([endless], { store });
    expect(await other.run(run.id).info()).toMatchObject({ status: "running" });
  });
});

describe("threads", () => {
  it("[F88] refuses a second run in a thread while one is open", async () => {
    const hub = await hubWith([endless, echo]);
    await hub.start({ agent: "endless", input: "x", thread: "t" });
    await expect(hub.start({ agent: "echo", input: "y", thread: "t" })).rejects.toMatchObject({
      code: "thread_busy",
    });
  });

  it("[F88] queues or replaces when asked to", async () => {
    const hub = await hubWith([endless, echo]);
    const { run: first } = await hub.start({ agent: "endless", input: "x", thread: "t" });
    const queued = hub.start({ agent: "echo", input: "y", thread: "t", whileBusy: "queue" });
    await first.cancel();
    await (await queued).run.ended();
    const { run: third } = await hub.start({ agent: "endless", input: "z", thread: "t" });
    const { run: fourth } = await hub.start({ agent: "echo", input: "w", thread: "t", whileBusy: "replace" });
    expect(await third.info()).toMatchObject({ status: "cancelled" });
    expect(await fourth.ended()).toMatchObject({ status: "finished", thread: "t" });
  });

  it.each(["queue", "replace"] as const)(
    "[F88] of two at the same moment takes both: %s",
    async (whileBusy) => {
      const hub = await hubWith([echo]);
      const starts = ["x", "y"].map((input) => hub.start({ input, thread: "t", whileBusy }));
      for (const { run } of await Promise.all(starts))
        expect(await run.ended()).toMatchObject({ thread: "t" });
    },
  );

  it("[F88] gives no turn to what cannot be started", async () => {
    const hub = await hubWith([echo]);
    const large = hub.start({ input: "x".repeat(2_000_000), thread: "t" });
    await expect(large).rejects.toMatchObject({ code: "too_large" });
    const { run } = await hub.start({ input: "x", thread: "t" });
    expect(await run.ended()).toMatchObject({ status: "finished" });
  });

  it("[F41] gives a run what was said before it in its thread, and each message once", async () => {
    const hub = await hubWith([echo]);
    for (const input of ["one", "two", "three"]) {
      const { run } = await hub.start({ input, thread: "t" });
      await run.ended();
    }
    const { runs } = await hub.list({ thread: "t" });
    const texts = await Promise.all(
      runs.map(async ({ run }) => finalText(toMessages(await hub.run(run).log.entries()))),
    );
    expect(texts).toEqual(["4:three", "2:two", "0:one"]);
  });

  it("lets one of many that start at the same moment win", async () => {
    const hub = await hubWith([endless]);
    const starts = await Promise.allSettled(
      Array.from({ length: 8 }, (_, i) => hub.start({ id: `r${i}`, input: "x", thread: "t" })),
    );
    expect(starts.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });
});

describe("a run that a producer elsewhere writes", () => {
  it("[F32] [F83] takes its events and its end, closes what it left open, and nothing more", async () => {
    const hub = await hubWith([]);
    const { run } = await hub.start({ agent: null, input: "loop" });
    expect(
      await run.append([
        { type: "text.started", id: "1" },
        { type: "text.delta", id: "1", text: "Hi" },
      ]),
    ).toMatchObject({ first: 2, last: 3, ended: false });
    const step = {
      type: "step.finished",
      step: 1,
      finishReason: "stop",
      usage: { inputTokens: 3, outputTokens: 4 },
      cost: 0.5,
    } as const;
    expect(await run.append([step, { type: "run.finished" }])).toMatchObject({
      first: 4,
      last: 6,
      ended: true,
    });
    expect((await run.log.last())?.event).toEqual({
      type: "run.finished",
      usage: { inputTokens: 3, outputTokens: 4 },
      cost: 0.5,
    });
    await expect(run.append([{ type: "text.started", id: "2" }])).rejects.toThrow(
      'it ended with "run.finished"',
    );
  });

  it("is refused for a run that an agent writes, and for events that are not a producer's", async () => {
    const hub = await hubWith([endless]);
    const { run: owned } = await hub.start({ input: "x" });
    await expect(owned.append([{ type: "text.started", id: "2" }])).rejects.toMatchObject({
      code: "run_owned",
    });
    const { run } = await hub.start({ agent: null, input: "x" });
    const cancel = { type: "input.cancel" } as never;
    await expect(run.append([cancel])).rejects.toMatchObject({ code: "invalid_event" });
    await expect(
      run.append([{ type: "run.finished" }, { type: "text.started", id: "1" }]),
    ).rejects.toMatchObject({ code: "invalid_event" });
    expect(await typesOf(run)).toEqual(["run.started"]);
  });

  it("[F96] ends as lost when the producer is silent for its lease; an empty append renews it", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const hub = await hubWith([]);
    const { run } = await hub.start({ agent: null, input: "x", leaseMs: 1_000 });
    await vi.advanceTimersByTimeAsync(900);
    expect(await run.append([])).toMatchObject({ first: 2, last: 1, ended: false });
    await vi.advanceTimersByTimeAsync(900);
    expect(await run.info()).toMatchObject({ status: "running" });
    await vi.advanceTimersByTimeAsync(200);
    expect(await run.ended()).toMatchObject({ status: "failed", error: { code: "producer_lost" } });
  });

  it("[F78] is cancelled whatever the producer says of its end", async () => {
    const hub = await hubWith([]);
    const { run } = await hub.start({ agent: null, input: "x" });
    await run.cancel({ reason: "enough" });
    await run.append([{ type: "run.finished" }]);
    expect((await run.log.last())?.event).toMatchObject({ type: "run.cancelled", reason: "enough" });
  });
});

describe("Hub.list", () => {
  it("[F99] lists newest first, pages by cursor, and filters by status, agent, thread and tag", async () => {
    const hub = await hubWith([echo, endless]);
    const ids: string[] = [];
    for (let i = 0; i < 7; i++) {
      const { run } = await hub.start({
        input: `${i}`,
        agent: i % 2 ? "endless" : "echo",
        tags: [i < 3 ? "low" : "high"],
      });
      ids.unshift(run.id);
      if (i % 2 === 0) await run.ended();
    }
    const pages: string[][] = [];
    let before: string | undefined;
    do {
      const page = await hub.list({ before, limit: 3 });
      pages.push(page.runs.map(({ run }) => run));
      before = page.next;
    } while (before);
    expect(pages.map((page) => page.length)).toEqual([3, 3, 1]);
    expect(new Set(pages.flat())).toEqual(new Set(ids));
    const titles = async (filter: object) => (await hub.list(filter)).runs.map(({ title }) => title).sort();
    expect(await titles({ status: "running" })).toEqual(["1", "3", "5"]);
    expect(await titles({ agent: "echo", tag: "high" })).toEqual(["4", "6"]);
    await expect(hub.list({ before: "nonsense!" })).rejects.toMatchObject({ code: "invalid_cursor" });
  });

  it("deletes an ended run whole, and refuses an open one", async () => {
    const hub = await hubWith([echo, endless]);
    const { run } = await hub.start({ agent: "echo", input: "x" });
    await run.ended();
    await run.delete();
    await expect(run.info()).rejects.toMatchObject({ code: "run_deleted" });
    const { run: open } = await hub.start({ agent: "endless", input: "x" });
    await expect(open.delete()).rejects.toMatchObject({ code: "run_open" });
  });
});
