import { randomUUID } from "node:crypto";
import type { Answer } from "../../test/support/post.ts";
import type { Acknowledged } from "../../test/support/producer.ts";
import { scripted } from "../../test/support/script.ts";
import { postPatiently } from "./request.ts";

/** A producer outside of the servers that says the script of a seed, numbers its appends, and repeats what got no answer. */
export class NumberedProducer {
  readonly run = randomUUID();
  readonly seed: number;
  readonly acknowledged: Acknowledged[] = [];
  /** The next event of the script. */
  next = 0;
  /** How often an append was made again. */
  retries = 0;
  readonly #base: () => string;
  readonly #onRetry: (answer?: Answer) => void;
  #seq = 0;

  /** `base` is asked before each try; `onRetry` is called before each further one, with the answer if there was one. */
  constructor(seed: number, base: () => string, onRetry: (answer?: Answer) => void = () => {}) {
    this.seed = seed;
    this.#base = base;
    this.#onRetry = onRetry;
  }

  async start(leaseMs?: number): Promise<void> {
    const body = { agent: null, id: this.run, ...(leaseMs !== undefined && { leaseMs }) };
    await postPatiently(this.#base, "/runs", body, { onRetry: this.#onRetry });
  }

  /** Appends the next events of the script as one batch; with `end`, the end of the run too. */
  async append(count: number, end = false): Promise<void> {
    const events: unknown[] = Array.from({ length: count }, (_, index) =>
      scripted(this.seed, this.next + index),
    );
    if (end) events.push({ type: "run.finished" });
    const headers = {
      "producer-id": "chaos",
      "producer-epoch": "0",
      "producer-seq": String(this.#seq),
    };
    const { body } = await postPatiently(this.#base, `/runs/${this.run}/events`, events, {
      headers,
      onRetry: (answer) => {
        this.retries++;
        this.#onRetry(answer);
      },
    });
    this.#seq++;
    this.acknowledged.push({ from: this.next, count, first: body.first, last: body.last });
    this.next += count;
  }
}
