import { Agent, type AgentOptions } from "../../ai/agent.ts";
import type { StoredEntry } from "../../batch.ts";
import type { Input } from "../../events.ts";
import { createHub } from "../../hub.ts";
import type { AgentOutput } from "../../protocols/agentor/agent-output.ts";
import { type Listening, type ListenOptions, listen } from "../../server/listen.ts";
import { openStore } from "../../stores/open.ts";
import { failureOf, interruptible, ownRun, type RunOptions } from "../own-run.ts";
import { type RunResult, resultOf } from "../run-result.ts";
import { type FormatOptions, formatStreamEvents } from "./format-stream-events.ts";

export interface StreamChatOptions extends RunOptions, FormatOptions {
  /** Texts of JSON, each on one line, or the outputs themselves. @default true */
  readonly serialize?: boolean;
}

export interface ServeOptions extends Omit<ListenOptions, "hub"> {
  /** Where runs are kept: `memory:` or `sqlite:PATH`. @default "sqlite:.runlog/runlog.db", as `runlog serve` has it */
  readonly store?: string;
}

/**
 * An agent with the surface of Agentor: it streams, answers whole, and serves itself. `name` may be any text: what
 * no agent name may hold becomes a `-` in it.
 */
export class Agentor extends Agent {
  constructor(options: AgentOptions) {
    super({ ...options, name: options.name.replace(/[^A-Za-z0-9_-]/g, "-") });
  }

  /**
   * Starts a run and yields what happens in it: pieces of text as the model gives them; messages, tool calls and
   * thoughts whole. Breaking off cancels the run. Throws `run_failed` or `run_cancelled` if the run ends so.
   */
  streamChat(
    input: Input,
    options: StreamChatOptions & { readonly serialize: false },
  ): AsyncGenerator<AgentOutput, void, undefined>;
  streamChat(
    input: Input,
    options?: StreamChatOptions & { readonly serialize?: true },
  ): AsyncGenerator<string, void, undefined>;
  streamChat(
    input: Input,
    options: StreamChatOptions = {},
  ): AsyncGenerator<AgentOutput | string, void, undefined> {
    const { serialize = true, allowedEvents } = options;
    return interruptible(
      async function* (this: Agentor, left: AbortSignal) {
        for await (const output of formatStreamEvents(ownRun(this, input, options, left), { allowedEvents }))
          yield serialize ? JSON.stringify(output) : output;
      }.bind(this),
    );
  }

  /** Runs to the end and resolves to the answer. Rejects with `run_failed` or `run_cancelled` if it ends so. */
  async chat(input: Input, options: RunOptions = {}): Promise<RunResult> {
    const entries: StoredEntry[] = [];
    for await (const entry of ownRun(this, input, options, new AbortController().signal)) {
      const failure = failureOf(entry.event);
      if (failure) throw failure;
      entries.push(entry);
    }
    return resultOf(entries);
  }

  /**
   * Serves the agent over HTTP: `POST /chat`, and all else that a Runlog server answers. Resolves once it listens.
   * Throws `forbidden` for an open address without a token, and what the store or the port refuse.
   */
  async serve(options: ServeOptions = {}): Promise<Listening> {
    const { store: url = "sqlite:.runlog/runlog.db", ...listenOptions } = options;
    await using opened = new AsyncDisposableStack();
    const store = opened.use(await openStore(url));
    const hub = opened.use(await createHub({ store, agents: [this] }));
    const listening = opened.use(await listen({ ...listenOptions, hub }));
    const all = opened.move();
    return {
      url: listening.url,
      async stop(drainMs) {
        await listening.stop(drainMs);
        await all.disposeAsync();
      },
      [Symbol.asyncDispose]: () => all.disposeAsync(),
    };
  }
}
