import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "..");
const run = promisify(execFile);
const { exports, bin } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  exports: Record<string, string | Record<string, string>>;
  bin: Record<string, string>;
};
// The suites need vitest, which refuses to be loaded outside of its own processes.
const doors = Object.entries(exports).filter(([door, to]) => typeof to === "object" && door !== "./testing");

describe("the built package", () => {
  it.each(doors)("opens at %s, with something behind it", async (door) => {
    const name = door.replace(".", "runlog");
    const script = `console.log(Object.keys(await import(${JSON.stringify(name)})).length)`;
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", script], { cwd: root });
    expect(Number(stdout)).toBeGreaterThan(0);
  });

  it("has one copy of each class: an error of one door is known at another", async () => {
    const script = `
      import { RunError } from "runlog";
      import { openStore } from "runlog/stores";
      const error = await openStore("nonsense:").catch((error) => error);
      console.log(error instanceof RunError, error.code);`;
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", script], { cwd: root });
    expect(stdout).toBe("true invalid_request\n");
  });

  it("has a command that starts without what it does not need", async () => {
    const { stdout } = await run(process.execPath, [join(root, bin.runlog!), "--help"], { cwd: root });
    expect(stdout).toContain("runlog");
  });
});
