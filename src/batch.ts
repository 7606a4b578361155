import { crc32 } from "node:zlib";
import type { Entry, StreamEvent } from "./events.ts";
import type { Batch, Tail } from "./store.ts";

/** The version of the batch text. */
const VERSION = 1;

interface Header {
  readonly v: number;
  /** The seq of the first entry. */
  readonly first: number;
  readonly at: number;
  /** The check of the log before this batch. */
  readonly before: number;
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
  const header: Header = {
    v: VERSION,
    first: tail.seq + 1,
    at,
    before: tail.check,
    by,
    ...(producer && { producer }),
  };
  const text = `${JSON.stringify(header)}\n${lines.join("\n")}`;
  return { seq: tail.seq + lines.length, check: crc32(text, tail.check), text };
}

/** A batch as it is read: its header, and its entries. */
export interface OpenBatch extends Header {
  readonly tail: Tail;
  readonly entries: readonly StoredEntry[];
}

// Many viewers are handed the same batch: it is split once.
const opened = new WeakMap<Batch, OpenBatch>();

export function openBatch(batch: Batch): OpenBatch {
  const known = opened.get(batch);
  if (known) return known;
  const [head, ...lines] = batch.text.split("\n");
  const header = JSON.parse(head ?? "") as Header;
  const entries = lines.map(
    (line, index) => new StoredEntry(header.first + index, header.at, line, batch.check),
  );
  const result = { ...header, tail: { seq: batch.seq, check: batch.check }, entries };
  opened.set(batch, result);
  return result;
}

/** Who appended a batch, without opening it. */
export function appenderOf(batch: Batch): string {
  return (JSON.parse(batch.text.slice(0, batch.text.indexOf("\n"))) as Header).by;
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
  return `${tail.seq}-${tail.check.toString(36)}`;
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
