import { execFile, execFileSync } from "node:child_process";
import { globSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import { createHub } from "../src/hub.ts";
import { listen } from "../src/server/listen.ts";
import { memoryStore } from "../src/stores/memory.ts";

const root = join(import.meta.dirname, "..");
const run = promisify(execFile);

describe("the examples", () => {
  it.each(globSync("examples/*.ts", { cwd: root }))("%s does what it says", async (file) => {
    // What an example writes goes with its folder.
    const cwd = mkdtempSync(join(tmpdir(), "runlog-example-"));
    onTestFinished(() => rmSync(cwd, { recursive: true }));
    const env = { ...process.env, PORT: "0" };
    const { stdout } = await run(process.execPath, ["--conditions=runlog-source", join(root, file)], {
      cwd,
      env,
    });
    expect(stdout).not.toBe("");
  });

  const python = hasPython();
  it.skipIf(!python)(
    `examples/producer.py writes a run from Python${python ? "" : " (skipped: there is no python3 here)"}`,
    async () => {
      await using hub = await createHub({ store: memoryStore() });
      await using server = await listen({ hub, port: 0 });
      const { stdout } = await run("python3", ["examples/producer.py", server.url], { cwd: root });
      const id = stdout.trimEnd().split("\n").at(-1)!;
      expect(await hub.run(id).info()).toMatchObject({ status: "finished", title: "Count to three" });
    },
  );
});

function hasPython(): boolean {
  try {
    execFileSync("python3", ["--version"]);
    return true;
  } catch {
    return false;
  }
}
