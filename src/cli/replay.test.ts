import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { demoAgent, demoModel } from "../ai/index.ts";
import type { StreamEvent } from "../events.ts";
import { createHub, type Hub, type Run } from "../hub.ts";
import { recordingLine } from "../recording.ts";
import { type Listening, listen } from "../server/listen.ts";
import { memoryStore } from "../stores/memory.ts";
import { noTerminal, runlog, runlogOnTerminal } from "./cli.fixture.ts";
import { Screen } from "./screen.fixture.ts";

let hub: Hub;
let server: Listening;
let url: string;
let folder: string;

beforeAll(async () => {
  const model = demoModel({ firstTokenMs: 0, tokensPerSecond: Number.POSITIVE_INFINITY });
  hub = await createHub({ store: memoryStore(), agents: [demoAgent({ model })] });
  server = await listen({ hub, port: 0 });
  url = server.url;
  folder = mkdtempSync(join(tmpdir(), "runlog-replay-"));
});

afterAll(async () => {
  await server.stop(0);
  rmSync(folder, { recursive: true });
});

let files = 0;

/** A file with a recording of events at these times, in ms. */
function recorded(...events: readonly [number, StreamEvent][]): string {
  const path = join(folder, `${files++}.jsonl`);
  const lines = events.map(([at, event], index) => recordingLine({ seq: index + 1, at, event }));
  writeFileSync(path, `${lines.join("\n")}\n`);
  return path;
}

const eventsOf = async (run: Run) => (await run.log.entries()).map(({ event }) => event);
const idIn = (stderr: string) => /^run (\S+)$/m.exec(stderr)?.[1] ?? "";

const started: StreamEvent = { type: "run.started", v: 1, agent: "demo", input: "hello", tags: ["kept"] };
const finished: StreamEvent = { type: "run.finished", cost: 0 };
const delta = (text: string): StreamEvent => ({ type: "text.delta", id: "1", text });
const said: StreamEvent[] = [
  { type: "text.started", id: "1" },
  delta("one"),
  delta("two"),
  { type: "text.finished", id: "1" },
];
const asked: StreamEvent = {
  type: "approval.requested",
  approvalId: "a",
  callId: "c",
  name: "rm",
  input: {},
};
const answered: StreamEvent = { type: "input.approval", approvalId: "a", approved: true, by: "eve" };
const heard: StreamEvent = {
  type: "input.message",
  message: { id: "m", role: "user", parts: [{ type: "text", text: "more" }] },
};
/** What happens at once. */
const atOnce = (...events: StreamEvent[]) => events.map((event): [number, StreamEvent] => [5, event]);

describe("replay", () => {
  test("[F100] plays a recorded run as a new one, entry for entry, and shows it as it comes", async () => {
    const { run } = await hub.start({ input: "What is 17% of 2340, and what time is it?" });
    await run.ended();
    await using exported = runlog(["export", run.id], { url });
    expect(await exported.ended).toBe(0);
    await using child = runlog(["replay", "-", "--speed", "max"], { url, stdin: exported.stdout });
    expect(await child.ended).toBe(0);
    const again = hub.run(idIn(child.stderr));
    expect(child.entries.map(({ event }) => event)).toEqual(await eventsOf(again));
    expect((await eventsOf(again)).slice(1)).toEqual((await eventsOf(run)).slice(1));
    const { agent, title, usage, cost } = await again.info();
    expect(agent).toBeNull();
    expect({ title, usage, cost }).toEqual({ title: expect.any(String), usage, cost });
    expect([title, usage, cost]).toEqual(
      await run.info().then((info) => [info.title, info.usage, info.cost]),
    );
  });

  test("sends what happened at once in as many parts as the server's limit asks for", async () => {
    // Together they are over 1 MiB, each is not; and in UTF-8 they are longer than in characters.
    const events = [started, delta("€".repeat(80_000)), delta("x".repeat(900_000)), finished];
    await using child = runlog(["replay", recorded(...atOnce(...events)), "--speed", "max"], { url });
    expect([await child.ended, child.stderr]).toEqual([0, expect.stringMatching(/^run \S+\n$/)]);
  });

  test("[F20] [F87] [F100] plays what people said, too, and asks nobody", async () => {
    const events = [started, asked, answered, heard, ...said, finished];
    await using child = runlog(["replay", recorded(...atOnce(...events))], { url });
    expect(await child.ended).toBe(0);
    const again = await eventsOf(hub.run(idIn(child.stderr)));
    expect(again.slice(1)).toMatchObject(events.slice(1));
  });

  test("[F100] waits as long as it took, and Ctrl-C cancels it", async () => {
    const file = recorded([0, started], ...atOnce(...said), [3_600_000, finished]);
    await using child = runlog(["replay", file, "-o", "jsonl"], { url });
    await child.until("stdout", "text.finished");
    child.signal("SIGINT");
    expect(await child.ended).toBe(5);
    const run = hub.run(idIn(child.stderr));
    expect((await run.info()).status).toBe("cancelled");
  });

  test("[F100] goes faster if it is told to", async () => {
    // At its own speed it would take longer than any test may.
    const file = recorded([0, started], [3_600_000, delta("one")], [7_200_000, finished]);
    await using child = runlog(["replay", file, "--speed", "7200000"], { url });
    expect(await child.ended).toBe(0);
  });

  test("ends as the run ended", async () => {
    const failed: StreamEvent = { type: "run.failed", code: "no_paper", message: "none", cost: null };
    const cancelled: StreamEvent = { type: "run.cancelled", reason: "enough", cost: 0 };
    await using three = runlog(["replay", recorded(...atOnce(started, failed))], { url });
    await using five = runlog(
      ["replay", recorded(...atOnce(started, { type: "input.cancel", reason: "enough" }, cancelled))],
      { url },
    );
    await using cut = runlog(["replay", recorded(...atOnce(started, ...said.slice(0, 2)))], { url });
    expect([await three.ended, await five.ended, await cut.ended]).toEqual([3, 5, 3]);
    expect(three.error.message).toContain("no_paper: none");
    expect((await eventsOf(hub.run(idIn(five.stderr)))).at(-1)).toMatchObject(cancelled);
    expect((await eventsOf(hub.run(idIn(cut.stderr)))).slice(-2)).toMatchObject([
      { type: "text.finished", interrupted: true },
      { type: "run.failed", code: "producer_lost" },
    ]);
  });

  test.each([
    [["replay"], "usage"],
    [["replay", "no-such-file"], "usage"],
    [["replay", "no-such-file", "--speed", "fast"], "usage"],
    [["replay", "no-such-file", "--speed", "0"], "usage"],
    [["replay", "package.json"], "invalid_request"],
    [["import", "package.json"], "invalid_request"],
  ])("%j exits 2 with one line of JSON on stderr, and starts nothing", async (args, code) => {
    const before = (await hub.list({ limit: 500 })).runs.length;
    await using child = runlog(args, { url });
    expect(await child.ended).toBe(2);
    expect(child.error.code).toBe(code);
    expect((await hub.list({ limit: 500 })).runs.length).toBe(before);
  });

  test("a server that goes away ends it with what went wrong", async () => {
    await using own = await createHub({ store: memoryStore() });
    const gone = await listen({ hub: own, port: 0 });
    const file = recorded([0, started], [5, delta("one")], [3_600_000, finished]);
    await using child = runlog(["replay", file, "--speed", "1"], { url: gone.url });
    await child.until("stdout", "text.delta");
    await gone.stop(0);
    await child.until("stderr", "reconnecting");
    child.signal("SIGINT");
    expect(await child.ended).not.toBe(0);
  });
});

describe("import", () => {
  test("[F100] keeps a run of another server, entry for entry, and prints its id", async () => {
    await using other = await createHub({ store: memoryStore() });
    await using there = await listen({ hub: other, port: 0 });
    const { run } = await hub.start({ input: "What is 17% of 2340?", thread: "talk", tags: ["kept"] });
    await run.ended();
    await using exported = runlog(["export", run.id], { url });
    expect(await exported.ended).toBe(0);
    await using imported = runlog(["import", "-", "-o", "text"], { url: there.url, stdin: exported.stdout });
    expect(await imported.ended).toBe(0);
    const kept = other.run(imported.stdout.trim());
    const lines = async (each: Run) => (await each.log.entries()).map(recordingLine);
    expect(await lines(kept)).toEqual(await lines(run));
    const { thread, tags, status, title } = await kept.info();
    expect({ thread, tags, status, title }).toEqual({
      thread: "talk",
      tags: ["kept"],
      status: "finished",
      title: "What is 17% of 2340?",
    });
  });

  test("says of a recording that stops early how it is ended, and tells the run as JSON", async () => {
    await using child = runlog(["import", recorded([0, started], [5, said[0]!])], { url });
    expect(await child.ended).toBe(0);
    expect(child.stderr).toContain("stops before the end");
    expect(JSON.parse(child.stdout)).toMatchObject({ status: "failed", error: { code: "producer_lost" } });
  });

  test("takes more than a request can hold", async () => {
    const many = Array.from(
      { length: 1_200 },
      (_, data): StreamEvent => ({ type: "custom", name: "app.n", data }),
    );
    const long = Array.from(
      { length: 6 },
      (): StreamEvent => ({ type: "custom", name: "app.long", data: "x".repeat(300_000) }),
    );
    await using child = runlog(
      ["import", recorded(...atOnce(started, ...many, ...long, finished)), "-o", "text"],
      { url },
    );
    expect(await child.ended).toBe(0);
    expect(await eventsOf(hub.run(child.stdout.trim()))).toHaveLength(1_208);
  });
});

describe.skipIf(noTerminal)(`on a terminal${noTerminal ? ` (${noTerminal})` : ""}`, () => {
  test("[F100] a replay looks as the run did", async () => {
    const file = recorded(...atOnce(started, ...said, asked, answered, finished));
    await using child = runlogOnTerminal(["replay", file], { url });
    expect(await child.ended).toBe(0);
    expect(new Screen().write(child.stdout).text.split("\n").slice(1)).toEqual([
      "> hello",
      "onetwo",
      "? waits for approval: rm {}",
      "approved by eve",
      expect.stringMatching(/^finished · /),
    ]);
  });
});
