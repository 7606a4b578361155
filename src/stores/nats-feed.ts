import type { ConsumerMessages, JsMsg } from "@nats-io/jetstream";
import { type Connection, HEADER } from "./nats-connection.ts";
import { RecordIndex } from "./nats-index.ts";
import { DELETED, type Names, type RecordMark } from "./nats-messages.ts";

/** How long to wait for the next of what the server has, in ms. */
const PATIENCE_MS = 5_000;
/** How long a sign that a run was deleted, or that a process was alive, is kept after it says nothing new, in ms. */
const KEPT_MS = 3_600_000;

interface Waiting {
  readonly message: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** What is known of the index stream: all that it holds without payloads, and then whatever comes. One consumer. */
export class Feed {
  readonly index = new RecordIndex();
  readonly #connection: Connection;
  readonly #names: Names;
  /** When, by the clock of the server in ms, who was last heard of, and for how long that counts. */
  readonly #heard = new Map<string, { readonly at: number; readonly ms: number; readonly message: number }>();
  /** While it is filled: the messages that say only that a run is gone, and when they were stored. */
  #old: { readonly mark: RecordMark; readonly message: number; readonly at: number }[] | undefined = [];
  #position = 0;
  #now = 0;
  #messages: ConsumerMessages | undefined;
  readonly #waiting = new Set<Waiting>();

  private constructor(connection: Connection, names: Names) {
    this.#connection = connection;
    this.#names = names;
  }

  /** Resolves once all is known that there was at the call. */
  static async open(connection: Connection, names: Names): Promise<Feed> {
    const feed = new Feed(connection, names);
    const { js } = connection;
    const consumer = await connection.ask(() =>
      js.consumers.getPushConsumer(names.index, { headers_only: true }),
    );
    feed.#messages = await consumer.consume({ callback: (message) => feed.#take(message) });
    try {
      // A message of our own: when it comes, all before it have come.
      const { seq } = await connection.ask(() => js.publish(names.mark));
      await feed.reached(seq);
    } catch (error) {
      void feed.close();
      throw error;
    }
    feed.#sweep();
    return feed;
  }

  /** What this process has stored, so that it finds it at once. */
  put(mark: RecordMark, message: number): void {
    if (message > this.#position) this.index.take(mark, message, true);
  }

  /** The server's clock as of the last message, in ms since the epoch. */
  get now(): number {
    return this.#now;
  }

  /** Resolves once a message has come, or a later one. */
  reached(message: number): Promise<void> {
    if (this.#position >= message) return Promise.resolve();
    return new Promise((resolve, reject) => {
      let position = this.#position;
      const timer = setInterval(() => {
        if (position === this.#position) waiting.reject(new Error("NATS does not send what it has"));
        position = this.#position;
      }, PATIENCE_MS).unref();
      const settled = () => {
        clearInterval(timer);
        this.#waiting.delete(waiting);
      };
      const waiting: Waiting = {
        message,
        resolve: () => {
          settled();
          resolve();
        },
        reject: (error) => {
          settled();
          reject(error);
        },
      };
      this.#waiting.add(waiting);
    });
  }

  /** Who is alive, as of when a beat was stored. */
  alive(holder: string): string[] {
    const now = this.#heard.get(holder)?.at ?? this.#now;
    const alive: string[] = [];
    for (const [name, { at, ms, message }] of this.#heard) {
      if (at + ms > now) alive.push(name);
      else if (at + ms + KEPT_MS <= now) {
        this.#heard.delete(name);
        this.#forget(message);
      }
    }
    return alive;
  }

  async close(): Promise<void> {
    for (const { reject } of this.#waiting) reject(new Error("the connection to NATS was lost"));
    // A consumer that cannot be taken away goes by itself, after 5 minutes.
    await this.#connection.ask(async () => this.#messages?.close()).catch(() => {});
  }

  #take(message: JsMsg): void {
    const { subject, seq, headers, info } = message;
    this.#now = Math.max(this.#now, info.timestampNanos / 1e6);
    this.#position = seq;
    const header = headers?.get(HEADER);
    if (header) {
      const mark = JSON.parse(header);
      if (subject.startsWith(`${this.#names.logs}.record.`)) this.#record(mark, seq);
      else this.#heard.set(mark.holder, { at: info.timestampNanos / 1e6, ms: mark.ms, message: seq });
    }
    for (const waiting of this.#waiting) if (waiting.message <= seq) waiting.resolve();
  }

  #record(mark: RecordMark, message: number): void {
    this.index.take(mark, message);
    if (mark.gone) this.#old?.push({ mark, message, at: this.#now });
  }

  /** Takes away what says only that a run is gone: whoever was there then has seen it. */
  #sweep(): void {
    for (const { mark, message, at } of this.#old ?? []) {
      if (at + KEPT_MS <= this.#now) void this.#forgetRun(mark, message);
    }
    this.#old = undefined;
  }

  /** Takes away the end of a deleted log, and what says that it is gone. */
  async #forgetRun({ at }: RecordMark, message: number): Promise<void> {
    const { streams } = this.#connection.jsm;
    const { logs } = this.#names;
    try {
      // Not purged by its subject: for that, nats-server 2.9 keeps all others waiting.
      const end = at > 0 && (await this.#connection.ask(() => streams.getMessage(logs, { seq: at })));
      if (end && end.header.get(HEADER) === DELETED)
        await this.#connection.ask(() => streams.deleteMessage(logs, at, false));
      this.#forget(message);
    } catch {
      // Whoever comes next tries again.
    }
  }

  #forget(message: number): void {
    const { streams } = this.#connection.jsm;
    // Another process may have done it, and whoever comes next tries again.
    this.#connection.ask(() => streams.deleteMessage(this.#names.index, message, false)).catch(() => {});
  }
}
