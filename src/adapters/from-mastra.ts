import type { AgentStream } from "../agent.ts";
import type { AgentEvent, FinishReason, Usage } from "../events.ts";
import { AgentFailure } from "../failure.ts";
import { publicMessage } from "../provider-failure.ts";
import { type ProviderWarning, warningEvent } from "../provider-warning.ts";
import { addUsage } from "../summary.ts";
import { type AdapterOptions, Blocks } from "./blocks.ts";
import { failureOf } from "./failure.ts";
import { usageOf } from "./usage-of.ts";

/** What `agent.stream()`, `resumeStream()`, `approveToolCall()` and `declineToolCall()` of Mastra 1.x give. */
export interface MastraResult {
  readonly fullStream: AsyncIterable<MastraChunk>;
}

/** A chunk of it. Most have a `payload`; `object` and `object-result` have an `object`, `data-*` have `data`. */
export interface MastraChunk {
  readonly type: string;
  readonly payload?: unknown;
  readonly object?: unknown;
  readonly data?: unknown;
}

interface Keyed {
  readonly id: string;
  readonly providerMetadata?: unknown;
}

interface Called {
  readonly toolCallId: string;
  readonly toolName: string;
  readonly args?: unknown;
}

/** The chunks that are read here, with the fields that are. */
type Known =
  | { readonly type: "step-start"; readonly payload: { readonly warnings?: readonly ProviderWarning[] } }
  | {
      readonly type: "text-start" | "text-end" | "reasoning-start" | "reasoning-end";
      readonly payload: Keyed;
    }
  | { readonly type: "text-delta" | "reasoning-delta"; readonly payload: Keyed & { readonly text: string } }
  | { readonly type: "reasoning-signature" | "redacted-reasoning"; readonly payload: Keyed }
  | { readonly type: "tool-call-input-streaming-start"; readonly payload: Called }
  | {
      readonly type: "tool-call-delta";
      readonly payload: { readonly toolCallId: string; readonly argsTextDelta: string };
    }
  | {
      readonly type: "tool-call";
      readonly payload: Called & { readonly providerExecuted?: boolean; readonly providerMetadata?: unknown };
    }
  | { readonly type: "tool-output"; readonly payload: Called & { readonly output: unknown } }
  | {
      readonly type: "tool-result";
      readonly payload: Called & { readonly result: unknown; readonly isError?: boolean };
    }
  | { readonly type: "tool-error"; readonly payload: Called & { readonly error: unknown } }
  | {
      readonly type: "tool-output-denied";
      readonly payload: Called & { readonly approval?: { readonly reason?: string } };
    }
  | { readonly type: "tool-call-approval"; readonly payload: Called }
  | { readonly type: "tool-call-suspended"; readonly payload: Called & { readonly suspendPayload?: unknown } }
  | {
      readonly type: "source";
      readonly payload: {
        readonly id: string;
        readonly url?: string;
        readonly mimeType?: string;
        readonly title?: string;
        readonly filename?: string;
      };
    }
  | {
      readonly type: "file" | "reasoning-file";
      readonly payload: {
        readonly data: string | Uint8Array;
        readonly base64?: string;
        readonly mimeType: string;
      };
    }
  | {
      readonly type: "custom";
      readonly payload: { readonly kind: string; readonly providerMetadata?: unknown };
    }
  | { readonly type: "object" | "object-result"; readonly object: unknown }
  | { readonly type: "step-finish" | "finish"; readonly payload: Finish }
  | { readonly type: "error"; readonly payload: { readonly error: unknown } }
  | { readonly type: "tripwire"; readonly payload: { readonly reason: string } }
  | {
      readonly type:
        | "abort"
        | "start"
        | "raw"
        | "watch"
        | "response-metadata"
        | "tool-call-input-streaming-end";
    };

interface Finish {
  readonly stepResult?: {
    readonly reason?: string;
    readonly rawReason?: string;
    /** Why a processor asked the model again. */
    readonly retryReason?: string;
  };
  readonly output?: {
    readonly usage?: {
      readonly inputTokens?: number;
      readonly outputTokens?: number;
      readonly cachedInputTokens?: number;
      readonly cacheCreationInputTokens?: number;
      readonly reasoningTokens?: number;
      readonly raw?: { readonly cost?: unknown };
    };
  };
  readonly metadata?: { readonly modelId?: unknown };
}

/**
 * The events of a Mastra agent's stream:
 *
 *     const agent = {
 *       name: "assistant",
 *       run: (context) => fromMastra(mastraAgent.stream(prompt, { abortSignal: context.signal }), context),
 *     };
 *
 * What an agent or workflow that is called as a tool streams comes with its name as `agent` and the call as `parent`.
 * A call that needs approval, or suspends, is asked about; the answered run goes on with Mastra's own snapshot of it,
 * by `approveToolCall`, `declineToolCall` or `resumeStream`: see {@linkcode answeredCalls}. Chunks that have no event of
 * their own are `custom`, as `mastra.TYPE`. Mastra tells no cost, so that is null unless the provider's raw usage has one.
 *
 * Throws `AgentFailure` after it has closed what was open: with the code `tripwire` if a processor stopped the agent,
 * `aborted` for an abort by a signal that is not the run's, `model_interrupted` for an answer that broke off, and what
 * became of the provider, such as `rate_limited` or `model_error`.
 */
export async function* fromMastra(
  result: MastraResult | PromiseLike<MastraResult>,
  options: AdapterOptions = {},
): AgentStream {
  const reader = new ChunkReader(new Blocks(options));
  let failure: AgentFailure | undefined;
  try {
    for await (const chunk of (await result).fullStream) for (const event of reader.read(chunk)) yield event;
    if (options.signal?.aborted) return;
    failure = reader.failure();
  } catch (error) {
    failure = failureOf(error);
  }
  if (options.signal?.aborted) return;
  yield* failure ? reader.abandon(failure.message) : reader.pause();
  if (failure) throw failure;
}

/** Translates the stream of one agent, and of those it calls. */
class ChunkReader {
  readonly #blocks: Blocks;
  /** Of the agents that are called as tools, by the key of the call. */
  readonly #called = new Map<string, ChunkReader>();
  /** Whether this agent is called as a tool. */
  readonly #isCalled: boolean;
  #asked = false;
  #aborted = false;
  #tripwire: string | undefined;
  #finish: Finish | undefined;
  #errors: unknown[] = [];
  /** Usage of the attempts at the open step that were withdrawn. */
  #spent: Usage | undefined;
  /** The next step is another attempt at the open one. */
  #again = false;

  constructor(blocks: Blocks, isCalled = false) {
    this.#blocks = blocks;
    this.#isCalled = isCalled;
  }

  read(chunk: MastraChunk): AgentEvent[] {
    const blocks = this.#blocks;
    const known = chunk as Known;
    switch (known.type) {
      case "step-start": {
        const started = this.#again ? [] : blocks.startStep();
        this.#again = false;
        const warnings = known.payload.warnings ?? [];
        return [...started, ...warnings.flatMap((each) => blocks.other(warningEvent(each)))];
      }
      case "text-start":
        return blocks.start("text", known.payload.id, known.payload.providerMetadata);
      case "text-delta": {
        const { id, text, providerMetadata } = known.payload;
        return blocks.delta("text", id, text, providerMetadata);
      }
      case "text-end":
        return blocks.end("text", known.payload.id, known.payload.providerMetadata);
      case "reasoning-start":
        return blocks.start("reasoning", known.payload.id, known.payload.providerMetadata);
      case "reasoning-delta": {
        const { id, text, providerMetadata } = known.payload;
        return blocks.delta("reasoning", id, text, providerMetadata);
      }
      case "reasoning-signature":
        return blocks.delta("reasoning", known.payload.id, "", known.payload.providerMetadata);
      case "reasoning-end":
        return blocks.end("reasoning", known.payload.id, known.payload.providerMetadata);
      case "redacted-reasoning": {
        const { id, providerMetadata } = known.payload;
        return [...blocks.start("reasoning", id, providerMetadata), ...blocks.end("reasoning", id)];
      }
      case "tool-call-input-streaming-start":
        return blocks.startCall(known.payload.toolCallId, known.payload.toolName);
      case "tool-call-delta":
        return blocks.callDelta(known.payload.toolCallId, known.payload.argsTextDelta);
      case "tool-call": {
        const { toolCallId, toolName, args, providerExecuted, providerMetadata } = known.payload;
        return blocks.call(toolCallId, toolName, args, { providerExecuted, providerMetadata });
      }
      case "tool-output":
        return this.#toolOutput(known.payload);
      case "tool-result": {
        const { toolCallId, toolName, result, isError } = known.payload;
        const end = isError
          ? blocks.failed(toolCallId, toolName, "tool_error", publicMessage(result))
          : blocks.returned(toolCallId, toolName, result);
        return [...this.#closeCalled(toolCallId), ...end];
      }
      case "tool-error": {
        const { toolCallId, toolName, error } = known.payload;
        const missing = error instanceof Error && error.name === "ToolNotFoundError";
        const code = missing ? "unknown_tool" : "tool_error";
        return [
          ...this.#closeCalled(toolCallId),
          ...blocks.failed(toolCallId, toolName, code, publicMessage(error), !missing),
        ];
      }
      case "tool-output-denied": {
        const { toolCallId, toolName, approval } = known.payload;
        const why = approval?.reason ?? "The call was not allowed";
        return [
          ...this.#closeCalled(toolCallId),
          ...blocks.failed(toolCallId, toolName, "denied", why, false),
        ];
      }
      case "tool-call-approval":
        return this.#ask(known.payload);
      case "tool-call-suspended":
        return this.#ask(known.payload, reasonOf(known.payload.suspendPayload));
      case "source": {
        const { id, url, mimeType, title, filename } = known.payload;
        return blocks.source(id, { url, mediaType: mimeType, title, filename });
      }
      case "file":
      case "reasoning-file": {
        const { data, mimeType } = known.payload;
        const base64 =
          known.payload.base64 ?? (typeof data === "string" ? data : Buffer.from(data).toString("base64"));
        return blocks.file(mimeType, base64, known.type === "file");
      }
      case "custom":
        return blocks.custom(`provider.${known.payload.kind}`, known.payload.providerMetadata);
      case "object":
        return blocks.output(known.object, false);
      case "object-result":
        return blocks.output(known.object, true);
      case "step-finish":
        return this.#finishStep(known.payload);
      case "finish":
        this.#finish = known.payload;
        return [];
      case "error":
        this.#errors.push(known.payload.error);
        return [];
      case "tripwire":
        this.#tripwire = known.payload.reason;
        return [];
      case "abort":
        this.#aborted = true;
        return [];
      case "start":
      case "raw":
      case "watch":
      case "response-metadata":
      case "tool-call-input-streaming-end":
        return [];
      default:
        known satisfies never;
        return blocks.custom(`mastra.${chunk.type}`, chunk.payload ?? chunk.data);
    }
  }

  /** Why the stream, which has ended, is no whole answer. */
  failure(): AgentFailure | undefined {
    const { reason, rawReason } = this.#finish?.stepResult ?? {};
    if (this.#tripwire !== undefined || (reason === "tripwire" && !this.#aborted)) {
      return new AgentFailure("tripwire", publicMessage(this.#tripwire || "A processor stopped the agent"));
    }
    if (this.#aborted) return new AgentFailure("aborted", "The agent was aborted");
    if (this.#asked) return undefined;
    // Without a raw reason, a stream that ended without saying so.
    const vague = (reason === "other" || reason === "unknown") && rawReason === undefined;
    if (reason !== undefined && reason !== "error" && !vague) return undefined;
    const [error] = this.#errors;
    if (error !== undefined) return failureOf(error);
    return reason === "error"
      ? new AgentFailure("model_error", "The model failed without saying why")
      : new AgentFailure("model_interrupted", "The model's answer broke off before its end");
  }

  /** Closes what is open, here and in the agents that were called. */
  abandon(message: string): AgentEvent[] {
    const called = [...this.#called.values()].flatMap((reader) => reader.abandon(message));
    return [...called, ...this.#blocks.abandon(message)];
  }

  /** Ends a step that waits for a person: Mastra ends it, and tells its usage, once it goes on. */
  pause(): AgentEvent[] {
    const called = [...this.#called.values()].flatMap((reader) => reader.pause());
    return [...called, ...this.#blocks.finishStep({ finishReason: "tool-calls" })];
  }

  #ask({ toolCallId, toolName, args }: Called, reason?: string): AgentEvent[] {
    this.#asked = true;
    // An agent that is called asks through the one that calls it.
    if (this.#isCalled) return [];
    return this.#blocks.ask(toolCallId, `a-${this.#blocks.callId(toolCallId)}`, toolName, args, reason);
  }

  #toolOutput({ toolCallId, toolName, output }: Called & { readonly output: unknown }): AgentEvent[] {
    if (!isChunk(output)) return this.#blocks.progressed(toolCallId, output);
    let called = this.#called.get(toolCallId);
    if (!called) {
      const agent = toolName.replace(/^(agent|workflow)-/, "");
      called = new ChunkReader(this.#blocks.child(agent, toolCallId), true);
      this.#called.set(toolCallId, called);
    }
    return called.read(output);
  }

  /** A call to an agent ends: whatever it left open is closed, and why it failed is told. */
  #closeCalled(key: string): AgentEvent[] {
    const called = this.#called.get(key);
    if (!called) return [];
    this.#called.delete(key);
    const failure = called.#finish || called.#errors.length > 0 ? called.failure() : undefined;
    return [
      ...called.abandon(failure?.message ?? "The agent ended"),
      ...(failure ? called.#blocks.other(errorEvent(failure)) : []),
    ];
  }

  #finishStep({ stepResult, output, metadata }: Finish): AgentEvent[] {
    const { reason, retryReason } = stepResult ?? {};
    const told = output?.usage;
    const usage = addUsage(
      this.#spent,
      usageOf({
        inputTokens: told?.inputTokens,
        outputTokens: told?.outputTokens,
        cacheReadTokens: told?.cachedInputTokens,
        cacheWriteTokens: told?.cacheCreationInputTokens,
        reasoningTokens: told?.reasoningTokens,
      }),
    );
    if (reason === "retry") {
      this.#spent = usage;
      this.#again = true;
      return this.#blocks.retryStep("tripwire", publicMessage(retryReason ?? "A processor asked again"));
    }
    this.#spent = undefined;
    const finishReason = finishReasonOf(reason);
    const passed = finishReason === "error" || finishReason === "interrupted" ? [] : this.#errors.splice(0);
    const cost = told?.raw?.cost;
    return [
      // A step that waited was ended then; what it took is told now, as a step of its own.
      ...(this.#blocks.inStep ? [] : this.#blocks.startStep()),
      ...passed.flatMap((error) => this.#blocks.other(errorEvent(failureOf(error)))),
      ...this.#blocks.finishStep({
        finishReason,
        usage,
        cost: typeof cost === "number" && cost >= 0 ? cost : null,
        model: typeof metadata?.modelId === "string" ? metadata.modelId : undefined,
      }),
    ];
  }
}

function errorEvent({ code, message }: AgentFailure): AgentEvent {
  return { type: "error", code, message, retryable: false };
}

function finishReasonOf(reason: string | undefined): FinishReason {
  switch (reason) {
    case "stop":
    case "length":
    case "content-filter":
    case "tool-calls":
    case "error":
      return reason;
    case undefined:
    case "tripwire":
      return "interrupted";
    default:
      return "other";
  }
}

/** What a suspended tool says, for whoever has to answer. */
function reasonOf(said: unknown): string | undefined {
  if (said === undefined || said === null) return undefined;
  return typeof said === "string" ? said : JSON.stringify(said);
}

/** A chunk of an agent or workflow that a tool passes on, rather than a report of its own. */
function isChunk(output: unknown): output is MastraChunk {
  if (typeof output !== "object" || output === null) return false;
  const { type, runId, from } = output as { type?: unknown; runId?: unknown; from?: unknown };
  return typeof type === "string" && typeof runId === "string" && typeof from === "string";
}
