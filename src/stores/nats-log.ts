import type { ConsumerInfo, JsMsg, StoredMsg } from "@nats-io/jetstream";
import type { Batch, Tail } from "../store.ts";
import { type Connection, HEADER } from "./nats-connection.ts";
import { type LogMark, type Names, parseLogMark } from "./nats-messages.ts";

/** How many messages are read one by one before a consumer is made for the rest. */
const SINGLES = 8;
/** How many messages a consumer is asked for at once. */
const MANY = 1_000;
/** About what a message has beside its payload, in bytes. */
const OVERHEAD = 256;
/** How many places in a log are remembered: those where its readers are. */
const PLACES = 32;
/** Fewer entries than this are read over to come to a place, rather than searched. */
const NEAR = 32;

/** Where a log stands, and where that is in the stream. Empty: `seq` 0, and `at` the end of a deleted log or 0. */
export interface Known extends Tail {
  readonly at: number;
  readonly base: number;
  /** Entries that end a batch, and their messages: seq, message, seq, message, ... */
  readonly places: number[];
}

/** Reads logs from the stream, from its leader: what was acknowledged is there. */
export class LogReader {
  readonly #connection: Connection;
  readonly #names: Names;

  constructor(connection: Connection, names: Names) {
    this.#connection = connection;
    this.#names = names;
  }

  /** One request. */
  async last(run: string): Promise<Known> {
    const subject = this.#names.log(run);
    const found = await this.#get({ last_by_subj: subject });
    const mark = found && markOf(found);
    if (!mark) return { seq: 0, check: 0, at: found?.seq ?? 0, base: found?.seq ?? 0, places: [] };
    const { seq, check, base } = mark;
    return { seq, check, base, at: found.seq, places: [] };
  }

  /** Batches as `Store.read` has them; undefined if `known` is not known well: the log is another by now. */
  async read(run: string, known: Known, after: number, maxBytes: number): Promise<Batch[] | undefined> {
    const subject = this.#names.log(run);
    const { base } = known;
    const batches: Batch[] = [];
    let next = (await this.#search(subject, known, after)) + 1;
    let bytes = 0;
    /** What to do after a message: go on, stop as there is enough, or give up. */
    const take = async (message: StoredMsg | JsMsg): Promise<"more" | "enough" | "other"> => {
      const mark = markOf(message);
      if (mark?.base !== base) return "other";
      next = message.seq + 1;
      if (mark.seq <= after) return "more";
      const last = batches.at(-1);
      // The run was begun anew meanwhile: what came first is of the log before, and all that there is of it.
      if (last && mark.first !== last.seq + 1) return "enough";
      const data = mark.parts.length === 0 ? message.data : await this.#join(mark.parts);
      if (!data) return "other";
      bytes += data.length;
      if (bytes > maxBytes && batches.length > 0) return "enough";
      batches.push({ seq: mark.seq, check: mark.check, text: textOf(data) });
      remember(known, mark.seq, message.seq);
      return bytes > maxBytes ? "enough" : "more";
    };
    while (true) {
      for (let single = 0; single < SINGLES; single++) {
        const message = await this.#get({ seq: next, next_by_subj: subject });
        if (!message) return batches;
        const turn = await take(message);
        if (turn === "other") return undefined;
        if (turn === "enough") return batches;
      }
      for (const message of await this.#fetch(subject, next, maxBytes - bytes)) {
        const turn = await take(message);
        if (turn === "other") return undefined;
        if (turn === "enough") return batches;
      }
    }
  }

  /** A message after which comes the batch that `after` is followed by, not far. */
  async #search(subject: string, known: Known, after: number): Promise<number> {
    let low = { seq: 0, at: known.base };
    let high = { seq: known.seq, at: known.at };
    if (known.seq <= after) low = high;
    for (let index = 0; index < known.places.length; index += 2) {
      const seq = known.places[index]!;
      if (seq <= after && seq > low.seq) low = { seq, at: known.places[index + 1]! };
    }
    for (let turn = 0; after - low.seq > NEAR && high.at - low.at > 1; turn++) {
      // Runs are written at an even pace, more or less; where one is not, halves find it.
      const share = turn % 2 === 0 ? (after - low.seq) / (high.seq - low.seq) : 0.5;
      const guess = low.at + Math.max(1, Math.floor((high.at - low.at) * share));
      const message = await this.#get({ seq: guess, next_by_subj: subject });
      const mark = message && markOf(message);
      if (mark?.base !== known.base) break;
      if (mark.seq <= after) low = { seq: mark.seq, at: message!.seq };
      else high = { seq: mark.seq, at: guess };
    }
    return low.at;
  }

  /** Several messages with one request, or none if that does not work just now. */
  async #fetch(subject: string, from: number, maxBytes: number): Promise<JsMsg[]> {
    const { js, jsm } = this.#connection;
    const stream = this.#names.logs;
    const messages: JsMsg[] = [];
    let made: ConsumerInfo | undefined;
    try {
      made = await this.#connection.ask(() =>
        jsm.consumers.add(stream, {
          filter_subject: subject,
          deliver_policy: "by_start_sequence" as never,
          opt_start_seq: from,
          ack_policy: "none" as never,
          mem_storage: true,
          num_replicas: 1,
          inactive_threshold: 10e9,
        }),
      );
      const max = Math.min(MANY, made.num_pending, Math.ceil(maxBytes / OVERHEAD));
      if (max === 0) return [];
      const fetched = await js.consumers
        .getConsumerFromInfo(made)
        .fetch({ max_messages: max, expires: 1_000 });
      let bytes = 0;
      for await (const message of fetched) {
        messages.push(message);
        bytes += message.data.length;
        if (bytes > maxBytes) break;
      }
    } catch {
      // What came is in order; the rest is read one by one.
    }
    const { name } = made ?? {};
    if (name) this.#connection.ask(() => jsm.consumers.delete(stream, name)).catch(() => {});
    return messages;
  }

  async #join(parts: readonly number[]): Promise<Uint8Array | undefined> {
    const messages = await Promise.all(parts.map((seq) => this.#get({ seq })));
    const data = messages.flatMap((message) => message?.data ?? []);
    return data.length === parts.length ? Buffer.concat(data) : undefined;
  }

  #get(query: { seq: number } | { last_by_subj: string } | { seq: number; next_by_subj: string }) {
    const { streams } = this.#connection.jsm;
    return this.#connection.ask(() => streams.getMessage(this.#names.logs, query));
  }
}

/** Undefined for the end of a deleted log. */
function markOf(message: StoredMsg | JsMsg): LogMark | undefined {
  const headers = "header" in message ? message.header : message.headers;
  return parseLogMark(headers?.get(HEADER) ?? "", message.subject);
}

export function textOf(data: Uint8Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString();
}

/** Remembers where a batch ends, so that who has read so far is not searched for. */
export function remember({ places }: Known, seq: number, message: number): void {
  places.push(seq, message);
  if (places.length > 2 * PLACES) places.splice(0, places.length - 2 * PLACES);
}
