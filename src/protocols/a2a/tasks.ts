import type {
  AgentCard,
  CancelTaskRequest,
  GetTaskRequest,
  ListTasksRequest,
  ListTasksResponse,
  SendMessageRequest,
  StreamResponse,
  SubscribeToTaskRequest,
} from "@a2a-js/sdk";
import { Task, TaskState } from "@a2a-js/sdk";
import {
  ContentTypeNotSupportedError,
  ExtendedAgentCardNotConfiguredError,
  TaskNotCancelableError,
  TaskNotFoundError,
  UnsupportedOperationError,
} from "@a2a-js/sdk/errors";
import type { A2ARequestHandler } from "@a2a-js/sdk/server";
import type { StoredEntry } from "../../batch.ts";
import { RunError } from "../../errors.ts";
import { isTerminalType, type JsonObject, type Message } from "../../events.ts";
import type { Run } from "../../hub.ts";
import { newId } from "../../internal/id.ts";
import { EMPTY } from "../../log.ts";
import { toMessages } from "../../messages.ts";
import { cursorFrom, cursorOf, type ProtocolContext } from "../../protocol.ts";
import type { RunInfo } from "../../run-info.ts";
import { ID_PATTERN } from "../../schema.ts";
import type { Tail } from "../../store.ts";
import { Thread } from "../../thread.ts";
import { untilWaiting } from "../../until-waiting.ts";
import { type Frames, project } from "../../view.ts";
import { answersIn, openQuestions } from "./answers.ts";
import { reportInside, toA2aError } from "./errors.ts";
import { fromSdkPart } from "./parts.ts";
import { noPushNotifications } from "./request.ts";
import { contextOf, states, type TaskOptions, TaskSnapshot, taskOf } from "./snapshot.ts";
import { type A2aViewOptions, a2aView, encodeUpdate } from "./view.ts";

export interface TasksOptions {
  readonly context: ProtocolContext;
  readonly request: Request;
  /** Whose tasks these are; undefined for the hub's first agent, whose door shows any run. */
  readonly agent: string | undefined;
  readonly card: () => AgentCard;
  /** How the messages of a stream are written. */
  readonly shown: Omit<A2aViewOptions, "run">;
}

/** A stream that is about to begin: whatever can be refused has been. */
export interface TaskStream {
  readonly run: string;
  open(signal: AbortSignal): AsyncIterable<Frames>;
}

/** A message that has arrived. */
interface Delivered {
  readonly run: Run;
  /** Of a task that was there before: where its log stood then, and stands with the message. */
  readonly before?: number;
  readonly after?: Tail;
}

/**
 * The operations of A2A on the runs of a hub, for one request. The SDK reads requests and writes what is answered at
 * once. Streams are frames of the view, which carry cursors: {@linkcode Tasks.stream} has the one that was asked for.
 */
export class Tasks implements A2ARequestHandler {
  /** Set once a request turns out to ask for a stream. Rejects with why there is none. */
  stream: Promise<TaskStream> | undefined;
  /** The run that an answer is about. */
  run: string | undefined;
  readonly #options: TasksOptions;

  constructor(options: TasksOptions) {
    this.#options = options;
  }

  async getAgentCard(): Promise<AgentCard> {
    return this.#options.card();
  }

  async getAuthenticatedExtendedAgentCard(): Promise<AgentCard> {
    const message = "There is no extended card: the agent card is all there is";
    throw this.#options.shown.version === "0.3"
      ? new ExtendedAgentCardNotConfiguredError(message)
      : new UnsupportedOperationError(message);
  }

  sendMessage(params: SendMessageRequest): Promise<Task> {
    return this.#told(async () => {
      const { returnImmediately = false, historyLength } = params.configuration ?? {};
      const { run, before } = await this.#deliver(params);
      const until = untilWaiting((before ?? 0) + 1);
      return this.#read(run, { historyLength }, (entries) => returnImmediately || until(entries));
    });
  }

  sendMessageStream(params: SendMessageRequest): AsyncGenerator<StreamResponse, void, undefined> {
    this.stream = this.#told(async () => {
      const { run, before = 0, after } = await this.#deliver(params);
      const until = untilWaiting(before + 1);
      const task = after && (await this.#snapshot(run, after));
      const view = a2aView({ run: run.id, ...this.#options.shown });
      const open = async function* (signal: AbortSignal): AsyncGenerator<Frames> {
        if (task) yield [task];
        yield* project(run.log, view, { after, until, signal });
      };
      return { run: run.id, open };
    });
    return elsewhere();
  }

  resubscribe({ id }: SubscribeToTaskRequest): AsyncGenerator<StreamResponse, void, undefined> {
    this.stream = this.#told(async () => {
      const { run } = await this.#find(id);
      const after = cursorOf(this.#options.request);
      if (!(await run.log.fits(after))) {
        const why = "it is of another log: ask for the task again, without it";
        throw new RunError(
          "cursor_mismatch",
          `Cannot go on with task "${id}" after its Last-Event-ID: ${why}`,
        );
      }
      const last = await run.log.last();
      // Who has read a part of it may have the rest; who has read nothing asks for the task.
      if (last && isTerminalType(last.type) && (after.seq === 0 || after.seq === last.seq)) {
        throw new UnsupportedOperationError(
          `Cannot subscribe to task "${id}": it has ended with "${last.type}"; ask for it with GetTask or tasks/get`,
        );
      }
      const view = a2aView({ run: run.id, ...this.#options.shown });
      return { run: run.id, open: (signal) => project(run.log, view, { after, signal }) };
    });
    return elsewhere();
  }

  getTask({ id, historyLength }: GetTaskRequest): Promise<Task> {
    return this.#told(async () => {
      const { run } = await this.#find(id);
      return this.#read(run, { historyLength }, () => true);
    });
  }

  cancelTask({ id }: CancelTaskRequest): Promise<Task> {
    return this.#told(async () => {
      const { run, info } = await this.#find(id);
      const { status } = info.endedAt === undefined ? await this.#cancelled(run) : info;
      if (status !== "cancelled" || info.endedAt !== undefined)
        throw new TaskNotCancelableError(`Cannot cancel task "${id}": it has ended as ${status}`);
      return this.#read(run, {}, () => true);
    });
  }

  listTasks(params: ListTasksRequest): Promise<ListTasksResponse> {
    return this.#told(async () => {
      const { pageSize = 50, pageToken, historyLength = 0, includeArtifacts = false } = params;
      const found = await this.#list(params, pageToken, pageSize + 1);
      const page = found.slice(0, pageSize);
      const options = { historyLength, artifacts: includeArtifacts };
      const whole = includeArtifacts || historyLength > 0;
      const tasks: Task[] = [];
      for (const { info } of page) {
        const run = this.#options.context.hub.run(info.run);
        tasks.push(whole ? await this.#read(run, options, () => true) : Task.fromJSON(taskOf(info)));
      }
      const isAll = !pageToken && found.length <= pageSize;
      const all = isAll ? found : await this.#list(params, "", MAX_COUNTED);
      return {
        tasks,
        nextPageToken: found.length > pageSize ? page.at(-1)!.next : "",
        pageSize,
        totalSize: all.length,
      };
    });
  }

  createTaskPushNotificationConfig(): Promise<never> {
    return Promise.reject(noPushNotifications());
  }
  getTaskPushNotificationConfig(): Promise<never> {
    return Promise.reject(noPushNotifications());
  }
  listTaskPushNotificationConfigs(): Promise<never> {
    return Promise.reject(noPushNotifications());
  }
  deleteTaskPushNotificationConfig(): Promise<never> {
    return Promise.reject(noPushNotifications());
  }

  /** What anything thrown is in A2A: the SDK tells other errors as they are. */
  async #told<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      reportInside(this.#options.context, error);
      throw toA2aError(error);
    }
  }

  /** A message to the agent: it starts a task, or reaches the one that it names. */
  async #deliver({ message, configuration, metadata }: SendMessageRequest): Promise<Delivered> {
    if (!message) throw new RunError("invalid_request", 'Cannot read the request: "message" is missing');
    const modes = configuration?.acceptedOutputModes ?? [];
    if (modes.length > 0 && !modes.some((mode) => /^(text|\*)\b|^\*|^application\/json\b/.test(mode))) {
      throw new ContentTypeNotSupportedError(
        `Cannot answer in ${modes.join(", ").slice(0, 200)}: answers are text/plain and application/json`,
      );
    }
    const said = { id: message.messageId, role: "user" as const, parts: message.parts.map(fromSdkPart) };
    const { taskId, contextId } = message;
    if (taskId) {
      const { run, info } = await this.#find(taskId);
      this.run = run.id;
      if (contextId && contextId !== contextOf(info)) {
        throw new RunError(
          "invalid_request",
          `Cannot send to task "${taskId}" in context "${contextId}": it is of context "${contextOf(info)}"`,
        );
      }
      if (info.endedAt !== undefined) {
        throw new UnsupportedOperationError(
          `Cannot send to task "${taskId}": it has ended as ${info.status}; send to its context, without a taskId`,
        );
      }
      const { seq, questions } = await openQuestions(run.log);
      let cursor = "";
      for (const event of answersIn(said, questions)) ({ cursor } = await run.send(event));
      return { run, before: seq, after: cursorFrom(cursor) };
    }
    const { hub } = this.#options.context;
    const thread = contextId || newId();
    if (!ID_PATTERN.test(thread)) {
      const shown = JSON.stringify(thread.slice(0, 80).toWellFormed());
      throw new RunError(
        "invalid_id",
        `Cannot use ${shown} as a contextId: it must match ${ID_PATTERN.source}; leave it out for a new one`,
      );
    }
    const history = contextId ? await this.#historyOf(thread) : undefined;
    const { run } = await hub.start({
      ...(this.#options.agent !== undefined && { agent: this.#options.agent }),
      input: [said],
      thread,
      ...(history && { history }),
      ...(metadata && Object.keys(metadata).length > 0 && { metadata: metadata as JsonObject }),
    });
    this.run = run.id;
    return { run };
  }

  /** A run that was in no thread is the beginning of the context that has its name. Throws `thread_busy`. */
  async #historyOf(context: string): Promise<Message[] | undefined> {
    const { hub } = this.#options.context;
    const record = await hub.store.record(context);
    if (!record || (await new Thread(hub.store, context).runs()).length > 0) return undefined;
    const { run, info } = await this.#find(context);
    if (info.thread !== undefined) return undefined;
    if (info.endedAt === undefined) {
      throw new RunError(
        "thread_busy",
        `Cannot start a task in context "${context}": task "${context}" has not ended`,
      );
    }
    const messages = toMessages(await run.log.entries());
    // Ids of messages are unique in a run only.
    return messages.map((message) => ({ ...message, id: `${context}.${message.id}` }));
  }

  /** A task of this door. Throws `TaskNotFoundError`. */
  async #find(id: string): Promise<{ readonly run: Run; readonly info: RunInfo }> {
    const { context, agent } = this.#options;
    const unknown = () =>
      new TaskNotFoundError(`Cannot find task ${JSON.stringify(id.slice(0, 80).toWellFormed())}`);
    if (!ID_PATTERN.test(id)) throw unknown();
    const run = context.hub.run(id);
    const info = await run.info().catch((error: unknown) => {
      throw error instanceof RunError && error.code === "run_not_found" ? unknown() : error;
    });
    if (agent !== undefined && info.agent !== agent) throw unknown();
    this.run = run.id;
    return { run, info };
  }

  /** Reads what there is and, until that is enough, what comes; and the task as it then is. */
  async #read(
    run: Run,
    options: TaskOptions,
    enough: (entries: readonly StoredEntry[]) => boolean,
  ): Promise<Task> {
    const { context, request } = this.#options;
    const snapshot = new TaskSnapshot(run.id);
    let after = EMPTY;
    let done = false;
    const take = (entries: readonly StoredEntry[]) => {
      for (const entry of entries) snapshot.apply(entry);
      after = entries.at(-1) ?? after;
      done = enough(entries);
    };
    for await (const entries of run.log.read()) take(entries);
    // A client that leaves, and a server that stops, get the task as it is.
    const signal = AbortSignal.any([context.stopping, request.signal]);
    if (!done) {
      for await (const { entries, reset } of run.follow({ after, signal })) {
        if (reset !== undefined)
          throw new RunError("cursor_mismatch", `Cannot go on with task "${run.id}": its log was replaced`);
        take(entries);
        if (done) break;
      }
    }
    return Task.fromJSON(snapshot.task(options));
  }

  /** The task as it was at a place of its log, as the first frame of a stream that goes on from there. */
  async #snapshot(run: Run, at: Tail): Promise<Frames[number]> {
    const snapshot = new TaskSnapshot(run.id);
    for await (const entries of run.log.read()) {
      for (const entry of entries) if (entry.seq <= at.seq) snapshot.apply(entry);
      if (entries.at(-1)!.seq >= at.seq) break;
    }
    return { data: encodeUpdate({ task: snapshot.task()! }, this.#options.shown) };
  }

  /** Cancels a run and waits until it has ended. */
  async #cancelled(run: Run): Promise<RunInfo> {
    await run.cancel({ reason: "The client cancelled the task" });
    for await (const _ of run.follow({ signal: this.#options.context.stopping }));
    return run.info();
  }

  /** Runs of this door, newest first, each with the token of the page that follows it. */
  async #list(
    params: ListTasksRequest,
    token: string,
    most: number,
  ): Promise<{ readonly info: RunInfo; readonly next: string }[]> {
    const { context, agent } = this.#options;
    const { contextId, statusTimestampAfter } = params;
    const status = statusOf(params.status);
    if (status === null) return [];
    const since = statusTimestampAfter ? Date.parse(statusTimestampAfter) : Number.NEGATIVE_INFINITY;
    const fits = (info: RunInfo) => (info.endedAt ?? info.startedAt) >= since;
    const found: { info: RunInfo; next: string }[] = [];
    let before = token || undefined;
    do {
      const limit = Math.min(most, 100);
      const page = await context.hub.list({
        status,
        agent,
        thread: contextId || undefined,
        before,
        limit,
      });
      for (const info of page.runs) {
        if (fits(info)) found.push({ info, next: `${info.startedAt.toString(36)}-${info.run}` });
      }
      before = page.next;
    } while (before !== undefined && found.length < most);
    return found.slice(0, most);
  }
}

/** Tasks are counted up to here. */
const MAX_COUNTED = 10_000;

/** The status of runs in a state: undefined for any, null where no run can be in it. */
function statusOf(state: TaskState): RunInfo["status"] | undefined | null {
  if (state === TaskState.TASK_STATE_UNSPECIFIED) return undefined;
  const name = TaskState[state];
  const found = Object.entries(states).find(([, each]) => each === name);
  return found ? (found[0] as RunInfo["status"]) : null;
}

/** What the SDK is given in place of a stream's messages: they go as frames of the view. */
async function* elsewhere(): AsyncGenerator<never, void, undefined> {}
