import { setTimeout } from "node:timers/promises";
import { post } from "../../test/support/post.ts";

export interface Pace {
  readonly events: number;
  /** Of each event, about. */
  readonly bytes: number;
  readonly everyMs: number;
}

/** Appends events of a size at a pace. `onSent` is called before each with the seq that it will have. */
export async function producedBulk(
  base: string,
  run: string,
  { events, bytes, everyMs }: Pace,
  onSent: (seq: number) => void,
): Promise<void> {
  for (let index = 0; index < events; index++) {
    const data = `${index} `.padEnd(bytes, "bulk ");
    onSent(index + 2);
    await post(`${base}/runs/${run}/events`, { type: "custom", name: "app.bulk", data });
    await setTimeout(everyMs);
  }
}
