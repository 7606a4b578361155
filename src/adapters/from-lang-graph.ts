import type { AgentStream } from "../agent.ts";
import { AgentFailure } from "../failure.ts";
import { publicMessage } from "../provider-failure.ts";
import type { AdapterOptions } from "./blocks.ts";
import { failureOf } from "./failure.ts";
import { chunkOf, type LangGraphMode } from "./from-lang-graph-chunk.ts";
import { LangGraphReader } from "./from-lang-graph-reader.ts";

/** What `graph.stream` gives: pieces of state, of which everything is the graph's own. */
export type LangGraphStream = AsyncIterable<unknown>;

export interface LangGraphOptions extends AdapterOptions {
  /** The mode of a stream with a single one, which does not say it. @default "messages" for messages, else "updates" */
  readonly streamMode?: LangGraphMode;
}

/**
 * The events of a LangGraph stream, so that a compiled graph is an agent:
 *
 *     const agent = {
 *       name: "assistant",
 *       run: (context) => {
 *         const { input, signal, run } = context;
 *         const stream = graph.stream({ messages: [new HumanMessage(input)] }, {
 *           streamMode: ["messages", "updates", "custom", "tasks"],
 *           subgraphs: true,
 *           signal,
 *           configurable: { thread_id: run },
 *         });
 *         return fromLangGraph(stream, context);
 *       },
 *     };
 *
 * These modes tell most; with fewer, what they tell is told. `tools` adds what tools report while they work, `values`
 * is read as `updates` are, `debug` and `checkpoints` are passed over. Each message of a model is a step, with what its
 * `usage_metadata` says; costs are null. What a subgraph does has its node as `agent` and its task as `parent`, and so
 * has a node that speaks while another does. `custom` data is a `custom` event `langgraph.custom`, a
 * `structuredResponse` the run's output; other state is the graph's own and is not told. A message that is removed from
 * the state is withdrawn by an empty one.
 *
 * An interrupt asks for approval: go on with {@linkcode langGraphAnswers}.
 *
 * To stop reading the stream ends the graph's run. Throws `AgentFailure` after it has closed what was open:
 * `limit_exceeded` (its `recursionLimit`), `aborted` for an abort by a signal that is not the run's, and what became of
 * the provider, such as `model_error`. Throws `TypeError` for what is no chunk of a stream.
 */
export async function* fromLangGraph(
  stream: LangGraphStream | PromiseLike<LangGraphStream>,
  options: LangGraphOptions = {},
): AgentStream {
  const reader = new LangGraphReader(options);
  let failure: Error | undefined;
  try {
    for await (const chunk of await stream)
      for (const event of reader.read(chunkOf(chunk, options.streamMode))) yield event;
    yield* reader.end();
  } catch (error) {
    failure = langGraphFailure(error);
  }
  if (!failure || options.signal?.aborted) return;
  yield* reader.abandon(failure.message);
  throw failure;
}

function langGraphFailure(error: unknown): Error {
  const name = error instanceof Error ? error.name : undefined;
  if (name === "AbortError")
    return new AgentFailure("aborted", "The run of the graph was aborted", { cause: error });
  if (name === "GraphRecursionError") {
    return new AgentFailure("limit_exceeded", publicMessage(error), { cause: error });
  }
  return error instanceof TypeError ? error : failureOf(error);
}
