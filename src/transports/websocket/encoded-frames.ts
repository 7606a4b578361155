import type { Frames } from "../../view.ts";
import { formatFrames } from "./frames.ts";
import { messageBytes } from "./message-bytes.ts";

/** What is made for further ids is not kept where it would be more than this, in bytes. */
const MOST_KEPT = 1024 * 1024;

/** Frames as messages in bytes. They hold the id of a subscription, and are made once for all that have the same: most. */
export class EncodedFrames {
  readonly #frames: Frames;
  readonly #kept = new Map<string, readonly Buffer[]>();
  #madeBytes = 0;

  constructor(frames: Frames) {
    this.#frames = frames;
  }

  /** The messages of a subscription, in order. */
  under(id: string): readonly Buffer[] {
    const kept = this.#kept.get(id);
    if (kept) return kept;
    const messages = Array.from(formatFrames(id, this.#frames), messageBytes);
    for (const { length } of messages) this.#madeBytes += length;
    if (this.#kept.size === 0 || this.#madeBytes <= MOST_KEPT) this.#kept.set(id, messages);
    return messages;
  }
}
