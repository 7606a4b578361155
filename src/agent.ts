import type { AgentEvent, Entry, EventOf, Input, Message } from "./events.ts";

/** What an agent's generator yields; write it as the return type, so that a wrong event is an error at its `yield`. */
export type AgentStream = AsyncGenerator<AgentEvent, void, undefined>;

/** What a running agent is given. */
export interface RunContext {
  /** The run's id. */
  readonly run: string;
  readonly input: Input;
  /** The messages before the input. */
  readonly history: readonly Message[];
  readonly thread: string | undefined;
  /**
   * Aborts when the run is cancelled, runs into a limit, or the process stops. With a `RunError` for its reason the
   * run goes on, or has ended, in another process.
   */
  readonly signal: AbortSignal;
  /**
   * What the log holds already: empty for a new run. A run that waited for a person, or was taken over
   * from a dead process, starts the agent again with all that was said and answered.
   */
  readonly entries: readonly Entry[];
  /** Whatever the program that started the run passed along for its tools. Never written to the log. */
  readonly deps: unknown;
  readonly limits: RunLimits;
  /**
   * Appends beside the generator, in the order of the calls: for tools that report while they work.
   * Resolves when the log has room for more. Throws `invalid_event` for what cannot be an event.
   */
  emit(event: AgentEvent): Promise<void>;
  /** The `input.message` events that came since the last call, oldest first. */
  takeMessages(): readonly EventOf<"input.message">[];
}

/** Limits on a run; each ends it with one terminal event. Times in ms, by a monotonic clock. */
export interface RunLimits {
  /** The whole run, waiting for people not counted: `run.failed { code: "timeout" }`. @default 3_600_000 (1 h) */
  readonly timeoutMs: number;
  /** Between two events. @default 300_000 (5 min) */
  readonly idleMs: number;
  /** From the start to the agent's first event. @default 120_000 (2 min) */
  readonly firstChunkMs: number;
  /** Model calls: `run.failed { code: "limit_exceeded" }`. @default 50 */
  readonly maxSteps: number;
  /** USD. A step of unknown cost counts as 0. @default Infinity */
  readonly maxCostUsd: number;
  /** Events in the log. @default 100_000 */
  readonly maxEvents: number;
  /** Bytes in the log. @default 67_108_864 (64 MiB) */
  readonly maxBytes: number;
}

/** What `GET /agents` tells of an agent. */
export interface AgentInfo {
  readonly name: string;
  readonly description?: string;
  readonly model?: string;
  readonly tools?: readonly { readonly name: string; readonly description?: string }[];
}

/**
 * Something that runs. To return is to finish, to throw is to fail, and to be aborted is to be cancelled;
 * the hub writes that down. To return while an `approval.requested` has no answer is to wait: the agent is
 * run again, with the log so far in `context.entries`, once the answer is there.
 */
export interface AgentLike {
  readonly name: string;
  readonly info?: AgentInfo;
  /** Limits of this agent's runs, over the hub's. */
  readonly limits?: Partial<RunLimits>;
  /**
   * What becomes of a run whose process died. `resume`: another process runs the agent again, with the log so far
   * in `context.entries`; it has to know from there what was done. @default "fail"
   */
  readonly onProducerLost?: "fail" | "resume";
  run(context: RunContext): AsyncIterable<AgentEvent>;
}

/** A bare async generator function is an agent too, by its name. */
export type AgentFunction = (context: RunContext) => AsyncIterable<AgentEvent>;

export function toAgent(agent: AgentLike | AgentFunction, name?: string): AgentLike {
  if (typeof agent !== "function") return agent;
  const known = name ?? agent.name;
  if (!known)
    throw new TypeError("Cannot take an agent function without a name: name it, or pass { name, run }");
  return { name: known, run: agent };
}
