import type { StoredEntry } from "../../batch.ts";
import type { JsonObject } from "../../events.ts";
import type { RunInfo } from "../../run-info.ts";
import { Projection } from "./projection.ts";
import type { ArtifactUpdate, Update, WireArtifact, WireMessage, WirePart, WireTask } from "./wire.ts";

export interface TaskOptions {
  /** The most messages of the history, newest last. @default all */
  readonly historyLength?: number | undefined;
  /** @default true */
  readonly artifacts?: boolean | undefined;
}

/**
 * A task as it stands: what a client has that took every update of the stream, with the pieces of a text put
 * together, and without what was withdrawn or deleted.
 */
export class TaskSnapshot {
  readonly #projection: Projection;
  readonly #artifacts = new Map<string, WireArtifact>();
  readonly #history: WireMessage[] = [];
  #task: WireTask | undefined;

  constructor(run: string) {
    this.#projection = new Projection(run);
  }

  apply(entry: StoredEntry): void {
    for (const update of this.#projection.apply(entry)) this.#take(update);
    const { event } = entry;
    if (event.type === "input.message") this.#history.push(this.#projection.message(event.message));
    else if (event.type === "input.approval") this.#history.push(this.#projection.answer(event, entry.seq));
  }

  /** Undefined before the first entry. */
  task({ historyLength, artifacts = true }: TaskOptions = {}): WireTask | undefined {
    const history =
      historyLength === undefined ? this.#history : this.#history.slice(-historyLength || Infinity);
    return (
      this.#task && {
        ...this.#task,
        history: [...history],
        ...(artifacts && { artifacts: [...this.#artifacts.values()] }),
      }
    );
  }

  #take(update: Update): void {
    if ("task" in update) {
      const { history, ...task } = update.task;
      this.#history.push(...(history ?? []));
      this.#task = task;
      return;
    }
    if ("artifactUpdate" in update) {
      this.#put(update.artifactUpdate);
      return;
    }
    const { status, metadata } = update.statusUpdate;
    const asked = this.#task?.status.message;
    // What was asked is part of the conversation once it is no longer the status.
    if (asked && status.message?.messageId !== asked.messageId) this.#history.push(asked);
    const { event: _, ...kept } = metadata;
    if (this.#task) this.#task = { ...this.#task, status, metadata: { ...this.#task.metadata, ...kept } };
  }

  #put({ artifact, append, metadata }: ArtifactUpdate): void {
    const { artifactId, parts } = artifact;
    const known = this.#artifacts.get(artifactId);
    if (metadata.withdrawn || metadata.deleted) this.#artifacts.delete(artifactId);
    else if (append && known)
      this.#artifacts.set(artifactId, { ...known, parts: joined(known.parts, parts) });
    else this.#artifacts.set(artifactId, artifact);
  }
}

/** Parts one after the other; texts that follow each other are one. */
function joined(parts: readonly WirePart[], more: readonly WirePart[]): WirePart[] {
  const all = [...parts];
  for (const part of more) {
    const last = all.at(-1);
    if (last && "text" in last && "text" in part) all[all.length - 1] = { text: last.text + part.text };
    else all.push(part);
  }
  return all;
}

/** What a list shows of a task, without reading its log. */
export function taskOf(info: RunInfo): WireTask {
  const { run, agent, error, usage, cost, startedAt, endedAt, metadata } = info;
  const contextId = contextOf(info);
  const message = error && {
    messageId: `${run}:end`,
    contextId,
    taskId: run,
    role: "ROLE_AGENT" as const,
    parts: [{ text: error.message }],
  };
  return {
    id: run,
    contextId,
    status: {
      state: states[info.status],
      ...(message && { message }),
      timestamp: new Date(endedAt ?? startedAt).toISOString(),
    },
    metadata: {
      ...metadata,
      ...(agent !== null && { agent }),
      ...(error && { code: error.code }),
      ...(usage && { usage: usage as unknown as JsonObject }),
      cost,
    },
  };
}

/** A run's context: its thread; a run that is in none is alone in one of its own. */
export function contextOf({ thread, run }: Pick<RunInfo, "thread" | "run">): string {
  return thread ?? run;
}

export const states = {
  running: "TASK_STATE_WORKING",
  waiting: "TASK_STATE_INPUT_REQUIRED",
  finished: "TASK_STATE_COMPLETED",
  failed: "TASK_STATE_FAILED",
  cancelled: "TASK_STATE_CANCELED",
} as const;
