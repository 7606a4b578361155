import type { Http } from "../client/http.ts";
import { RunError } from "../errors.ts";
import { type Entry, type InputEvent, isTerminal, type StreamEvent } from "../events.ts";
import { sleep } from "../internal/wait.ts";
import { timelineOf } from "../timeline.ts";
import type { FoundRun } from "./find-run.ts";
import { cancel } from "./watch.ts";

/** How long the server waits for us, and how often we say that we are still here. */
const LEASE_MS = 30_000;
const RENEW_MS = 10_000;
/** What is sent at once: below the server's limits of 500 events and 1 MiB. A longer event goes alone. */
const MOST_EVENTS = 500;
const MOST_BYTES = 512 * 1024;

/** Starts the run that a recording tells of as one that we write, and resolves to its id. */
export async function startRecorded(http: Http, recording: readonly Entry[]): Promise<string> {
  const first = recording[0]?.event;
  if (first?.type !== "run.started") throw new TypeError("Cannot start a run without its first event");
  const { input, history, tags, metadata } = first;
  const body = {
    agent: null,
    leaseMs: LEASE_MS,
    input,
    ...(history && { history }),
    ...(tags && { tags }),
    ...(metadata && { metadata }),
  };
  const { run } = await http.json<FoundRun>("/runs", { method: "POST", body });
  return run;
}

export interface ProduceOptions {
  /** How many times as fast as it was; `Infinity` is without any wait. */
  readonly speed: number;
  /** Cancels the run. */
  readonly signal?: AbortSignal;
}

/**
 * Writes what a recording tells into a run that we started, each entry as one. What people said is sent as what
 * people say. Resolves once the run has ended, also where somebody else has ended it.
 */
export async function produce(
  http: Http,
  run: string,
  recording: readonly Entry[],
  { speed, signal }: ProduceOptions,
): Promise<void> {
  const path = `/runs/${encodeURIComponent(run)}`;
  const post = (to: string, body: unknown) => http.request(`${path}/${to}`, { method: "POST", body });
  const timeline = timelineOf(recording);
  const last = timeline.at(-1);
  if (!last || !isTerminal(last.event))
    timeline.push({ due: last?.due ?? 0, seq: recording.length + 1, event: cutOff });
  const begin = performance.now();
  let renewAt = begin + RENEW_MS;
  try {
    for (let next = 0; next < timeline.length; ) {
      const now = performance.now();
      const ms = begin + timeline[next]!.due / speed - now;
      if (signal?.aborted) {
        await cancel(http, run);
        await post("events", { type: "run.cancelled" });
        return;
      }
      if (ms > 0) {
        await sleep(Math.min(ms, Math.max(renewAt - now, 1)), signal);
        if (performance.now() < renewAt) continue;
        await post("events", []);
      } else if (isInput(timeline[next]!.event)) {
        await sendInput(post, timeline[next]!.event as InputEvent);
        next++;
      } else {
        const events: StreamEvent[] = [];
        let bytes = 0;
        for (; next < timeline.length && events.length < MOST_EVENTS; next++) {
          const { due, event } = timeline[next]!;
          if (isInput(event) || begin + due / speed > now) break;
          bytes += Buffer.byteLength(JSON.stringify(event));
          if (bytes > MOST_BYTES && events.length > 0) break;
          events.push(event);
        }
        await post("events", events);
      }
      renewAt = performance.now() + RENEW_MS;
    }
  } catch (error) {
    if (!(error instanceof RunError) || error.code !== "run_closed") throw error;
  }
}

const cutOff: StreamEvent = {
  type: "run.failed",
  code: "producer_lost",
  message: "The recording stops before the end of its run",
  cost: null,
};

const isInput = (event: StreamEvent): boolean => event.type.startsWith("input.");

async function sendInput(
  post: (to: string, body: unknown) => Promise<unknown>,
  event: InputEvent,
): Promise<void> {
  try {
    await post("input", event);
  } catch (error) {
    // Somebody was faster.
    if (!(error instanceof RunError) || error.code !== "not_waiting") throw error;
  }
}
