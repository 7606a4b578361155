import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Child, type ChildOptions, runlog } from "./cli.fixture.ts";
import { agentsIn, loadAgents } from "./load-agents.ts";

const main = fileURLToPath(new URL("main.ts", import.meta.url));

/** An empty folder, for the default store and for entries. */
let cwd: string;

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), "runlog-serve-"));
});

afterAll(async () => {
  await rm(cwd, { recursive: true, force: true });
});

function serve(args: readonly string[], options: ChildOptions = {}): Child {
  return runlog(["serve", "--port", "0", ...args], { cwd, ...options });
}

/** Where it serves, once it does. */
async function urlOf(child: Child): Promise<string> {
  await child.until("stdout", "Ctrl-C stops it.");
  return /on (http:\S+)/.exec(child.stdout)?.[1] ?? "";
}

async function file(name: string, code: string): Promise<string> {
  const path = join(cwd, name);
  await writeFile(path, code);
  return path;
}

/** Runs until the signal comes, and says one thing more. What it leaves open must not keep the server. */
const patient = `
  setInterval(() => {}, 1000);
  export async function* patient() {
    yield { type: "text.started", id: "1" };
    yield { type: "text.delta", id: "1", text: "before" };
    await new Promise((resolve) => process.once("SIGTERM", resolve));
    yield { type: "text.delta", id: "1", text: "after" };
    yield { type: "text.finished", id: "1" };
  }`;

const stubborn = `
  export async function* stubborn() {
    yield { type: "status", status: "starting" };
    await new Promise(() => {});
  }`;

const buggy = `
  export async function* buggy() {
    undefined.nothing;
  }`;

describe("serving", () => {
  test("[F121] the demo agent is there without a key, and the commands it prints work as they stand", async () => {
    await using server = serve([]);
    const url = await urlOf(server);
    expect(server.stdout).toContain("sqlite:.runlog/runlog.db");
    expect(server.stdout).toContain("D3: ");
    const commands = server.stdout.split("\n").filter((line) => /^ {2}(curl|npx)/.test(line));
    expect(commands).toHaveLength(5);
    const outputs: string[] = [];
    let run = "RUN_ID";
    for (const command of commands) {
      const line = command.replace("npx runlog", `'${process.execPath}' '${main}'`).replace("RUN_ID", run);
      const child = spawn("sh", ["-c", line.replace("curl -N", "curl -sN")], {
        env: { PATH: process.env.PATH },
      });
      let output = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
      const [code] = await once(child, "close");
      expect(code, command).toBe(0);
      outputs.push(output);
      run = /"run":"([a-z0-9]{20})"/.exec(output)?.[1] ?? run;
    }
    const [chat, asked, listed, followed, events] = outputs;
    expect(chat).toContain("397.8");
    expect(asked).toContain('"type":"run.finished"');
    expect(listed?.trimEnd().split("\n")).toHaveLength(2);
    expect(followed).toBe(asked);
    expect(events).toMatch(/^data: .*"run.finished"/m);
    // One line for each request: who, method, path, status, ms.
    expect(server.stderr).toMatch(/^127\.0\.0\.1 POST \/chat 200 \d+ ms run [a-z0-9]{20}$/m);
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    server.signal("SIGTERM");
    expect(await server.ended).toBe(0);
    expect(server.stderr).toContain("stopping");
  });

  test("the store, the port and the token may come from the environment", async () => {
    const probe = createServer().listen(0, "127.0.0.1");
    await once(probe, "listening");
    const { port } = probe.address() as AddressInfo;
    await new Promise((resolve) => probe.close(resolve));
    const env = { PORT: String(port), RUNLOG_STORE: "memory:", RUNLOG_TOKEN: "secret" };
    await using server = runlog(["serve"], { cwd, env });
    const url = await urlOf(server);
    expect(url).toBe(`http://127.0.0.1:${port}`);
    expect(server.stdout).toContain("D0: ");
    expect(server.stdout).toContain('-H "authorization: Bearer $RUNLOG_TOKEN"');
    expect(server.stdout).not.toContain("secret");
    expect((await fetch(`${url}/runs`)).status).toBe(401);
    expect((await fetch(`${url}/runs`, { headers: { authorization: "Bearer secret" } })).status).toBe(200);
  });

  test.each(["secret\n", "secret "])(
    "refuses a token that no client can send, and does not show it: %j",
    async (token) => {
      await using server = serve(["--store", "memory:"], { env: { RUNLOG_TOKEN: token } });
      expect(await server.ended).toBe(2);
      expect(server.error).toMatchObject({ code: "usage", message: expect.stringContaining("RUNLOG_TOKEN") });
      expect(server.stderr).not.toContain("secret");
    },
  );

  test("pages of the origins that it is told may use it", async () => {
    await using server = serve([
      "--store",
      "memory:",
      "--origin",
      "https://one.test",
      "--origin=https://two.test",
    ]);
    const url = await urlOf(server);
    for (const origin of ["https://one.test", "https://two.test"]) {
      const answer = await fetch(`${url}/runs`, { headers: { origin } });
      expect(answer.headers.get("access-control-allow-origin")).toBe(origin);
    }
    const other = await fetch(`${url}/runs`, { method: "POST", headers: { origin: "https://three.test" } });
    expect(other.status).toBe(403);
  });

  test("a key in the environment is told of, and not used", async () => {
    const env = { OPENAI_API_KEY: "sk-secret" };
    await using server = serve(["--store", "memory:"], { env });
    await urlOf(server);
    await server.until("stderr", "runlog serve --model openai/");
    expect(server.stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(server.stdout + server.stderr).not.toContain("sk-secret");
    await using other = serve(["--store", "memory:", "--model", "openai/gpt-5.5"], { env });
    await urlOf(other);
    expect(other.stdout).toContain("demo (openai/gpt-5.5)");
    expect(other.stderr).toBe("");
  });

  test("[F78] the first signal lets runs end, and what they say is in the log", async () => {
    const entry = await file("patient.ts", patient);
    const store = ["--store", "sqlite:patient.db"];
    await using server = serve([entry, ...store]);
    const url = await urlOf(server);
    await using client = runlog(["run", "-o", "text", "hello"], { url });
    const run = await idOf(client);
    await using watcher = runlog(["follow", run], { url });
    await watcher.until("stdout", "before");
    server.signal("SIGTERM");
    expect(await server.ended).toBe(0);
    expect(server.stderr).toContain("stopping, 1 run gets 10 s to end");
    expect([await client.ended, await watcher.ended]).toEqual([0, 0]);
    expect(client.stdout).toBe("beforeafter\n");
    await using again = serve([entry, ...store]);
    await using shown = runlog(["show", run], { url: await urlOf(again) });
    expect(await shown.ended).toBe(0);
    expect(JSON.parse(shown.stdout)).toMatchObject({ status: "finished", text: "beforeafter" });
  });

  test("what goes wrong in an agent is told with its stack: to who runs the server, not to who asks", async () => {
    await using server = serve([await file("buggy.ts", buggy), "--store", "memory:"]);
    await using client = runlog(["run", "hello"], { url: await urlOf(server) });
    expect(await client.ended).toBe(3);
    await server.until("stderr", "buggy.ts:");
    expect(server.stderr).toMatch(/^run [a-z0-9]{20}: TypeError: Cannot read properties of undefined/m);
    expect(client.stdout + client.stderr).not.toContain("buggy.ts:");
  });

  test("the second signal stops at once", async () => {
    await using server = serve([await file("stubborn.ts", stubborn), "--store", "memory:"]);
    const url = await urlOf(server);
    await using client = runlog(["run", "hello"], { url });
    await client.until("stdout", "status");
    server.signal("SIGINT");
    await server.until("stderr", "stopping");
    server.signal("SIGTERM");
    expect(await server.ended).toBe(143);
  });
});

async function idOf(client: Child): Promise<string> {
  await client.until("stderr", "run ");
  await client.until("stderr", "\n");
  return /^run (\S+)$/m.exec(client.stderr)?.[1] ?? "";
}

describe("what cannot be served", () => {
  test("a port in use is exit 1 with the way out", async () => {
    await using first = serve(["--store", "memory:"]);
    const { port } = new URL(await urlOf(first));
    await using second = runlog(["serve", "--port", port, "--store", "memory:"], { cwd });
    expect(await second.ended).toBe(1);
    expect(second.error).toMatchObject({ code: "port_in_use", exit: 1 });
    expect(second.error.message).toBe(`Cannot listen on 127.0.0.1:${port}: the port is in use`);
    expect(second.error.hint).toContain("--port");
  });

  test("a store that another server holds is exit 1, and names who holds it", async () => {
    await using first = serve(["--store", "sqlite:held.db"]);
    await urlOf(first);
    await using second = serve(["--store", "sqlite:held.db"]);
    expect(await second.ended).toBe(1);
    expect(second.error).toMatchObject({ code: "store_locked", exit: 1 });
    expect(second.error.message).toMatch(/process \d+/);
    expect(second.error.hint).toContain("--store");
  });

  test.each([
    [["--port", "eighty"], 2, "usage"],
    [["--host", "0.0.0.0"], 4, "forbidden"],
    [["--store", "mysql:db"], 2, "invalid_request"],
    [["--model", "openai/gpt-5.5"], 2, "missing_key"],
    [["--model", "nobody/nothing"], 2, "model_not_found"],
    [["missing.ts"], 2, "usage"],
    [["missing.ts", "--model", "demo"], 2, "usage"],
  ])("serve %j exits %i with one line that says why: %s", async (args, exit, code) => {
    await using child = serve(["--store", "memory:", ...args]);
    expect(await child.ended).toBe(exit);
    expect(child.stdout).toBe("");
    expect(child.stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(child.error).toMatchObject({ code, exit });
    expect(child.stderr).not.toMatch(/\bat .*\.ts:\d+/);
  });

  test("an entry that fails to load says where, without a stack", async () => {
    const entry = await file("broken.ts", 'const a = 1;\nthrow new Error("no config");\n');
    await using child = serve([entry, "--store", "memory:"]);
    expect(await child.ended).toBe(1);
    expect(child.error.message).toMatch(/^Cannot load ".*broken\.ts": no config at file:.*broken\.ts:2:\d+$/);
  });
});

describe("agents of a module", () => {
  test("are found as agents, functions, arrays and the default, which comes first", async () => {
    const entry = await file(
      "all.ts",
      `async function* second() {}
       export async function* first() {}
       export const list = [second, { name: "third", run: first }];
       export const named = async function* () {};
       export const same = second;
       export const number: number = 1;
       export default { name: "main", async *run() {} };`,
    );
    expect((await loadAgents(entry)).map(({ name }) => name)).toEqual([
      "main",
      "first",
      "second",
      "third",
      "named",
    ]);
  });

  test("a default function without a name is called agent", () => {
    const unnamed = Object.defineProperty(async function* () {}, "name", { value: "default" });
    expect(agentsIn("agents.ts", { default: unnamed }).map(({ name }) => name)).toEqual(["agent"]);
  });

  test("an entry without any is refused, with what it exports instead", async () => {
    const entry = await file("none.ts", "export const a = 1; export function b() {} export default [];");
    await expect(loadAgents(entry)).rejects.toThrow(
      /exports no agent, only "default" \(an empty array\), "a" \(a number\), "b" \(a function\)$/,
    );
    await expect(loadAgents(await file("empty.ts", "export {};"))).rejects.toThrow("nothing at all");
  });
});
