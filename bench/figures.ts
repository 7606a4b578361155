/** The middle of some figures, or between the two in the middle; NaN of none. */
export function median(figures: readonly number[]): number {
  const sorted = [...figures].sort((a, b) => a - b);
  const half = sorted.length / 2;
  return (sorted[Math.ceil(half) - 1]! + sorted[Math.floor(half)]!) / 2;
}

/** The figure that this share of them does not exceed; NaN of none. */
export function percentile(figures: readonly number[], share: number): number {
  const sorted = [...figures].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** CPU time of this process so far, its threads and the kernel on its behalf, in microseconds. */
export function cpu(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** Bytes that are in use once all garbage is gone: the heap, and buffers outside of it. */
export function heldBytes(): number {
  const { gc } = globalThis as { gc?: () => void };
  if (!gc) throw new Error("Memory is measured under --expose-gc");
  // What is freed by one may be what held something for the next.
  for (let i = 0; i < 3; i++) gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
