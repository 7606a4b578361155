import { describe, expect, it } from "vitest";
import { type AgentEvent, event } from "../src/events.ts";
import { Hub } from "../src/hub.ts";
import { importRun } from "../src/import-run.ts";
import { wait } from "../src/internal/wait.ts";
import { Lease } from "../src/lease.ts";
import { Log } from "../src/log.ts";
import type { Store } from "../src/store.ts";
import { memoryStore } from "../src/stores/memory.ts";
import { over } from "../src/testing/over.ts";
import { Writer } from "../src/writer.ts";
import { VirtualClock } from "./simulation/virtual-clock.ts";

// What the simulation found, each as the shortest history that shows it.

const LEASE_MS = 1_000;

interface Trouble {
  /** So many appends to come lose their answers, and so many reads fail. */
  answers: number;
  reads: number;
  /** So many reads fail after each answer that was lost. */
  readsAfter: number;
}

/** A store of several processes that gets into trouble when told so, and gives no hints. */
function troubledStore(real: Store): { readonly store: Store; readonly trouble: Trouble } {
  const trouble: Trouble = { answers: 0, reads: 0, readsAfter: 1 };
  const append: Store["append"] = async (...asked) => {
    const answer = await real.append(...asked);
    if (trouble.answers > 0 && trouble.answers-- > 0) {
      trouble.reads += trouble.readsAfter;
      throw new Error("The answer was lost");
    }
    return answer;
  };
  const read: Store["read"] = async (...asked) => {
    if (trouble.reads > 0 && trouble.reads-- > 0) throw new Error("The store is down");
    return real.read(...asked);
  };
  const watch = () => ({ [Symbol.dispose]() {} });
  return { store: over(real, { shared: true, append, read, watch }), trouble };
}

function writerOf(store: Store, holder: string): Writer {
  return new Writer(new Log(store, "r"), { holder });
}

const started = (fields: { readonly agent: string | null; readonly onProducerLost?: "resume" }) =>
  event.runStarted({ v: 1, input: "Hi", ...fields });
const said = (thing: string) => event.custom({ name: "app.said", data: thing });
const typesOf = async (store: Store) => (await new Log(store, "r").entries()).map(({ type }) => type);

async function thingsOf(store: Store): Promise<unknown[]> {
  const entries = await new Log(store, "r").entries();
  return entries.flatMap(({ event: each }) => (each.type === "custom" ? [each.data] : []));
}

/** All that follows while so much time passes. */
async function passing<Result>(work: (clock: VirtualClock) => Promise<Result>): Promise<Result> {
  const clock = new VirtualClock();
  using _ = clock.install();
  return await work(clock);
}

describe("what the simulation found", () => {
  it("a read that fails after a refused append loses nothing of what the agent said", async () => {
    const { store, trouble } = troubledStore(memoryStore());
    await passing(async (clock) => {
      const writer = writerOf(store, "one");
      const began = writer.begin(started({ agent: "a" }));
      await clock.advance(1);
      await began;
      const other = writerOf(store, "two");
      await other.load();
      void other.append([event.inputMessage({ message: { id: "m", role: "user", parts: [] } })]);
      await clock.advance(1);
      trouble.reads = 2;
      writer.write(said("one"));
      await clock.advance(1);
      writer.write(said("two"));
      for (let seconds = 0; seconds < 9; seconds++) await clock.advance(1_000);
      await writer.flushed();
    });
    expect(await thingsOf(store)).toEqual(["one", "two"]);
  });

  it("the record of a run is never ahead of its log", async () => {
    const { store } = troubledStore(memoryStore());
    const ahead: string[] = [];
    const watched = over(store, {
      append: async (run, expected, batch, record) => {
        if (batch && record && batch.seq < 4 && record.tags.includes("status:waiting"))
          ahead.push(batch.text);
        if (refused-- > 0) throw new Error("The store is down");
        return store.append(run, expected, batch, record);
      },
    });
    let refused = 0;
    await passing(async (clock) => {
      const writer = writerOf(watched, "one");
      void writer.begin(started({ agent: "a" }));
      await clock.advance(1);
      refused = 2;
      writer.write(event.stepStarted({ step: 1 }));
      await clock.advance(1);
      writer.write(event.stepFinished({ step: 1, finishReason: "stop", usage: null, cost: null }));
      writer.write(event.approvalRequested({ approvalId: "1", callId: "c", name: "deploy", input: {} }));
      for (let seconds = 0; seconds < 9; seconds++) await clock.advance(1_000);
      await writer.flushed();
    });
    expect(ahead).toEqual([]);
    expect((await store.record("r"))?.tags).toContain("status:waiting");
  });

  it("what the agent said is not written twice when the append of somebody else loses its answer", async () => {
    const { store, trouble } = troubledStore(memoryStore());
    await passing(async (clock) => {
      const writer = writerOf(store, "one");
      void writer.begin(started({ agent: "a" }));
      await clock.advance(1);
      trouble.answers = 1;
      writer.write(said("one"));
      writer.append([event.inputCancel({})]).catch(() => {});
      await clock.advance(5_000);
      writer.write(said("two"));
      await writer.flushed();
    });
    expect(await thingsOf(store)).toEqual(["one", "two"]);
  });

  it("an answer of the store that was asked for before a break in touch does not end the break", async () => {
    const answers = [
      () => wait(10).then(() => Promise.reject(new Error("The store is down"))),
      () => wait(20).then(() => ["one"]),
    ];
    const beat = async () => (await answers.shift()?.()) ?? ["one"];
    const none = async () => {};
    await passing(async (clock) => {
      const lease = new Lease({
        store: over(memoryStore(), { shared: true, beat }),
        holder: "one",
        leaseMs: LEASE_MS,
        onScan: none,
        onDead: none,
        onOwn: none,
        onTrouble: none,
      });
      const asked = Promise.allSettled([lease.beat(), lease.beat()]);
      await clock.advance(20);
      expect((await asked).map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
      const dead: boolean[] = [];
      for (let count = 0; count < 4; count++) {
        await clock.advance(LEASE_MS * 0.4);
        await lease.beat();
        dead.push(lease.isDead("two"));
      }
      expect(dead).toEqual([false, false, false, true]);
    });
  });

  it("a run is ended of which the start arrived after its process was found dead", async () => {
    await passing(async (clock) => {
      const { store } = troubledStore(memoryStore({ now: () => clock.now }));
      const hub = new Hub({ store, leaseMs: LEASE_MS });
      const recovered = hub.recover();
      await clock.advance(2 * LEASE_MS);
      await recovered;
      const late = writerOf(store, "dead").begin(started({ agent: "a" }));
      await clock.advance(12 * LEASE_MS);
      await late;
      expect(await typesOf(store)).toEqual(["run.started", "run.failed"]);
      const drained = hub.drain(0);
      await clock.advance(1);
      await drained;
    });
  });

  it("a run that is imported for longer than a lease is not taken for one that was left", async () => {
    const real = memoryStore();
    const append: Store["append"] = async (...asked) => {
      if (asked[2]?.text.includes(".import")) await wait(LEASE_MS);
      return real.append(...asked);
    };
    const said = ["run.started", "custom", "custom", "custom", "run.finished"];
    const lines = said.map((type, at) => {
      const name = { agent: "a", v: 1, input: "Hi", name: "app.said", data: at, cost: 0 };
      return JSON.stringify({ seq: at + 1, at, event: { type, ...name } });
    });
    await passing(async (clock) => {
      const hub = new Hub({ store: over(real, { append }), leaseMs: LEASE_MS });
      await hub.recover();
      const imported = importRun(hub, lines, { id: "r" });
      await clock.advance(10 * LEASE_MS);
      await imported;
      const drained = hub.drain(0);
      await clock.advance(1);
      await drained;
    });
    expect(await typesOf(real)).toEqual(said);
  });

  it("a numbered append is not called a gap by a process that has not heard of the one before", async () => {
    const { store } = troubledStore(memoryStore());
    const [one, two] = [new Hub({ store }), new Hub({ store })];
    await one.start({ id: "r", agent: null, input: "Hi" });
    const append = (hub: Hub, seq: number) =>
      hub.run("r").append([said(`${seq}`) as AgentEvent], { id: "p", epoch: 0, seq });
    await append(one, 0);
    await append(two, 1);
    await expect(append(one, 2)).resolves.toMatchObject({ first: 4, last: 4 });
    await Promise.all([one.drain(0), two.drain(0)]);
  });

  it.each([
    ["of an agent", "talk"],
    ["of a producer elsewhere", null],
  ])("a run %s that was started with a lost answer comes to an end", async (_, agent) => {
    const { store, trouble } = troubledStore(memoryStore());
    async function* talk(): AsyncGenerator<AgentEvent, void, undefined> {
      yield event.textStarted({ id: "1" });
    }
    await passing(async (clock) => {
      const hub = new Hub({ store, agents: [talk], leaseMs: LEASE_MS });
      void hub.recover();
      await clock.advance(10);
      trouble.answers = 1;
      await expect(hub.start({ id: "r", agent, input: "Hi", leaseMs: LEASE_MS })).rejects.toThrow("lost");
      await clock.advance(LEASE_MS * 5);
      void hub.drain(0);
      await clock.advance(LEASE_MS);
    });
    expect(await typesOf(store)).toContain("run.failed");
  });

  it("a run that another process has just taken over is not taken over from it", async () => {
    const { store } = troubledStore(memoryStore());
    let listed = () => Promise.resolve();
    const late: Store = {
      ...store,
      async list(options) {
        const records = await store.list(options);
        if (records.length > 0) await listed();
        return records;
      },
    };
    await passing(async (clock) => {
      void writerOf(store, "dead").begin(started({ agent: "stay", onProducerLost: "resume" }));
      await clock.advance(1);
      async function* stay(): AsyncGenerator<AgentEvent, void, undefined> {}
      const agent = { name: "stay", onProducerLost: "resume", run: stay } as const;
      const hub = new Hub({ store: late, agents: [agent], leaseMs: LEASE_MS });
      await store.beat("quick", LEASE_MS * 60);
      listed = async () => {
        listed = () => Promise.resolve();
        const quick = writerOf(store, "quick");
        await quick.load();
        await quick.takeOver();
      };
      void hub.recover();
      await clock.advance(LEASE_MS * 3);
      void hub.drain(0);
      await clock.advance(LEASE_MS);
    });
    expect(await typesOf(store)).toEqual(["run.started", "run.resumed"]);
  });

  it("a cancel that comes while a reaper ends the run still ends it as cancelled", async () => {
    const { store } = troubledStore(memoryStore());
    let raced = false;
    const racing = over(store, {
      append: async (run, expected, batch, record) => {
        if (!raced) {
          raced = true;
          const canceller = writerOf(store, "canceller");
          await canceller.load();
          await canceller.append([event.inputCancel({ reason: "enough" })]);
        }
        return store.append(run, expected, batch, record);
      },
    });
    await passing(async (clock) => {
      void writerOf(store, "dead").begin(started({ agent: "gone" }));
      await clock.advance(1);
      const hub = new Hub({ store: racing, leaseMs: LEASE_MS });
      void hub.recover();
      await clock.advance(LEASE_MS * 3);
      void hub.drain(0);
      await clock.advance(LEASE_MS);
    });
    expect(await typesOf(store)).toEqual(["run.started", "input.cancel", "run.cancelled"]);
  });
});
