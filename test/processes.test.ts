import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { AgentFunction, AgentLike, AgentStream, RunContext } from "../src/agent.ts";
import { RunError } from "../src/errors.ts";
import { createHub, type Hub, type Run } from "../src/hub.ts";
import { EMPTY } from "../src/log.ts";
import type { Store } from "../src/store.ts";
import { memoryStore } from "../src/stores/memory.ts";
import { faultyStore } from "../src/testing/faulty-store.ts";

const LEASE = 3_000;

/** Several processes of one store, each a hub with a handle of its own, on a clock that the test moves. */
describe("several processes of one store", () => {
  let store: Store;
  const hubs: Hub[] = [];
  const stopped: (() => void)[] = [];
  beforeEach(() => {
    vi.useFakeTimers({
      toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance", "Date"],
    });
    store = memoryStore();
  });
  afterEach(async () => {
    for (const wake of stopped.splice(0)) wake();
    vi.useRealTimers();
    for (const hub of hubs.splice(0)) await hub.drain(0);
  });

  /** A process: `stop` holds its store calls back, as SIGSTOP does; `kill` is its end. */
  async function start(...agents: (AgentLike | AgentFunction)[]) {
    let up = true;
    let dead = false;
    let goOn = Promise.withResolvers<void>();
    const handle = new Proxy(store, {
      get(target, name: keyof Store) {
        if (name === "shared") return true;
        const value = target[name];
        if (typeof value !== "function") return value;
        if (name === "watch") return (run: string, wake: () => void) => target.watch(run, () => up && wake());
        return async (...given: never[]) => {
          if (!up) await goOn.promise;
          if (dead) throw new RunError("store_unavailable", "The process is dead");
          return (value as (...given: never[]) => unknown).apply(target, given);
        };
      },
    });
    const hub = await createHub({ store: handle, agents, leaseMs: LEASE });
    hubs.push(hub);
    const wake = () => {
      up = true;
      goOn.resolve();
      goOn = Promise.withResolvers();
    };
    stopped.push(wake);
    return {
      hub,
      stop: () => {
        up = false;
      },
      goOn: wake,
      kill: () => {
        up = false;
        dead = true;
        hubs.splice(hubs.indexOf(hub), 1);
      },
    };
  }

  const typesOf = async (run: Run) => (await run.log.entries()).map(({ type }) => type);
  /** Time goes by, and all that is to happen in it happens: what waits for no timer takes turns of the loop. */
  async function pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 50) {
      await vi.advanceTimersByTimeAsync(Math.min(left, 50));
      for (let turn = 0; turn < 8; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async function* endless({ signal }: RunContext): AgentStream {
    yield { type: "text.started", id: "1" };
    yield { type: "text.delta", id: "1", text: "Hm" };
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
  }

  /** Does one step in each stretch: the first never ends, the next one says what it found in the log. */
  const resumable = (aborted: () => void = () => {}): AgentLike => ({
    name: "resumable",
    onProducerLost: "resume",
    async *run({ entries, signal }) {
      signal.addEventListener("abort", aborted);
      yield { type: "step.started", step: 1 };
      yield { type: "text.started", id: `t-${entries.length}` };
      yield { type: "text.delta", id: `t-${entries.length}`, text: entries.length === 0 ? "Lost" : "Found" };
      if (entries.length === 0) await new Promise((resolve) => signal.addEventListener("abort", resolve));
      yield { type: "text.finished", id: `t-${entries.length}` };
      yield { type: "step.finished", step: 1, finishReason: "stop", usage: null, cost: 0 };
    },
  });

  it("[F96] end the run of a dead one once, after its lease and not before", async () => {
    const first = await start(endless);
    const others = [await start(endless), await start(endless), await start(endless)];
    const { run } = await first.hub.start({ input: "x" });
    await pass(2 * LEASE);
    first.kill();
    await pass(0.8 * LEASE);
    expect(await others[0]!.hub.run(run.id).info()).toMatchObject({ status: "running" });
    await pass(0.3 * LEASE);
    expect(await others[0]!.hub.run(run.id).info()).toMatchObject({
      status: "failed",
      error: { code: "producer_lost" },
    });
    expect(await typesOf(others[0]!.hub.run(run.id))).toEqual([
      "run.started",
      "text.started",
      "text.delta",
      "text.finished",
      "run.failed",
    ]);
  });

  it("[F96] find what was left open before they came, once they were in touch for a whole lease", async () => {
    const first = await start(endless);
    const { run } = await first.hub.start({ input: "x" });
    await pass(1);
    first.kill();
    await pass(10 * LEASE);
    const { hub } = await start(endless);
    await pass(0.9 * LEASE);
    expect(await hub.run(run.id).info()).toMatchObject({ status: "running" });
    await pass(0.2 * LEASE);
    expect(await hub.run(run.id).info()).toMatchObject({ status: "failed" });
  });

  it("[F96] call nobody dead right after an outage of their own", async () => {
    const [first, second] = [await start(endless), await start(endless)];
    const { run } = await first.hub.start({ input: "x" });
    await pass(2 * LEASE);
    first.stop();
    second.stop();
    await pass(5 * LEASE);
    second.goOn();
    await pass(0.9 * LEASE);
    first.goOn();
    await pass(5 * LEASE);
    expect(await second.hub.run(run.id).info()).toMatchObject({ status: "running" });
  });

  /** The store of one that keeps a record apart from its log: those with a status are lost, and then `lost` is called. */
  function losingRecords(status: string, lost: () => void): Store {
    const kept = store;
    return {
      ...faultyStore(kept, {}),
      async append(run, expected, batch, record) {
        if (!batch || !record?.tags.includes(`status:${status}`))
          return kept.append(run, expected, batch, record);
        const real = await kept.append(run, expected, batch);
        if (real) return real;
        lost();
        throw new RunError("store_unavailable", "The answer was lost");
      },
    };
  }
  const listed = async (hub: Hub) => (await hub.list()).runs.map(({ status }) => status);

  const says: AgentFunction = async function* says() {
    yield { type: "text.started", id: "1" };
    yield { type: "text.finished", id: "1" };
  };
  const asks: AgentFunction = async function* asks() {
    yield { type: "approval.requested", approvalId: "a", callId: "c", name: "delete", input: {} };
  };
  it.each([
    ["finished", says],
    ["waiting", asks],
  ])("[F96] list a run as %s whose process died between its log and its record", async (status, agent) => {
    const kept = store;
    store = losingRecords(status, () => first.kill());
    const first = await start(agent);
    store = kept;
    const { hub } = await start();
    const { run } = await first.hub.start({ input: "x" });
    await pass(0.8 * LEASE);
    const log = await hub.run(run.id).log.entries();
    expect(await listed(hub)).toEqual(["running"]);
    await pass(1.4 * LEASE);
    expect(await listed(hub)).toEqual([status]);
    expect(await hub.run(run.id).info()).toMatchObject({ status });
    expect((await hub.list({ status: "running" })).runs).toEqual([]);
    expect(await hub.run(run.id).log.entries()).toEqual(log);
  });

  it("[F96] find such a run also if they come later", async () => {
    const kept = store;
    store = losingRecords("finished", () => first.kill());
    const first = await start(says);
    store = kept;
    await first.hub.start({ input: "x" });
    await pass(2 * LEASE);
    const { hub } = await start();
    await pass(0.9 * LEASE);
    expect(await listed(hub)).toEqual(["running"]);
    await pass(0.2 * LEASE);
    expect(await listed(hub)).toEqual(["finished"]);
  });

  it("[F96] list as ended what a producer elsewhere ended as its process died", async () => {
    const kept = store;
    store = losingRecords("finished", () => first.kill());
    const first = await start();
    store = kept;
    const { hub } = await start();
    const { run } = await first.hub.start({ agent: null, input: "x" });
    void first.hub
      .run(run.id)
      .append([{ type: "run.finished" }])
      .catch(() => {});
    await pass(0.8 * LEASE);
    expect(await listed(hub)).toEqual(["running"]);
    await pass(1.4 * LEASE);
    expect(await listed(hub)).toEqual(["finished"]);
  });

  it("[F96] list the run of a dead one as ended, also where the answer to its end and its record are lost", async () => {
    const first = await start(endless);
    let lost = 0;
    store = losingRecords("failed", () => lost++);
    const { hub } = await start();
    const { run } = await first.hub.start({ input: "x" });
    await pass(2 * LEASE);
    first.kill();
    await pass(1.5 * LEASE);
    expect(lost).toBe(1);
    expect(await listed(hub)).toEqual(["failed"]);
    expect((await typesOf(hub.run(run.id))).filter((type) => type === "run.failed")).toHaveLength(1);
  });

  it("[F96] list a run of their own as ended, where the answer to its end and its record are lost", async () => {
    store = losingRecords("finished", () => {});
    const { hub } = await start(says);
    await hub.start({ input: "x" });
    await pass(0.1 * LEASE);
    expect(await listed(hub)).toEqual(["running"]);
    await pass(2.5 * LEASE);
    expect(await listed(hub)).toEqual(["finished"]);
  });

  it("[F95] go on with a run whose agent says so, in the same log, and its viewers see one stream", async () => {
    const [first, second] = [await start(resumable()), await start(resumable())];
    const { run } = await first.hub.start({ input: "x" });
    await pass(2 * LEASE);
    const seen: string[] = [];
    const viewing = (async () => {
      for await (const { event } of second.hub.run(run.id)) seen.push(event.type);
    })();
    first.kill();
    await pass(2 * LEASE);
    await viewing;
    expect(seen).toEqual([
      ...["run.started", "step.started", "text.started", "text.delta"],
      "run.resumed",
      ...["step.started", "text.started", "text.delta", "text.finished", "step.finished"],
      "run.finished",
    ]);
    expect(await typesOf(second.hub.run(run.id))).toEqual(seen);
  });

  it("[F95] go on with it once, however many see that its process is dead", async () => {
    const first = await start(resumable());
    const others = [await start(resumable()), await start(resumable()), await start(resumable())];
    const { run } = await first.hub.start({ input: "x" });
    await pass(2 * LEASE);
    first.kill();
    await pass(2 * LEASE);
    const types = await typesOf(others[0]!.hub.run(run.id));
    expect(types.filter((type) => type === "run.resumed")).toHaveLength(1);
    expect(types.filter((type) => type === "run.finished")).toHaveLength(1);
  });

  it("[F95] give up a run that ends its process again and again", async () => {
    const stuck: AgentLike = {
      name: "stuck",
      onProducerLost: "resume",
      async *run({ signal }) {
        yield { type: "step.started", step: 1 };
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
    };
    const processes = await Promise.all(Array.from({ length: 5 }, () => start(stuck)));
    const { run } = await processes[0]!.hub.start({ input: "x" });
    await pass(2 * LEASE);
    const watcher = await start();
    await pass(2 * LEASE);
    for (let lives = 0; lives < 4; lives++) {
      const owner = processes.find(({ hub }) => hub.live > 0)!;
      processes.splice(processes.indexOf(owner), 1);
      owner.kill();
      await pass(2 * LEASE);
    }
    expect(await watcher.hub.run(run.id).info()).toMatchObject({ error: { code: "producer_lost" } });
  });

  it("[F48] refuse what one that was taken for dead still says, and abort its agent", async () => {
    const aborted = vi.fn();
    const [first, second] = [await start(resumable(aborted)), await start(resumable())];
    const { run } = await first.hub.start({ input: "x" });
    await pass(2 * LEASE);
    first.stop();
    await pass(2 * LEASE);
    expect(await second.hub.run(run.id).info()).toMatchObject({ status: "finished" });
    const before = await typesOf(second.hub.run(run.id));
    expect(aborted).not.toHaveBeenCalled();
    first.goOn();
    await pass(LEASE);
    expect(aborted).toHaveBeenCalled();
    expect(first.hub.live).toBe(0);
    expect(await typesOf(second.hub.run(run.id))).toEqual(before);
  });

  it("[F94] [F78] cancel a run at any of them: its agent is told", async () => {
    const [first, second] = [await start(endless), await start(endless)];
    const { run } = await first.hub.start({ input: "x" });
    await pass(1);
    await second.hub.run(run.id).cancel({ reason: "enough" });
    await pass(1);
    expect(await second.hub.run(run.id).info()).toMatchObject({ status: "cancelled" });
    expect(first.hub.live).toBe(0);
  });

  it("[F94] [F20] go on where a run was answered, and the one that asked lets go", async () => {
    const asks: AgentFunction = async function* asks({ entries }) {
      if (entries.some(({ event }) => event.type === "input.approval")) {
        yield { type: "text.started", id: "1" };
        yield { type: "text.delta", id: "1", text: "Done" };
        yield { type: "text.finished", id: "1" };
        return;
      }
      yield { type: "tool.called", callId: "c", name: "delete", input: {} };
      yield { type: "approval.requested", approvalId: "a", callId: "c", name: "delete", input: {} };
    };
    const [first, second] = [await start(asks), await start(asks)];
    const { run } = await first.hub.start({ input: "x" });
    await pass(1);
    await second.hub.run(run.id).send({ type: "input.approval", approvalId: "a", approved: true });
    await pass(1);
    expect(await typesOf(run)).toEqual([
      ...["run.started", "tool.called", "approval.requested"],
      ...["run.resumed", "input.approval"],
      ...["text.started", "text.delta", "text.finished", "tool.failed", "run.finished"],
    ]);
    expect(second.hub.live).toBe(0);
  });

  it("[F89] [F95] hand a run over when one stops, without waiting for its lease", async () => {
    const [first, second] = [await start(resumable()), await start(resumable())];
    const { run } = await first.hub.start({ input: "x" });
    await pass(2 * LEASE);
    const drained = first.hub.drain(100);
    await pass(100);
    await drained;
    await pass(0.1 * LEASE);
    expect(await second.hub.run(run.id).info()).toMatchObject({ status: "finished" });
    expect(await typesOf(second.hub.run(run.id))).toContain("run.resumed");
  });

  it("[F47] take a numbered append once, at whichever of them it comes again", async () => {
    const [first, second] = [await start(), await start()];
    const { run } = await first.hub.start({ agent: null, input: "x" });
    const say = (text: string, seq: number, hub = first.hub) =>
      hub.run(run.id).append([{ type: "custom", name: "app.said", data: text }], { id: "p", epoch: 0, seq });
    const one = await say("one", 0);
    const two = await say("two", 1);
    expect(await say("one", 0, second.hub)).toEqual(one);
    expect(await say("two", 1, second.hub)).toEqual(two);
    const both = await Promise.all([say("three", 2), say("three", 2, second.hub)]);
    expect(both[0]).toEqual(both[1]);
    await expect(say("five", 4)).rejects.toMatchObject({ code: "producer_gap" });
    const newer = first.hub.run(run.id).append([{ type: "run.finished" }], { id: "p", epoch: 1, seq: 0 });
    expect((await newer).ended).toBe(true);
    await expect(say("four", 3)).rejects.toMatchObject({ code: "producer_fenced" });
    expect(
      (await second.hub.run(run.id).append([{ type: "run.finished" }], { id: "p", epoch: 1, seq: 0 })).last,
    ).toBe((await newer).last);
    const said = (await run.log.entries()).flatMap(({ event }) =>
      event.type === "custom" ? [event.data] : [],
    );
    expect(said).toEqual(["one", "two", "three"]);
  });

  it("[F96] know of a producer elsewhere that is there, at whichever of them it says so", async () => {
    const [first, second] = [await start(), await start()];
    const { run } = await first.hub.start({ agent: null, input: "x", leaseMs: 2_000 });
    const at = (hub: Hub) => hub.run(run.id);
    for (let time = 0; time < 11; time++) {
      await pass(1_500);
      await at(second.hub).append(time % 2 === 0 ? [] : [{ type: "custom", name: "app.tick", data: time }]);
    }
    expect(await at(first.hub).info()).toMatchObject({ status: "running" });
    await pass(2_500);
    expect(await at(first.hub).info()).toMatchObject({ error: { code: "producer_lost" } });
  });

  it("[F96] watch over a producer elsewhere whose process is dead", async () => {
    const [first, second] = [await start(), await start()];
    const { run } = await first.hub.start({ agent: null, input: "x", leaseMs: 2 * LEASE });
    await pass(LEASE);
    await first.hub.run(run.id).append([]);
    first.kill();
    await pass(1.5 * LEASE);
    expect(await second.hub.run(run.id).info()).toMatchObject({ status: "running" });
    await pass(4 * LEASE);
    expect(await second.hub.run(run.id).info()).toMatchObject({ error: { code: "producer_lost" } });
  });
});

describe("a store that keeps records apart from logs", () => {
  it("[F82] does not delay the word that a run has ended, nor what it ended with", async () => {
    const store = memoryStore();
    const late: Store = new Proxy(store, {
      get(_, name: keyof Store) {
        // The record of the end never comes.
        if (name === "append")
          return (...[run, expected, batch, record]: Parameters<Store["append"]>) =>
            store.append(run, expected, batch, batch?.text.includes("run.finished") ? undefined : record);
        const value = store[name];
        return typeof value === "function" ? value.bind(store) : value;
      },
    });
    await using hub = await createHub({ store: late });
    const { run } = await hub.start({ agent: null, input: "x" });
    await run.append([{ type: "run.finished" }]);
    expect(await run.info()).toMatchObject({ status: "running" });
    expect(await run.ended()).toMatchObject({ status: "finished", endedAt: expect.any(Number) });
  });
});

describe("a store that lost a part of a log", () => {
  /** A store that forgets all but the first batches of its runs. */
  async function forgetful() {
    let store = memoryStore();
    const wakes = new Set<() => void>();
    const handle = new Proxy(store, {
      get(_, name: keyof Store) {
        if (name === "shared") return true;
        if (name === "watch")
          return (run: string, wake: () => void) => {
            wakes.add(wake);
            return store.watch(run, wake);
          };
        const value = store[name];
        return typeof value === "function" ? value.bind(store) : value;
      },
    });
    return {
      store: handle,
      async keep(run: string, batches: number) {
        const kept = (await store.read(run, 0, 1e9)).slice(0, batches);
        const record = await store.record(run);
        store = memoryStore();
        let tail = EMPTY;
        for (const batch of kept) {
          await store.append(run, tail, batch, record);
          tail = batch;
        }
      },
      wake: () => {
        for (const wake of wakes) wake();
      },
    };
  }

  it("[F90] [F17] ends the run with what is left, instead of writing behind a hole", async () => {
    const { store, keep } = await forgetful();
    let say = Promise.withResolvers<void>();
    const aborted = vi.fn();
    const agent: AgentFunction = async function* speaker({ signal }) {
      signal.addEventListener("abort", aborted);
      for (let n = 0; ; n++) {
        yield { type: "custom", name: "app.count", data: n };
        await say.promise;
      }
    };
    await using hub = await createHub({ store, agents: [agent] });
    const { run } = await hub.start({ input: "x" });
    for (let n = 0; n < 3; n++) {
      await vi.waitFor(async () => expect((await store.tail(run.id)).seq).toBe(n + 2));
      const next = say;
      say = Promise.withResolvers();
      next.resolve();
    }
    await vi.waitFor(async () => expect((await store.tail(run.id)).seq).toBe(5));
    await keep(run.id, 2);
    say.resolve();
    await vi.waitFor(async () => expect((await run.log.last())?.type).toBe("run.failed"));
    expect((await run.log.last())?.event).toMatchObject({ code: "log_lost" });
    expect((await run.log.entries()).map(({ type }) => type)).toEqual([
      "run.started",
      "custom",
      "run.failed",
    ]);
    expect(aborted).toHaveBeenCalled();
  });

  it("[F90] tells a producer elsewhere, and lets it go no further", async () => {
    const { store, keep } = await forgetful();
    await using hub = await createHub({ store });
    const { run } = await hub.start({ agent: null, input: "x" });
    for (let n = 0; n < 4; n++) await run.append([{ type: "custom", name: "app.count", data: n }]);
    await keep(run.id, 3);
    await expect(run.append([{ type: "custom", name: "app.count", data: 4 }])).rejects.toMatchObject({
      code: "log_lost",
    });
    await vi.waitFor(async () => expect(await run.info()).toMatchObject({ error: { code: "log_lost" } }));
  });
});
