import fc from "fast-check";

/** What a simulation does next, `afterMs` after the step before. `which` and `ms` mean what the deed needs. */
export interface Step {
  readonly deed: Deed;
  readonly afterMs: number;
  readonly which: number;
  readonly ms: number;
}

/** One simulation: all that happens in it follows from this. */
export interface Plan {
  readonly seed: number;
  readonly processes: number;
  readonly steps: readonly Step[];
}

/** Each deed, and how often it is chosen beside the others. */
const deeds = {
  start: 7,
  produce: 4,
  follow: 4,
  cut: 6,
  slow: 2,
  cancel: 5,
  answer: 3,
  message: 2,
  crash: 3,
  crashAll: 1,
  stop: 4,
  drain: 1,
  boot: 4,
  replace: 3,
  outage: 2,
  cutStore: 3,
  loseRequests: 2,
  lateRequests: 2,
  loseAnswers: 3,
  loseReplies: 2,
  dropHints: 3,
  lateHints: 2,
  doubleHints: 2,
  slowStore: 2,
  moveClock: 2,
} as const;
export type Deed = keyof typeof deeds;

const step: fc.Arbitrary<Step> = fc.record({
  deed: fc.oneof(
    ...Object.entries(deeds).map(([deed, weight]) => ({ arbitrary: fc.constant(deed as Deed), weight })),
  ),
  afterMs: fc.integer({ min: 0, max: 400 }),
  which: fc.nat(999),
  ms: fc.integer({ min: 1, max: 5_000 }),
});

export const plans: fc.Arbitrary<Plan> = fc.record({
  seed: fc.nat(2 ** 31),
  processes: fc.integer({ min: 1, max: 3 }),
  steps: fc.array(step, { minLength: 1, maxLength: 40, size: "max" }),
});
