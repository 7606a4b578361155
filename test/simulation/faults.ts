/** What can go wrong in a simulation. */
export const faultKinds = [
  "crash",
  "crash of all",
  "stopped process",
  "stopped process, longer than its lease",
  "drained process",
  "store outage",
  "refused by an outage",
  "cut off from the store",
  "refused by the cut",
  "lost request",
  "late request",
  "lost answer of the store",
  "lost answer of a server",
  "dropped hint",
  "late hint",
  "doubled hint",
  "slow store",
  "wall clock moved",
  "cut viewer",
  "cut inside a slice",
  "slow viewer",
  "cancel",
  "start made twice",
  "append made twice",
  "append made again",
  "producer replaced",
  "run resumed",
  "run failed by a reaper",
  "compare refused",
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** How often each took effect. */
export type FaultCounts = Record<FaultKind, number>;

export function noFaults(): FaultCounts {
  return Object.fromEntries(faultKinds.map((kind) => [kind, 0])) as FaultCounts;
}
