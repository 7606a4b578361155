import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { AgentStream, RunContext } from "../agent.ts";
import { createHub, type Hub } from "../hub.ts";
import { memoryStore } from "../stores/memory.ts";
import { ProjectEventStream, TaskEventStream } from "./event-stream.ts";

async function* parrot({ input }: RunContext): AgentStream {
  yield { type: "text.started", id: "1" };
  yield { type: "text.delta", id: "1", text: `You said ${input}` };
  yield { type: "text.finished", id: "1" };
}

let hub: Hub;
let tasks: TaskEventStream;
let projects: ProjectEventStream;
beforeEach(async () => {
  hub = await createHub({ store: memoryStore(), agents: [parrot] });
  tasks = new TaskEventStream(hub);
  projects = new ProjectEventStream(hub);
});
afterEach(async () => {
  vi.useRealTimers();
  await hub.drain(0);
});

async function all(values: AsyncIterable<unknown>): Promise<unknown[]> {
  const list: unknown[] = [];
  for await (const value of values) list.push(value);
  return list;
}

describe.each([
  ["TaskEventStream", () => tasks as TaskEventStream | ProjectEventStream],
  ["ProjectEventStream", () => projects],
] as const)("%s", (_, stream) => {
  it("[F49] gives every listener every event in order, however many there are and whenever they come", async () => {
    const early = all(stream().streamEvents("t"));
    const other = all(stream().streamEvents("t"));
    for (let n = 0; n < 5; n++) await stream().sendEvent("t", "count", { n });
    const late = all(stream().streamEvents("t"));
    await stream().sendEvent("t", "count", { n: 5 });
    await stream().closeStream("t");
    const afterwards = await all(stream().streamEvents("t"));
    expect(afterwards).toHaveLength(7);
    expect([await early, await other, await late]).toEqual([afterwards, afterwards, afterwards]);
  });

  it("[F51] keeps what was sent before anybody listened, and opens a stream with its first event", async () => {
    expect(await stream().getStream("t")).toBeUndefined();
    await stream().sendEvent("t", "first", 1);
    expect((await stream().getStream("t"))?.id).toBe("t");
    await stream().closeStream("t");
    expect(JSON.stringify(await all(stream().streamEvents("t")))).toContain("first");
  });

  it("[F52] changes nothing for the others when a listener leaves", async () => {
    await stream().sendEvent("t", "a", 1);
    for await (const _ of stream().streamEvents("t")) break;
    await stream().sendEvent("t", "b", 2);
    await stream().closeStream("t");
    expect(await all(stream().streamEvents("t"))).toHaveLength(3);
  });

  it("[F54] goes on after the id of any frame with exactly the rest", async () => {
    const ids: string[] = [];
    for (let n = 0; n < 4; n++) ids.push((await stream().sendEvent("t", "count", n)).cursor);
    await stream().closeStream("t");
    const whole = await all(stream().streamEvents("t"));
    for (const [index, after] of ids.entries())
      expect(await all(stream().streamEvents("t", { after }))).toEqual(whole.slice(index + 1));
    await expect(all(stream().streamEvents("t", { after: "yesterday" }))).rejects.toMatchObject({
      code: "invalid_cursor",
    });
  });

  it("[F82] [F83] ends at its end; closing twice is closing once, and what comes later is refused", async () => {
    await stream().createStream("t");
    await stream().closeStream("t");
    await stream().closeStream("t");
    await stream().closeStream("never-opened");
    expect(await stream().getStream("never-opened")).toBeUndefined();
    await expect(stream().sendEvent("t", "late", 1)).rejects.toMatchObject({ code: "run_closed" });
    expect(await all(stream().streamEvents("t"))).toHaveLength(1);
  });

  it("[F32] keeps the order of calls that are not awaited, and answers with places", async () => {
    const sent = Array.from({ length: 20 }, (_, n) => stream().sendEvent("t", "count", n));
    const seqs = (await Promise.all(sent)).map(({ first }) => first);
    expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
    const entries = await hub.run("t").log.entries();
    expect(entries.slice(1).map(({ event }) => event.type === "custom" && event.data)).toEqual(
      Array.from({ length: 20 }, (_, n) => n),
    );
  });

  it("[F27] refuses what has no JSON or no name for it, and goes on as if nothing had been", async () => {
    const cycle: unknown[] = [];
    cycle.push(cycle);
    await expect(stream().sendEvent("t", "a", cycle)).rejects.toMatchObject({ code: "invalid_event" });
    for (const name of ["", "a\nb", "reset", "with space", "x".repeat(65)])
      await expect(stream().sendEvent("t", name, 1)).rejects.toThrow(TypeError);
    await expect(stream().sendEvent("../t", "a", 1)).rejects.toMatchObject({ code: "invalid_id" });
    await stream().sendEvent("t", "b", { at: new Date(0), big: 1n, gone: undefined });
    await stream().closeStream("t");
    const [first] = await all(stream().streamEvents("t"));
    expect(JSON.stringify(first)).toContain("1970-01-01T00:00:00.000Z");
  });

  it("finds the stream there is, whatever it was opened with", async () => {
    const run = await stream().createStream("t", { input: "Write a story", metadata: { user: 7 } });
    await stream().createStream("t", { input: "Another" });
    await Promise.all([stream().createStream("u"), stream().createStream("u", { input: "x" })]);
    expect(await run.info()).toMatchObject({ title: "Write a story", metadata: { user: 7 }, agent: null });
  });

  it("shows the run of an agent too, and does not write to it", async () => {
    const { run } = await hub.start({ input: "Hello", id: "agents-own" });
    expect(JSON.stringify(await all(stream().streamEvents(run.id)))).toContain("You said Hello");
    await expect(stream().sendEvent(run.id, "a", 1)).rejects.toMatchObject({ code: "run_owned" });
  });

  it("stops for its listener's signal", async () => {
    const stop = new AbortController();
    const listening = all(stream().streamEvents("t", { signal: stop.signal }));
    await stream().sendEvent("t", "a", 1);
    stop.abort();
    await listening;
    expect((await hub.run("t").info()).status).toBe("running");
  });

  it("[F86] stays open while its program is quiet, and is lost with its process", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
    await stream().sendEvent("t", "a", 1);
    await stream().createStream("opened");
    await vi.advanceTimersByTimeAsync(600_000);
    expect((await hub.run("t").info()).status).toBe("running");
    expect((await hub.run("opened").info()).status).toBe("running");
    await stream().closeStream("t");
    await stream().closeStream("opened");
    // Without anything open nothing is left ticking but the hub's own beat.
    expect(vi.getTimerCount()).toBe(0);
  });

  it("[F96] ends as failed once the process that wrote it is gone for its lease", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
    await hub.start({ agent: null, id: "t", input: "x", tags: ["agentx", "vibex"] });
    await vi.advanceTimersByTimeAsync(61_000);
    vi.useRealTimers();
    const frames = await all(stream().streamEvents("t"));
    expect(frames).toHaveLength(1);
    expect(JSON.stringify(frames)).toContain("failed");
  });
});

describe("the frames", () => {
  it("[F53] of TaskEventStream are SSE text, of ProjectEventStream what a server for SSE takes", async () => {
    const { cursor } = await tasks.sendEvent("t", "ping", { text: "a\n\nb" });
    for await (const frame of tasks.streamEvents("t")) {
      expect(frame).toBe(`id: ${cursor}\nevent: ping\ndata: {"text":"a\\n\\nb"}\n\n`);
      break;
    }
    const sent = await projects.sendEvent("p", "ping", { text: "a" });
    for await (const frame of projects.streamEvents("p")) {
      expect(frame).toEqual({ id: sent.cursor, event: "ping", data: '{"text":"a"}' });
      break;
    }
  });
});
