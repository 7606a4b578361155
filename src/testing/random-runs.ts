import { type AgentEvent, event, type Message, type StreamEvent, type TerminalEvent } from "../events.ts";
import { Summary } from "../summary.ts";

/**
 * Logs of runs that nobody thought of, of 20 to about 100 events, the same for the same seed. They are as a hub
 * writes them: the start first, what is open closed before the terminal event, which is last. In between several
 * agents speak at once, call tools in parallel, think, fail, are retried, ask people and are cancelled. One in
 * five is careless: events are missing from it, as from an agent that forgets. One in six has not ended.
 */
export function randomRuns(count: number, seed = 1): StreamEvent[][] {
  return Array.from({ length: count }, (_, index) => new RandomRun(seed * 100_003 + index).events());
}

const TEXTS = [
  "Hello",
  " ",
  "",
  "a\nb",
  "😀",
  "\ud83d",
  "\ude00",
  "\u2028",
  "</script>",
  "data: x\n\n",
  "é",
  "null",
];
const TOOLS = ["search", "read", "clock", "__proto__", "a tool"];
const AGENTS = ["writer", "critic"];

class RandomRun {
  readonly #random: () => number;
  readonly #events: StreamEvent[] = [];
  readonly #summary = new Summary();
  readonly #careless: boolean;
  /** Blocks that are open, and the calls that wait for an answer. */
  #blocks: { readonly id: string; readonly kind: "text" | "reasoning"; readonly messageId: string }[] = [];
  #calls: { readonly callId: string; readonly name: string; called: boolean }[] = [];
  #step = 0;
  #attempt = 1;
  #inStep = false;
  #ids = 0;

  constructor(seed: number) {
    this.#random = mulberry32(seed);
    this.#careless = this.#chance(0.2);
  }

  events(): StreamEvent[] {
    const length = 20 + this.#below(60);
    this.#put(this.#start());
    while (this.#events.length < (this.#summary.cancel ? 20 : length)) {
      if (this.#summary.waiting && this.#chance(0.9)) this.#answer();
      else this.#act();
    }
    // A prefix is a run that has not ended.
    if (this.#chance(1 / 6)) return this.#events;
    for (const each of this.#summary.close("The run ended")) this.#put(each);
    this.#put(this.#end());
    return this.#events;
  }

  #start(): StreamEvent {
    const input = this.#chance(0.5) ? this.#text() || "Hi" : [this.#message("user")];
    return event.runStarted({
      v: 1,
      agent: this.#chance(0.9) ? "lead" : null,
      input,
      ...(this.#chance(0.3) && { thread: `t-${this.#below(9)}` }),
      ...(this.#chance(0.2) && { history: [this.#message("user"), this.#message("assistant")] }),
      ...(this.#chance(0.2) && { metadata: { user: this.#text() } }),
      ...(this.#chance(0.1) && { onProducerLost: "resume" as const }),
    });
  }

  #end(): TerminalEvent {
    const { totals } = this.#summary;
    if (this.#summary.cancel) return this.#summary.cancelled();
    if (this.#chance(0.2)) return event.runFailed({ code: "agent_error", message: this.#text(), ...totals });
    return event.runFinished({ ...(this.#chance(0.3) && { output: { text: this.#text() } }), ...totals });
  }

  /** One thing that an agent, or somebody outside, does next. */
  #act(): void {
    const acts: [number, () => void][] = [
      [this.#inStep ? 1 : 8, () => (this.#inStep ? this.#finishStep() : this.#startStep())],
      [6, () => this.#startBlock()],
      [this.#blocks.length > 0 ? 14 : 0, () => this.#grow()],
      [this.#blocks.length > 0 ? 5 : 0, () => this.#finishBlock()],
      [5, () => this.#startCall()],
      [this.#calls.length > 0 ? 12 : 0, () => this.#goOnWithCall()],
      [this.#inStep ? 0.7 : 0, () => this.#retry()],
      [1, () => this.#ask()],
      [0.4, () => this.#put(event.agentChanged({ from: "lead", to: this.#one(AGENTS) }))],
      [0.7, () => this.#say(event.source({ id: this.#id("s"), ...this.#origin() }))],
      [
        0.5,
        () =>
          this.#say(event.source({ id: this.#id("s"), url: "https://example.org/", title: this.#text() })),
      ],
      [0.5, () => this.#say(event.file({ id: this.#id("f"), mediaType: "image/png", data: "iVBORw0KGgo=" }))],
      [0.5, () => this.#say(event.message({ message: this.#message("assistant") }))],
      [0.7, () => this.#say(event.outputDelta({ value: [this.#text()], complete: this.#chance(0.3) }))],
      [0.7, () => this.#progress()],
      [0.7, () => this.#say(event.status({ status: "working", progress: this.#below(101) }))],
      [0.7, () => this.#plan()],
      [0.7, () => this.#artifact()],
      [0.5, () => this.#say(event.error({ code: "search_failed", message: this.#text(), retryable: true }))],
      [
        0.7,
        () =>
          this.#say(
            event.custom({ name: this.#one(["app.rating", "__proto__", "x y"]), data: this.#text() }),
          ),
      ],
      [0.7, () => this.#put(event.inputMessage({ message: this.#message("user"), by: "ada" }))],
      [
        this.#events.length < 18 ? 0 : 0.5,
        () => this.#put(event.inputCancel(this.#chance(0.5) ? { reason: this.#text() } : {})),
      ],
      [0.15, () => this.#resume()],
    ];
    let left = this.#random() * acts.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, act] of acts) {
      left -= weight;
      if (left < 0) {
        act();
        return;
      }
    }
  }

  #startStep(): void {
    this.#inStep = true;
    this.#step++;
    this.#attempt = 1;
    this.#say(event.stepStarted({ step: this.#step, model: "demo" }));
  }

  #finishStep(): void {
    // What a step began it mostly ends; what is left open is open in the next one.
    while (this.#blocks.length > 0 && this.#chance(0.9)) this.#finishBlock();
    this.#inStep = false;
    const known = this.#chance(0.8);
    this.#say(
      event.stepFinished({
        step: this.#step,
        finishReason: this.#one(["stop", "tool-calls", "length"] as const),
        model: "demo",
        usage: known ? { inputTokens: this.#below(100), outputTokens: this.#below(100) } : null,
        cost: known ? this.#below(100) / 1000 : null,
      }),
    );
  }

  #startBlock(): void {
    const kind = this.#chance(0.7) ? "text" : "reasoning";
    const block = { id: this.#id("b"), kind, messageId: `m-${this.#step}.${this.#attempt}` } as const;
    this.#blocks.push(block);
    const owned = this.#chance(0.8) ? { messageId: block.messageId } : {};
    this.#say({ type: `${kind}.started`, id: block.id, ...owned, ...this.#origin() });
  }

  #grow(): void {
    const { id, kind } = this.#one(this.#blocks);
    this.#say({ type: `${kind}.delta`, id, text: this.#text() });
  }

  #finishBlock(): void {
    const { id, kind } = this.#take(this.#blocks);
    this.#say({ type: `${kind}.finished`, id, ...(this.#chance(0.1) && { interrupted: true }) });
  }

  #startCall(): void {
    const call = { callId: this.#id("c"), name: this.#one(TOOLS), called: this.#chance(0.4) };
    this.#calls.push(call);
    const { callId, name } = call;
    if (call.called)
      this.#say(event.toolCalled({ callId, name, input: { query: this.#text() }, ...this.#origin() }));
    else this.#say(event.toolStarted({ callId, name, ...this.#origin() }));
  }

  #goOnWithCall(): void {
    const call = this.#one(this.#calls);
    const { callId, name } = call;
    if (!call.called && this.#chance(0.5)) {
      this.#say(event.toolDelta({ callId, text: '{"query":' }));
    } else if (!call.called) {
      call.called = true;
      this.#say(event.toolCalled({ callId, name, input: { query: this.#text() } }));
    } else if (this.#chance(0.3)) {
      this.#say(event.toolProgressed({ callId, data: { done: this.#below(9) } }));
    } else {
      this.#calls = this.#calls.filter((each) => each !== call);
      if (this.#chance(0.8)) {
        this.#say(event.toolReturned({ callId, name, output: { text: this.#text() }, durationMs: 1 }));
      } else {
        this.#say(
          event.toolFailed({ callId, name, code: "tool_error", message: this.#text(), durationMs: 1 }),
        );
      }
    }
  }

  #retry(): void {
    this.#blocks = [];
    this.#calls = [];
    this.#say(
      event.stepRetried({ step: this.#step, attempt: this.#attempt++, code: "overloaded", message: "Busy" }),
    );
  }

  #resume(): void {
    this.#blocks = [];
    this.#calls = [];
    this.#put(event.runResumed({ fromStep: Math.max(1, this.#step) }));
  }

  #ask(): void {
    const callId = this.#id("c");
    const asked = { callId, name: this.#one(TOOLS), input: { query: this.#text() } };
    this.#calls.push({ ...asked, called: true });
    this.#say(event.toolCalled(asked));
    const reason = this.#chance(0.5) ? { reason: this.#text() } : {};
    this.#say(event.approvalRequested({ approvalId: this.#id("a"), ...asked, ...reason }));
    // The one who asks returns, and then nothing is under way.
    if (this.#inStep && this.#chance(0.8)) this.#finishStep();
  }

  #answer(): void {
    const [asked] = [...this.#summary.approvals.values()];
    const approved = this.#chance(0.7);
    const { approvalId, callId, name } = asked!;
    this.#put(
      event.inputApproval({ approvalId, approved, ...(this.#chance(0.5) && { reason: this.#text() }) }),
    );
    if (approved || this.#chance(0.2)) return;
    this.#calls = this.#calls.filter((call) => call.callId !== callId);
    this.#say(event.toolFailed({ callId, name, code: "denied", message: "No" }));
  }

  #progress(): void {
    const fraction = this.#chance(0.5) ? { fraction: this.#random() } : {};
    this.#say(
      event.progress({ iteration: this.#step, totalTokens: this.#below(999), totalCost: null, ...fraction }),
    );
  }

  #plan(): void {
    const status = this.#one(["pending", "running", "completed", "failed"] as const);
    this.#say(event.plan({ items: [{ id: "p-1", title: this.#text(), status }] }));
  }

  #artifact(): void {
    const action = this.#one(["created", "updated", "deleted"] as const);
    const parts = this.#chance(0.7) ? { parts: [{ type: "text" as const, text: this.#text() }] } : {};
    this.#say(event.artifact({ id: this.#one(["one", "two"]), action, name: "report.md", ...parts }));
  }

  #message(role: "user" | "assistant"): Message {
    return {
      id: this.#id(role === "user" ? "u" : "w"),
      role,
      parts: [
        { type: "text", text: this.#text() },
        ...(this.#chance(0.2) ? [{ type: "data" as const, data: { n: this.#below(9) } }] : []),
        ...(this.#chance(0.2) ? [{ type: "file" as const, mediaType: "text/plain", data: "aGk=" }] : []),
      ],
    };
  }

  /** On whose behalf an event is: mostly the run's own agent. */
  #origin(): { agent?: string; parent?: string } {
    if (this.#chance(0.85)) return {};
    const [call] = this.#calls;
    return { agent: this.#one(AGENTS), ...(call && this.#chance(0.7) && { parent: call.callId }) };
  }

  /** An agent's event; a careless one forgets some. */
  #say(each: AgentEvent): void {
    if (!this.#careless || this.#chance(0.85)) this.#put(each);
  }

  #put(each: StreamEvent): void {
    this.#events.push(each);
    this.#summary.apply(each, 0);
  }

  #id(kind: string): string {
    return `${kind}-${++this.#ids}`;
  }

  #text(): string {
    return this.#one(TEXTS);
  }

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }

  #below(most: number): number {
    return Math.floor(this.#random() * most);
  }

  #one<Value>(values: readonly Value[]): Value {
    return values[this.#below(values.length)]!;
  }

  #take<Value>(values: Value[]): Value {
    return values.splice(this.#below(values.length), 1)[0]!;
  }
}

/** Numbers from 0 to 1 that are the same for the same seed. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
