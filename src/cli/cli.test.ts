import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AgentStream, RunContext } from "../agent.ts";
import type { StoredEntry } from "../batch.ts";
import type { StreamEvent } from "../events.ts";
import { createHub, type Hub } from "../hub.ts";
import { type Listening, listen } from "../server/listen.ts";
import { memoryStore } from "../stores/memory.ts";
import { Child, noTerminal, openDoor, runlog, runlogOnTerminal } from "./cli.fixture.ts";
import { Screen } from "./screen.fixture.ts";

/** Lets the agent `patient` go on. */
let letGo: () => void = () => {};
let gate: Promise<void> = Promise.resolve();

async function* talker({ input }: RunContext): AgentStream {
  yield { type: "text.started", id: "1" };
  yield { type: "text.delta", id: "1", text: `You said: ${String(input)}` };
  yield { type: "text.finished", id: "1" };
}

/** Says one thing, and another once it is let go; or stops when it is told to. */
async function* patient({ signal }: RunContext): AgentStream {
  gate = new Promise((resolve) => {
    letGo = resolve;
    signal.addEventListener("abort", () => resolve());
  });
  yield { type: "text.started", id: "1" };
  yield { type: "text.delta", id: "1", text: "before" };
  await gate;
  signal.throwIfAborted();
  yield { type: "text.delta", id: "1", text: "after" };
  yield { type: "text.finished", id: "1" };
}

// biome-ignore lint/correctness/useYield: it fails before it says anything
async function* failing(): AgentStream {
  throw Object.assign(new Error("no paper"), { code: "out_of_paper" });
}

async function* asking({ entries }: RunContext): AgentStream {
  const answer = entries.map(({ event }) => event).findLast((event) => event.type === "input.approval");
  if (!answer) {
    yield {
      type: "approval.requested",
      approvalId: "a1",
      callId: "c1",
      name: "send_email",
      input: { to: "ada" },
    };
    return;
  }
  yield { type: "text.started", id: "1" };
  yield { type: "text.delta", id: "1", text: answer.approved ? "sent" : "not sent" };
  yield { type: "text.finished", id: "1" };
}

const ATTACK = "one\x1b[2Jtwo\x1b]0;title\x07three\x9b31mfour\rfive\u202esix\u2066seven\x7feight\nnine\tten";

async function* hostile(): AgentStream {
  yield { type: "text.started", id: "1" };
  yield { type: "text.delta", id: "1", text: ATTACK };
  yield { type: "text.finished", id: "1" };
  yield { type: "tool.called", callId: "c", name: `${"\x1b[31m"}tool`, input: { text: ATTACK } };
  yield {
    type: "tool.failed",
    callId: "c",
    name: `${"\x1b[31m"}tool`,
    code: "bad",
    message: ATTACK,
    durationMs: 1,
  };
  throw new Error(ATTACK);
}

let hub: Hub;
let server: Listening;
let url: string;

beforeAll(async () => {
  hub = await createHub({ store: memoryStore(), agents: [talker, patient, failing, asking, hostile] });
  server = await listen({ hub, port: 0 });
  url = server.url;
});

afterAll(async () => {
  await server.stop(0);
});

async function start(agent: string, input = "hello"): Promise<string> {
  const { run } = await hub.start({ agent, input });
  return run.id;
}

/** The log as lines of text, as every command must print it. */
async function logOf(run: string, of = hub): Promise<string> {
  const entries: readonly StoredEntry[] = await of.run(run).log.entries();
  return entries.map(({ seq, at, json }) => `{"seq":${seq},"at":${at},"event":${json}}\n`).join("");
}

/** Until the log of a run holds an event that is asked for. */
async function untilEvent(run: string, found: (event: StreamEvent) => boolean): Promise<void> {
  for await (const { entries } of hub.run(run).follow()) {
    if (entries?.some(({ event }) => found(event))) return;
  }
}

const said = (text: string) => (event: StreamEvent) => event.type === "text.delta" && event.text === text;

describe("run", () => {
  test("[F121] prints each entry when it comes, and in the end the log line by line", async () => {
    await using child = runlog(["run", "--agent", "patient", "hello"], { url });
    await child.until("stdout", "before");
    expect(child.stdout).not.toContain("run.finished");
    letGo();
    expect(await child.ended).toBe(0);
    const run = /^run (\S+)$/m.exec(child.stderr)?.[1] ?? "";
    expect(child.stdout).toBe(await logOf(run));
    expect(child.entries.at(-1)?.event.type).toBe("run.finished");
  });

  test("takes its question from words, from stdin, and from stdin where the question is -", async () => {
    await using words = runlog(["run", "-o", "text", "two", "words"], { url });
    await using piped = runlog(["run", "-o", "text"], { url, stdin: "from a file\n" });
    await using dash = runlog(["run", "-o", "text", "-"], { url, stdin: "by a dash\n" });
    await using flag = runlog(["run", "-o", "text", "--", "-1 + 1"], { url });
    expect([await words.ended, await piped.ended, await dash.ended, await flag.ended]).toEqual([0, 0, 0, 0]);
    expect(words.stdout).toBe("You said: two words\n");
    expect(piped.stdout).toBe("You said: from a file\n");
    expect(dash.stdout).toBe("You said: by a dash\n");
    expect(flag.stdout).toBe("You said: -1 + 1\n");
  });

  test("refuses to start without a question", async () => {
    await using child = runlog(["run"], { url, stdin: " \n" });
    expect(await child.ended).toBe(2);
    expect(child.error.message).toContain("stdin is empty");
  });

  test("[F52] with --detach prints the id alone and leaves the run running", async () => {
    await using child = runlog(["run", "-d", "--agent", "patient", "hello"], { url });
    expect(await child.ended).toBe(0);
    const run = child.stdout.trim();
    expect(child.stdout).toBe(`${run}\n`);
    await untilEvent(run, said("before"));
    expect((await hub.run(run).info()).status).toBe("running");
    letGo();
    expect((await hub.run(run).ended()).status).toBe("finished");
  });

  test("exits 3 when the run fails, and says why", async () => {
    await using child = runlog(["run", "--agent", "failing", "hello"], { url });
    expect(await child.ended).toBe(3);
    expect(child.entries.at(-1)?.event.type).toBe("run.failed");
    expect(child.error).toMatchObject({ code: "run_failed", exit: 3 });
    expect(child.error.message).toContain("out_of_paper: no paper");
  });

  test("[F78] the first Ctrl-C cancels and shows the end, however often npx repeats the signal", async () => {
    await using child = runlog(["run", "--agent", "patient", "hello"], { url });
    await child.until("stdout", "before");
    child.signal("SIGINT");
    child.signal("SIGINT");
    expect(await child.ended).toBe(5);
    expect(child.entries.at(-1)?.event.type).toBe("run.cancelled");
    expect(child.stderr).toContain("cancelling");
    expect(child.error).toMatchObject({ code: "run_cancelled", exit: 5 });
  });

  test("[F52] the second Ctrl-C detaches, where the cancel takes its time", async () => {
    const entry = 'id: 1-a\ndata: {"seq":1,"at":0,"event":{"type":"status","status":"working"}}\n\n';
    const slow = createServer((request, response) => {
      if (!request.url?.endsWith("/events")) return response.end('{"run":"r1"}');
      response.writeHead(200, { "content-type": "text/event-stream" });
      return response.write(entry);
    }).listen(0, "127.0.0.1");
    await once(slow, "listening");
    const { port } = slow.address() as AddressInfo;
    await using child = runlog(["run", "hello"], { url: `http://127.0.0.1:${port}` });
    await child.until("stdout", "working");
    child.signal("SIGINT");
    await child.until("stderr", "cancelling");
    // Pressed slower than a signal is repeated by npx, until it is heard.
    const pressing = setInterval(() => child.signal("SIGINT"), 300);
    expect(await child.ended).toBe(130);
    clearInterval(pressing);
    expect(child.error.message).toBe("detached from run r1: it may still be cancelling");
    expect(child.error.hint).toContain("follow r1 --from 1-a");
    slow.closeAllConnections();
    slow.close();
  });

  test("[F52] SIGTERM detaches and leaves the run running", async () => {
    await using child = runlog(["run", "-o", "text", "--agent", "patient", "hello"], { url });
    await child.until("stderr", "\n");
    const run = /^run (\S+)$/m.exec(child.stderr)?.[1] ?? "";
    await using other = runlog(["follow", run], { url });
    await other.until("stdout", "before");
    child.signal("SIGTERM");
    expect(await child.ended).toBe(130);
    expect((await hub.run(run).info()).status).toBe("running");
    letGo();
    await hub.run(run).ended();
  });

  test("exits 8 where an approval is needed and nobody can be asked", async () => {
    await using child = runlog(["run", "--agent", "asking", "hello"], { url });
    expect(await child.ended).toBe(8);
    expect(child.error).toMatchObject({ code: "waiting", exit: 8 });
    expect(child.error.message).toContain("send_email");
    const run = /^run (\S+)$/m.exec(child.stderr)?.[1] ?? "";
    expect((await hub.run(run).info()).status).toBe("waiting");
    // What it tells to do works.
    const curl = child.error.hint?.split("or: ")[1] ?? "";
    const [code] = await once(spawn("sh", ["-c", `${curl} --silent --fail`]), "close");
    expect(code).toBe(0);
    expect((await hub.run(run).ended()).status).toBe("finished");
  });
});

describe("follow", () => {
  test("replays the newest run and ends with it", async () => {
    const run = await start("talker");
    await hub.run(run).ended();
    await using child = runlog(["follow"], { url });
    expect(await child.ended).toBe(0);
    expect(child.stdout).toBe(await logOf(run));
  });

  test("[F52] Ctrl-C detaches, tells how to go on, and leaves the run running", async () => {
    const run = await start("patient");
    await using child = runlog(["follow", run], { url });
    await child.until("stdout", "before");
    child.signal("SIGINT");
    expect(await child.ended).toBe(130);
    expect((await hub.run(run).info()).status).toBe("running");
    letGo();
    await hub.run(run).ended();

    // [F54] The command it told shows the rest, and nothing twice.
    const words = (child.error.hint ?? "").split("runlog ")[1]?.split(" ") ?? [];
    await using rest = runlog(words, { url });
    expect(await rest.ended).toBe(0);
    expect(child.stdout + rest.stdout).toBe(await logOf(run));
  });

  test("[F54] goes on after the last entry when the connection is cut: nothing lost, nothing twice", async () => {
    const run = await start("patient");
    await using door = await openDoor(url);
    await using child = runlog(["follow", run], { url: door.url });
    await child.until("stdout", "before");
    door.cut();
    await child.until("stderr", "connected again");
    door.cut();
    letGo();
    expect(await child.ended).toBe(0);
    expect(child.stdout).toBe(await logOf(run));
    expect(child.stderr).toContain("reconnecting (1) in ");
  });

  test("[F54] goes on when the server comes back", async () => {
    const store = memoryStore();
    await using first = await createHub({ store, agents: [] });
    const one = await listen({ hub: first, port: 0 });
    const { run } = await first.start({ agent: null, input: "hello" });
    await run.append([
      { type: "text.started", id: "1" },
      { type: "text.delta", id: "1", text: "before" },
    ]);
    await using child = runlog(["follow", run.id], { url: one.url });
    await child.until("stdout", "before");
    await one.stop(0);
    await using second = await createHub({ store, agents: [] });
    await second
      .run(run.id)
      .append([
        { type: "text.delta", id: "1", text: "after" },
        { type: "text.finished", id: "1" },
        { type: "run.finished" },
      ]);
    await using _two = await listen({ hub: second, port: Number(new URL(one.url).port) });
    expect(await child.ended).toBe(0);
    expect(child.stdout).toBe(await logOf(run.id, second));
  });

  test("begins where --from says", async () => {
    const run = await start("patient");
    await untilEvent(run, said("before"));
    const [, second] = await hub.run(run).log.entries();
    await using late = runlog(["follow", run, "--from", "now"], { url });
    await using some = runlog(["follow", run, "--from", second!.cursor], { url });
    await some.until("stdout", "before");
    // Nothing says that the other one follows already: what it must not show is there either way.
    letGo();
    expect([await late.ended, await some.ended]).toEqual([0, 0]);
    expect(some.entries[0]?.seq).toBe(3);
    expect(late.stdout).not.toContain("before");
    await using nothing = runlog(["follow", run, "--from", "now"], { url });
    expect(await nothing.ended).toBe(0);
    expect(nothing.stdout).toBe("");
    await using wrong = runlog(["follow", run, "--from", "yesterday"], { url });
    expect(await wrong.ended).toBe(2);
    expect(wrong.error.code).toBe("invalid_cursor");
  });

  test("exits as the run ended, also where nothing is left to show", async () => {
    const failed = await start("failing");
    await hub.run(failed).ended();
    await using whole = runlog(["follow", failed], { url });
    await using rest = runlog(["follow", failed, "--from", "now"], { url });
    expect([await whole.ended, await rest.ended]).toEqual([3, 3]);
  });

  test("is silent and exits 0 when its reader has gone", async () => {
    const run = await start("talker");
    await hub.run(run).ended();
    const main = fileURLToPath(new URL("main.ts", import.meta.url));
    const line = `"${process.execPath}" "${main}" follow ${run} | head -1; echo "\${PIPESTATUS[0]}"`;
    await using child = new Child("bash", ["-c", line], { url });
    expect(await child.ended).toBe(0);
    expect(child.lines).toEqual([(await logOf(run)).split("\n")[0], "0"]);
    expect(child.stderr).toBe("");
  });

  test.skipIf(!existsSync("/dev/full"))("says in one line that its output cannot be written", async () => {
    const run = await start("talker");
    await hub.run(run).ended();
    const main = fileURLToPath(new URL("main.ts", import.meta.url));
    const line = `"${process.execPath}" "${main}" follow ${run} > /dev/full`;
    await using child = new Child("bash", ["-c", line], { url });
    expect(await child.ended).toBe(1);
    expect(child.error).toMatchObject({ code: "output_failed", message: expect.stringContaining("ENOSPC") });
    expect(child.stderr.trim().split("\n")).toHaveLength(1);
  });

  test("a token that no header can hold is not called a server that is gone, and is not shown", async () => {
    await using child = runlog(["ls", "--token", "secret\nline"], { url });
    expect(await child.ended).toBe(2);
    expect(child.error.code).toBe("usage");
    expect(child.stderr).not.toContain("secret");
  });
});

describe("ls, show, cancel, export", () => {
  test("ls prints a run per line, as many as asked for, and only those asked for", async () => {
    const runs = [await start("talker", "one"), await start("talker", "two"), await start("failing")];
    for (const run of runs) await hub.run(run).ended();
    await using all = runlog(["ls", "--limit", "2"], { url });
    await using failed = runlog(["ls", "--status", "failed", "--agent", "failing", "--limit", "1"], { url });
    await using ids = runlog(["ls", "-o", "text", "--limit", "3"], { url });
    await using array = runlog(["ls", "-o", "json", "--limit", "3"], { url });
    expect([await all.ended, await failed.ended, await ids.ended, await array.ended]).toEqual([0, 0, 0, 0]);
    expect(all.lines).toHaveLength(2);
    expect(JSON.parse(failed.lines[0] ?? "")).toMatchObject({ run: runs[2], status: "failed" });
    expect(ids.lines.toSorted()).toEqual(runs.toSorted());
    expect(JSON.parse(array.stdout)).toHaveLength(3);
  });

  test("show prints one object with the last words, or the words alone", async () => {
    const run = await start("talker", "words");
    await hub.run(run).ended();
    await using object = runlog(["show", run], { url });
    await using words = runlog(["show", run, "-o", "text"], { url });
    expect([await object.ended, await words.ended]).toEqual([0, 0]);
    expect(object.lines).toHaveLength(1);
    expect(JSON.parse(object.stdout)).toMatchObject({ run, status: "finished", text: "You said: words" });
    expect(words.stdout).toBe("You said: words\n");
  });

  test("[F78] cancel ends a run with the reason", async () => {
    const run = await start("patient");
    await untilEvent(run, said("before"));
    await using child = runlog(["cancel", run, "--reason", "wrong question"], { url });
    expect(await child.ended).toBe(0);
    expect(await hub.run(run).ended()).toMatchObject({ status: "cancelled" });
    expect((await hub.run(run).log.last())?.event).toMatchObject({ reason: "wrong question" });
  });

  test("export prints the whole log, also a long one, and that of a run which has not ended", async () => {
    const { run } = await hub.start({ agent: null, input: "hello" });
    for (let round = 0; round < 5; round++) {
      const events = Array.from({ length: 500 }, (_, index) => ({
        type: "custom" as const,
        name: "app.thing",
        data: `${round}-${index}`,
      }));
      await run.append(events);
    }
    await using open = runlog(["export", run.id], { url });
    expect(await open.ended).toBe(0);
    expect(open.stdout).toBe(await logOf(run.id));
    expect(open.stderr).toContain("has not ended");
    await run.append([{ type: "run.finished" }]);
    await using ended = runlog(["export", run.id], { url });
    expect(await ended.ended).toBe(0);
    expect(ended.stdout).toBe(await logOf(run.id));
    expect(ended.entries).toHaveLength(2502);
    expect(ended.stderr).toBe("");
  });

  test("a run is found by a beginning that no other has", async () => {
    await hub.start({ agent: "talker", input: "hello", id: "tea-green" });
    await hub.start({ agent: "talker", input: "hello", id: "tea-black" });
    await using found = runlog(["show", "tea-g"], { url });
    await using twice = runlog(["show", "tea-"], { url });
    await using none = runlog(["show", "tea-white"], { url });
    expect([await found.ended, await twice.ended, await none.ended]).toEqual([0, 2, 6]);
    expect(JSON.parse(found.stdout).run).toBe("tea-green");
    expect(twice.error.message).toContain("tea-black");
    expect(none.error).toMatchObject({ code: "run_not_found", exit: 6 });
  });
});

describe("exit codes and errors", () => {
  test.each([
    [["ls", "--colour"], 2, "usage"],
    [["ls", "--limit", "many"], 2, "usage"],
    [["ls", "--status", "odd"], 2, "invalid_request"],
    [["ls", "-o", "yaml"], 2, "usage"],
    [["follow", "one", "two"], 2, "usage"],
    [["show"], 2, "usage"],
    [["folow"], 2, "usage"],
    [["ls", "--url", "ftp://example.com"], 2, "usage"],
    [["show", "no-such-run"], 6, "run_not_found"],
    [["run", "--agent", "nobody", "hello"], 6, "agent_not_found"],
    [["show", "not an id"], 2, "invalid_id"],
  ])("%j exits %i with one line of JSON on stderr", async (args, exit, code) => {
    await using child = runlog(args, { url });
    expect(await child.ended).toBe(exit);
    expect(child.stdout).toBe("");
    expect(child.stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(child.error).toMatchObject({ code, exit });
  });

  test("a server that is not there is exit 7 with the way out", async () => {
    await using door = await openDoor(url);
    await door[Symbol.asyncDispose]();
    await using child = runlog(["ls"], { url: door.url });
    expect(await child.ended).toBe(7);
    expect(child.error).toMatchObject({ code: "unreachable", exit: 7 });
    expect(child.error.message).toContain(`${door.url} (ECONNREFUSED)`);
    expect(child.error.hint).toContain("runlog serve");
  });

  test("a token is sent from the environment, and its absence is exit 4", async () => {
    await using own = await createHub({ store: memoryStore(), agents: [talker] });
    await using guarded = await listen({ hub: own, port: 0, token: "secret" });
    await using without = runlog(["ls"], { url: guarded.url });
    await using given = runlog(["run", "-o", "text", "hello"], {
      url: guarded.url,
      env: { RUNLOG_TOKEN: "secret" },
    });
    expect([await without.ended, await given.ended]).toEqual([4, 0]);
    expect(without.error.hint).toContain("RUNLOG_TOKEN");
    expect(given.stdout).toBe("You said: hello\n");
  });

  test("help is data: it goes to stdout without colours, and names the exit codes", async () => {
    await using overview = runlog(["--help"]);
    await using one = runlog(["run", "--help"]);
    await using codes = runlog(["help", "exit-codes"]);
    await using version = runlog(["--version"]);
    expect([await overview.ended, await one.ended, await codes.ended, await version.ended]).toEqual([
      0, 0, 0, 0,
    ]);
    expect(overview.stdout).toContain("follow");
    expect(one.stdout).toContain("--no-input");
    for (const exit of [0, 1, 2, 3, 4, 5, 6, 7, 8, 130])
      expect(codes.stdout).toMatch(new RegExp(`^ +${exit} `, "m"));
    expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(overview.stdout + one.stdout + codes.stdout).not.toContain("\x1b");
  });

  test("client commands load neither the server, nor a store, nor the AI SDK", async () => {
    const hooks = `import { registerHooks } from "node:module";
      registerHooks({ load: (url, context, next) => { process._rawDebug(url); return next(url, context); } });`;
    const node = ["--import", `data:text/javascript,${encodeURIComponent(hooks)}`];
    for (const args of [["ls"], ["follow", await start("talker")], ["show", "last"], ["run", "hello"]]) {
      await using child = runlog(args, { url, node });
      expect(await child.ended).toBe(0);
      expect(child.stderr).toContain("/cli/main.ts");
      expect(child.stderr).not.toMatch(
        /sqlite|\/node_modules\/(ai|hono|@hono)\/|\/src\/(ai|server|stores|hub)/,
      );
    }
  });
});

describe.skipIf(noTerminal)(`on a terminal${noTerminal ? ` (${noTerminal})` : ""}`, () => {
  test("[F121] a run is shown as it goes, with colours and a last line that sums up", async () => {
    await using child = runlogOnTerminal(["run", "--agent", "patient", "hello"], { url });
    await child.until("stdout", "before");
    expect(child.stdout).not.toContain("finished");
    letGo();
    expect(await child.ended).toBe(0);
    expect(new Screen().write(child.stdout).text).toContain("\nbeforeafter\nfinished");
    expect(child.stdout).toContain("\x1b[32mfinished");
    expect(child.stdout).not.toContain('{"seq"');
  });

  test("a live line tells how far the run is, and nothing of it is left in the end", async () => {
    await using child = runlogOnTerminal(["run", "--agent", "patient", "hello"], { url });
    // Drawn below the text, which goes on where it was.
    await child.until("stdout", "before\r\r\n\x1b[2K");
    await child.until("stdout", "~2 tokens");
    await child.until("stdout", "s\x1b[22m");
    expect(new Screen().write(child.stdout).text).toMatch(/\nbefore\n~2 tokens · .*s$/);
    letGo();
    expect(await child.ended).toBe(0);
    const lines = new Screen().write(child.stdout).text.split("\n");
    expect(lines.slice(1)).toEqual(["> hello", "beforeafter", expect.stringMatching(/^finished · /)]);
  });

  test("NO_COLOR is honoured", async () => {
    await using child = runlogOnTerminal(["run", "hello"], { url, env: { NO_COLOR: "1" } });
    expect(await child.ended).toBe(0);
    expect(child.stdout).toContain("You said: hello");
    expect(child.stdout).not.toContain("\x1b");
  });

  test("text from models and tools cannot control the terminal, in any format", async () => {
    const run = await start("hostile", ATTACK);
    await hub.run(run).ended();
    for (const args of [
      ["follow", run],
      ["follow", run, "-o", "text"],
      ["follow", run, "-o", "jsonl"],
      ["show", run],
      ["show", run, "-o", "json"],
      ["ls"],
      ["export", run],
    ]) {
      await using child = runlogOnTerminal(args, { url, env: { NO_COLOR: "1" } });
      expect(await child.ended).toBe(args[0] === "follow" ? 3 : 0);
      expect(child.stdout).toContain(args[0] === "ls" ? "one" : "nine");
      // The terminal itself writes CR LF.
      const text = child.stdout.replaceAll("\r\n", "\n").replaceAll("\n", "").replaceAll("\t", "");
      expect(text).not.toMatch(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
    }
    await using exact = runlogOnTerminal(["export", run], { url });
    await exact.ended;
    const texts = exact.entries.map(({ event }) => ("text" in event ? event.text : undefined));
    expect(texts).toContain(ATTACK);
  });

  test("an approval is asked for, and the answer makes the run go on", async () => {
    await using yes = runlogOnTerminal(["run", "--agent", "asking", "hello"], { url });
    await yes.until("stdout", "[y/n]");
    yes.type("perhaps\n");
    await yes.until("stdout", "perhaps");
    yes.type("y\n");
    expect(await yes.ended).toBe(0);
    expect(yes.stdout).toContain('Approve send_email {"to":"ada"}?');
    expect(yes.stdout).toMatch(/sent\r?\n/);

    await using no = runlogOnTerminal(["run", "--agent", "asking", "hello"], { url });
    await no.until("stdout", "[y/n]");
    no.type("n\n");
    expect(await no.ended).toBe(0);
    expect(no.stdout).toContain("not sent");
  });

  test("an approval that another viewer answers is not asked for any longer", async () => {
    await using child = runlogOnTerminal(["run", "--agent", "asking", "hello"], { url });
    await child.until("stdout", "[y/n]");
    const run = /run ([a-z0-9]{20})/.exec(child.stdout)?.[1] ?? "";
    await hub.run(run).send({ type: "input.approval", approvalId: "a1", approved: true, by: "eve" });
    expect(await child.ended).toBe(0);
    expect(child.stdout).toContain("approved by eve");
  });

  test("no answer at all is exit 8, and the run still waits", async () => {
    await using child = runlogOnTerminal(["run", "--agent", "asking", "hello"], { url });
    await child.until("stdout", "[y/n]");
    child.type("\x04");
    expect(await child.ended).toBe(8);
    const run = /run ([a-z0-9]{20})/.exec(child.stdout)?.[1] ?? "";
    expect((await hub.run(run).info()).status).toBe("waiting");
  });

  test("with --no-input nobody is asked, and follow asks later", async () => {
    await using silent = runlogOnTerminal(["run", "--no-input", "--agent", "asking", "hello"], { url });
    expect(await silent.ended).toBe(8);
    await using later = runlogOnTerminal(["follow", "last"], { url });
    await later.until("stdout", "[y/n]");
    later.type("y\n");
    expect(await later.ended).toBe(0);
  });

  test("a replay does not ask again what was answered", async () => {
    const run = await start("asking");
    await untilEvent(run, (event) => event.type === "approval.requested");
    await hub.run(run).send({ type: "input.approval", approvalId: "a1", approved: false });
    await hub.run(run).ended();
    await using child = runlogOnTerminal(["follow", run], { url });
    expect(await child.ended).toBe(0);
    expect(child.stdout).not.toContain("[y/n]");
  });

  test("[F78] Ctrl-C while being asked cancels the run", async () => {
    await using child = runlogOnTerminal(["run", "--agent", "asking", "hello"], { url });
    await child.until("stdout", "[y/n]");
    child.type("\x03");
    expect(await child.ended).toBe(5);
    expect(child.stdout).toContain("cancelled");
  });

  test("an error is a sentence and a way out", async () => {
    await using child = runlogOnTerminal(["show", "no-such-run"], { url });
    expect(await child.ended).toBe(6);
    expect(child.stdout).not.toContain("{");
    expect(child.stdout).toContain("no-such-run");
    expect(child.stdout).toContain("runlog ls");
  });

  test("ls fits the runs into the lines of a table", async () => {
    await start("talker", "a question of mine");
    await using child = runlogOnTerminal(["ls", "--limit", "1"], { url });
    expect(await child.ended).toBe(0);
    expect(child.stdout).toContain("a question of mine");
    expect(child.stdout).toContain("talker");
  });
});
