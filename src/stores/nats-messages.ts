import { RunError } from "../errors.ts";
import type { RunRecord, Tail } from "../store.ts";

/** What a stream and a set of subjects are called that belong to one store. */
export class Names {
  readonly logs: string;
  readonly index: string;

  constructor(name: string) {
    this.logs = name;
    this.index = `${name}-index`;
  }

  log(run: string): string {
    return `${this.logs}.log.${tokenOf(run)}`;
  }
  part(run: string): string {
    return `${this.logs}.part.${tokenOf(run)}`;
  }
  hint(run: string): string {
    return `${this.logs}.hint.${tokenOf(run)}`;
  }
  record(run: string): string {
    return `${this.logs}.record.${tokenOf(run)}`;
  }
  beat(holder: string): string {
    return `${this.logs}.beat.${tokenOf(holder)}`;
  }
  get mark(): string {
    return `${this.logs}.mark`;
  }
}

/** A run's id as a part of a subject, where dots, blanks and wildcards mean something. */
function tokenOf(id: string): string {
  return id.replace(/[^\w:-]/gu, (character) => `=${character.codePointAt(0)!.toString(16)}=`);
}

/** What the header of a log's message says. The batch's text is its payload, or in parts. */
export interface LogMark extends Tail {
  /** The seq of the batch's first entry. */
  readonly first: number;
  /** All messages of this log come after this one of the stream. */
  readonly base: number;
  /** Where in the stream the text is, if it is too large for one message. */
  readonly parts: readonly number[];
}

/** Ends a log: what comes after it under the same subject is another one. */
export const DELETED = "deleted";

export function formatLogMark({ first, seq, check, base, parts }: LogMark): string {
  const place = `${first} ${seq} ${check} ${base}`;
  return parts.length === 0 ? place : `${place} ${parts.join(",")}`;
}

const LOG_MARK = /^(\d+) (\d+) (\d+) (\d+)(?: ([\d,]+))?$/;

/** Undefined for the end of a deleted log. */
export function parseLogMark(header: string, subject: string): LogMark | undefined {
  if (header === DELETED) return undefined;
  const match = LOG_MARK.exec(header);
  if (!match) {
    throw new RunError(
      "store_unavailable",
      `Cannot read "${subject}": a message there is not one of Runlog's`,
    );
  }
  const [, first, seq, check, base, parts] = match;
  return {
    first: Number(first),
    seq: Number(seq),
    check: Number(check),
    base: Number(base),
    parts: parts?.split(",").map(Number) ?? [],
  };
}

/** What the header of a record's message says. The record's text is its payload. */
export interface RecordMark extends Omit<RunRecord, "text"> {
  /** Which message of the log it was written after; 0: before the first, which may never have come. */
  readonly at: number;
  /** The log was deleted. */
  readonly gone?: true;
}

/** JSON in ASCII: a header takes nothing else for sure. */
export function formatMark(mark: object): string {
  return JSON.stringify(mark).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
