import type { Origin } from "./events.ts";

/** Who speaks in an event, as text: empty for the run's own agent. */
export function speakerOf({ agent, parent }: Partial<Record<keyof Origin, unknown>>): string {
  return agent === undefined && parent === undefined ? "" : JSON.stringify([agent, parent]);
}
