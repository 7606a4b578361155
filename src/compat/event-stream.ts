import { parseCursor } from "../batch.ts";
import { RunError } from "../errors.ts";
import type { JsonObject, StreamEvent } from "../events.ts";
import type { Hub, Run } from "../hub.ts";
import type { Appended, ProducedEvent } from "../producers.ts";
import { eventName as agentxEventName } from "../protocols/agentx/event-name.ts";
import { AGENTX_TAG, agentxView, type SentByAgentx } from "../protocols/agentx/view.ts";
import { eventName as vibexEventName } from "../protocols/vibex/event-name.ts";
import { type SentByVibex, VIBEX_TAG, vibexView } from "../protocols/vibex/view.ts";
import { formatFrame } from "../transports/sse/format.ts";
import { type Frame, project, type View } from "../view.ts";
import { Written } from "./written.ts";

/** An event as a sender writes it. */
export type SentEvent = ProducedEvent & SentByAgentx & SentByVibex;

export interface CreateOptions {
  /** What the run is about: lists show it. @default the id */
  readonly input?: string;
  /** Kept with the run and shown; up to 8 KiB. */
  readonly metadata?: JsonObject;
}

export interface StreamEventsOptions {
  /** The id of the last frame that the listener has. @default the start */
  readonly after?: string;
  /** Ends the iteration without an error. */
  readonly signal?: AbortSignal;
}

/** How often a quiet stream says that its program is alive, in ms: three times in the lease of a producer. */
const RENEW_MS = 20_000;

interface Open {
  readonly run: Run;
  readonly written: Written;
}

/**
 * The streams of a program that writes its events itself: each is a run without an agent. Every listener gets
 * all of it from its start, whenever it comes; what was sent is kept, also when the program dies.
 */
abstract class EventStream<Shown> {
  readonly hub: Hub;
  readonly #streams = new Map<string, Promise<Open>>();
  /** Events of one stream are made and appended one after the other: what is open decides what they are. */
  readonly #turns = new Map<string, Promise<unknown>>();
  #renewal: NodeJS.Timeout | undefined;

  constructor(hub: Hub) {
    this.hub = hub;
  }

  /** Tags the runs, and comes before the names of events in the log. */
  protected abstract readonly system: string;
  protected abstract view(run: string): View;
  protected abstract eventName(custom: string): string | undefined;
  protected abstract show(frame: Frame): Shown;

  /**
   * Opens the stream with this id, or finds the one there is: its options are then those it was opened with.
   * It stays open while this process lives. Throws `invalid_id`, `stopping`.
   */
  async createStream(id: string, options?: CreateOptions): Promise<Run> {
    return (await this.#open(id, options)).run;
  }

  /** The run behind a stream that was opened, here or in another process; else undefined. Throws `invalid_id`. */
  async getStream(id: string): Promise<Run | undefined> {
    const run = this.hub.run(id);
    return (await run.log.entry(1)) ? run : undefined;
  }

  /**
   * Sends an event of any name to all listeners, now and later; opens the stream if it is not. Resolves once it is
   * committed. Throws `TypeError` for what cannot be an SSE event's name, `run_closed` after the end,
   * `run_owned` for the run of an agent, `invalid_event` for data without JSON.
   */
  async sendEvent(id: string, eventType: string, data: unknown): Promise<Appended> {
    const name = `${this.system}.${eventType}`;
    if (this.eventName(name) !== eventType) {
      const why = 'a name has up to 64 letters, digits, "_", "-" or ".", and is not "reset"';
      throw new TypeError(`Cannot send event ${JSON.stringify(eventType)}: ${why}`);
    }
    // What the data is as JSON is decided where it is encoded.
    return this.write(id, () => [{ type: "custom", name, data: data as never }]);
  }

  /**
   * What was sent, from the start or after a cursor, then what is sent; ends with the stream. Opens it if it is
   * not. To stop iterating only detaches. Throws `invalid_cursor`.
   */
  async *streamEvents(
    id: string,
    { after = "", signal }: StreamEventsOptions = {},
  ): AsyncGenerator<Shown, void, undefined> {
    const cursor = parseCursor(after);
    if (!cursor) {
      const shown = JSON.stringify(after.slice(0, 80));
      throw new RunError("invalid_cursor", `Cannot stream events from ${shown}: it is no cursor`);
    }
    const { log } = (await this.getStream(id)) ?? (await this.createStream(id));
    for await (const frames of project(log, this.view(id), { after: cursor, signal })) {
      for (const frame of frames) yield this.show(frame);
    }
  }

  /** Ends the stream as finished: listeners end once they have all of it. One that has ended, or never was, stays so. */
  async closeStream(id: string): Promise<void> {
    if (!(await this.getStream(id))) return;
    try {
      await this.write(id, () => [{ type: "run.finished" }]);
    } catch (error) {
      if (!(error instanceof RunError) || error.code !== "run_closed") throw error;
    }
  }

  /**
   * Appends events whole or not at all, after those sent before: how the senders write. `make` is given what the
   * stream holds open.
   */
  write(id: string, make: (written: Written) => readonly SentEvent[]): Promise<Appended> {
    const before = this.#turns.get(id);
    const turn = Promise.resolve(before).then(() => this.#write(id, make));
    const settled = turn.then(
      () => {},
      () => {},
    );
    this.#turns.set(id, settled);
    void settled.then(() => {
      if (this.#turns.get(id) === settled) this.#turns.delete(id);
    });
    return turn;
  }

  async #write(id: string, make: (written: Written) => readonly SentEvent[]): Promise<Appended> {
    const { run, written } = await this.#open(id);
    const events = make(written);
    try {
      const appended = await run.append(events);
      for (const event of events) written.apply(event as StreamEvent);
      if (appended.ended) this.#forget(id);
      return appended;
    } catch (error) {
      // Refused for what it was, the stream stays as it is; for anything else it is read anew.
      if (!(error instanceof RunError) || !["invalid_event", "too_large"].includes(error.code))
        this.#forget(id);
      throw error;
    }
  }

  /** The stream, and what an earlier process left open in it. */
  #open(id: string, options?: CreateOptions): Promise<Open> {
    const known = this.#streams.get(id);
    if (known) return known;
    const opened = this.#start(id, options).then(async (run) => {
      const written = new Written();
      for await (const slice of run.log.read())
        for (const { event, at } of slice) written.apply(event, Date.now() - at);
      return { run, written };
    });
    this.#streams.set(id, opened);
    opened.catch(() => this.#forget(id));
    this.#renewal ??= setInterval(() => this.#renew(), RENEW_MS).unref();
    return opened;
  }

  async #start(id: string, { input = id, metadata }: CreateOptions = {}): Promise<Run> {
    const run = this.hub.run(id);
    if (await run.log.entry(1)) return run;
    try {
      const tags = [this.system];
      await this.hub.start({ id, agent: null, input, tags, ...(metadata && { metadata }) });
    } catch (error) {
      // Another opened it at the same moment.
      if (!(error instanceof RunError) || error.code !== "run_exists") throw error;
    }
    return run;
  }

  /** A program may be quiet for long: its streams are lost only with its process. */
  #renew(): void {
    for (const [id, opened] of this.#streams) {
      opened.then(({ run }) => run.append([])).catch(() => this.#forget(id));
    }
  }

  #forget(id: string): void {
    this.#streams.delete(id);
    if (this.#streams.size > 0) return;
    clearInterval(this.#renewal);
    this.#renewal = undefined;
  }
}

/** AgentX's hub: streams by task. `streamEvents` yields SSE text, a frame at a time. */
export class TaskEventStream extends EventStream<string> {
  protected readonly system = AGENTX_TAG;

  protected view(run: string): View {
    return agentxView({ run });
  }

  protected eventName(custom: string): string | undefined {
    return agentxEventName(custom);
  }

  protected show(frame: Frame): string {
    return formatFrame(frame);
  }
}

/** An event as a server for SSE takes it. `data` is JSON. */
export interface ProjectEvent {
  /** A cursor. Of several events that one append is shown as, only the last has it. */
  readonly id?: string;
  readonly event: string;
  readonly data: string;
}

/** VibeX's hub: streams by project. `streamEvents` yields `{ id, event, data }`. */
export class ProjectEventStream extends EventStream<ProjectEvent> {
  protected readonly system = VIBEX_TAG;

  protected view(run: string): View {
    return vibexView({ run });
  }

  protected eventName(custom: string): string | undefined {
    return vibexEventName(custom);
  }

  protected show({ cursor, event = "message", data }: Frame): ProjectEvent {
    return { ...(cursor !== undefined && { id: cursor }), event, data };
  }
}
