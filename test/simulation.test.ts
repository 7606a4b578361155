import { describe, expect, it } from "vitest";
import { faultKinds } from "./simulation/faults.ts";
import { plants } from "./simulation/plants.ts";
import { simulate } from "./simulation/simulate.ts";
import { seedFor } from "./support/seed.ts";

const SEEDS = 500;

describe("servers on one store, while everything fails that can", () => {
  it("[F96] keep every invariant in whatever order it happens", async () => {
    const { seed } = seedFor("simulation");
    const { seeds, faults, found } = await simulate({ seed, seeds: process.env.SEED ? 1 : SEEDS });
    expect(
      found && `SEED=${found.seed}: ${found.error.message} ${JSON.stringify(found.plan)}`,
    ).toBeUndefined();
    // A simulation in which nothing fails proves nothing.
    if (seeds === SEEDS) expect(faultKinds.filter((kind) => faults[kind] === 0)).toEqual([]);
  }, 120_000);

  it.each(plants)(
    "are caught when the bug %s is planted in them",
    async (plant) => {
      const { found } = await simulate({ seed: 1, seeds: SEEDS, plant, shrinks: 0 });
      expect(found?.error.name).toBe("Violation");
    },
    120_000,
  );

  it("repeat themselves: the same seed is the same history", async () => {
    const twice = [await simulate({ seed: 7, seeds: 5 }), await simulate({ seed: 7, seeds: 5 })];
    expect(twice[0]).toEqual(twice[1]);
  }, 60_000);
});
