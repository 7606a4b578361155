import { crc32 } from "node:zlib";
import type { Entry, StreamEvent } from "./events.ts";
import type { Batch, Tail } from "./store.ts";

/** The version of the batch text. */
const VERSION = 1;

interface Header {
  /** Names the append, so that a writer whose answer was lost can tell its batch from another's. */
  readonly by: string;
  /** The append as its producer numbered it. */
  readonly producer?: Producer;
}

/** An append of a producer elsewhere, numbered by it: the same again changes nothing. */
export interface Producer {
  readonly id: string;
  /** Which life of the producer this is: a higher one fences those before. */
  readonly epoch: number;
  /** 0, 1, 2, ... within an epoch. */
  readonly seq: number;
}

/** The lines of a batch behind a header that gives them their place after `tail`. Lines are encoded events. */
export function sealBatch(
  tail: Tail,
  lines: readonly string[],
  at: number,
  by: string,
  producer?: Producer,
): Batch {
  if (lines.length === 0) throw new TypeError("Cannot seal a batch without entries");
  const named = producer ? `,"producer":${JSON.stringify(producer)}` : "";
  const numbers = `{"v":${VERSION},"first":${tail.seq + 1},"at":${at},"before":${tail.check},"by":`;
  const text = `${numbers}${JSON.stringify(by)}${named}}\n${lines.join("\n")}`;
  return { seq: tail.seq + lines.length, check: crc32(text, tail.check), text };
}

// What stands in every header before its numbers.
const FIRST = `{"v":${VERSION},"first":`;
const AT = ',"at":';
const BEFORE = ',"before":';

/** A batch as it is read: what its header says, and its entries. */
export class OpenBatch {
  readonly tail: Tail;
  /** The seq of the first entry. */
  readonly first: number;
  readonly at: number;
  /** The check of the log before this batch. */
  readonly before: number;
  readonly entries: readonly StoredEntry[];
  readonly #batch: Batch;

  constructor(batch: Batch) {
    const { seq, check, text } = batch;
    const start = text.indexOf("\n") + 1;
    if (start === 0 || !text.startsWith(FIRST))
      throw new Error(`The batch that ends at ${seq} cannot be read: ${JSON.stringify(text.slice(0, 80))}`);
    // By hand, as every batch on its way to a viewer comes through here: a tenth of what JSON.parse takes.
    place = 0;
    this.first = numberAfter(FIRST, text);
    this.at = numberAfter(AT, text);
    this.before = numberAfter(BEFORE, text);
    this.tail = { seq, check };
    this.#batch = batch;
    const lines = text.slice(start);
    // Most batches hold one entry.
    this.entries =
      seq === this.first
        ? [new StoredEntry(seq, this.at, lines, check)]
        : lines.split("\n").map((line, index) => new StoredEntry(this.first + index, this.at, line, check));
  }

  get by(): string {
    return this.#header.by;
  }

  get producer(): Producer | undefined {
    return this.#header.producer;
  }

  get #header(): Header {
    const { text } = this.#batch;
    return JSON.parse(text.slice(0, text.indexOf("\n"))) as Header;
  }
}

/** How far a header has been read. */
let place = 0;

/** The whole number that stands next, behind what is known to stand before it. */
function numberAfter(known: string, text: string): number {
  place += known.length;
  let number = 0;
  for (
    let digit = text.charCodeAt(place) - 48;
    digit >= 0 && digit <= 9;
    digit = text.charCodeAt(place) - 48
  ) {
    number = number * 10 + digit;
    place++;
  }
  return number;
}

// All who watch a run are handed the same batch, one right after the other: it is opened once.
let opened: { readonly batch: Batch; readonly open: OpenBatch } | undefined;

export function openBatch(batch: Batch): OpenBatch {
  if (opened?.batch === batch) return opened.open;
  const open = new OpenBatch(batch);
  opened = { batch, open };
  return open;
}

/** An entry over its stored text: what only passes it on never parses it. */
export class StoredEntry implements Entry {
  readonly seq: number;
  readonly at: number;
  /** The event's JSON, as it was encoded when it was appended. */
  readonly json: string;
  /** The check of the batch that holds it. */
  readonly check: number;
  #event: StreamEvent | undefined;

  constructor(seq: number, at: number, json: string, check: number) {
    this.seq = seq;
    this.at = at;
    this.json = json;
    this.check = check;
  }

  get event(): StreamEvent {
    this.#event ??= JSON.parse(this.json) as StreamEvent;
    return this.#event;
  }

  /** The event's type, without parsing: every stored line begins with it. */
  get type(): string {
    return this.json.slice(9, this.json.indexOf('"', 9));
  }

  /** The cursor of a viewer that has read up to here. */
  get cursor(): string {
    return formatCursor({ seq: this.seq, check: this.check });
  }
}

// A cursor lives here, beside the check that it carries: `seq-check`, the check of the batch that holds the
// entry. A batch lands whole or not at all, so it names one prefix of one log, and is verified with one read.

export function formatCursor(tail: Tail): string {
  return `${tail.seq}-${toBase36(tail.check)}`;
}

/** All numbers of two digits in base 36. */
const PAIRS = Array.from({ length: 36 ** 2 }, (_, number) => number.toString(36).padStart(2, "0"));

/** What `toString(36)` gives for a check, in a third of the time: each event that goes out has one. */
function toBase36(check: number): string {
  let rest = check;
  let text = "";
  while (rest >= PAIRS.length) {
    text = PAIRS[rest % PAIRS.length] + text;
    rest = Math.floor(rest / PAIRS.length);
  }
  const pair = PAIRS[rest]!;
  return (rest < 36 ? pair.charAt(1) : pair) + text;
}

const CURSOR = /^(\d{1,15})-([0-9a-z]{1,7})$/;

/** A cursor from a client, or undefined for what cannot be one of ours. `0` and the empty text are the start. */
export function parseCursor(text: string): Tail | undefined {
  if (text === "" || text === "0") return { seq: 0, check: 0 };
  const match = CURSOR.exec(text);
  if (!match) return undefined;
  const check = Number.parseInt(match[2] ?? "", 36);
  return check > 0xffff_ffff ? undefined : { seq: Number(match[1]), check };
}
