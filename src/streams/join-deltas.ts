import type { StreamEvent } from "../events.ts";
import { eventOf, type Said } from "./said.ts";

/** A delta is not made longer than this, in characters. */
const MOST = 16 * 1024;

/**
 * Values in which neighbouring deltas of one block are one: fewer of them that say the same. A joined entry has
 * the `seq`, `at` and cursor of its last; so it is for showing, and for going on after it, not for keeping.
 */
export function joinDeltas<Value>(values: readonly Value[]): Value[] {
  const joined: Value[] = [];
  for (const value of values) {
    const last = joined.at(-1);
    const both = last === undefined ? undefined : join(last, value);
    if (both === undefined) joined.push(value);
    else joined[joined.length - 1] = both;
  }
  return joined;
}

function join<Value>(one: Value, other: Value): Value | undefined {
  if (!isSaid(one) || !isSaid(other)) return undefined;
  const event = joinEvents(eventOf(one), eventOf(other));
  if (!event || !("event" in other)) return event as Value | undefined;
  const { seq, at } = other;
  const cursor = "cursor" in other ? { cursor: other.cursor } : {};
  return { seq, at, event, ...cursor } as Value;
}

function joinEvents(one: StreamEvent, other: StreamEvent): StreamEvent | undefined {
  if (!isDelta(one) || !isDelta(other) || one.text.length + other.text.length > MOST) return undefined;
  const { text: _, ...first } = one;
  const { text: __, ...second } = other;
  // All but the text must be the same, fields of anybody's own included.
  if (JSON.stringify(first) !== JSON.stringify(second)) return undefined;
  return { ...one, text: one.text + other.text };
}

type Delta = Extract<StreamEvent, { type: "text.delta" | "reasoning.delta" | "tool.delta" }>;

function isDelta(event: StreamEvent): event is Delta {
  return event.type === "text.delta" || event.type === "reasoning.delta" || event.type === "tool.delta";
}

function isSaid(value: unknown): value is Said {
  return typeof value === "object" && value !== null && ("event" in value || "type" in value);
}
