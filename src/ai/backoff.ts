import { setTimeout as sleepFor } from "node:timers/promises";

/** Waits; rejects once the signal aborts. */
export type Sleep = (ms: number, signal: AbortSignal) => Promise<unknown>;

export const sleep: Sleep = (ms, signal) => sleepFor(ms, undefined, { signal });

const FIRST_MS = 500;
const MAX_MS = 30_000;

/** How long to wait before the next attempt: twice as long each time, by up to half less so that many do not come at once. */
export function backoffMs(failures: number, random = Math.random()): number {
  return Math.min(FIRST_MS * 2 ** (failures - 1), MAX_MS) * (1 - random / 2);
}
