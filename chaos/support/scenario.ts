import type { Random } from "../../test/support/seed.ts";
import type { Plant } from "./plants.ts";

/** How a scenario is to run. */
export interface Setting {
  /** 1 is the whole; less is fewer rounds, runs and viewers, and shorter outages. */
  readonly scale: number;
  readonly random: Random;
  /** A bug that the scenario is to notice. */
  readonly plant?: Plant;
  /** Says how many faults took effect so far, of how many. */
  readonly progress: (done: number, of: number) => void;
}

export interface Outcome {
  /** How many faults took effect. */
  readonly faults: number;
  /** How many were to. Fewer is a figure that was not met: nothing was shown. */
  readonly wanted: number;
  /** What came of it, in words, with numbers. */
  readonly measured: string;
  /** What was lost, doubled, out of order or refused, a sentence for each. */
  readonly problems: readonly string[];
  /** The figures of time and memory that were not met, a sentence for each. */
  readonly exceeded: readonly string[];
}

export interface Scenario {
  /** What `--only` takes. */
  readonly name: string;
  readonly what: string;
  readonly figure: string;
  /** A program that has to be on PATH. */
  readonly needs?: "redis-server" | "nats-server";
  run(setting: Setting): Promise<Outcome>;
}

/** How many of something at a scale, at least `least`. */
export function scaled(count: number, { scale }: Setting, least = 1): number {
  return Math.max(least, Math.round(count * scale));
}

export function isMet({ faults, wanted, problems, exceeded }: Outcome): boolean {
  return faults >= wanted && problems.length === 0 && exceeded.length === 0;
}
