import { execFile, execFileSync, spawn } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeEach, describe, expect, it, onTestFinished, type TestContext } from "vitest";
import { demoModel } from "../src/ai/demo-model.ts";
import { Agentor } from "../src/compat/agentor.ts";
import { tempFolder } from "./support/temp-folder.ts";

const root = join(import.meta.dirname, "..");
const run = promisify(execFile);
const programs = globSync("examples/seeds/*/*.ts", { cwd: root }).sort();

describe("the snippets of the pages that Runlog follows", () => {
  it.each(programs)("%s does what its page says", async (program) => {
    await using folder = await tempFolder();
    // What a program writes goes with its folder.
    const cwd = folder.file(".");
    // They share what they import: it is compiled once.
    const NODE_COMPILE_CACHE = join(root, "node_modules/.cache/test-children");
    const env = { ...process.env, PORT: "0", NODE_COMPILE_CACHE };
    await run(process.execPath, ["--conditions=runlog-source", join(root, program)], { cwd, env });
  });

  it("are all in the table of docs/coming-from.md, which names no other", () => {
    const text = readFileSync(join(root, "docs/coming-from.md"), "utf8");
    const linked = [...text.matchAll(/\]\(\.\.\/(examples\/seeds\/[^)]+\.ts)\)/g)].map((match) => match[1]!);
    expect([...new Set(linked)].sort()).toEqual(programs);
    const links = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map((match) => match[1]!);
    expect(links.filter((link) => !existsSync(join(root, "docs", link)))).toEqual([]);
  });
});

// They are as their page prints them: the address is in their code.
const PORT = 8000;
const python = process.env.PYTHON ?? "python3";

describe("Agentor's own Python clients", () => {
  const agent = new Agentor({
    name: "Streaming Agent",
    model: demoModel({ firstTokenMs: 0, tokensPerSecond: 2_000 }),
  });

  beforeEach(async ({ skip }) => {
    try {
      const server = await agent.serve({ port: PORT, store: "memory:" });
      onTestFinished(() => server.stop(0));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
      leaveOut(skip, `something else listens on port ${PORT}, the one that the clients ask`);
    }
  });

  it("the one of /chat prints the events of a story as they come", async ({ skip }) => {
    need("requests", skip);
    const { stdout } = await run(python, [join(root, "test/clients/agentor_chat.py")]);
    const lines = stdout.trimEnd().split("\n");
    const data = lines.filter((line) => line.startsWith("data: ")).map((line) => JSON.parse(line.slice(6)));
    expect(data.length).toBeGreaterThan(2);
    expect(data.map(({ chunk }) => chunk ?? "").join("")).toBe(data.at(-1).message);
    expect(data.at(-1).message).toContain("demo model");
  });

  it("the one of /ws prints the answer", async ({ skip }) => {
    need("websockets", skip);
    const env = { ...process.env, PYTHONUNBUFFERED: "1" };
    const client = spawn(python, [join(root, "test/clients/agentor_websocket.py")], { env });
    // It waits for more messages for ever.
    onTestFinished(() => void client.kill());
    let printed = "";
    let failed = "";
    client.stderr.setEncoding("utf8").on("data", (text: string) => {
      failed += text;
    });
    for await (const text of client.stdout.setEncoding("utf8")) {
      printed += text;
      if (printed.includes("back")) break;
    }
    expect(failed).toBe("");
    expect(printed).toContain("## Hello!");
  });
});

type Skip = TestContext["skip"];

/** Leaves a test out and says why, but for where nothing may be left out. */
function leaveOut(skip: Skip, why: string): void {
  if (process.env.REQUIRE_ALL_STORES === "1") throw new Error(`Cannot leave this out: ${why}`);
  skip(why);
}

function need(module: string, skip: Skip): void {
  try {
    execFileSync(python, ["-c", `import ${module}`], { stdio: "ignore" });
  } catch {
    leaveOut(skip, `${python} has no module "${module}"`);
  }
}
