/** Between two tries of what a store refuses, in ms: at first, and at most. */
const FIRST_MS = 20;
const MOST_MS = 2_000;

/** How long to wait before the next try, in ms, where so many have failed before the last one. */
export function retryDelay(failed: number): number {
  return Math.min(FIRST_MS * 2 ** failed, MOST_MS);
}
