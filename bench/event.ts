import type { StreamEvent } from "../src/events.ts";

const MARK = "<<";
const DIGITS = 16;
/** How long a mark is, with what stands around its number. */
export const MARK_LENGTH = DIGITS + 4;

/** Microseconds by a clock that all processes of a machine share. */
export function now(): number {
  return Number(process.hrtime.bigint() / 1_000n);
}

/** The place of the next mark in a text, or -1. */
export function findMark(text: string, from: number): number {
  return text.indexOf(MARK, from);
}

/** The number of the mark at a place. */
export function readMark(text: string, place: number): number {
  return Number(text.slice(place + MARK.length, place + MARK.length + DIGITS));
}

export function markOf(number: number): string {
  return `${MARK}${String(number).padStart(DIGITS, "0")}>>`;
}

export type BenchEvent = Extract<StreamEvent, { type: "text.delta" }>;

/**
 * An event of about 200 bytes of JSON with a number in it, in two blocks by turns: deltas of one block that wait for
 * the same commit would become one.
 */
export function eventAt(index: number, mark: number, length = 150): BenchEvent {
  return {
    type: "text.delta",
    id: `block-${index % 2}`,
    text: `${markOf(mark)} `.padEnd(length, "lorem ipsum "),
  };
}
