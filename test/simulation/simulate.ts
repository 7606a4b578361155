import fc from "fast-check";
import { type FaultCounts, faultKinds, noFaults } from "./faults.ts";
import { type Plan, plans } from "./plan.ts";
import type { Plant } from "./plants.ts";
import { World } from "./world.ts";

export interface SimulateOptions {
  /** The first seed; each after it is one higher. */
  readonly seed: number;
  readonly seeds: number;
  readonly plant?: Plant | undefined;
  /** How many smaller plans are tried after a violation. @default 400 */
  readonly shrinks?: number;
}

export interface Simulated {
  /** How many seeds were simulated. */
  readonly seeds: number;
  readonly faults: FaultCounts;
  readonly found?: Found;
}

/** The first seed with a violation, and the smallest plan that still has one. */
export interface Found {
  readonly seed: number;
  readonly error: Error;
  readonly plan: Plan;
}

/** Simulates one seed after the other, up to the first that violates an invariant. */
export async function simulate({ seed, seeds, plant, shrinks = 400 }: SimulateOptions): Promise<Simulated> {
  const faults = noFaults();
  let left = shrinks;
  let failed = false;
  const property = fc.asyncProperty(plans, async (plan) => {
    // Without a plan that still violates something, shrinking ends.
    if (failed && left-- <= 0) return;
    const world = new World(plan, plant);
    try {
      await world.run();
    } catch (error) {
      failed = true;
      throw error;
    } finally {
      for (const kind of faultKinds) faults[kind] += world.faults[kind];
    }
  });
  for (let count = 0; count < seeds; count++) {
    const details = await fc.check(property, { seed: seed + count, numRuns: 1 });
    if (details.failed) {
      const error =
        details.errorInstance instanceof Error
          ? details.errorInstance
          : new Error(String(details.errorInstance));
      return {
        seeds: count + 1,
        faults,
        found: { seed: seed + count, error, plan: details.counterexample![0] },
      };
    }
  }
  return { seeds, faults };
}
