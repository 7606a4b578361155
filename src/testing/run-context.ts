import type { AgentLike, RunContext, RunLimits } from "../agent.ts";
import { messageOf } from "../errors.ts";
import type { AgentEvent, Entry, EventOf, EventType, Input, Message, StreamEvent } from "../events.ts";
import { encodeEvent } from "../schema.ts";

export const noLimits: RunLimits = {
  timeoutMs: Number.POSITIVE_INFINITY,
  idleMs: Number.POSITIVE_INFINITY,
  firstChunkMs: Number.POSITIVE_INFINITY,
  maxSteps: 50,
  maxCostUsd: Number.POSITIVE_INFINITY,
  maxEvents: Number.POSITIVE_INFINITY,
  maxBytes: Number.POSITIVE_INFINITY,
};

export interface TestRunOptions {
  readonly run?: string;
  readonly input?: Input;
  readonly history?: readonly Message[];
  readonly deps?: unknown;
  readonly limits?: Partial<RunLimits>;
  /** A log that another process began. */
  readonly events?: readonly StreamEvent[];
}

export type TestOutcome =
  | { readonly status: "finished" | "waiting" | "cancelled" }
  | { readonly status: "failed"; readonly code: string; readonly message: string };

/**
 * Runs an agent without a hub: keeps its events in a list, each checked and encoded as a log does it.
 * The life of the run is not written, but for `run.started`.
 */
export class TestRun {
  readonly entries: Entry[] = [];
  readonly #agent: AgentLike;
  readonly #options: TestRunOptions;
  readonly #abort = new AbortController();
  readonly #waiters = new Set<(event: StreamEvent) => void>();
  #inbox: EventOf<"input.message">[] = [];
  #said = 0;

  constructor(agent: AgentLike, options: TestRunOptions = {}) {
    this.#agent = agent;
    this.#options = options;
    for (const event of options.events ?? []) this.append(event);
  }

  get run(): string {
    return this.#options.run ?? "run-1";
  }

  get events(): StreamEvent[] {
    return this.entries.map((entry) => entry.event);
  }

  of<Type extends EventType>(type: Type): EventOf<Type>[] {
    return this.events.filter((event) => event.type === type) as unknown[] as EventOf<Type>[];
  }

  /** What the model said, all pieces of text in one. */
  get text(): string {
    return this.of("text.delta")
      .map((event) => event.text)
      .join("");
  }

  /** Runs the agent until it returns or throws; again, with the log so far, if it was run before. */
  async go(): Promise<TestOutcome> {
    const { input = "Hello", history = [], deps, limits } = this.#options;
    const before = [...this.entries];
    if (before.length === 0) {
      this.append({
        type: "run.started",
        v: 1,
        agent: this.#agent.name,
        input,
        ...(history.length > 0 && { history }),
      });
    }
    const context: RunContext = {
      run: this.run,
      input,
      history,
      thread: undefined,
      signal: this.#abort.signal,
      entries: before,
      deps,
      limits: { ...noLimits, ...limits },
      emit: async (event) => this.append(event),
      takeMessages: () => this.#inbox.splice(0),
    };
    try {
      for await (const event of this.#agent.run(context)) this.append(event);
    } catch (error) {
      const code = (error as { code?: unknown } | undefined)?.code;
      return {
        status: "failed",
        code: typeof code === "string" ? code : "agent_error",
        message: messageOf(error),
      };
    }
    if (this.#abort.signal.aborted) return { status: "cancelled" };
    const answers = new Set(this.of("input.approval").map((event) => event.approvalId));
    const open = this.of("approval.requested").some((event) => !answers.has(event.approvalId));
    return { status: open ? "waiting" : "finished" };
  }

  append(event: StreamEvent): void {
    const kept = JSON.parse(encodeEvent(event)) as StreamEvent;
    this.entries.push({ seq: this.entries.length + 1, at: this.entries.length, event: kept });
    for (const wake of this.#waiters) wake(kept);
  }

  /** The first event of a type, now or as soon as it comes. */
  seen<Type extends AgentEvent["type"]>(type: Type): Promise<EventOf<Type>> {
    const [known] = this.of(type);
    if (known) return Promise.resolve(known);
    return new Promise((resolve) => {
      const wake = (event: StreamEvent) => {
        if (event.type !== type) return;
        this.#waiters.delete(wake);
        resolve(event as unknown as EventOf<Type>);
      };
      this.#waiters.add(wake);
    });
  }

  cancel(): void {
    this.append({ type: "input.cancel" });
    this.#abort.abort(new Error("cancelled"));
  }

  say(text: string): void {
    this.#said += 1;
    const message: Message = { id: `said-${this.#said}`, role: "user", parts: [{ type: "text", text }] };
    const event: EventOf<"input.message"> = { type: "input.message", message };
    this.append(event);
    this.#inbox.push(event);
  }

  answer(approvalId: string, approved: boolean, reason?: string): void {
    this.append({ type: "input.approval", approvalId, approved, ...(reason !== undefined && { reason }) });
  }
}
