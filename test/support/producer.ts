import { post } from "./post.ts";
import { scripted } from "./script.ts";

/** What was answered to a producer: its events from `from` on are the entries from `first` on. */
export interface Acknowledged {
  readonly from: number;
  readonly count: number;
  readonly first: number;
  readonly last: number;
}

/** A producer outside of the server's process, which says the script of a seed. */
export class Producer {
  readonly run: string;
  readonly seed: number;
  readonly acknowledged: Acknowledged[] = [];
  /** The next event of the script. */
  next = 0;

  constructor(run: string, seed: number) {
    this.run = run;
    this.seed = seed;
  }

  async start(base: string): Promise<void> {
    const { status, body } = await post(`${base}/runs`, { agent: null, id: this.run });
    if (status !== 201) throw new Error(`Cannot start run ${this.run}: ${status} ${JSON.stringify(body)}`);
  }

  /** Appends the next events of the script as one batch. Throws when the answer does not come. */
  async append(base: string, count: number, end = false): Promise<void> {
    const events: unknown[] = Array.from({ length: count }, (_, index) =>
      scripted(this.seed, this.next + index),
    );
    if (end) events.push({ type: "run.finished" });
    const { status, body } = await post(`${base}/runs/${this.run}/events`, events);
    if (status !== 200)
      throw new Error(`Cannot append to run ${this.run}: ${status} ${JSON.stringify(body)}`);
    this.acknowledged.push({ from: this.next, count, first: body.first, last: body.last });
    this.next += count;
  }
}
