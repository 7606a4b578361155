import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "..");
const readme = readFileSync(join(root, "README.md"), "utf8");
/** The commands of the README's first screen, a line each, without their remarks. */
const commands = (/```sh\n([\s\S]*?)```/.exec(readme)?.[1] ?? "")
  .replaceAll("\\\n", " ")
  .split("\n")
  .map((line) => line.replace(/\s+# .*/, "").trim())
  .filter(Boolean);

/** What `npm start` starts, on a free port and a log of its own. */
let server: ChildProcess;
let url = "";
let welcome = "";
const folder = mkdtempSync(join(tmpdir(), "runlog-first-minute-"));

beforeAll(async () => {
  const env = { ...process.env, PORT: "0", RUNLOG_STORE: `sqlite:${join(folder, "runs.db")}` };
  server = spawn(process.execPath, ["dist/cli/main.js", "serve"], { cwd: root, env });
  for await (const chunk of server.stdout!) {
    welcome += chunk;
    url = /http:\/\/\S+/.exec(welcome)?.[0] ?? "";
    if (welcome.includes("Ctrl-C")) break;
  }
});

afterAll(async () => {
  server.kill("SIGTERM");
  await once(server, "exit");
  rmSync(folder, { recursive: true });
});

async function shell(command: string): Promise<string> {
  const env = { ...process.env, RUNLOG_URL: url };
  const { stdout } = await promisify(execFile)("bash", ["-c", command], { cwd: root, env });
  return stdout;
}

describe("the first minute", () => {
  let lastRun = "";
  it.each(commands)("%s", async (command) => {
    const here = command.replaceAll("localhost:8000", new URL(url).host).replaceAll("RUN_ID", lastRun);
    const shown = await shell(here);
    if (command.includes("/chat")) {
      expect(shown).toContain("397.");
      expect(shown).toContain("menu.md");
    } else if (command.includes("runlog ls")) {
      const runs = shown
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line));
      expect(runs.map(({ status }) => status)).toEqual(["finished", "finished"]);
      lastRun = runs[0].run;
    } else {
      expect(shown).toContain("run.started");
      expect(shown).toContain("run.finished");
    }
  });

  it("prints these commands when it starts", () => {
    expect(commands.length).toBe(5);
    for (const word of [
      "curl -N",
      "npx runlog run",
      "npx runlog ls",
      "npx runlog follow last",
      "/runs/RUN_ID/events",
    ]) {
      expect(welcome).toContain(word);
    }
  });

  it("names the npm commands that are there", () => {
    const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
      scripts: Record<string, string>;
    };
    const named = [...readme.matchAll(/npm (?:run )?(start|test|check|bench)\b/g)].map((match) => match[1]!);
    expect(named).toContain("start");
    for (const name of named) expect(scripts).toHaveProperty(name);
    // SIGTERM to npm reaches the server only so.
    expect(scripts.start).toContain("exec node");
  });
});
