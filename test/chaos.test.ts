import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { scenarios } from "../chaos/scenarios.ts";
import { viewedProblems } from "../chaos/support/checks.ts";
import { type Plant, plants } from "../chaos/support/plants.ts";
import { isMet, type Outcome } from "../chaos/support/scenario.ts";
import { rowOf, tableOf } from "../chaos/support/table.ts";
import { seedFor } from "./support/seed.ts";

/** So small that each scenario has two or three rounds. */
const SCALE = 0.01;

const required = process.env.REQUIRE_ALL_STORES === "1";

function attempt(name: string, plant?: Plant): Promise<Outcome> {
  const scenario = scenarios.find((each) => each.name === name)!;
  const random = seedFor(plant ? `${name}, ${plant}` : name);
  return scenario.run({ scale: SCALE, random, progress: () => {}, ...(plant && { plant }) });
}

/** All but those whose figures are times or memory alone, and those that need a minute: `npm run chaos` has them. */
const counted = [
  "kill-server-sqlite",
  "kill-server-redis",
  "kill-server-nats",
  "kill-redis-always",
  "kill-redis-everysec",
  "producer-lost",
  "zombies",
  "lost-answers",
  "viewer-cuts",
  "lost-hints",
  "commands",
  "rolling-restart",
];

// Most of their time they wait for leases and processes to end.
describe.concurrent("npm run chaos, in short", () => {
  for (const name of counted) {
    const { what, needs } = scenarios.find((each) => each.name === name)!;
    const missing = needs !== undefined && spawnSync(needs, ["--version"]).error !== undefined;
    const why = missing ? ` (skipped: ${needs} is not on PATH)` : "";
    test.skipIf(missing && !required)(
      `${what}: nothing is lost, doubled or out of order, and every fault took effect${why}`,
      { timeout: 120_000 },
      async ({ expect }) => {
        const { problems, faults, wanted } = await attempt(name);
        expect(problems).toEqual([]);
        expect(faults).toBeGreaterThanOrEqual(wanted);
      },
    );
  }
});

describe.concurrent("a bug that is planted", () => {
  test.for(plants)(
    "%s: the same counts say so, of what is kept and of what viewers put together",
    { timeout: 60_000 },
    async (plant, { expect }) => {
      const kept = await attempt("lost-answers", plant);
      expect(kept.problems).not.toEqual([]);
      expect(isMet(kept)).toBe(false);
      const seen = await attempt("viewer-cuts", plant);
      expect(seen.problems).not.toEqual([]);
    },
  );

  test.for(plants)("%s: an account that was right is not, by that alone", (plant, { expect }) => {
    const frames = [1, 2, 3].map((seq) => `id: ${seq}-a\ndata: {"seq":${seq},"at":1,"event":{"type":"x"}}`);
    const end = 'id: 4-a\ndata: {"seq":4,"at":1,"event":{"type":"run.finished"}}';
    const seen = { frames: [...frames, end] };
    const log = seen.frames.map((frame) => ({ frame }));
    expect(viewedProblems(seen, log)).toEqual([]);
    expect(viewedProblems(seen, log, plant)).not.toEqual([]);
  });
});

test("a figure is missed by a problem, by a time, and by faults that did not take effect; the table says which", () => {
  const scenario = scenarios[0]!;
  const met: Outcome = { faults: 3, wanted: 3, measured: "0 wrong", problems: [], exceeded: [] };
  const misses: Outcome[] = [
    { ...met, faults: 2 },
    { ...met, problems: ["One was lost"] },
    { ...met, exceeded: ["It took too long"] },
  ];
  expect(rowOf(scenario, met, 1).met).toBe(true);
  expect(tableOf([rowOf(scenario, met, 1)])).not.toContain("MISSED");
  for (const outcome of misses) {
    const row = rowOf(scenario, outcome, 1);
    expect(row.met).toBe(false);
    expect(tableOf([row])).toContain("MISSED");
  }
  const table = tableOf(misses.map((outcome) => rowOf(scenario, outcome, 1)));
  expect(table).toContain("Only 2 of 3 faults took effect");
  expect(table).toContain("One was lost");
  expect(table).toContain("It took too long");
});
