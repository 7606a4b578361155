import { afterEach, describe, expect, it, vi } from "vitest";
import type { AgentFunction, AgentStream, RunContext } from "./agent.ts";
import type { AgentEvent } from "./events.ts";
import { createHub, type Hub, type HubOptions, type Run } from "./hub.ts";
import { Log } from "./log.ts";
import { memoryStore } from "./stores/memory.ts";
import { over } from "./testing/over.ts";

const hubs: Hub[] = [];
async function started(agent: AgentFunction, options: Partial<HubOptions> = {}): Promise<Run> {
  const hub = await createHub({ store: memoryStore(), agents: [agent], ...options });
  hubs.push(hub);
  return (await hub.start({ input: "x" })).run;
}

afterEach(async () => {
  for (const hub of hubs.splice(0)) await hub.drain(0);
});

const finished = (step: number, cost: number | null): AgentEvent => ({
  type: "step.finished",
  step,
  finishReason: "stop",
  usage: { inputTokens: 1, outputTokens: 1 },
  cost,
});

describe("an agent", () => {
  const odd = (fields: PropertyDescriptorMap) => Object.defineProperties(new Error("odd"), fields);
  const throwing = {
    get() {
      throw new Error("not even that");
    },
  };

  it.each([
    ["a message that is no text", odd({ message: { value: ["a must be set"] } })],
    ["a message that throws", odd({ message: throwing })],
    ["a message of 2 MB", new Error("x".repeat(2_000_000))],
    ["a code that throws", odd({ code: throwing })],
  ])("[F17] that fails with %s has failed, once", async (_, error) => {
    const work = vi.fn(async function* breaks(): AgentStream {
      yield { type: "custom", name: "app.x", data: null };
      throw error;
    });
    const run = await started(work);
    expect(await run.ended()).toMatchObject({ status: "failed", error: { code: "agent_error" } });
    expect(work).toHaveBeenCalledTimes(1);
  });

  it.each<[string, string, AgentEvent[]]>([
    [
      "too_large",
      "an output",
      [finished(1, 0.125), { type: "output.delta", value: "x".repeat(2 ** 20 - 50), complete: true }],
    ],
    ["invalid_event", "a cost", [finished(1, 1e308), finished(2, 1e308)]],
  ])("[F82] has failed with %s if %s makes an end that cannot be kept", async (code, _, events) => {
    const work = vi.fn(async function* (): AgentStream {
      yield* events;
    });
    const run = await started(work as AgentFunction);
    expect(await run.ended()).toMatchObject({ status: "failed", error: { code } });
    expect(work).toHaveBeenCalledTimes(1);
  });

  it("that yields what is no event is told to stop, and has failed with that", async () => {
    const run = await started(async function* wrong({ signal }): AgentStream {
      try {
        yield { type: "text.strated" } as unknown as AgentEvent;
      } finally {
        if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
      }
    });
    expect(await run.ended()).toMatchObject({ status: "failed", error: { code: "invalid_event" } });
  });

  it("that goes on while its log cannot be read is given it once that is possible", async () => {
    const store = memoryStore();
    let refused = 0;
    const append: typeof store.append = async (...asked) => {
      if (asked[2]?.text.includes("input.approval")) refused = 3;
      return store.append(...asked);
    };
    const read: typeof store.read = async (...asked) => {
      if (refused > 0 && refused-- > 0) throw new Error("The store is down");
      return store.read(...asked);
    };
    const work = vi.fn(async function* asks({ entries }: RunContext): AgentStream {
      if (entries.length > 0) return;
      yield { type: "approval.requested", approvalId: "a", callId: "c", name: "pay", input: {} };
    });
    const run = await started(work, { store: over(store, { append, read }) });
    for await (const { event } of run) if (event.type === "approval.requested") break;
    await run.send({ type: "input.approval", approvalId: "a", approved: true });
    for await (const _ of new Log(store, run.id).follow());
    expect(await run.info()).toMatchObject({ status: "finished" });
    expect(work).toHaveBeenCalledTimes(2);
  });

  it("[F87] hears each message that was taken from a person, also one that comes as it returns", async () => {
    for (let late = 0; late < 40; late++) {
      const heard: string[] = [];
      const run = await started(async function* listens({ entries, takeMessages }): AgentStream {
        for (const { event } of entries) if (event.type === "input.message") heard.push(event.message.id);
        for (const { message } of takeMessages()) heard.push(message.id);
        yield { type: "custom", name: "app.x", data: null };
      });
      for (let turn = 0; turn < late; turn++) await Promise.resolve();
      const message = { id: "m", role: "user", parts: [] } as const;
      const taken = await run.send({ type: "input.message", message }).catch(() => undefined);
      await run.ended();
      expect(heard).toEqual(taken ? ["m"] : []);
    }
  });
});

describe("what an agent emits", () => {
  it("[F82] after its run has ended is refused, and nobody has to look", async () => {
    const contexts: RunContext[] = [];
    const run = await started(async function* hasty(context): AgentStream {
      contexts.push(context);
      yield { type: "custom", name: "app.x", data: null };
    });
    await run.ended();
    // A rejection that nobody handles would end the process.
    void contexts[0]!.emit({ type: "custom", name: "app.late", data: null });
    await expect(contexts[0]!.emit({ type: "custom", name: "app.late", data: null })).rejects.toMatchObject({
      code: "run_closed",
    });
  });

  it("[F85] is held to the limits, awaited or not, also where the agent does not listen", async () => {
    const said = { type: "custom", name: "app.x", data: null } as const;
    const rude: AgentFunction = async function* ({ emit }) {
      for (let count = 0; count < 1_000; count++) void emit(said);
      yield said;
    };
    const deaf: AgentFunction = async function* ({ emit }) {
      for (let more = true; more; ) await emit(said);
      yield said;
    };
    for (const agent of [rude, deaf]) {
      const run = await started(agent, { limits: { maxEvents: 100 } });
      expect(await run.ended()).toMatchObject({ error: { code: "limit_exceeded" } });
      expect((await run.log.entries()).length).toBeLessThan(110);
    }
  });
});

describe("limits", () => {
  it("[F85] hold for the cost that is known, where that of a step is not", async () => {
    const run = await started(
      async function* spends(): AgentStream {
        yield finished(1, null);
        yield finished(2, 2);
      },
      { limits: { maxCostUsd: 1 } },
    );
    expect(await run.ended()).toMatchObject({ error: { code: "limit_exceeded" }, cost: null });
  });

  it("[F85] that are undefined are those of the hub", async () => {
    const run = await started(
      async function* silent({ signal }): AgentStream {
        yield { type: "custom", name: "app.x", data: null };
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
      { limits: { timeoutMs: undefined, idleMs: 5 } as unknown as NonNullable<HubOptions["limits"]> },
    );
    expect(await run.ended()).toMatchObject({ error: { message: "The agent said nothing for 5 ms" } });
  });

  it("[F85] on time do not count the time in which a person is asked, whoever answers in which process", async () => {
    const clock = { now: 0 };
    vi.spyOn(Date, "now").mockImplementation(() => clock.now);
    const store = over(memoryStore(), { shared: true });
    const agent: AgentFunction = async function* asks({ entries }) {
      if (entries.some(({ event }) => event.type === "input.approval")) return;
      yield { type: "approval.requested", approvalId: "a", callId: "c", name: "pay", input: {} };
    };
    const limits = { timeoutMs: 60_000 };
    const run = await started(agent, { store, limits });
    for await (const { event } of run) if (event.type === "approval.requested") break;
    clock.now = 3_600_000;
    await run.send({ type: "input.message", message: { id: "m", role: "user", parts: [] } });
    clock.now = 7_200_000;
    const other = await createHub({ store, limits, agents: [Object.assign(agent, {})] });
    hubs.push(other);
    await other.run(run.id).send({ type: "input.approval", approvalId: "a", approved: true });
    expect(await run.ended()).toMatchObject({ status: "finished" });
    vi.restoreAllMocks();
  });
});
