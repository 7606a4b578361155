import { randomUUID } from "node:crypto";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { faultyProxy } from "../src/testing/faults.ts";
import { openEvents } from "./support/events-connection.ts";
import { get, post } from "./support/post.ts";
import { frameProblems, logProblems, scriptProblems } from "./support/problems.ts";
import { Producer } from "./support/producer.ts";
import { readLog } from "./support/read-log.ts";
import { type Random, seedFor } from "./support/seed.ts";
import type { ServerOptions } from "./support/server.ts";
import { type ServerProcess, startServer } from "./support/start-server.ts";
import { startViewer } from "./support/start-viewer.ts";
import { type TempFolder, tempFolder } from "./support/temp-folder.ts";
import { watchRun } from "./support/watch-run.ts";

let folder: TempFolder;
let server: ServerProcess;
beforeAll(async () => {
  folder = await tempFolder();
  server = await startServer({ file: folder.file("resume.db") });
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

const newProducer = async (base: string, seed: number): Promise<Producer> => {
  const producer = new Producer(randomUUID(), seed);
  await producer.start(base);
  return producer;
};

/**
 * A run of so many events, watched by another process that breaks its connection after every event. The first
 * half is said bit by bit, as the viewer has caught up; the other half is there at once.
 */
async function watchInPieces(base: string, events: number, random: Random): Promise<string[]> {
  const producer = await newProducer(base, random.seed);
  // `run.started` and `run.finished` are events too.
  const said = events - 2;
  const options = { base, run: producer.run, by: "both", cutEach: true, maxConnections: 2 * events } as const;
  await using viewer = startViewer(options);
  while (producer.next < said / 2 + 4 && !viewer.over) {
    await producer.append(base, random.between(1, 4));
    // It is given the last few, and cuts at the very end of the log; a server that lost them is not waited for.
    await viewer.reached(producer.next + 1 - 4);
  }
  await producer.append(base, said - producer.next, true);
  const end = await viewer.done;

  const log = await readLog(base, producer.run);
  const wanted = log.map(({ frame }) => frame);
  return [
    ...(end.gaveUp ? [end.gaveUp] : []),
    // One connection for each event, and one more to be told that there is nothing left.
    ...(end.connections === log.length + 1 ? [] : [`There were ${end.connections} connections`]),
    ...(log.length === events ? [] : [`There are ${log.length} entries`]),
    ...logProblems(log),
    ...scriptProblems(log, producer.seed, { merged: false }).problems,
    ...frameProblems(viewer.frames, wanted),
  ];
}

describe("a viewer in another process", () => {
  test("cut off after every single event of 500, half of them as they are said, has the same bytes [F50][F54]", async () => {
    const random = seedFor("cut after every event");
    expect(await watchInPieces(server.url, 500, random)).toEqual([]);
  });

  const plants = ["drop", "double", "reorder", "late-end"] as const satisfies ServerOptions["plant"][];
  test.for(plants)(
    "is seen to have other bytes by the same check where the server has the bug: %s",
    async (plant) => {
      await using planted = await startServer({ plant });
      const problems = await watchInPieces(planted.url, 60, seedFor(`plant ${plant}`));
      expect(problems.join("\n")).toMatch(/^(Frame \d+ is|There are \d+ frames too many)/m);
    },
  );

  test("whose connections break at any byte has the same bytes [F54]", async () => {
    const random = seedFor("cut at any byte");
    await using proxy = await faultyProxy({
      target: server.url,
      fault: () => ({
        kind: "cut",
        afterBytes: random.between(0, 1_500),
        how: random.chance(0.5) ? "reset" : "end",
      }),
    });
    const producer = await newProducer(server.url, random.seed);
    await using viewer = startViewer({ base: proxy.url, run: producer.run, by: "both" });
    // All the time the run goes on: an append for each few frames that got through.
    while (proxy.cuts < 250) {
      await producer.append(server.url, random.between(1, 5));
      await viewer.reached(producer.next - 10);
    }
    await producer.append(server.url, 300, true);
    const { gaveUp } = await viewer.done;
    const log = await readLog(server.url, producer.run);
    expect(gaveUp).toBeUndefined();
    expect(proxy.cuts).toBeGreaterThan(300);
    expect(logProblems(log)).toEqual([]);
    expect(scriptProblems(log, producer.seed, { merged: false }).problems).toEqual([]);
    expect(
      frameProblems(
        viewer.frames,
        log.map(({ frame }) => frame),
      ),
    ).toEqual([]);
  });

  test("gets every character whole where the bytes come one by one", async () => {
    const random = seedFor("byte by byte");
    await using proxy = await faultyProxy({ target: server.url, fault: () => ({ kind: "bytewise" }) });
    const producer = await newProducer(server.url, random.seed);
    await using viewer = startViewer({ base: proxy.url, run: producer.run });
    for (let turn = 0; turn < 5; turn++) await producer.append(server.url, 20, turn === 4);
    const { connections } = await viewer.done;
    expect(connections).toBe(1);
    const log = await readLog(server.url, producer.run);
    expect(scriptProblems(log, producer.seed, { merged: false })).toEqual({ problems: [], said: 100 });
    expect(
      frameProblems(
        viewer.frames,
        log.map(({ frame }) => frame),
      ),
    ).toEqual([]);
  });
});

describe("a run that has ended", () => {
  test("gives exactly the rest after every one of its cursors, by header and by query [F54]", async () => {
    const random = seedFor("every cursor");
    const producer = await newProducer(server.url, random.seed);
    // In batches of all sizes, as a cursor may lie in the middle of one.
    while (producer.next < 498) {
      await producer.append(server.url, Math.min(random.between(1, 40), 498 - producer.next), false);
    }
    await producer.append(server.url, 0, true);
    const log = await readLog(server.url, producer.run);
    expect(log).toHaveLength(500);
    for (const [index, { cursor, seq }] of [{ cursor: undefined, seq: 0 }, ...log].entries()) {
      const by = index % 2 ? "header" : "query";
      const { frames } = await watchRun({ base: () => server.url, run: producer.run, after: cursor, by });
      const rest = log.slice(seq).map(({ frame }) => frame);
      expect(
        frameProblems(
          frames.map(({ raw }) => raw),
          rest,
        ),
      ).toEqual([]);
    }
  });

  test("answers 204 to who has seen its end, so that an EventSource stays away [F54]", async () => {
    const producer = await newProducer(server.url, 1);
    await producer.append(server.url, 3, true);
    const log = await readLog(server.url, producer.run);
    const seen = await openEvents(server.url, producer.run, { after: log.at(-1)!.cursor });
    expect(seen.status).toBe(204);
    const notSeen = await openEvents(server.url, producer.run, { after: log.at(-2)!.cursor });
    expect(notSeen.status).toBe(200);
    notSeen.cut();
  });
});

describe("a viewer that comes as the run ends", () => {
  test("sees the end, in 300 races of the two [F82]", async () => {
    const random = seedFor("end against subscribe");
    for (let race = 0; race < 300; race++) {
      const producer = await newProducer(server.url, random.seed + race);
      await producer.append(server.url, random.between(1, 3));
      const end = producer.append(server.url, random.between(0, 2), true);
      for (let turn = random.between(0, 5); turn > 0; turn--)
        await new Promise((resolve) => setImmediate(resolve));
      const { frames, gaveUp } = await watchRun({
        base: () => server.url,
        run: producer.run,
        maxConnections: 3,
      });
      await end;
      expect(gaveUp).toBeUndefined();
      expect(frames.at(-1)?.data).toContain('"type":"run.finished"');
    }
  });

  test("by a URL with a cursor goes on from its Last-Event-ID, as an EventSource repeats its URL [F54]", async () => {
    const producer = await newProducer(server.url, 3);
    await producer.append(server.url, 10, true);
    const log = await readLog(server.url, producer.run);
    const headers = { "last-event-id": log[7]!.cursor };
    const url = `${server.url}/runs/${producer.run}/events?after=${log[2]!.cursor}`;
    const text = await (await fetch(url, { headers })).text();
    expect(text.split("\n\n").filter((frame) => frame.includes("data: "))).toEqual(
      log.slice(8).map(({ frame }) => frame),
    );
  });
});

describe("a client whose answers are lost", () => {
  test("starts a run once, however often it asks with the same key", async () => {
    const random = seedFor("lost answers");
    await using proxy = await faultyProxy({
      target: server.url,
      fault: () =>
        random.chance(0.7) ? { kind: "cut", afterBytes: random.between(0, 300) } : { kind: "pass" },
    });
    const start = async (key: string): Promise<string> => {
      while (true) {
        try {
          const asked = { agent: null, tags: ["lost-answers"] };
          // A connection for each, as each is to have a fault of its own.
          const headers = { "idempotency-key": key, connection: "close" };
          return (await post(`${proxy.url}/runs`, asked, headers)).body.run;
        } catch {
          // It may have been started: ask again.
        }
      }
    };
    const runs = new Set<string>();
    for (let key = 0; key < 40; key++) runs.add(await start(`key ${random.seed} ${key}`));
    expect(proxy.cuts).toBeGreaterThan(20);
    expect(runs.size).toBe(40);
    const { body } = await get(`${server.url}/runs?limit=500&status=running`);
    const started = body.runs.filter(({ tags }: { tags?: string[] }) => tags?.includes("lost-answers"));
    expect(started).toHaveLength(40);
    for (const { run } of started) expect((await readLog(server.url, run)).length).toBe(1);
  });
});

describe("two viewers of one run", () => {
  test("one from the start, one late, see the same, and one's leaving changes nothing [F49][F50][F52][F80]", async () => {
    const { url } = server;
    const producer = await newProducer(url, seedFor("two viewers").seed);
    await using early = startViewer({ base: url, run: producer.run });
    await producer.append(url, 50);
    await early.reached(51);
    await using late = startViewer({ base: url, run: producer.run });
    await producer.append(url, 50);
    await late.reached(101);
    // A third comes and goes while both watch.
    const third = await openEvents(url, producer.run);
    for await (const frame of third) if (frame.id?.startsWith("60-")) break;
    third.cut();
    await producer.append(url, 50);
    await early.reached(151);
    await early[Symbol.asyncDispose]();
    await producer.append(url, 50, true);
    const { connections } = await late.done;

    expect(connections).toBe(1);
    const log = await readLog(url, producer.run);
    const wanted = log.map(({ frame }) => frame);
    expect(logProblems(log)).toEqual([]);
    expect(log).toHaveLength(202);
    expect(frameProblems(early.frames, wanted.slice(0, 151))).toEqual([]);
    expect(frameProblems(late.frames, wanted)).toEqual([]);
  });

  test("leave, and the agent says all it has to say [F52][F80]", async () => {
    const seed = seedFor("nobody watches").seed;
    const input = JSON.stringify({ seed, events: 2_000 });
    const { body } = await post(`${server.url}/runs`, { agent: "script", input });
    const viewers = await Promise.all([openEvents(server.url, body.run), openEvents(server.url, body.run)]);
    for (const viewer of viewers) {
      for await (const frame of viewer) if (frame.data.includes("text.delta")) break;
      viewer.cut();
    }
    const { frames } = await watchRun({ base: () => server.url, run: body.run });
    const log = await readLog(server.url, body.run);
    expect(scriptProblems(log, seed, { merged: true })).toEqual({ problems: [], said: 2_000 });
    expect(log.at(-1)?.event.type).toBe("run.finished");
    expect(
      frameProblems(
        frames.map(({ raw }) => raw),
        log.map(({ frame }) => frame),
      ),
    ).toEqual([]);
  });
});

describe("a cursor that does not fit", () => {
  test("is a reset and the log from its start on SSE, 409 in JSON, and never another run's data [F54]", async () => {
    const { url } = server;
    const one = await newProducer(url, 11);
    const other = await newProducer(url, 22);
    await one.append(url, 20, true);
    await other.append(url, 30, true);
    const log = await readLog(url, one.run);
    const foreign = await readLog(url, other.run);
    const cursors = [
      // Another run's, one ahead of the end, and one whose check was changed.
      foreign[9]!.cursor,
      foreign[29]!.cursor,
      `${log.length + 5}-${log.at(-1)!.cursor.split("-")[1]}`,
      "5-zzzzz",
      "0-1",
      "999999999999999-1",
    ];
    for (const after of cursors) {
      for (const by of ["header", "query"] as const) {
        const events = await openEvents(url, one.run, { after, by });
        expect(events.status).toBe(200);
        const [reset, ...frames] = await Array.fromAsync(events);
        expect(reset).toMatchObject({ event: "reset" });
        expect(reset!.id).toBe("0-0");
        expect(
          frameProblems(
            frames.map(({ raw }) => raw),
            log.map(({ frame }) => frame),
          ),
        ).toEqual([]);
      }
      const json = await get(`${url}/runs/${one.run}/events?after=${after}`);
      expect(json).toMatchObject({ status: 409, body: { code: "cursor_mismatch" } });
    }
  });

  test("that is garbage answers 400 and says so, whatever it holds", async () => {
    const { url } = server;
    const producer = await newProducer(url, 33);
    await producer.append(url, 5, true);
    const random = seedFor("garbage cursors");
    const garbage = [
      "-1",
      "x",
      "1-",
      "-",
      "1--2",
      "1.5-1",
      "1e3-1",
      "../1-1",
      "1-1-1",
      "1-Z",
      "1-zzzzzzz",
      "0x1-1",
    ];
    garbage.push(
      "9".repeat(10_240),
      "a".repeat(10_240),
      " 1-1 ",
      "1-1\n",
      "1-1\0",
      "\r\nid: 9",
      "1-1\u2028",
      "💥",
    );
    for (let count = 0; count < 200; count++) {
      const codes = Array.from({ length: random.between(1, 40) }, () => random.between(1, 0x2fff));
      garbage.push(`!${String.fromCharCode(...codes).toWellFormed()}`);
    }
    for (const each of garbage) {
      const path = `${url}/runs/${producer.run}/events?after=${encodeURIComponent(each)}`;
      for (const accept of ["text/event-stream", "application/json", "application/x-ndjson"]) {
        const { status, body } = await get(path, { accept });
        expect({ each: each.slice(0, 60), status, code: body.code }).toEqual({
          each: each.slice(0, 60),
          status: 400,
          code: "invalid_cursor",
        });
      }
    }
    const header = await openEvents(url, producer.run, { after: "9".repeat(10_240) });
    expect(header.status).toBe(400);
  });
});

describe("the proxy of these tests", () => {
  test("lets exactly as many bytes through as it was told, and none after", async () => {
    const all = await (await fetch(`${server.url}/`)).text();
    for (const how of ["end", "reset"] as const) {
      for (const afterBytes of [0, 1, 17, 200]) {
        await using proxy = await faultyProxy({
          target: server.url,
          fault: () => ({ kind: "cut", afterBytes, how }),
        });
        const got = await rawGet(proxy.url);
        expect(got.length).toBeLessThanOrEqual(afterBytes);
        // What a reset overtakes is lost; an orderly end loses nothing.
        if (how === "end") expect(got.length).toBe(afterBytes);
        expect(proxy.cuts).toBe(1);
      }
    }
    await using proxy = await faultyProxy({ target: server.url });
    expect(await (await fetch(`${proxy.url}/`)).text()).toBe(all.replaceAll(server.url, proxy.url));
  });
});

/** All the bytes that come back on one connection, however it ends. */
function rawGet(base: string): Promise<Buffer> {
  const { hostname, port } = new URL(base);
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect(Number(port), hostname);
    socket.write("GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.on("error", () => {});
    socket.on("close", () => resolve(Buffer.concat(chunks)));
  });
}
