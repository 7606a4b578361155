import type { AgentInfo, AgentLike, AgentStream, RunContext, RunLimits } from "../../agent.ts";
import { RunError } from "../../errors.ts";
import type { AgentEvent, FinishReason, Message } from "../../events.ts";
import { AgentFailure } from "../../failure.ts";
import { sleep, wait } from "../../internal/wait.ts";
import { checkId } from "../../schema.ts";
import { partsOf, partsOfAnswer, partsOfInput, toRemoteMessage } from "./agent-message.ts";
import { RemoteAgent } from "./remote-agent.ts";
import { RemoteArtifacts } from "./remote-artifacts.ts";
import { remoteFailure } from "./remote-failure.ts";
import {
  type FollowRemoteOptions,
  followRemote,
  isAsking,
  type RemoteUpdate,
  type Sleep,
} from "./remote-follow.ts";
import { RemoteRecall } from "./remote-recall.ts";
import { RemoteTurn } from "./remote-turn.ts";

/** How often is looked whether people have said something, in ms. */
const LISTEN_MS = 200;
/** How long an agent's card may take, in ms. */
const CARD_MS = 30_000;
/** How long the remote has to take a cancel, in ms: less than the hub gives an agent to return. */
const CANCEL_MS = 1_500;
/** How long a message that was sent has to name its task, once the run is cancelled, in ms. */
const NAMING_MS = 500;

export interface A2aAgentOptions {
  /** Where the agent is, or its card if the URL ends with `.json`. @example "https://example.com/agents/helper/a2a" */
  readonly url: string | URL;
  /** `[A-Za-z0-9_-]`, up to 64 characters. @default made of the URL's host and path */
  readonly name?: string;
  /** What lists of agents say of it. @default its URL */
  readonly description?: string;
  /** Sent as `authorization: Bearer ...`. */
  readonly token?: string;
  /** Sent with each request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Origins beside that of `url` where the agent's card may send the token and the headers. @default none */
  readonly origins?: readonly string[];
  /** How many tries in a row to get a lost connection back may bring nothing new. @default 5 */
  readonly retries?: number;
  /** Limits of this agent's runs, over the hub's. A remote may be silent for long: see `idleMs`. */
  readonly limits?: Partial<RunLimits>;
  /** @default the global one */
  readonly fetch?: typeof globalThis.fetch;
  /** Waits between tries and polls. @default a timer */
  readonly sleep?: Sleep;
}

/**
 * An agent of another server, spoken to by A2A 1.0 or 0.3, over JSON-RPC or REST, as its card says. What it tells
 * becomes the events of the run: each artifact a block of text, with its files as `file` and its data as `artifact`;
 * what it says while it works as `custom` events `a2a.status { state, messageId, text }`. Each turn of it is a step, whose cost is null unless
 * the remote is a Runlog server and tells it.
 *
 * The run's thread is the remote's `contextId`, so that the next run of the thread goes on with the remote
 * conversation: clients may set it on a message, and no earlier log has to be searched for a name of the remote's. One
 * that keeps its own names is found out, and an `error` event `remote_context` says so. A run without a thread sends
 * the history it was given along.
 *
 * The task is in the log as `custom` event `a2a.task { taskId, contextId }` as soon as it is known: a run that is taken
 * over, or answered, goes on with it. A question of the remote is an `approval.requested`; a cancel is passed on; a lost connection
 * is made again. What people say meanwhile is sent to the task, or, where that does not take it, in a turn of its own;
 * `a2a.message { messageId, taskId }` says that it was.
 *
 * Throws `TypeError` for a URL that is none. A run fails with the remote's own code if it tells one, else with
 * `remote_failed`, `remote_rejected`, `remote_cancelled`, `remote_refused`, `remote_unreachable`, `remote_lost`,
 * `remote_task_not_found`, `remote_unauthorized`, `remote_not_found`, `remote_card_not_found`, `remote_card_invalid`,
 * `remote_unsupported`, `remote_invalid`, `too_large`, `limit_exceeded` or `not_resumable`.
 */
export function a2aAgent(options: A2aAgentOptions): AgentLike {
  return new A2aAgent(options);
}

class A2aAgent implements AgentLike {
  readonly name: string;
  readonly info: AgentInfo;
  readonly limits: Partial<RunLimits>;
  /** The remote's task outlives a process here. */
  readonly onProducerLost = "resume";
  readonly #url: URL;
  readonly #options: A2aAgentOptions;
  #remote: Promise<RemoteAgent> | undefined;

  constructor(options: A2aAgentOptions) {
    const { url, retries = 5, limits = {} } = options;
    this.#url = parseUrl(url);
    if (!Number.isSafeInteger(retries) || retries < 0)
      throw new RangeError(`retries must be 0 or more, got ${retries}`);
    this.name = checkId(options.name ?? nameOf(this.#url), "agent name");
    const at = `${this.#url.origin}${this.#url.pathname}`;
    this.info = { name: this.name, description: options.description ?? `The A2A agent at ${at}` };
    this.limits = limits;
    this.#options = options;
  }

  async *run(context: RunContext): AgentStream {
    const recall = new RemoteRecall(context.entries);
    if (recall.waiting) return;
    const talk = new Talk(context, recall, this.#options);
    // A process that died in the middle of a turn leaves a task that goes on without it.
    if (recall.open && !recall.task)
      throw new AgentFailure(
        "not_resumable",
        "The process died before the remote agent named its task: nobody knows whether it has the message",
      );
    const isNew = recall.step === 0;
    if (!isNew && !recall.open && !recall.asked && talk.pending.length === 0) return;
    const remote = await this.#connect(context.signal);
    if (!remote) return;
    let turn: Turn | undefined;
    if (isNew) turn = talk.first();
    else if (recall.open) turn = await talk.takeUp(remote);
    else turn = recall.asked ? talk.answer() : talk.more();
    while (turn && !context.signal.aborted) {
      const asked: boolean = yield* talk.take(turn, remote);
      turn = asked || context.signal.aborted || talk.pending.length === 0 ? undefined : talk.more();
    }
  }

  /** Read once for all runs; a card that could not be read is asked for again. Undefined once aborted. */
  async #connect(signal: AbortSignal): Promise<RemoteAgent | undefined> {
    const { token, headers = {}, origins = [], fetch = globalThis.fetch } = this.#options;
    const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const options = { url: this.#url, fetch, headers: { ...authorization, ...headers }, origins };
    // Of no run's own: others may wait for it too.
    this.#remote ??= RemoteAgent.connect(options, AbortSignal.timeout(CARD_MS));
    const connecting = this.#remote;
    connecting.catch(() => {
      if (this.#remote === connecting) this.#remote = undefined;
    });
    const left = Promise.withResolvers<undefined>();
    const leave = () => left.resolve(undefined);
    signal.addEventListener("abort", leave);
    if (signal.aborted) leave();
    return await Promise.race([connecting, left.promise]).finally(() =>
      signal.removeEventListener("abort", leave),
    );
  }
}

/** A turn that is about to be taken: what is sent, or which task is joined. */
interface Turn extends Pick<FollowRemoteOptions, "message" | "taskId" | "seq"> {
  readonly step: number;
  readonly name: string;
  readonly artifacts: RemoteArtifacts;
  readonly answers: RemoteRecall["answers"];
  /** The messages of people that go along. */
  readonly said: readonly Message[];
}

/** A run's conversation with the remote. */
class Talk {
  readonly #context: RunContext;
  readonly #recall: RemoteRecall;
  readonly #options: A2aAgentOptions;
  /** What people said that the remote was not sent. */
  #pending: Message[];
  readonly #heard: Set<string>;
  /** Messages that were sent to a task at work, whatever became of that. */
  readonly #tried = new Set<string>();
  readonly #passing = new Map<string, Promise<unknown>>();
  readonly #taken: { readonly messageId: string; readonly taskId: string }[] = [];
  #step: number;

  constructor(context: RunContext, recall: RemoteRecall, options: A2aAgentOptions) {
    this.#context = context;
    this.#recall = recall;
    this.#options = options;
    this.#pending = recall.unsent.filter(hasContent);
    this.#heard = recall.heard;
    this.#step = recall.step;
  }

  /** What people said that the remote was not sent, oldest first. */
  get pending(): readonly Message[] {
    for (const { message } of this.#context.takeMessages()) {
      if (this.#heard.has(message.id)) continue;
      this.#heard.add(message.id);
      if (hasContent(message)) this.#pending.push(message);
    }
    return this.#pending;
  }

  get #contextId(): string {
    return this.#context.thread ?? "";
  }

  /** What the run is asked. */
  first(): Turn {
    const { run, input, history, thread } = this.#context;
    const parts = partsOfInput(input, thread === undefined ? history : []);
    const message = toRemoteMessage({ id: [run, "input"], contextId: this.#contextId, parts });
    return this.#turn({ message, artifacts: new RemoteArtifacts() });
  }

  /**
   * A turn that a process which died has left open: its task went on without it. Only if it waits for an answer
   * that was given meanwhile, that has not arrived.
   */
  async takeUp(remote: RemoteAgent): Promise<Turn> {
    const { step, tries, task, seq, artifacts, answers } = this.#recall;
    const again = { step, name: `${step}.${tries + 1}` };
    if (answers.length > 0) {
      const { status } = await remote
        .get(task!.taskId, this.#context.signal)
        .catch((error) => Promise.reject(remoteFailure("ask for the task", error)));
      if (isAsking(status?.state)) return { ...this.answer(), ...again };
    }
    return { ...again, artifacts, seq, answers, said: [], taskId: task!.taskId };
  }

  /** What a person answered, and what else was said meanwhile. */
  answer(): Turn {
    const { task, seq, artifacts, answers } = this.#recall;
    const said = this.#takePending();
    const parts = [
      ...answers.flatMap(({ question, answer }) =>
        partsOfAnswer(answer, !/\.(input|auth)_required$/.test(question.approvalId)),
      ),
      ...said.flatMap((message) => partsOf(message.parts)),
    ];
    const id = [this.#context.run, this.#step + 1, "answer"];
    const message = toRemoteMessage({ id, contextId: this.#contextId, task, parts });
    return this.#turn({ message, taskId: task!.taskId, seq, artifacts, answers, said });
  }

  /** What people said once the task had ended: a task of its own in the same conversation. */
  more(): Turn {
    const said = this.#takePending();
    const id = [this.#context.run, this.#step + 1, "message"];
    const parts = said.flatMap((message) => partsOf(message.parts));
    const contextId = this.#recall.task?.contextId ?? this.#contextId;
    const message = toRemoteMessage({ id, contextId, parts });
    return this.#turn({ message, artifacts: new RemoteArtifacts(), said });
  }

  /** Takes a turn as a step. Resolves to whether a person is asked now. Throws how the remote failed. */
  async *take(turn: Turn, remote: RemoteAgent): AsyncGenerator<AgentEvent, boolean, undefined> {
    const { signal } = this.#context;
    const { step, name, taskId } = turn;
    const known = taskId === undefined ? undefined : this.#recall.task;
    const heard = new RemoteTurn({
      name,
      task: known,
      artifacts: turn.artifacts,
      statuses: this.#recall.statuses,
      answered: this.#recall.answered,
    });
    const stop = new AbortController();
    const abort = () => {
      // A task that has no name yet cannot be cancelled.
      if (heard.task) stop.abort();
      else void wait(NAMING_MS, stop.signal).then(() => stop.abort());
    };
    signal.addEventListener("abort", abort);
    if (signal.aborted) abort();
    const startedAt = performance.now();
    let firstAt: number | undefined;
    const close = (finishReason: FinishReason): AgentEvent => ({
      type: "step.finished",
      step,
      finishReason,
      ...spent(heard, known ? this.#recall.spent : { usage: undefined, cost: 0 }),
      ...(firstAt !== undefined && { ttftMs: firstAt - startedAt }),
      durationMs: performance.now() - startedAt,
    });
    const { sleep: pause = sleep, retries = 5 } = this.#options;
    const updates = followRemote({ ...turn, remote, signal: stop.signal, sleep: pause, retries });
    let next: Promise<IteratorResult<RemoteUpdate, void>> | undefined;
    try {
      yield { type: "step.started", step };
      let sent = false;
      let tick: Promise<void> | undefined;
      while (true) {
        next ??= updates.next();
        tick ??= wait(LISTEN_MS, stop.signal);
        const heardOf = await Promise.race([next, tick]);
        if (!heardOf) {
          tick = undefined;
          if (stop.signal.aborted) break;
          if (!signal.aborted) this.#pass(heard, remote);
          yield* this.#passed();
          continue;
        }
        next = undefined;
        if (heardOf.done) break;
        if (!sent) yield* delivered(turn);
        sent = true;
        firstAt ??= performance.now();
        yield* heard.apply(heardOf.value);
        if (signal.aborted && heard.task) break;
      }
      // A message that is still on its way has reached a task that is over.
      if (this.#passing.size > 0) await Promise.race([Promise.all(this.#passing.values()), wait(NAMING_MS)]);
      yield* this.#passed();
      if (signal.aborted) return false;
      yield* heard.finish();
      const { end } = heard;
      if (end?.type === "failed") {
        yield close("error");
        throw end.failure;
      }
      if (end?.type === "done" && heard.task && heard.task.contextId !== this.#contextId && this.#contextId) {
        if (!known) yield strayed(this.#contextId);
      }
      yield close(end?.type === "asked" ? "tool-calls" : "stop");
      this.#step = step;
      this.#recall.task = heard.task;
      return end?.type === "asked";
    } finally {
      signal.removeEventListener("abort", abort);
      // Where another process has the run, the task is its task now.
      const handedOver = signal.reason instanceof RunError;
      if (signal.aborted && !handedOver && heard.task && !heard.end) await cancel(remote, heard.task.taskId);
      stop.abort();
      // They may be waiting for the connection to end: nobody waits for that.
      next?.catch(() => {});
      void updates.return().catch(() => {});
    }
  }

  /** Sends what people said to the task that is at work. What it does not take waits for the turn's end. */
  #pass({ task, end }: RemoteTurn, remote: RemoteAgent): void {
    if (!task || end) return;
    for (const { id, parts } of this.pending) {
      if (this.#tried.has(id)) continue;
      this.#tried.add(id);
      const content = partsOf(parts);
      const message = toRemoteMessage({ id: [this.#context.run, id], contextId: "", task, parts: content });
      const sending = remote.send(message, this.#context.signal).then(
        () => this.#taken.push({ messageId: id, taskId: task.taskId }),
        // The task may have ended this moment.
        () => {},
      );
      this.#passing.set(
        id,
        sending.finally(() => this.#passing.delete(id)),
      );
    }
  }

  /** Word of what the task has taken. */
  *#passed(): Generator<AgentEvent, void, undefined> {
    const taken = this.#taken.splice(0);
    const ids = new Set(taken.map(({ messageId }) => messageId));
    this.#pending = this.#pending.filter(({ id }) => !ids.has(id));
    for (const data of taken) yield { type: "custom", name: "a2a.message", data };
  }

  #takePending(): readonly Message[] {
    const said = this.pending;
    this.#pending = [];
    return said;
  }

  #turn(turn: Pick<Turn, "artifacts"> & Partial<Turn>): Turn {
    const step = this.#step + 1;
    return { step, name: `${step}`, answers: [], said: [], ...turn };
  }
}

function hasContent({ parts }: Message): boolean {
  return partsOf(parts).length > 0;
}

/** Word that a message has arrived: what it answered, and whose words it had. */
function* delivered({ answers, said, taskId }: Turn): Generator<AgentEvent, void, undefined> {
  for (const { question, answer } of answers) {
    const { callId, name } = question;
    const { approved, reason } = answer;
    const told = reason === undefined ? {} : { reason };
    yield approved
      ? { type: "tool.returned", callId, name, output: { approved, ...told }, durationMs: 0 }
      : { type: "tool.failed", callId, name, code: "denied", message: reason ?? "A person said no" };
  }
  for (const { id } of said)
    yield { type: "custom", name: "a2a.message", data: { messageId: id, taskId: taskId ?? null } };
}

function spent(heard: RemoteTurn, before: RemoteRecall["spent"]) {
  const { usage, cost } = heard.usage.since(before);
  return { usage: usage ?? null, cost };
}

function strayed(thread: string): AgentEvent {
  return {
    type: "error",
    code: "remote_context",
    message: `The remote agent does not keep the conversation "${thread}" under that name: it will not know in the next run of the thread what was said in this one`,
    retryable: false,
  };
}

/** A cancel that is passed on as well as it can be in the time there is. */
async function cancel(remote: RemoteAgent, taskId: string): Promise<void> {
  const late = new AbortController();
  await Promise.race([remote.cancel(taskId, late.signal).catch(() => {}), wait(CANCEL_MS, late.signal)]);
  late.abort();
}

function parseUrl(value: string | URL): URL {
  const url = URL.parse(String(value));
  const shown = JSON.stringify(String(value).slice(0, 200));
  if (!url || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new TypeError(
      `Cannot make an agent of ${shown}: "url" must be as in "https://example.com/agents/helper/a2a"`,
    );
  }
  if (url.username || url.password)
    throw new TypeError(
      `Cannot make an agent of ${JSON.stringify(url.host)}: pass { token } or { headers }, not a URL with a password`,
    );
  return url;
}

/** A name as `example-com-helper`. */
function nameOf({ host, pathname }: URL): string {
  const path = pathname.replace(/\.well-known\/.*$/, "");
  return `${host}${path}`
    .replace(/[^A-Za-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 64);
}
