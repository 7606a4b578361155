/** What must be true of every history, by number, each in a sentence. */
export const invariants = {
  1: "What a viewer has seen is a stretch of the log as it ends up, byte for byte, from where the viewer began",
  2: "No entry reaches a viewer twice, out of order or not at all, however often it was cut off and came back",
  3: "A run has one end, it is the last entry, and it is there, and seen by every viewer, soon after the last fault",
  4: "An append that was acknowledged is in the log, at the place that the answer named",
  5: "An append that was never acknowledged is in the log once or not at all, and after what was said before it",
  6: "The same numbered append gets the same answer every time, and has happened once",
  7: "Once a new life of a producer was heard, or another process went on with a run, the old one adds nothing",
  8: "What stands at a place of a log never changes, and every cursor that was ever handed out still fits",
  9: "A read that begins after an append was acknowledged sees it",
  10: "Of two appends, the one that was acknowledged before the other was made stands before it",
  11: "A viewer is told to begin anew before anything that does not follow, and never without need",
  12: "A viewer of one run is shown nothing of another",
  13: "An agent is ahead of the commit, and a viewer is handed at once, no more than the limits say",
  14: "A cancel that was acknowledged ends the run as cancelled, unless it had ended before",
  15: "Deltas put together are the text that the agent said, at every point of the log and for every viewer",
  16: "However a log is read, live, at a cursor, in slices or through its record, it says the same",
  17: "The wall clocks of the processes order nothing and end nothing",
  18: "Servers that start anew on a log that has ended add nothing to it, and a process that can be heard is not called dead",
  19: "What an agent has said is in the log a moment later, wherever nothing is wrong",
  20: "A message that is in the log of a run that finished was heard by an agent of it",
} as const;
export type Invariant = keyof typeof invariants;

/** A history in which something is true that must not be. */
export class Violation extends Error {
  override readonly name = "Violation";
  readonly invariant: Invariant;

  constructor(invariant: Invariant, what: string) {
    super(`Invariant ${invariant} does not hold: ${what}. It says: ${invariants[invariant]}`);
    this.invariant = invariant;
  }
}
