import type { Usage } from "../../events.ts";
import { addUsage } from "../../summary.ts";

const PARTS = ["cacheReadTokens", "cacheWriteTokens", "reasoningTokens"] as const;

/** What a remote told of what it spent: null and undefined for what nobody knows. */
export interface Spent {
  readonly usage: Usage | undefined;
  /** USD. */
  readonly cost: number | null;
}

/**
 * What a task has spent so far, as a Runlog server tells it: `metadata.event` of a status update is a step of the
 * remote's, and the metadata of its end has the totals. Other servers tell nothing, and nothing is known.
 */
export class RemoteUsage {
  #usage: Usage | undefined;
  #cost: number | null | undefined;
  #total: Spent | undefined;

  /** Takes the metadata of a status update or a task. */
  apply(metadata: unknown): void {
    const { event, usage, cost } = fields(metadata);
    const step = fields(event);
    if (step.type === "step.finished") {
      this.#usage = addUsage(this.#usage, usageOf(step.usage));
      const known = costOf(step.cost);
      this.#cost = known === null || this.#cost === null ? null : (this.#cost ?? 0) + known;
    }
    if (usage !== undefined || typeof cost === "number")
      this.#total = { usage: usageOf(usage), cost: costOf(cost) };
  }

  /** What was spent on this connection to the task, given what was known to be spent on it before. */
  since(before: Spent): Spent {
    if (!this.#total) return { usage: this.#usage, cost: this.#cost ?? null };
    const { usage, cost } = this.#total;
    return {
      usage: usage && less(usage, before.usage),
      cost: cost === null || before.cost === null ? null : Math.max(0, cost - before.cost),
    };
  }
}

function less(usage: Usage, before: Usage | undefined): Usage {
  if (!before) return usage;
  const rest: Record<string, number> = { ...usage };
  for (const [part, tokens] of Object.entries(before))
    if (rest[part] !== undefined) rest[part] = Math.max(0, rest[part] - tokens);
  return rest as unknown as Usage;
}

function usageOf(value: unknown): Usage | undefined {
  const told = fields(value);
  const { inputTokens, outputTokens } = told;
  if (!isCount(inputTokens) || !isCount(outputTokens)) return undefined;
  const parts = PARTS.filter((part) => isCount(told[part])).map((part) => [part, told[part]]);
  return { inputTokens, outputTokens, ...Object.fromEntries(parts) };
}

function costOf(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : null;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function fields(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
