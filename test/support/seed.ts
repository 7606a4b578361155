/** Random numbers that are the same for the same seed. */
export interface Random {
  readonly seed: number;
  /** From 0 up to, not with, 1. */
  next(): number;
  /** A whole number, both ends included. */
  between(low: number, high: number): number;
  chance(probability: number): boolean;
}

/** The seed of a test: `SEED`, or a new one. Printed, so that a failure can be seen again. */
export function seedFor(test: string): Random {
  const given = Number(process.env.SEED);
  const seed = process.env.SEED && Number.isSafeInteger(given) ? given : Math.floor(Math.random() * 2 ** 31);
  console.info(`${test}: SEED=${seed}`);
  return seeded(seed);
}

/** Mulberry32: small, and good enough to choose faults with. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    seed,
    next,
    between: (low, high) => low + Math.floor(next() * (high - low + 1)),
    chance: (probability) => next() < probability,
  };
}
