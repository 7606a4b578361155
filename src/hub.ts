import { type AgentFunction, type AgentInfo, type AgentLike, type RunLimits, toAgent } from "./agent.ts";
import { formatCursor, type Producer } from "./batch.ts";
import { deleteRun } from "./delete-run.ts";
import { RunError } from "./errors.ts";
import type { Entry, Input, InputEvent, JsonObject, Message, StreamEvent } from "./events.ts";
import { SCHEMA_VERSION } from "./events.ts";
import { Execution, type ExecutionHost } from "./execution.ts";
import { harmless } from "./harmless.ts";
import { hashOf, newHolder, newId } from "./internal/id.ts";
import { wait } from "./internal/wait.ts";
import { toJson } from "./json.ts";
import { Lease } from "./lease.ts";
import { defaultLimits } from "./limits.ts";
import { type FollowOptions, Log, type Slice } from "./log.ts";
import { type Appended, type ProducedEvent, Producers } from "./producers.ts";
import { type Retention, Sweeper } from "./retention.ts";
import { filterTags, fromRecord, infoFrom, type ListFilter, ownerTag, type RunInfo } from "./run-info.ts";
import { checkId, encodeEvent, isInput } from "./schema.ts";
import type { RunRecord, Store, Tail } from "./store.ts";
import { Thread, type ThreadPolicy } from "./thread.ts";
import { isTombstone, missing } from "./tombstone.ts";
import { Writer, type WriterOptions } from "./writer.ts";

const LEASE_MS = 30_000;
/** How often a run is taken over in one step: an agent that kills its process ends sometime. */
const MAX_RESUMES = 3;
/** After this long a cancel that nobody obeyed is written by the process that was asked. */
const CANCEL_MS = 5_000;
export interface HubOptions {
  readonly store: Store;
  readonly agents?: readonly (AgentLike | AgentFunction)[];
  /** Limits on every run; an agent's own go before them. */
  readonly limits?: Partial<RunLimits>;
  /**
   * How long a process may be out of touch with the store before others call it dead, in ms; for stores that
   * several processes write. Give all of them the same. @default 30_000
   */
  readonly leaseMs?: number | undefined;
  /**
   * Which ended runs are kept; the others are deleted whole, those that started first first. Looked at every minute,
   * or less often where that takes long. @default all
   */
  readonly retention?: Retention | undefined;
  /**
   * How long an agent's event may wait for others to share its batch, in ms: fewer and larger commits, and longer pieces
   * of text. Events that wait for the commit before theirs share a batch at no cost in time. @default 0
   */
  readonly coalesceMs?: number | undefined;
  /** Has the last word on each event before it is encoded, for redaction. Throwing fails the append. */
  readonly before?: (event: StreamEvent) => StreamEvent;
  /** Called with what went wrong inside, whole; the log gets a code and a message. @default ignored */
  readonly onError?: (error: unknown, run: string) => void;
}

export interface StartOptions {
  /** The agent's name, or null: a producer elsewhere writes the run. @default the hub's first agent */
  readonly agent?: string | null;
  readonly input: Input;
  /** `^[A-Za-z0-9_-]{1,64}$`. Starting a run twice with the same id and request starts it once. @default a new one */
  readonly id?: string;
  /** The messages before the input; left out, those of the thread. */
  readonly history?: readonly Message[];
  readonly thread?: string;
  /** @default "reject" */
  readonly whileBusy?: ThreadPolicy;
  readonly tags?: readonly string[];
  /** Kept in the log and shown; up to 8 KiB. */
  readonly metadata?: JsonObject;
  /** Passed to the agent's tools; never written down. */
  readonly deps?: unknown;
  /** How long the producer of a run without an agent may be silent, in ms. @default 60_000 */
  readonly leaseMs?: number;
}

export interface RunPage {
  readonly runs: readonly RunInfo[];
  /** Pass as `before` for the next page; absent on the last. */
  readonly next?: string;
}

/** Opens a hub on a store, and ends the runs that a dead process left open. */
export async function createHub(options: HubOptions): Promise<Hub> {
  const hub = new Hub(options);
  await hub.recover();
  return hub;
}

/** The runs of this process: starts, finds, lists, cancels and drains them. */
export class Hub implements AsyncDisposable {
  readonly store: Store;
  readonly holder = newHolder();
  readonly #options: HubOptions;
  readonly #agents: ReadonlyMap<string, AgentLike>;
  /** Agents at work, by run, with the promise of their end. */
  readonly #executions = new Map<
    string,
    { readonly execution: Execution; readonly done: Promise<unknown> }
  >();
  /** What the programs that started runs passed along, until the runs end. */
  readonly #deps = new Map<string, unknown>();
  readonly #limits: RunLimits;
  readonly #limitsOf: ReadonlyMap<AgentLike, RunLimits>;
  readonly #writing: WriterOptions;
  readonly #host: ExecutionHost;
  readonly #report: (error: unknown, run: string) => void;
  readonly #producers: Producers;
  readonly #lease: Lease;
  readonly #sweeper: Sweeper | undefined;
  /** Runs of this process that no agent was at work on when it last looked. */
  #idle: ReadonlySet<string> = new Set();
  /** Runs of this process that are written by something else than an agent or a producer. */
  readonly #held = new Set<string>();
  /** Starts that have not been answered. */
  readonly #starts = new Set<Promise<unknown>>();
  readonly #stop = new AbortController();

  constructor(options: HubOptions) {
    const { leaseMs = LEASE_MS } = options;
    this.store = options.store;
    this.#options = options;
    this.#report = harmless(options.onError);
    this.#limits = limitsFrom(defaultLimits, options.limits);
    this.#writing = {
      holder: this.holder,
      before: options.before,
      coalesceMs: options.coalesceMs,
      onMissed: ({ event }, writer) => {
        this.#executions.get(writer.log.run)?.execution.receive(event);
        this.#producers.receive(writer);
      },
      onLost: (run) => void this.#endBroken(run).catch((error) => this.#report(error, run)),
      onTrouble: (error, run) => this.#report(error, run),
    };
    this.#host = {
      history: (writer) => this.#history(writer),
      onError: (error, run) => this.#report(error, run),
    };
    this.#producers = new Producers({
      limits: this.#limits,
      open: (id) => this.#open(id),
      onLost: (writer) => void this.#endLost(writer).catch((error) => this.#report(error, writer.log.run)),
      beat: async (producer, ms) => this.store.shared && this.store.beat(producer, ms),
      alive: async () => (this.store.shared ? this.#lease.beat() : []),
    });
    this.#lease = new Lease({
      store: this.store,
      holder: this.holder,
      leaseMs,
      onScan: () => this.#endDead("status:running"),
      onDead: (holder) => this.#endDead(ownerTag(holder)),
      onOwn: () => this.#endIdle(),
      onTrouble: (error) => this.#report(error, ""),
    });
    const { retention } = options;
    this.#sweeper =
      retention &&
      new Sweeper({ store: this.store, retention, onTrouble: (error, run) => this.#report(error, run) });
    const agents = (options.agents ?? []).map((agent) => toAgent(agent));
    for (const { name } of agents) checkId(name, "agent name");
    this.#agents = new Map(agents.map((agent) => [agent.name, agent]));
    this.#limitsOf = new Map(agents.map((agent) => [agent, limitsFrom(this.#limits, agent.limits)]));
    if (this.#agents.size < agents.length) throw new TypeError("Cannot make a hub: two agents have one name");
  }

  /** The hub's last word on an event, for whoever writes a log beside its runs. */
  before(event: StreamEvent): StreamEvent {
    return this.#options.before?.(event) ?? event;
  }

  get agents(): AgentInfo[] {
    return [...this.#agents.values()].map((agent) => agent.info ?? { name: agent.name });
  }

  /** How many agents are at work in this process. */
  get live(): number {
    return this.#executions.size;
  }

  get stopping(): boolean {
    return this.#stop.signal.aborted;
  }

  /** @internal Keeps a run that something else writes here from being taken for one that was left. */
  hold(id: string): Disposable {
    this.#held.add(id);
    return { [Symbol.dispose]: () => void this.#held.delete(id) };
  }

  /**
   * Starts a run and resolves once its first event is committed. The same id and request again resolve to the
   * run there is, with `created` false; another request under the id throws `run_exists`. Throws
   * `agent_not_found`, `invalid_request`, `invalid_id`, `thread_busy`, `stopping`.
   */
  async start(options: StartOptions): Promise<{ readonly run: Run; readonly created: boolean }> {
    const starting = this.#start(options);
    this.#starts.add(starting);
    try {
      return await starting;
    } finally {
      this.#starts.delete(starting);
    }
  }

  async #start(options: StartOptions): Promise<{ readonly run: Run; readonly created: boolean }> {
    this.#checkOpen();
    const agent = this.#agentFor(options.agent);
    const { input, history, thread, tags, metadata, leaseMs } = options;
    if (!isInput(input)) {
      const why = '"input" must be a text or messages, and not empty';
      throw new RunError("invalid_request", `Cannot start a run: ${why}`);
    }
    if (metadata && JSON.stringify(toJson(metadata)).length > 8 * 1024) {
      throw new RunError("too_large", "Cannot start a run: its metadata is more than 8 KiB");
    }
    if (thread !== undefined) checkId(thread, "thread id");
    const id = options.id === undefined ? newId() : checkId(options.id);
    const asked = {
      agent: agent?.name ?? null,
      input,
      ...(history && { history }),
      ...(thread !== undefined && { thread }),
      ...(tags && { tags }),
      ...(metadata && { metadata }),
      ...(leaseMs !== undefined && { leaseMs }),
      ...(agent?.onProducerLost === "resume" && { onProducerLost: agent.onProducerLost }),
    };
    const fingerprint = hashOf(JSON.stringify(toJson(asked)));
    const run = this.run(id);
    if (options.id !== undefined && (await this.#startedBefore(id, fingerprint)))
      return { run, created: false };
    const started = { type: "run.started", v: SCHEMA_VERSION, ...asked, fingerprint } as const;
    if (thread !== undefined) {
      // What is refused must not take a turn.
      encodeEvent(started);
      await this.#claim(thread, id, options.whileBusy ?? "reject");
    }
    const writer = this.#writer(id);
    const created = await writer.begin(started);
    if (!created) {
      await this.#startedBefore(id, fingerprint);
      return { run, created: false };
    }
    if (options.deps !== undefined) this.#deps.set(id, options.deps);
    if (agent) this.#execute(writer, agent, false);
    else this.#producers.add(writer);
    return { run, created: true };
  }

  /** The handle of a run, here or in another process. Does no I/O. Throws `invalid_id`. */
  run(id: string): Run {
    return new Run(this, checkId(id));
  }

  /** Newest first. `before` is a page's `next`. */
  async list(
    options: ListFilter & { readonly before?: string | undefined; readonly limit?: number } = {},
  ): Promise<RunPage> {
    const { before, limit = 50 } = options;
    const [tag, ...others] = filterTags(options);
    let from = before === undefined ? undefined : parsePosition(before);
    const found: RunRecord[] = [];
    // The store narrows by one tag; the others are looked at here.
    while (found.length <= limit) {
      const records = await this.store.list({
        ...(tag && { tag }),
        ...(from && { before: from }),
        limit: limit + 1,
      });
      const runs = records.filter((record) => !isTombstone(record));
      found.push(...runs.filter((record) => others.every((other) => record.tags.includes(other))));
      from = records.at(-1);
      if (records.length <= limit) break;
    }
    const page = found.slice(0, limit);
    const last = page.at(-1);
    return {
      runs: page.map((record) => fromRecord(record).info),
      ...(found.length > limit && last && { next: `${last.startedAt.toString(36)}-${last.run}` }),
    };
  }

  /** @internal The doors of {@linkcode Run}. */
  async info(id: string): Promise<RunInfo> {
    const record = await this.store.record(id);
    if (!record) throw await missing(this.store, id);
    return fromRecord(record).info;
  }

  /** @internal */
  async send(id: string, event: InputEvent): Promise<{ readonly cursor: string }> {
    const live = this.#executions.get(id);
    if (this.stopping && !live)
      throw new RunError("stopping", `Cannot send to run "${id}": the server is stopping`);
    if (event.type === "input.cancel") {
      await this.cancel(id, event);
      return { cursor: formatCursor(await this.store.tail(id)) };
    }
    const writer = live?.execution.writer ?? (await this.#open(id));
    const { tail } = await this.#append(writer, event);
    const cursor = formatCursor(tail);
    if (live) live.execution.receive(event);
    if (event.type === "input.approval" && !this.#executions.has(id)) this.#goOn(writer);
    return { cursor };
  }

  /**
   * The answer to a run that waits makes the process that receives it go on. Where another one asked, it is told
   * that the run is no longer its own: it may not have returned yet.
   */
  #append(writer: Writer, event: InputEvent): Promise<{ readonly tail: Tail }> {
    const { summary, owner } = writer;
    const goesOn = event.type === "input.approval" && summary.waiting && owner !== this.holder;
    if (!goesOn) return writer.append([event]);
    writer.owner = this.holder;
    if (!this.store.shared) return writer.append([event]);
    return writer.append([{ type: "run.resumed", fromStep: summary.nextStep }, event]);
  }

  /** @internal */
  async cancel(id: string, event: Extract<InputEvent, { type: "input.cancel" }>): Promise<void> {
    const live = this.#executions.get(id);
    const writer = live?.execution.writer ?? (await this.#open(id));
    if (writer.summary.terminal) return;
    try {
      if (!writer.summary.cancel) await writer.append([event]);
    } catch (error) {
      // It ended at the same moment.
      if (writer.summary.terminal) return;
      throw error;
    }
    // Asked anew: the agent may have returned to wait meanwhile, and then nobody is there to obey.
    const working = this.#executions.get(id);
    if (working) working.execution.stop();
    else if (writer.summary.waiting) await this.#endCancelled(writer);
    else {
      const { signal } = this.#stop;
      void wait(CANCEL_MS, signal)
        .then(() => (signal.aborted ? undefined : this.#endCancelled(writer)))
        .catch((error) => this.#report(error, id));
    }
  }

  /** @internal */
  append(id: string, events: readonly ProducedEvent[], producer?: Producer): Promise<Appended> {
    if (!this.stopping) return this.#producers.append(id, events, producer);
    throw new RunError("stopping", `Cannot append to run "${id}": the server is stopping`);
  }

  /** @internal */
  async delete(id: string): Promise<void> {
    await deleteRun(this.store, id);
  }

  /** @internal */
  follow(id: string, options?: FollowOptions): AsyncGenerator<Slice, void, undefined> {
    return new Log(this.store, id).follow(options);
  }

  /**
   * Makes this process known to those that share its store, and from then on ends what dead ones leave open: their
   * runs fail with `producer_lost`, are cancelled if that was asked, or go on here where their agent says so. Runs
   * that wait for a person stay. Where no other process writes, all that is open is ended when this resolves.
   */
  async recover(): Promise<void> {
    await this.#lease.start();
    this.#sweeper?.start();
  }

  /**
   * Stops: no new runs; those at work get `ms` to end. Then they are left to the other processes of the store where
   * their agent says so, and fail with `server_stopped` elsewhere. Waiting runs, and those of producers elsewhere,
   * stay open.
   */
  async drain(ms = 10_000): Promise<void> {
    this.#stop.abort();
    const swept = this.#sweeper?.stop();
    this.#producers.releaseAll();
    const begun = () => Promise.allSettled(this.#starts);
    const all = () => Promise.all([...this.#executions.values()].map(({ done }) => done));
    const patience = new AbortController();
    await Promise.race([begun().then(all), wait(ms, patience.signal)]);
    patience.abort();
    await begun();
    const stopped = { code: "server_stopped", message: "The server stopped before the run ended" };
    for (const { execution } of this.#executions.values()) {
      const { started } = execution.writer.summary;
      if (this.store.shared && started?.onProducerLost === "resume") execution.leave("its server stopped");
      else execution.stop(stopped);
    }
    await all();
    await swept;
    await this.#lease.stop().catch((error) => this.#report(error, ""));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain(0);
  }

  /** Throws once the server stops. */
  #checkOpen(): void {
    if (this.stopping) throw new RunError("stopping", "Cannot start a run: the server is stopping");
  }

  #agentFor(name: string | null | undefined): AgentLike | undefined {
    if (name === null) return undefined;
    const agent = name === undefined ? [...this.#agents.values()][0] : this.#agents.get(name);
    if (agent) return agent;
    const known = [...this.#agents.keys()].map((each) => `"${each}"`).join(", ") || "none";
    throw new RunError(
      "agent_not_found",
      `Cannot find agent ${JSON.stringify(name ?? "")}: this server has ${known}`,
    );
  }

  /** Whether the run was started before by the same request; by another is refused. */
  async #startedBefore(id: string, fingerprint: string): Promise<boolean> {
    const first = await new Log(this.store, id).entry(1);
    if (!first) return false;
    if (first.event.type === "run.started" && first.event.fingerprint === fingerprint) return true;
    throw new RunError(
      "run_exists",
      `Cannot start run "${id}": a run with this id was started by another request`,
    );
  }

  async #claim(thread: string, id: string, policy: ThreadPolicy): Promise<void> {
    await new Thread(this.store, thread).claim(id, policy, {
      isOpen: async (run) => {
        const record = await this.store.record(run);
        if (record) return ["running", "waiting"].includes(fromRecord(record).info.status);
        // One that was deleted is not about to start.
        return (await missing(this.store, run)).code === "run_deleted" ? false : undefined;
      },
      ended: (run) => this.#ended(run),
      checkOpen: () => this.#checkOpen(),
      cancel: (run, reason) => this.run(run).cancel({ reason }),
    });
  }

  /** Resolves once a run has ended, or this process stops. */
  async #ended(id: string): Promise<void> {
    const { signal } = this.#stop;
    for await (const _ of this.follow(id, { after: await this.store.tail(id), signal }));
  }

  #writer(id: string): Writer {
    return new Writer(new Log(this.store, id), this.#writing);
  }

  /** A writer on a log that exists. */
  async #open(id: string): Promise<Writer> {
    const writer = this.#writer(id);
    if ((await writer.load()).length === 0) throw await missing(this.store, id);
    const record = await this.store.record(id);
    if (record) writer.owner = fromRecord(record).owner;
    return writer;
  }

  /** Puts an agent to work on a run. Registered before anything is awaited: a cancel finds it at once. */
  #execute(writer: Writer, agent: AgentLike, resumed: boolean): void {
    const id = writer.log.run;
    writer.owner = this.holder;
    const execution = new Execution(this.#host, {
      writer,
      agent,
      resumed,
      limits: this.#limitsOf.get(agent)!,
      deps: this.#deps.get(id),
    });
    if (writer.summary.cancel) execution.stop();
    const watch = writer.watch();
    const done = execution.run().then((waits) => {
      watch[Symbol.dispose]();
      this.#executions.delete(id);
      // The last answer may have come while it was stopping to wait.
      if (waits) this.#goOn(writer);
      else this.#deps.delete(id);
    });
    this.#executions.set(id, { execution, done });
  }

  async #history({ log, summary: { started } }: Writer): Promise<readonly Message[]> {
    if (started?.history) return started.history;
    return started?.thread ? new Thread(this.store, started.thread).history(log.run) : [];
  }

  /** Takes up a run that waited, once nothing is left to answer. */
  #goOn(writer: Writer): void {
    const { summary, log } = writer;
    const agent = this.#agents.get(summary.started?.agent ?? "");
    if (summary.terminal || summary.approvals.size > 0 || !agent) return;
    if (!this.stopping && !this.#executions.has(log.run)) this.#execute(writer, agent, true);
  }

  async #endCancelled(writer: Writer): Promise<void> {
    await writer.end((summary) => summary.cancelled());
    this.#producers.release(writer.log.run);
    this.#deps.delete(writer.log.run);
  }

  /** Looks at the runs with a tag, and ends those whose owner is dead. */
  async #endDead(tag: string): Promise<void> {
    await this.#lookAt(tag, async (record) => {
      const { info, owner } = fromRecord(record);
      if (!this.#lease.isDead(owner)) return;
      // A producer elsewhere outlives this process: its lease begins anew.
      if (info.agent === null) return this.#correct(await this.#producers.watch(info.run));
      const writer = await this.#open(info.run);
      // Another process may have taken it over since it was listed.
      const isLost = () => this.#lease.isDead(writer.owner);
      if (isLost()) await this.#endLost(writer, isLost);
    });
  }

  /**
   * Does something with each run of a tag. One that cannot be read does not keep it from the others. Where other
   * processes write it rejects if trying again may help, after all of them.
   */
  async #lookAt(tag: string, look: (record: RunRecord) => Promise<void>): Promise<void> {
    let trouble: unknown;
    let before: RunRecord | undefined;
    while (true) {
      const records = await this.store.list({ tag, limit: 100, ...(before && { before }) });
      for (const record of records) {
        try {
          await look(record);
        } catch (error) {
          this.#report(error, record.run);
          if (error instanceof RunError && error.retry) trouble ??= error;
        }
      }
      before = records.at(-1);
      if (records.length < 100) break;
    }
    if (trouble !== undefined && this.store.shared) throw trouble;
  }

  /**
   * Ends what this process holds by its record and is not at work on, a lease after it was first seen so: the answer to
   * the append that made it the owner was lost, and nobody else may call the run lost.
   */
  async #endIdle(): Promise<void> {
    const idle = new Set<string>();
    await this.#lookAt(ownerTag(this.holder), async (record) => {
      const { run } = record;
      if (this.#executions.has(run) || this.#held.has(run)) return;
      if (fromRecord(record).info.agent === null) await this.#correct(await this.#producers.watch(run));
      else if (this.#idle.has(run)) await this.#endLost(await this.#open(run));
      else idle.add(run);
    });
    this.#idle = idle;
  }

  /**
   * Ends a run whose process is gone, or goes on with it. One that has ended, or waits, stays as it is, and lists say so
   * from then on.
   */
  async #endLost(writer: Writer, isLost: () => boolean = () => true): Promise<void> {
    await this.#endOrGoOn(writer, isLost);
    // Also after an end that was written here: of an append whose answer was lost, the record may be missing.
    await this.#correct(writer);
  }

  /**
   * Writes the record of a run that has ended or waits, if it says something else. A store may keep records apart from
   * logs, and nobody else writes that of a run whose process died between the two.
   */
  async #correct(writer: Writer): Promise<void> {
    const { terminal, waiting, status } = writer.summary;
    if (!terminal && !waiting) return;
    const record = await this.store.record(writer.log.run);
    if (record && fromRecord(record).info.status !== status) await writer.describe();
  }

  async #endOrGoOn(writer: Writer, isLost: () => boolean): Promise<void> {
    const { terminal, waiting, cancel, started, resumes } = writer.summary;
    if (terminal) return;
    if (cancel) return this.#endCancelled(writer);
    if (waiting) return;
    if (started?.onProducerLost === "resume") {
      // Who stops leaves it to those that stay.
      if (this.stopping) return;
      const agent = this.#agents.get(started.agent ?? "");
      if (agent && resumes < MAX_RESUMES) {
        writer.owner = this.holder;
        if (await writer.takeOver()) this.#execute(writer, agent, true);
        return;
      }
    }
    let lost = true;
    const ended = writer.end((summary) => {
      // Time goes by until the store takes it, and what was lost may have been found.
      lost = isLost() && !summary.waiting;
      if (!lost) throw new Error("It is not lost any more");
      if (summary.cancel) return summary.cancelled();
      return { type: "run.failed", ...producerLost, ...summary.totals };
    });
    await ended.catch((error) => {
      if (lost) throw error;
    });
  }

  /** Ends a run of which the store lost a part: from what is left of its log. */
  async #endBroken(id: string): Promise<void> {
    const working = this.#executions.get(id);
    working?.execution.leave("the store lost a part of its log");
    this.#producers.release(id);
    await working?.done;
    if ((await this.store.tail(id)).seq === 0) return;
    await (await this.#open(id)).end(({ totals }) => ({ type: "run.failed", ...logLost, ...totals }));
  }
}

/** Limits with others put over them, as far as those are set. */
function limitsFrom(limits: RunLimits, others: Partial<RunLimits> = {}): RunLimits {
  const set = Object.entries(others).filter(([, limit]) => limit !== undefined);
  return { ...limits, ...Object.fromEntries(set) };
}

const logLost = { code: "log_lost", message: "The store lost a part of the log" };
const producerLost = { code: "producer_lost", message: "The process that ran the agent is gone" };

/** A page's `next`, as the position of its last run. */
function parsePosition(next: string): Pick<RunRecord, "run" | "startedAt"> {
  const match = /^([0-9a-z]{1,11})-([A-Za-z0-9_-]{1,64})$/.exec(next);
  if (!match)
    throw new RunError(
      "invalid_cursor",
      `Cannot list from ${JSON.stringify(next.slice(0, 80))}: it is no page's "next"`,
    );
  return { startedAt: Number.parseInt(match[1]!, 36), run: match[2]! };
}

/** A handle on one run, in whichever process it lives. */
export class Run {
  readonly id: string;
  readonly #hub: Hub;

  constructor(hub: Hub, id: string) {
    this.#hub = hub;
    this.id = id;
  }

  /** What lists show of it. Throws `run_not_found`, `run_deleted`. */
  info(): Promise<RunInfo> {
    return this.#hub.info(this.id);
  }

  get log(): Log {
    return new Log(this.#hub.store, this.id);
  }

  /** Entries after a cursor, then live, a slice for each commit. To stop iterating only detaches. */
  follow(options?: FollowOptions): AsyncGenerator<Slice, void, undefined> {
    return this.#hub.follow(this.id, options);
  }

  /** Entries one by one. A log that no longer is what was read ends it with `cursor_mismatch`. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Entry, void, undefined> {
    for await (const { entries, reset } of this.follow()) {
      if (reset !== undefined)
        throw new RunError("cursor_mismatch", `Cannot go on with run "${this.id}": its log was replaced`);
      yield* entries;
    }
  }

  /** Resolves once the run has ended. */
  async ended(): Promise<RunInfo> {
    for await (const _ of this.follow({ after: await this.#hub.store.tail(this.id) }));
    const info = await this.info();
    // Where a store keeps records apart from logs, this one may be on its way.
    return info.endedAt === undefined ? infoFrom(this.id, await this.log.entries()) : info;
  }

  /** Appends an event from outside. Throws `run_closed`, `not_waiting`, `run_not_found`. */
  send(event: InputEvent): Promise<{ readonly cursor: string }> {
    return this.#hub.send(this.id, event);
  }

  /** Asks the run to end; resolves once that is in the log. An ended run stays as it is. */
  cancel(options: { readonly reason?: string; readonly by?: string } = {}): Promise<void> {
    return this.#hub.cancel(this.id, { type: "input.cancel", ...options });
  }

  /**
   * Appends events of a run that was started without an agent. A terminal event may be the last. An append with the
   * number that its producer gave it may be made again after a lost answer: it changes nothing then, and resolves
   * to the same places. Throws `run_owned`, `run_closed`, `producer_fenced`, `producer_gap`.
   */
  append(events: readonly ProducedEvent[], producer?: Producer): Promise<Appended> {
    return this.#hub.append(this.id, events, producer);
  }

  /** Deletes an ended run, whole; for 30 days it is then told as `run_deleted`. Throws `run_open`. */
  delete(): Promise<void> {
    return this.#hub.delete(this.id);
  }
}
