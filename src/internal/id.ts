import { createHash, randomBytes } from "node:crypto";

let lastTime = 0;
let lastRandom = 0n;

/** A new run id: 20 characters of `[0-9a-z]` with 60 random bits, sorted by time; of one process also within a ms. */
export function newId(now = Date.now()): string {
  lastRandom = now === lastTime ? lastRandom + 1n : randomBytes(8).readBigUInt64BE() >> 4n;
  lastTime = now;
  return now.toString(36).padStart(8, "0") + lastRandom.toString(36).padStart(12, "0");
}

/** A name for this process among all that ever wrote to a store. */
export function newHolder(): string {
  return randomBytes(8).toString("hex");
}

/** The same text, the same 32 characters. */
export function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}
