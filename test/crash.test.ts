import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { startChild } from "./support/child.ts";
import { crashRound, type EndedEvidence, endedProblems, keptProblems } from "./support/crash-round.ts";
import { openEvents } from "./support/events-connection.ts";
import { get, post } from "./support/post.ts";
import { frameProblems, logProblems } from "./support/problems.ts";
import { readLog } from "./support/read-log.ts";
import { type Random, seeded, seedFor } from "./support/seed.ts";
import type { ServerOptions } from "./support/server.ts";
import { type ServerProcess, startServer } from "./support/start-server.ts";
import { tempFolder } from "./support/temp-folder.ts";
import { watchRun } from "./support/watch-run.ts";

interface Outcome {
  readonly problems: string[];
  readonly evidence: readonly EndedEvidence[];
  readonly rounds: number;
}

/** Rounds on one file, so that the logs pile up, until something is wrong. */
async function crash(rounds: number, random: Random, plant?: ServerOptions["plant"]): Promise<Outcome> {
  await using folder = await tempFolder();
  // The index is written all the time, so that the kill may come in the middle of that too.
  const options = { file: folder.file("crash.db"), indexEvery: 500, ...(plant && { plant }) };
  let server: ServerProcess | undefined;
  const start = async (): Promise<ServerProcess> => {
    // Sometimes it is killed again while it opens the file and ends what was lost.
    if (plant === undefined && random.chance(0.3)) {
      await using doomed = startChild("server.ts", options);
      await doomed.alive;
    }
    server = await startServer(options);
    return server;
  };
  let evidence: readonly EndedEvidence[] = [];
  const hashes = new Map<string, string>();
  try {
    let current = await start();
    for (let round = 1; round <= rounds; round++) {
      const outcome = await crashRound(current, start, seeded(random.between(1, 2 ** 30)));
      current = outcome.server;
      evidence = outcome.evidence;
      const problems = outcome.problems.map((problem) => `Round ${round}, SEED=${random.seed}: ${problem}`);
      if (problems.length > 0) return { problems, evidence, rounds: round };
      for (const { run, log } of evidence) hashes.set(run, hashOf(log.map(({ frame }) => frame)));
    }
    // None of the rounds has hurt what an earlier one left.
    const problems: string[] = [];
    for (const [run, hash] of hashes) {
      const log = await readLog(current.url, run);
      if (hashOf(log.map(({ frame }) => frame)) !== hash) problems.push(`Run ${run} has changed`);
    }
    return { problems, evidence, rounds };
  } finally {
    await server?.[Symbol.asyncDispose]();
  }
}

const hashOf = (frames: readonly string[]) => createHash("sha256").update(frames.join("\n\n")).digest("hex");

test("kill -9 of the server while 8 runs stream, 50 rounds: nothing that was answered to an outside producer or seen by a viewer is lost, doubled or reordered, and every run ends with exactly one terminal event after restart", async () => {
  const { problems, rounds } = await crash(50, seedFor("kill -9"));
  expect(problems).toEqual([]);
  expect(rounds).toBe(50);
}, 180_000);

test.for([
  ["early-ack", "answers before it commits"],
  ["lost-batch", "answers and then forgets one batch in twenty"],
  ["no-recovery", "leaves the runs of its dead process open"],
] as const)("a server that %s: %s, and the same check says so", async ([plant]) => {
  const { problems } = await crash(3, seedFor(`kill -9, ${plant}`), plant);
  expect(problems.join("\n")).toMatch(
    plant === "no-recovery" ? /The dead agent's run ends with/ : /Acknowledged as entries|Frame \d+ is/,
  );
});

test("a frame or an event that is lost, doubled, changed or out of order in any of the accounts of a round is a problem", async () => {
  const { problems, evidence } = await crash(1, seedFor("spoilt evidence"));
  expect(problems).toEqual([]);
  for (const each of evidence) {
    const { log, kept, watched, seen } = each;
    const spoil = <Item>(items: readonly Item[]): Item[][] => {
      const middle = Math.floor(items.length / 2);
      return [
        items.toSpliced(middle, 1),
        items.toSpliced(middle, 0, items[middle]!),
        items.toSpliced(middle - 1, 2, items[middle]!, items[middle - 1]!),
      ];
    };
    expect(keptProblems(each)).toEqual([]);
    expect(endedProblems(each)).toEqual([]);
    for (const spoilt of spoil(log)) expect(endedProblems({ ...each, log: spoilt })).not.toEqual([]);
    for (const spoilt of [...spoil(watched[0]!), watched[0]!.slice(0, -1)]) {
      expect(endedProblems({ ...each, watched: [spoilt] })).not.toEqual([]);
    }
    for (const spoilt of spoil(kept)) expect(keptProblems({ ...each, kept: spoilt })).not.toEqual([]);
    expect(endedProblems({ ...each, log: [...log, log.at(-1)!] })).not.toEqual([]);
    expect(keptProblems({ ...each, seen: [[...seen[0]!, "id: 1-1\ndata: {}"]] })).not.toEqual([]);
    if (each.by === "producer") {
      const early = kept.slice(0, each.acknowledged.at(-1)!.last - 1);
      expect(keptProblems({ ...each, kept: early, seen: [] })).not.toEqual([]);
    }
  }
});

test("SIGTERM: no new runs, those at work get their time, the others end as server_stopped, and what waits or is written elsewhere stays open [F89]", async () => {
  await using folder = await tempFolder();
  const file = folder.file("drain.db");
  await using server = await startServer({ file, drainMs: 1_000 });
  const { url } = server;
  const start = async (agent: string | null, input: object = {}) =>
    (await post(`${url}/runs`, { agent, input: JSON.stringify(input) })).body.run as string;
  const ends = await start("gated-bulk", { events: 3, size: 10 });
  const goesOn = await start("script", { seed: 1, events: 1e9 });
  const waits = await start("asks");
  const elsewhere = await start(null);
  await expect.poll(async () => (await get(`${url}/runs/${waits}`)).body.status).toBe("waiting");
  const runs = [ends, goesOn, waits, elsewhere];
  const viewers = await Promise.all(runs.map((run) => openEvents(url, run)));
  const seen = viewers.map((viewer) => Array.fromAsync(viewer));
  // Both have begun before the signal, and are finished after it.
  const newRun = await halfRequest(url, "/runs", { agent: null });
  const message = await halfRequest(url, `/runs/${ends}/input`, { type: "input.message", message: "go" });

  server.process.kill("SIGTERM");
  // Who balances load is told to go elsewhere, while those who are here are still served.
  await expect.poll(() => fetch(`${url}/health`).then(({ status }) => status), { timeout: 5_000 }).toBe(503);
  expect(await newRun.finish()).toMatch(/^HTTP\/1\.1 503 [\s\S]*"code":"stopping"/);
  expect(await message.finish()).toMatch(/^HTTP\/1\.1 202 /);
  expect(await server.exited).toBe(0);
  // No viewer was cut off: each response came to its own end.
  const frames = await Promise.all(seen);
  expect(frames[0]!.at(-1)!.data).toContain('"run.finished"');

  await using again = await startServer({ file });
  const logs = await Promise.all(runs.map((run) => readLog(again.url, run)));
  for (const [index, log] of logs.entries()) {
    // What each had seen is the beginning of what there is.
    const got = frames[index]!.map(({ raw }) => raw);
    expect(
      frameProblems(
        got,
        log.slice(0, got.length).map(({ frame }) => frame),
      ),
    ).toEqual([]);
  }
  expect(logProblems(logs[0]!)).toEqual([]);
  expect(logProblems(logs[1]!)).toEqual([]);
  expect(logs[0]!.at(-1)!.event.type).toBe("run.finished");
  expect(logs[1]!.at(-1)!.event).toMatchObject({ type: "run.failed", code: "server_stopped" });
  expect((await get(`${again.url}/runs/${waits}`)).body.status).toBe("waiting");
  expect((await get(`${again.url}/runs/${elsewhere}`)).body.status).toBe("running");
  // Both go on as if nothing had been.
  const answer = { type: "input.approval", approvalId: "a", approved: true };
  expect((await post(`${again.url}/runs/${waits}/input`, answer)).status).toBe(202);
  expect((await post(`${again.url}/runs/${elsewhere}/events`, { type: "run.finished" })).status).toBe(200);
  for (const run of [waits, elsewhere]) {
    await watchRun({ base: () => again.url, run });
    const log = await readLog(again.url, run);
    expect(logProblems(log)).toEqual([]);
    expect(log.at(-1)!.event.type).toBe("run.finished");
  }
});

/** A request that has come to the server but for the end of its body. */
async function halfRequest(base: string, path: string, body: object): Promise<{ finish(): Promise<string> }> {
  const { hostname, port } = new URL(base);
  const text = JSON.stringify(body);
  const socket = connect(Number(port), hostname);
  const head = [
    "host: localhost",
    "content-type: application/json",
    `content-length: ${text.length}`,
    "expect: 100-continue",
  ];
  socket.write(`POST ${path} HTTP/1.1\r\n${head.join("\r\n")}\r\n\r\n`);
  // The server says so once it has read the head.
  const [go] = (await once(socket, "data")) as [Buffer];
  if (!go.toString().startsWith("HTTP/1.1 100 ")) throw new Error(`Answered too early: ${go}`);
  socket.write(text.slice(0, 1));
  return {
    async finish() {
      socket.write(text.slice(1));
      const chunks: Buffer[] = [];
      for await (const chunk of socket as AsyncIterable<Buffer>) {
        chunks.push(chunk);
        if (Buffer.concat(chunks).includes("}")) break;
      }
      return Buffer.concat(chunks).toString();
    },
  };
}
