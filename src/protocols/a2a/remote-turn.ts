import { type Message, TaskState, type TaskStatus, taskStateToJSON } from "@a2a-js/sdk";
import type { AgentEvent, EventOf, JsonObject } from "../../events.ts";
import { AgentFailure } from "../../failure.ts";
import { fromRemotePart, type RemoteArtifacts } from "./remote-artifacts.ts";
import { shown } from "./remote-failure.ts";
import { isOver, type RemoteUpdate, taskOf } from "./remote-follow.ts";
import { RemoteUsage } from "./remote-usage.ts";

/** The longest status text that is kept beside an answer, in characters. */
const MAX_STATUS_CHARS = 64 * 1024;
/** What a person is asked, as JSON: longer is cut to its beginning. */
const MAX_INPUT_CHARS = 64 * 1024;
const MAX_QUESTIONS = 100;
const MAX_MESSAGE_IDS = 10_000;

export interface RemoteTurnOptions {
  /** Of the step and its attempt; the first part of ids. */
  readonly name: string;
  /** The task that is gone on with. */
  readonly task: RemoteTask | undefined;
  /** What was said of the task before. */
  readonly artifacts: RemoteArtifacts;
  /** Ids of status messages that the log has. */
  readonly statuses: Set<string>;
  /** Approvals that were answered: their ids are not used again. */
  readonly answered: ReadonlySet<string>;
}

/** A task of a remote agent, as the log names it. */
export interface RemoteTask {
  readonly taskId: string;
  readonly contextId: string;
}

/** How a turn ended. */
export type RemoteEnd =
  | { readonly type: "done" }
  | { readonly type: "asked" }
  | { readonly type: "failed"; readonly failure: AgentFailure };

/** One turn of a remote agent: what it tells, from a message of ours to its end or its question, as events. */
export class RemoteTurn {
  readonly usage = new RemoteUsage();
  readonly artifacts: RemoteArtifacts;
  task: RemoteTask | undefined;
  end: RemoteEnd | undefined;
  /** Of the last update, where the server numbers them. */
  seq = 0;
  readonly #options: RemoteTurnOptions;
  #question: Message | undefined;
  #needs: "input_required" | "auth_required" = "input_required";
  #final: string | undefined;

  constructor(options: RemoteTurnOptions) {
    this.#options = options;
    this.artifacts = options.artifacts;
    this.task = options.task;
  }

  *apply(update: RemoteUpdate): Generator<AgentEvent, void, undefined> {
    const { event, again, seq } = update;
    const { payload } = event;
    const id = taskOf(event);
    // A stream is about one task; what is said of others is none of ours.
    if (!payload || (this.task && id !== undefined && id !== this.task.taskId)) return;
    this.seq = seq;
    if (!this.task && id !== undefined) {
      this.task = { taskId: id, contextId: payload.value.contextId || "" };
      yield { type: "custom", name: "a2a.task", data: { ...this.task } };
    }
    const { name } = this.#options;
    switch (payload.$case) {
      case "message": {
        const { messageId, parts } = payload.value;
        const artifact = { artifactId: messageId, name: "message", description: "", parts };
        yield* this.artifacts.apply(name, { ...artifact, metadata: undefined, extensions: [] }, false, true);
        this.end = { type: "done" };
        return;
      }
      case "task":
        this.usage.apply(payload.value.metadata);
        if (again) this.artifacts.again();
        for (const artifact of payload.value.artifacts ?? [])
          yield* this.artifacts.apply(name, artifact, false, false);
        yield* this.#status(payload.value.status, payload.value.metadata, isOver(event));
        return;
      case "artifactUpdate": {
        const { artifact, append, lastChunk } = payload.value;
        if (artifact) yield* this.artifacts.apply(name, artifact, append, lastChunk);
        return;
      }
      case "statusUpdate":
        this.usage.apply(payload.value.metadata);
        yield* this.#status(payload.value.status, payload.value.metadata, isOver(event));
        return;
      default:
    }
  }

  /** What is left to say once the turn is over: its last words, and what a person is asked. */
  *finish(): Generator<AgentEvent, void, undefined> {
    const { name } = this.#options;
    yield* this.artifacts.finish(name);
    const last = this.end?.type === "asked" ? textOf(this.#question) : (this.#final ?? "");
    if (last !== "" && !this.artifacts.says(last)) {
      const id = `${name}.status`;
      yield { type: "text.started", id };
      for (let at = 0; at < last.length && at < MAX_STATUS_CHARS * 8; at += MAX_STATUS_CHARS)
        yield { type: "text.delta", id, text: last.slice(at, at + MAX_STATUS_CHARS) };
      yield { type: "text.finished", id };
    }
    if (this.end?.type !== "asked") return;
    // The place to go on from: what was told before the answer may be told again after it.
    if (this.task && this.seq > 0)
      yield { type: "custom", name: "a2a.task", data: { ...this.task, seq: this.seq } };
    for (const question of this.#questions()) {
      const { callId, name: tool, input } = question;
      yield { type: "tool.called", callId, name: tool, input };
      yield question;
    }
  }

  *#status(
    status: TaskStatus | undefined,
    metadata: unknown,
    over: "ended" | "asked" | undefined,
  ): Generator<AgentEvent, void, undefined> {
    if (!status) return;
    const { state, message } = status;
    if (over === undefined) return yield* this.#remark(state, message);
    if (over === "asked" && !this.task) {
      const why = "it asks something, and names no task that could be answered";
      const failure = new AgentFailure("remote_invalid", `Cannot go on with the remote agent: ${why}`);
      this.end = { type: "failed", failure };
      return;
    }
    if (over === "asked") {
      this.#needs = state === TaskState.TASK_STATE_AUTH_REQUIRED ? "auth_required" : "input_required";
      this.#question = message;
      this.end = { type: "asked" };
      return;
    }
    const text = textOf(message);
    if (state === TaskState.TASK_STATE_COMPLETED) {
      this.#final = text;
      this.end = { type: "done" };
      return;
    }
    const code = Object(metadata).code;
    const failure = new AgentFailure(
      typeof code === "string" && /^[a-z][a-z0-9_]{0,63}$/.test(code)
        ? code
        : (codes[state] ?? "remote_failed"),
      `The remote agent ${ends[state] ?? "failed"}${text ? `: ${shown(text)}` : ", and did not say why"}`,
    );
    this.end = { type: "failed", failure };
  }

  /** What a remote says while it works is no part of its answer. */
  *#remark(state: TaskState, message: Message | undefined): Generator<AgentEvent, void, undefined> {
    const text = textOf(message).slice(0, MAX_STATUS_CHARS).toWellFormed();
    const { statuses } = this.#options;
    if (!message || text === "") return;
    const messageId = shown(message.messageId) || text;
    if (statuses.has(messageId) || statuses.size >= MAX_MESSAGE_IDS) return;
    statuses.add(messageId);
    const data = { state: nameOf(state), messageId: shown(message.messageId), text };
    yield { type: "custom", name: "a2a.status", data };
  }

  /** For each data part that names an approval, that; else one for the question as a whole. */
  #questions(): EventOf<"approval.requested">[] {
    const { name, answered } = this.#options;
    const asked = new Set<string>();
    const questions: EventOf<"approval.requested">[] = [];
    for (const part of this.#question?.parts ?? []) {
      if (part?.content?.$case !== "data" || questions.length >= MAX_QUESTIONS) continue;
      const data = Object(part.content.value) as Record<string, unknown>;
      const { approvalId, name: tool, input = null, reason } = data;
      if (typeof approvalId !== "string" || approvalId === "" || approvalId.length > 200) continue;
      if (asked.has(approvalId) || answered.has(approvalId)) continue;
      asked.add(approvalId);
      questions.push({
        type: "approval.requested",
        approvalId,
        callId: `${name}.${questions.length}`,
        name: (typeof tool === "string" && shown(tool)) || this.#needs,
        input: fitting(input),
        ...(typeof reason === "string" && { reason: shown(reason) }),
      });
    }
    if (questions.length > 0) return questions;
    const text = textOf(this.#question);
    return [
      {
        type: "approval.requested",
        approvalId: `${name}.${this.#needs}`,
        callId: `${name}.0`,
        name: this.#needs,
        input: { question: fitting(text) },
        ...(text !== "" && { reason: shown(text) }),
      },
    ];
  }
}

const codes: Partial<Record<TaskState, string>> = {
  [TaskState.TASK_STATE_FAILED]: "remote_failed",
  [TaskState.TASK_STATE_REJECTED]: "remote_rejected",
  [TaskState.TASK_STATE_CANCELED]: "remote_cancelled",
};
const ends: Partial<Record<TaskState, string>> = {
  [TaskState.TASK_STATE_FAILED]: "failed",
  [TaskState.TASK_STATE_REJECTED]: "rejected the task",
  [TaskState.TASK_STATE_CANCELED]: "cancelled the task",
};

function nameOf(state: TaskState): string {
  return taskStateToJSON(state).replace("TASK_STATE_", "").toLowerCase();
}

function textOf(message: Message | undefined): string {
  let text = "";
  for (const remote of message?.parts ?? []) {
    const part = remote && fromRemotePart(remote);
    if (part?.type === "text") text += text === "" ? part.text : `\n${part.text}`;
  }
  return text;
}

function fitting(value: unknown): JsonObject | string {
  const json = JSON.stringify(value ?? null);
  if (json.length <= MAX_INPUT_CHARS) return value as JsonObject;
  return json.slice(0, MAX_INPUT_CHARS).toWellFormed();
}
