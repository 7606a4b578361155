import { execFile, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const root = join(import.meta.dirname, "..");
const read = (file: string) => readFileSync(join(root, file), "utf8");
const run = promisify(execFile);

const missing = ["redis-server", "nginx"].filter((program) => spawnSync(program, ["-v"]).error !== undefined);
const why = missing.length > 0 ? ` (skipped: ${missing.join(" and ")} not on PATH)` : "";

it.skipIf(missing.length > 0 && process.env.REQUIRE_ALL_STORES !== "1")(
  `[F94] [F95] viewers behind nginx lose nothing while servers are killed at random${why}`,
  async () => {
    const { stdout } = await run(process.execPath, [
      "--conditions=runlog-source",
      join(root, "examples/cluster/main.ts"),
      ...["--seconds", "6", "--viewers", "24"],
    ]);
    const rows = [...stdout.matchAll(/^run-\d .*$/gm)].map(([row]) => row.split(/ {2,}/));
    expect(rows).toHaveLength(6);
    for (const [, , , , , resets, same, wrong] of rows)
      expect([resets, same, wrong]).toEqual(["0", "4 of 4", "nothing"]);
    expect(Number(/^(\d+) kills/m.exec(stdout)?.[1])).toBeGreaterThan(0);
    // Whoever watched a server that was killed came back.
    const reconnects = rows.reduce((sum, row) => sum + Number(row[4]), 0);
    expect(reconnects).toBeGreaterThan(0);
  },
  90_000,
);

it("the nginx configuration that docs/deploy.md shows is the one that the cluster runs on", () => {
  expect(read("docs/deploy.md")).toContain(`\`\`\`nginx\n${read("examples/cluster/nginx.conf")}\`\`\``);
});
