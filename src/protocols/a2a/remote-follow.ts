import { type Message, type StreamResponse, type Task, TaskState } from "@a2a-js/sdk";
import { AgentFailure } from "../../failure.ts";
import type { RemoteAgent, RemoteEvent } from "./remote-agent.ts";
import { ConnectionLost, refusal, remoteFailure, shown } from "./remote-failure.ts";
import { RemotePlace } from "./remote-place.ts";

/** Waits; may reject once the signal aborts. */
export type Sleep = (ms: number, signal: AbortSignal) => Promise<unknown>;

export interface FollowRemoteOptions {
  readonly remote: RemoteAgent;
  /** What is sent first; without it a task is joined that is there already. */
  readonly message?: Message;
  /** The task that is joined, or answered. */
  readonly taskId?: string;
  /** The number of the last update that was taken from this task before. */
  readonly seq?: number;
  readonly signal: AbortSignal;
  readonly sleep: Sleep;
  /** How many tries in a row may bring nothing new. */
  readonly retries: number;
}

/** An update of a task; `again` says that it tells the whole of it, of which parts may be known. */
export interface RemoteUpdate {
  readonly event: StreamResponse;
  readonly again: boolean;
  /** The number to go on after, if the server numbers its updates. */
  readonly seq: number;
}

const FIRST_DELAY_MS = 500;
const MOST_DELAY_MS = 15_000;
const FIRST_POLL_MS = 250;
const MOST_POLL_MS = 5_000;

/**
 * Sends a message, or joins a task, and yields what the remote tells until the task has ended, waits for a
 * person, or was a mere message. A lost connection is made again: after the last SSE id where the server gives
 * ids, else by a snapshot. A server without streams is polled. Ends early when the signal aborts; throws
 * `AgentFailure`.
 */
export async function* followRemote(
  options: FollowRemoteOptions,
): AsyncGenerator<RemoteUpdate, void, undefined> {
  const { remote, message, signal, sleep, retries } = options;
  const place = new RemotePlace(options.seq);
  let { taskId } = options;
  // What was asked before is told again before the answer has its effect.
  let answering = message !== undefined && taskId !== undefined;
  // Whether updates may have been missed that no snapshot has told yet.
  let doubtful = false;
  let polling = !remote.streaming;
  let failures = 0;
  let connection = 0;
  let pollMs = FIRST_POLL_MS;

  const snapshot = async (id: string): Promise<RemoteUpdate> => {
    const event = asEvent(await remote.get(id, signal));
    return { event, again: true, seq: place.seq };
  };

  while (!signal.aborted) {
    const sending = connection === 0 && message !== undefined;
    connection += 1;
    let moved = false;
    let lost: unknown;
    try {
      if (polling && !sending) {
        const update = await snapshot(taskId!);
        yield update;
        if (isOver(update.event)) return;
        failures = 0;
        await pause(sleep, pollMs, signal);
        pollMs = Math.min(pollMs * 1.5, MOST_POLL_MS);
        continue;
      }
      const source = sending
        ? polling
          ? once(remote, message, signal)
          : remote.stream(message, signal)
        : remote.subscribe(taskId!, place.id, signal);
      place.begin();
      let first = true;
      for await (const { event, id } of source) {
        taskId ??= taskOf(event);
        if (!place.take(event, id)) continue;
        const stale = answering && first && event.payload?.$case === "task" && isOver(event) === "asked";
        if (event.payload?.$case !== "task" || !stale) answering = false;
        const again = event.payload?.$case === "task" && (first || !sending);
        first = false;
        if (!again || sending) moved = true;
        if (stale) {
          yield { event: withoutStatus(event), again, seq: place.seq };
          continue;
        }
        if (isOver(event) && doubtful && event.payload?.$case !== "task") {
          // The end is known; what was said on the way may have been missed.
          yield { event, again: false, seq: place.seq };
          yield* settled(taskId);
          return;
        }
        yield { event, again, seq: place.seq };
        if (isOver(event)) return;
      }
      if (sending && polling && taskId !== undefined) continue;
    } catch (error) {
      if (signal.aborted) return;
      const refused = refusal(error);
      // A task that has ended, or a server that cannot: both are seen by asking for the task.
      if (refused && !polling && (moved || !sending)) polling = true;
      else if (!(error instanceof ConnectionLost)) throw remoteFailure(doing(sending, taskId), error);
      lost = error;
    }
    if (signal.aborted) return;
    if (taskId === undefined) {
      throw lost
        ? remoteFailure("send the message", lost)
        : new AgentFailure(
            "remote_lost",
            "Cannot tell what became of the message: the connection ended before the remote agent named a task",
          );
    }
    doubtful ||= !place.known;
    answering = false;
    if (polling && !(lost instanceof ConnectionLost)) continue;
    if (moved) failures = 0;
    failures += 1;
    if (failures > retries) {
      const why = lost instanceof Error ? shown(lost.message) : "the stream ends before the task does";
      throw new AgentFailure(
        "remote_lost",
        `Cannot follow task ${JSON.stringify(shown(taskId))}: given up after ${retries} tries in a row: ${why}`,
      );
    }
    await pause(sleep, backoffMs(failures), signal);
    if (lost || signal.aborted || (moved && place.known)) continue;
    // Of a stream that ended in order nothing may be left.
    try {
      const update = await snapshot(taskId);
      if (!isOver(update.event)) continue;
      yield update;
      return;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ConnectionLost)) throw remoteFailure(doing(false, taskId), error);
    }
  }

  /** The whole task once more, after an end that may have left something out. */
  async function* settled(id: string | undefined): AsyncGenerator<RemoteUpdate, void, undefined> {
    for (let tries = 1; id !== undefined && !signal.aborted; tries++) {
      try {
        yield await snapshot(id);
        return;
      } catch (error) {
        // A server may forget a task once it is over: what it told has to do.
        if (!(error instanceof ConnectionLost) || tries > retries) return;
        await pause(sleep, backoffMs(tries), signal);
      }
    }
  }
}

/** Whether a task has ended, or waits for a person; a message of its own is an end too. */
export function isOver({ payload }: StreamResponse): "ended" | "asked" | undefined {
  if (payload?.$case === "message") return "ended";
  if (payload?.$case !== "task" && payload?.$case !== "statusUpdate") return undefined;
  switch (payload.value.status?.state) {
    case TaskState.TASK_STATE_COMPLETED:
    case TaskState.TASK_STATE_FAILED:
    case TaskState.TASK_STATE_CANCELED:
    case TaskState.TASK_STATE_REJECTED:
      return "ended";
    default:
      return isAsking(payload.value.status?.state) ? "asked" : undefined;
  }
}

export function isAsking(state: TaskState | undefined): boolean {
  return state === TaskState.TASK_STATE_INPUT_REQUIRED || state === TaskState.TASK_STATE_AUTH_REQUIRED;
}

/** The id of the task that an update is about; undefined for a mere message. */
export function taskOf({ payload }: StreamResponse): string | undefined {
  const id = payload?.$case === "task" ? payload.value.id : payload?.value.taskId;
  return payload?.$case === "message" ? undefined : id || undefined;
}

async function* once(
  remote: RemoteAgent,
  message: Message,
  signal: AbortSignal,
): AsyncGenerator<RemoteEvent, void, undefined> {
  const result = await remote.send(message, signal);
  const event: StreamResponse =
    "messageId" in result ? { payload: { $case: "message", value: result } } : asEvent(result);
  yield { event, id: undefined };
}

function asEvent(task: Task): StreamResponse {
  return { payload: { $case: "task", value: task } };
}

function withoutStatus(event: StreamResponse): StreamResponse {
  return event.payload?.$case === "task" ? asEvent({ ...event.payload.value, status: undefined }) : event;
}

function doing(sending: boolean, taskId: string | undefined): string {
  return sending ? "send the message" : `follow task ${JSON.stringify(shown(taskId))}`;
}

/** Twice as long each time, by up to half less so that many do not come at once. */
function backoffMs(failures: number): number {
  return Math.min(FIRST_DELAY_MS * 2 ** (failures - 1), MOST_DELAY_MS) * (1 - Math.random() / 2);
}

async function pause(sleep: Sleep, ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, signal).catch((error) => {
    if (!signal.aborted) throw error;
  });
}
