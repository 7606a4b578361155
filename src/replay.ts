import type { AgentLike, AgentStream, RunContext } from "./agent.ts";
import { type AgentEvent, type Entry, isTerminal, type TerminalEvent } from "./events.ts";
import { AgentFailure } from "./failure.ts";
import { sleep } from "./internal/wait.ts";
import { type Due, timelineOf } from "./timeline.ts";

export interface ReplayOptions {
  /** How many times as fast as it was; `Infinity` is without any wait. @default 1 */
  readonly speed?: number;
  /** The agent's name. @default "replay" */
  readonly name?: string;
  /** Fails in place of the entry with this seq, with the code `replay_fault`: to see what becomes of viewers then. */
  readonly failAt?: number;
}

/**
 * An agent that does what was recorded: yields each event of a run as it was, at the time it came, and fails
 * where that run failed. Events of the hub (`run.*`) and of people (`input.*`) are not its to yield; so it asks
 * for approval where the run did, waits for an answer, and then goes on as recorded, whatever the answer. A
 * cancelled run is a failure with the code `cancelled`. Throws `RangeError` for a speed that is none.
 */
export function replay(recording: readonly Entry[], options: ReplayOptions = {}): AgentLike {
  const { speed = 1, name = "replay", failAt } = options;
  if (!(speed > 0)) throw new RangeError(`Cannot replay at speed ${speed}: it must be more than 0`);
  const timeline = timelineOf(recording);
  const unlimited = Number.POSITIVE_INFINITY;
  return {
    name,
    // The limits were those of the run that was recorded.
    limits: { timeoutMs: unlimited, idleMs: unlimited, firstChunkMs: unlimited, maxSteps: unlimited },
    run: (context) => play(timeline, context, speed, failAt),
  };
}

async function* play(
  timeline: readonly Due[],
  { entries, signal }: RunContext,
  speed: number,
  failAt: number | undefined,
): AgentStream {
  const answered = new Set(
    entries.map(({ event }) => (event.type === "input.approval" ? event.approvalId : undefined)),
  );
  const first = goOnFrom(timeline, entries);
  const start = performance.now() - (timeline[first - 1]?.due ?? 0) / speed;
  for (const { due, seq, event } of timeline.slice(first)) {
    const ms = start + due / speed - performance.now();
    // A timer takes 31 bits of ms.
    if (ms > 0) await sleep(Math.min(ms, 0x7fff_ffff), signal);
    if (signal.aborted) return;
    if (seq === failAt) throw new AgentFailure("replay_fault", `The replay was told to fail at entry ${seq}`);
    if (isTerminal(event)) return endAs(event);
    if (event.type === "input.approval" && !answered.has(event.approvalId)) return;
    if (!event.type.startsWith("input.")) yield event as AgentEvent;
  }
}

/** Where to go on in a run that waited: at the first answer after the last question, as it stopped there. */
function goOnFrom(timeline: readonly Due[], entries: readonly Entry[]): number {
  const asked = entries.findLast(({ event }) => event.type === "approval.requested")?.event;
  if (asked?.type !== "approval.requested") return 0;
  const question = timeline.findIndex(
    ({ event }) => event.type === "approval.requested" && event.approvalId === asked.approvalId,
  );
  const answer = timeline.findIndex(
    ({ event }, index) => index > question && event.type === "input.approval",
  );
  return answer < 0 ? timeline.length : answer;
}

function endAs(terminal: TerminalEvent): void {
  if (terminal.type === "run.failed") throw new AgentFailure(terminal.code, terminal.message);
  if (terminal.type === "run.cancelled")
    throw new AgentFailure("cancelled", terminal.reason ?? "The run that was recorded was cancelled");
}
