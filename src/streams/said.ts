import type { Entry, StreamEvent } from "../events.ts";

/** What streams of a run are made of: its entries, or events alone. */
export type Said = Entry | StreamEvent;

/** The event of either. */
export function eventOf(said: Said): StreamEvent {
  return "event" in said ? said.event : said;
}
