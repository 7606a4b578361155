import { createHash } from "node:crypto";
import { follow, type Http } from "runlog/client";

/** What somebody holds of a run: how many events, how many bytes, and the hash of these bytes. */
export interface Account {
  readonly events: number;
  readonly bytes: number;
  readonly hash: string;
}

/** The account of frames `{"seq","at","event"}`, one to a line. */
export class Tally {
  readonly #hash = createHash("sha256");
  events = 0;
  bytes = 0;

  add(json: string): void {
    this.#hash.update(`${json}\n`);
    this.bytes += Buffer.byteLength(json) + 1;
    this.events++;
  }

  /** To be taken once, at the end. */
  account(): Account {
    return { events: this.events, bytes: this.bytes, hash: this.#hash.digest("hex") };
  }
}

/** Somebody who watches a run to its end, however often the connection breaks, and keeps count of every byte. */
export class Viewer {
  reconnects = 0;
  /** How often it was told that its log is gone and another one comes: never, as the store loses nothing here. */
  resets = 0;
  #tally = new Tally();

  get events(): number {
    return this.#tally.events;
  }

  async watch(http: Http, run: string, signal: AbortSignal): Promise<Account> {
    const onConnection = ({ state, attempt }: { state: string; attempt: number }) => {
      if (state === "reconnecting" && attempt === 1) this.reconnects++;
    };
    for await (const { entries, reset } of follow(http, run, { signal, onConnection })) {
      if (reset !== undefined) {
        this.resets++;
        this.#tally = new Tally();
      }
      for (const { json } of entries ?? []) this.#tally.add(json);
    }
    return this.#tally.account();
  }
}
