import type { StreamResponse } from "@a2a-js/sdk";

/**
 * How far a stream was read, for servers that number what they say: a Runlog server has `metadata.seq` on each
 * update, several of which may share one, and an SSE id on the last of them. Others have no place, and a snapshot
 * says what was missed.
 */
export class RemotePlace {
  /** The SSE id to go on after. */
  id: string | undefined;
  /** The number of the last update, and how many with it were taken. */
  seq = 0;
  #taken = 0;
  /** How many with the last number came since the connection was made. */
  #passed = 0;

  constructor(seq = 0) {
    this.seq = seq;
    // All of that number was taken, however many there were.
    if (seq > 0) this.#taken = Number.POSITIVE_INFINITY;
  }

  /** Whether the server can be asked for what follows, exactly. */
  get known(): boolean {
    return this.id !== undefined;
  }

  /** A connection begins: what is told again is passed over. */
  begin(): void {
    this.#passed = 0;
  }

  /** Takes an update. False if it was taken on an earlier connection. */
  take(event: StreamResponse, id: string | undefined): boolean {
    const metadata: unknown = event.payload?.value.metadata;
    const { seq, cursor } = Object(metadata) as Record<string, unknown>;
    // A number alone may be anything of the agent's own.
    const numbered =
      Number.isSafeInteger(seq) && (this.seq > 0 || id !== undefined || typeof cursor === "string");
    if (!numbered) {
      if (id !== undefined) this.id = id;
      return true;
    }
    const at = seq as number;
    if (at < this.seq) return false;
    if (at === this.seq) {
      this.#passed += 1;
      if (this.#passed <= this.#taken) return false;
    } else {
      this.seq = at;
      this.#taken = 0;
      this.#passed = 1;
    }
    this.#taken += 1;
    if (id !== undefined) this.id = id;
    return true;
  }
}
