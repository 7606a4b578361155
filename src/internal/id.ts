import { createHash, randomBytes } from "node:crypto";

/** A new run id: 20 characters of `[0-9a-z]`, sorted by time, with 62 random bits. */
export function newId(now = Date.now()): string {
  const random = randomBytes(8).readBigUInt64BE() >> 2n;
  return now.toString(36).padStart(8, "0") + random.toString(36).padStart(12, "0");
}

/** A name for this process among all that ever wrote to a store. */
export function newHolder(): string {
  return randomBytes(8).toString("hex");
}

/** The same text, the same 32 characters. */
export function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}
