import { setTimeout } from "node:timers/promises";
import { openEvents, type SseFrame } from "../../test/support/events-connection.ts";

const AGAIN_MS = 20;

export interface ViewerOptions {
  /** The server to ask; asked before each connection. */
  readonly base: () => string;
  readonly run: string;
  /** Called with each frame of an entry as it comes. */
  readonly onFrame?: (frame: SseFrame) => void;
}

/** A viewer that comes back, whatever is answered, until it has seen the end of the run or is told to stop. */
export class Viewer {
  /** The frames of entries since the last reset, as they came. */
  readonly frames: string[] = [];
  /** How often it was told that the log is another one. */
  resets = 0;
  connections = 0;
  /** Set where the run is not there any more. */
  gone = false;
  /** Resolves once it has seen the end, or was stopped. Never rejects. */
  readonly done: Promise<void>;
  readonly #options: ViewerOptions;
  #stopped = false;
  #cut = () => {};

  constructor(options: ViewerOptions) {
    this.#options = options;
    this.done = this.#watch();
  }

  stop(): void {
    this.#stopped = true;
    this.#cut();
  }

  async #watch(): Promise<void> {
    const { base, run, onFrame } = this.#options;
    let cursor: string | undefined;
    while (!this.#stopped) {
      this.connections++;
      try {
        const events = await openEvents(base(), run, { after: cursor });
        this.#cut = () => events.cut();
        if (events.status === 204) return;
        if (events.status === 404) this.gone = true;
        if (events.status === 404) return events.cut();
        if (events.status === 200) {
          for await (const frame of events) {
            cursor = frame.id ?? cursor;
            if (frame.event === "reset") {
              this.resets++;
              this.frames.length = 0;
              continue;
            }
            this.frames.push(frame.raw);
            onFrame?.(frame);
            if (isEnd(frame.data)) return events.cut();
          }
        } else events.cut();
      } catch {
        // It comes back.
      }
      await setTimeout(AGAIN_MS);
    }
  }
}

/** Whether the data of a frame is a terminal event. */
export function isEnd(data: string): boolean {
  return /^\{"seq":\d+,"at":\d+,"event":\{"type":"run\.(finished|failed|cancelled)"/.test(data);
}
