import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { createHub } from "../src/hub.ts";
import type { Store } from "../src/store.ts";
import { memoryStore } from "../src/stores/memory.ts";
import type { BulkInput } from "./support/agents.ts";
import { type EventsConnection, openEvents } from "./support/events-connection.ts";
import { plainStore } from "./support/plain-store.ts";
import { get, post } from "./support/post.ts";
import type { ServerOptions } from "./support/server.ts";
import { startServer } from "./support/start-server.ts";
import { tempFolder } from "./support/temp-folder.ts";

const MB = 1024 * 1024;

interface Outcome {
  /** How much more the server holds for each viewer that does not read, once all is written. */
  readonly heldPerViewer: number;
  /** How much more memory its process has; much of it is what V8 keeps for later. */
  readonly rssGrowth: number;
  /** What a viewer that reads all the time has got, while nobody else read. */
  readonly reader: { readonly frames: number; readonly hash: string };
  /** The same of some that read on afterwards. */
  readonly late: readonly { readonly frames: number; readonly hash: string }[];
}

/** A run of many MB, with viewers that are connected and do not read. */
async function pauseViewers(
  viewers: number,
  bulk: BulkInput,
  plant?: ServerOptions["plant"],
): Promise<Outcome> {
  await using folder = await tempFolder();
  await using server = await startServer({ file: folder.file("bulk.db"), ...(plant && { plant }) });
  // Once through, so that what is counted is not what the first of everything costs.
  const warm = await post(`${server.url}/runs`, {
    agent: "bulk",
    input: JSON.stringify({ ...bulk, events: 50 }),
  });
  await readAll(await openEvents(server.url, warm.body.run));

  const { body } = await post(`${server.url}/runs`, { agent: "gated-bulk", input: JSON.stringify(bulk) });
  const paused: EventsConnection[] = [];
  for (let count = 0; count < viewers; count++) paused.push(await openEvents(server.url, body.run));
  const before = await server.memory();
  const reading = readAll(await openEvents(server.url, body.run));
  // The run began to wait for this before it said anything.
  await post(`${server.url}/runs/${body.run}/input`, { type: "input.message", message: "go" });
  const reader = await reading;
  expect((await get(`${server.url}/runs/${body.run}`)).body.status).toBe("finished");
  const after = await server.memory();

  const late = await Promise.all(paused.splice(0, 3).map(readAll));
  for (const viewer of paused) viewer.cut();
  return {
    heldPerViewer: (heldIn(after) - heldIn(before)) / viewers,
    rssGrowth: after.rss - before.rss,
    reader,
    late,
  };
}

const heldIn = ({ heapUsed, external }: NodeJS.MemoryUsage): number => heapUsed + external;

async function readAll(events: EventsConnection): Promise<{ frames: number; hash: string }> {
  const hash = createHash("sha256");
  let frames = 0;
  for await (const { raw } of events) {
    frames++;
    hash.update(raw).update("\n\n");
  }
  return { frames, hash: hash.digest("hex") };
}

test("40 viewers that never read cost the server less than 1 MiB each of a run of 20 MB, the others and the run nothing, and they get all of it once they read on [F75][F76]", async () => {
  const bulk = { events: 320, size: 64 * 1024 };
  const { heldPerViewer, rssGrowth, reader, late } = await pauseViewers(40, bulk);
  // run.started, the message, and run.finished.
  expect(reader.frames).toBe(bulk.events + 3);
  expect(heldPerViewer).toBeLessThan(1 * MB);
  // 800 MB, if the log were kept for each.
  expect(rssGrowth).toBeLessThan(300 * MB);
  expect(late).toEqual([reader, reader, reader]);
});

test("a server that keeps the log for each of them is seen to need much more by the same count", async () => {
  const { heldPerViewer, reader, late } = await pauseViewers(8, { events: 240, size: 64 * 1024 }, "buffer");
  expect(heldPerViewer).toBeGreaterThan(5 * MB);
  expect(late).toEqual([reader, reader, reader]);
});

test("a viewer that did not read while much was written has the rest at once, not with the next look at the store [F76]", async () => {
  await using hub = await createHub({ store: memoryStore() });
  const { run } = await hub.start({ input: "x", agent: null });
  const follower = run.follow({ pollMs: 2 ** 31 - 1 });
  const next = () => follower.next().then(({ value }) => value?.entries?.length ?? 0);
  // It has caught up, and is woken for one more; then it is busy.
  let seen = await next();
  const waiting = next();
  const event = { type: "custom" as const, name: "app.bulk", data: "x".repeat(50_000) };
  await run.append([event]);
  seen += await waiting;
  for (let count = 0; count < 20; count++) await run.append([event]);
  while (seen < 22) seen += await next();
  expect(seen).toBe(22);
  await follower.return();
}, 10_000);

test("an agent is held back while the store is slow: it is never far ahead of what is committed [F77]", async () => {
  const store = memoryStore();
  const gate = Promise.withResolvers<void>();
  const slow: Store = {
    ...plainStore(store),
    async append(run, expected, batch, record) {
      // The start of the run passes.
      if (expected.seq > 0) await gate.promise;
      return store.append(run, expected, batch, record);
    },
  };
  let yielded = 0;
  await using hub = await createHub({
    store: slow,
    agents: [
      async function* eager() {
        for (; yielded < 5_000; yielded++) yield { type: "custom", name: "app.item", data: yielded };
      },
    ],
  });
  const { run } = await hub.start({ input: "go" });
  let before = -1;
  // Until it says no more by itself.
  for (let quiet = 0; quiet < 20; quiet++) {
    await new Promise((resolve) => setImmediate(resolve));
    if (yielded !== before) quiet = 0;
    before = yielded;
  }
  // One batch on its way, and what may wait behind it.
  expect(yielded).toBeGreaterThan(0);
  expect(yielded).toBeLessThanOrEqual(2 * 257);
  gate.resolve();
  await run.ended();
  expect(yielded).toBe(5_000);
  expect((await run.log.entries()).length).toBe(5_002);
});
