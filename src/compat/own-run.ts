import { type AgentFunction, type AgentLike, toAgent } from "../agent.ts";
import type { StoredEntry } from "../batch.ts";
import { messageOf, RunError } from "../errors.ts";
import { type Input, isTerminal, type Message, type StreamEvent } from "../events.ts";
import { AgentFailure } from "../failure.ts";
import { createHub, type Hub } from "../hub.ts";
import { memoryStore } from "../stores/memory.ts";
import { Summary } from "../summary.ts";

/** How a run is started by a function that also iterates it. */
export interface RunOptions {
  /** Passed to the agent's tools as `context.deps`; never written down. */
  readonly deps?: unknown;
  /** The messages before the prompt. Calls in them are not told again. */
  readonly messageHistory?: readonly Message[];
  /**
   * Where the run is kept, and seen by a server of the same hub. It must have the agent, which is found by its
   * name. Left out, the run has a hub of its own in memory, and is gone when the iteration ends.
   */
  readonly hub?: Hub | undefined;
  /** The run's id, for viewers elsewhere. @default a new one */
  readonly id?: string | undefined;
  /** Cancels the run. `AbortSignal.timeout(30_000)` is a limit on time. */
  readonly signal?: AbortSignal | undefined;
}

/** Something to run: an agent, or an agent function with a name. */
export type AnyAgent = AgentLike | AgentFunction;

/** An iteration, and the signal that tells it that its consumer left. */
type Open<Value> = (left: AbortSignal) => AsyncGenerator<Value, void, undefined>;

/**
 * An async generator that `return` and `throw` end also while it waits for its next value: by themselves they
 * would wait as long. Nothing is opened before the first `next`.
 */
export function interruptible<Value>(open: Open<Value>): AsyncGenerator<Value, void, undefined> {
  const left = new AbortController();
  const values = open(left.signal);
  const leave = () => {
    left.abort();
    return values.return();
  };
  return {
    next: () => values.next(),
    return: leave,
    throw(error) {
      left.abort();
      return values.throw(error);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
    async [Symbol.asyncDispose]() {
      await leave();
    },
  };
}

/**
 * Starts a run and yields its entries. Who iterates owns the run: leaving before its end cancels it, and
 * returns once it has ended. A run that was there already, under the `id` and by the same request, is only left.
 * A run in memory that asks a person something is cancelled: nobody can answer.
 */
export async function* ownRun(
  agent: AnyAgent,
  input: Input,
  options: RunOptions,
  left: AbortSignal,
): AsyncGenerator<StoredEntry, void, undefined> {
  const { deps, messageHistory, id, signal } = options;
  const { name } = toAgent(agent);
  await using home = options.hub ? undefined : await makeHome(agent);
  const hub = options.hub ?? home!.hub;
  const { run, created } = await hub.start({
    agent: name,
    input,
    ...(deps !== undefined && { deps }),
    ...(messageHistory && { history: messageHistory }),
    ...(id !== undefined && { id }),
  });
  const summary = new Summary();
  const stop = () => void run.cancel({ reason: messageOf(signal?.reason) }).catch(() => {});
  signal?.addEventListener("abort", stop, { once: true });
  if (signal?.aborted) stop();
  try {
    for await (const { entries, reset } of run.follow({ signal: left })) {
      if (reset !== undefined)
        throw new RunError("cursor_mismatch", `Cannot go on with run "${run.id}": its log was replaced`);
      for (const entry of entries) {
        summary.apply(entry.event, entry.at);
        yield entry;
      }
      if (summary.waiting && home) await run.cancel({ reason: unanswerable(summary) });
    }
  } finally {
    signal?.removeEventListener("abort", stop);
    if (created && !summary.terminal) {
      await run.cancel({ reason: "Who started the run has left it" });
      await run.ended();
    }
  }
}

/** What to throw for the end of a run, if it went wrong: `run_failed`, caused by an `AgentFailure`, or `run_cancelled`. */
export function failureOf(event: StreamEvent): RunError | undefined {
  if (!isTerminal(event) || event.type === "run.finished") return undefined;
  if (event.type === "run.cancelled") {
    const why = event.reason === undefined ? "" : `: ${event.reason}`;
    return new RunError("run_cancelled", `The run was cancelled${why}`);
  }
  return new RunError("run_failed", `The run failed with ${event.code}: ${event.message}`, {
    cause: new AgentFailure(event.code, event.message),
  });
}

async function makeHome(agent: AnyAgent): Promise<AsyncDisposable & { readonly hub: Hub }> {
  const store = memoryStore();
  const hub = await createHub({ store, agents: [agent] });
  return {
    hub,
    async [Symbol.asyncDispose]() {
      await hub[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  };
}

function unanswerable({ approvals }: Summary): string {
  const names = [...approvals.values()].map(({ name }) => `"${name}"`).join(", ");
  return `The agent asks whether it may call ${names}, and nobody can answer: pass a hub, and answer there`;
}
