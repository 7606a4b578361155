import type { RunLimits } from "./agent.ts";
import type { Writer } from "./writer.ts";

export const defaultLimits: RunLimits = {
  timeoutMs: 3_600_000,
  idleMs: 300_000,
  firstChunkMs: 120_000,
  maxSteps: 50,
  maxCostUsd: Number.POSITIVE_INFINITY,
  maxEvents: 100_000,
  maxBytes: 64 * 1024 * 1024,
};

/** How a run fails that went over a limit. */
export interface Exceeded {
  readonly code: "limit_exceeded";
  readonly message: string;
}

export function exceeded(limit: string): Exceeded {
  return { code: "limit_exceeded", message: `The run went over the limit of ${limit}` };
}

/** Whether a log has come to its size. The events that close it still fit: the figure is a limit on who writes it. */
export function overLimit(
  { count, size }: Writer,
  { maxEvents, maxBytes }: Pick<RunLimits, "maxEvents" | "maxBytes">,
): Exceeded | undefined {
  if (count >= maxEvents) return exceeded(`${maxEvents} events`);
  return size >= maxBytes ? exceeded(`${maxBytes} bytes`) : undefined;
}
