import { setTimeout } from "node:timers/promises";

/** Asks until it is so. False if it is not after `ms`. A question that fails is asked again. */
export async function until(ms: number, ask: () => Promise<boolean> | boolean): Promise<boolean> {
  const end = performance.now() + ms;
  while (performance.now() < end) {
    try {
      if (await ask()) return true;
    } catch {
      // Not now.
    }
    await setTimeout(10);
  }
  return false;
}
