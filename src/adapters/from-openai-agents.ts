import type { AgentStream } from "../agent.ts";
import { AgentFailure } from "../failure.ts";
import { publicMessage } from "../provider-failure.ts";
import { MAX_EVENT_BYTES } from "../schema.ts";
import type { AdapterOptions } from "./blocks.ts";
import { failureOf } from "./failure.ts";
import { OpenAIAgentsReader } from "./from-openai-agents-reader.ts";
import { type OpenAIAgentsInterruption, STATE_EVENT, sdkCallId } from "./from-openai-agents-state.ts";

/** What `run(agent, input, { stream: true })` of `@openai/agents` (0.20) gives, as far as it is read here. */
export interface OpenAIAgentsResult extends AsyncIterable<OpenAIAgentsEvent> {
  readonly cancelled: boolean;
  readonly completed: Promise<void>;
  readonly interruptions: readonly OpenAIAgentsInterruption[];
  /** What goes on after an answer: `toString` makes it a text. */
  readonly state: { toString(): string };
  readonly finalOutput: unknown;
  readonly currentAgent: { readonly name: string } | undefined;
}

/** A `RunStreamEvent`. What is in the items is the provider's own, and looked at where it is read. */
export type OpenAIAgentsEvent =
  | { readonly type: "raw_model_stream_event"; readonly data: { readonly type: string } }
  | {
      readonly type: "run_item_stream_event";
      readonly name: string;
      readonly item: { readonly type: string; readonly rawItem?: unknown };
    }
  | { readonly type: "agent_updated_stream_event"; readonly agent: { readonly name: string } };

/**
 * The events of a streamed run of the OpenAI Agents SDK, so that an agent of it is an agent:
 *
 *     const agent = {
 *       name: "assistant",
 *       run: (context) => {
 *         const { input, signal } = context;
 *         return fromOpenAIAgents(run(assistant, input, { stream: true, signal }), context);
 *       },
 *     };
 *
 * Each response of a model is a step; its tools run after it. A handoff is the call that asked for it, and
 * `agent.changed`. The final output is the run's, if it was not said as text. Costs are null: the SDK knows no prices,
 * and usage is null where it counted no tokens.
 *
 * A run that asks for approval tells its state in a `custom` event `openai-agents.state`, then asks: go on with
 * {@linkcode openAIAgentsState}. Agents that are tools of others are not in the stream: see {@linkcode onAgentTool}.
 *
 * The stream is read at the pace of its consumer; to stop reading it ends the SDK's run. Throws `AgentFailure` after it
 * has closed what was open: `input_guardrail`, `output_guardrail`, `tool_input_guardrail`, `tool_output_guardrail`,
 * `guardrail_failed`, `limit_exceeded` (its `maxTurns`), `refused`, `timeout`, `aborted` for an abort by a signal that
 * is not the run's, `too_large` for a state of more than 1 MiB, and what became of the provider, such as `model_error`.
 */
export async function* fromOpenAIAgents(
  result: OpenAIAgentsResult | PromiseLike<OpenAIAgentsResult>,
  options: AdapterOptions = {},
): AgentStream {
  const reader = new OpenAIAgentsReader(options);
  let failure: AgentFailure | undefined;
  try {
    const source = await result;
    reader.current ??= source.currentAgent?.name;
    for await (const event of source) for (const said of reader.read(event)) yield said;
    // An abort is not told: the stream just ends.
    if (source.cancelled) failure = new AgentFailure("aborted", "The run of the agent was aborted");
    else {
      await source.completed;
      if (source.interruptions.length > 0) yield* ask(reader, source);
      // What a nested agent puts out is for the agent that called it.
      else if (options.parent === undefined) yield* reader.output(source.finalOutput);
    }
  } catch (error) {
    failure = openAIAgentsFailure(error);
  }
  if (!failure || options.signal?.aborted) return;
  yield* reader.blocks.abandon(failure.message);
  throw failure;
}

/** The state first: an answer that comes at once finds it. */
function* ask(reader: OpenAIAgentsReader, { interruptions, state }: OpenAIAgentsResult) {
  const asked = interruptions.map((item) => reader.asked(item));
  const approvals = asked.map(({ approvalId }, index) => ({
    approvalId,
    callId: sdkCallId(interruptions[index]!),
  }));
  const data = { state: state.toString(), approvals };
  const bytes = Buffer.byteLength(JSON.stringify(data));
  // Room for what else is in the event.
  if (bytes > MAX_EVENT_BYTES - 1024) {
    const why = `its state is ${bytes} bytes, and an event of the log holds ${MAX_EVENT_BYTES}`;
    throw new AgentFailure(
      "too_large",
      `Cannot wait for an approval: ${why}; keep less in its context and its history`,
    );
  }
  yield* reader.blocks.other({ type: "custom", name: STATE_EVENT, data });
  for (const event of asked) yield* reader.blocks.other(event);
}

const codes: { readonly [name: string]: string } = {
  InputGuardrailTripwireTriggered: "input_guardrail",
  OutputGuardrailTripwireTriggered: "output_guardrail",
  ToolInputGuardrailTripwireTriggered: "tool_input_guardrail",
  ToolOutputGuardrailTripwireTriggered: "tool_output_guardrail",
  GuardrailExecutionError: "guardrail_failed",
  MaxTurnsExceededError: "limit_exceeded",
  ModelRefusalError: "refused",
  ModelTimeoutError: "timeout",
  ToolTimeoutError: "timeout",
};

function openAIAgentsFailure(error: unknown): AgentFailure {
  const code = error instanceof Error ? codes[error.name] : undefined;
  return code === undefined
    ? failureOf(error)
    : new AgentFailure(code, publicMessage(error), { cause: error });
}
