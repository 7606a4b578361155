/**
 * Runs something in the next turn of the event loop. `setImmediate` as it was when this file was loaded: timers
 * that a test replaces would leave every append waiting.
 */
export const soon = setImmediate;
