import type { Outlet } from "./live-viewer.ts";
import type { Frames } from "./view.ts";

/** What there is to show to one viewer. The signal aborts when nobody looks on any more: then it ends. */
export type OpenFrames = (gone: AbortSignal) => AsyncIterable<Frames>;

/** Shows on an outlet what was made for this viewer alone: nothing is asked for before there is room for it. */
export class FramesViewer<Encoded> {
  readonly #open: OpenFrames;
  readonly #encode: (frames: Frames) => Encoded;
  readonly #outlet: Outlet<Encoded>;
  readonly #gone = new AbortController();
  #left = false;

  constructor(open: OpenFrames, encode: (frames: Frames) => Encoded, outlet: Outlet<Encoded>) {
    this.#open = open;
    this.#encode = encode;
    this.#outlet = outlet;
  }

  async show(): Promise<void> {
    try {
      for await (const frames of this.#open(this.#gone.signal)) {
        if (this.#left) return;
        if (frames.length > 0) this.#outlet.write(this.#encode(frames));
        await this.#outlet.room();
      }
      if (!this.#left) this.#outlet.end(!this.#gone.signal.aborted);
    } catch (error) {
      if (!this.#left) this.#outlet.fail(error);
    }
  }

  stop(): void {
    this.#gone.abort();
  }

  leave(): void {
    this.#left = true;
    this.#gone.abort();
  }
}
