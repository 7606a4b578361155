import type { AgentStream } from "../agent.ts";
import type { AgentEvent, FinishReason, Part } from "../events.ts";
import { AgentFailure } from "../failure.ts";
import { publicMessage } from "../provider-failure.ts";
import { type ProviderWarning, warningEvent } from "../provider-warning.ts";
import { type AdapterOptions, Blocks } from "./blocks.ts";
import { failureOf } from "./failure.ts";
import { usageOf } from "./usage-of.ts";

/**
 * What `streamText` and `ToolLoopAgent.stream` of the AI SDK (`ai` 7) give, as far as it is read here: the parts of the
 * stream, and what each step held in the end.
 */
export type AISDKResult = { readonly steps?: PromiseLike<readonly AISDKStep[]> } & (
  | { readonly stream: AsyncIterable<AISDKPart> }
  | { readonly fullStream: AsyncIterable<AISDKPart> }
);

interface AISDKStep {
  readonly content: readonly { readonly type: string; readonly text?: unknown }[];
}

interface Keyed {
  readonly id: string;
  readonly providerMetadata?: unknown;
}

interface ToolPart {
  readonly toolCallId: string;
  readonly toolName: string;
}

interface CallPart extends ToolPart {
  readonly input?: unknown;
  readonly providerExecuted?: boolean | undefined;
  readonly providerMetadata?: unknown;
  readonly invalid?: boolean | undefined;
  readonly error?: unknown;
}

interface AISDKUsage {
  readonly inputTokens: number | undefined;
  readonly outputTokens: number | undefined;
  readonly inputTokenDetails?: {
    readonly cacheReadTokens?: number | undefined;
    readonly cacheWriteTokens?: number | undefined;
  };
  readonly outputTokenDetails?: { readonly reasoningTokens?: number | undefined };
  readonly raw?: { readonly [field: string]: unknown };
}

interface AISDKFile {
  readonly mediaType: string;
  readonly base64: string;
}

/** The AI SDK's `TextStreamPart`, with the fields that are read here. */
export type AISDKPart =
  | { readonly type: "start" | "ping" | "raw" }
  | { readonly type: "start-step"; readonly warnings?: readonly ProviderWarning[] }
  | ({ readonly type: "text-start" | "text-end" | "reasoning-start" | "reasoning-end" } & Keyed)
  | ({ readonly type: "text-delta" | "reasoning-delta"; readonly text: string } & Keyed)
  | ({
      readonly type: "tool-input-start";
      readonly toolName: string;
      readonly inputEncoding?: string | undefined;
    } & Keyed)
  | ({ readonly type: "tool-input-delta"; readonly delta: string } & Keyed)
  | ({ readonly type: "tool-input-end" } & Keyed)
  | ({ readonly type: "tool-call" } & CallPart)
  | ({
      readonly type: "tool-result";
      readonly output: unknown;
      readonly preliminary?: boolean | undefined;
    } & ToolPart)
  | ({ readonly type: "tool-error"; readonly error: unknown } & ToolPart)
  | ({ readonly type: "tool-output-denied" } & ToolPart)
  | {
      readonly type: "tool-approval-request";
      readonly approvalId: string;
      readonly toolCall: CallPart;
      readonly reason?: string | undefined;
      readonly isAutomatic?: boolean | undefined;
    }
  | {
      readonly type: "tool-approval-response";
      readonly toolCall: CallPart;
      readonly reason?: string | undefined;
    }
  | {
      readonly type: "source";
      readonly id: string;
      readonly url?: string | undefined;
      readonly mediaType?: string | undefined;
      readonly title?: string | undefined;
      readonly filename?: string | undefined;
    }
  | { readonly type: "file" | "reasoning-file"; readonly file: AISDKFile }
  | { readonly type: "custom"; readonly kind: string; readonly providerMetadata?: unknown }
  | {
      readonly type: "steering-message";
      readonly id: string;
      readonly message: { readonly content: unknown };
    }
  | {
      readonly type: "finish-step";
      readonly finishReason: string;
      readonly usage: AISDKUsage;
      readonly response?: { readonly modelId?: string | undefined };
      readonly performance?: {
        readonly timeToFirstOutputMs?: number | undefined;
        readonly responseTimeMs?: number | undefined;
      };
    }
  | {
      readonly type: "finish";
      readonly finishReason: string;
      readonly rawFinishReason?: string | undefined;
    }
  | { readonly type: "abort"; readonly reason?: string | undefined }
  | { readonly type: "error"; readonly error: unknown };

/**
 * The events of an AI SDK stream, so that `streamText` and `ToolLoopAgent` are agents:
 *
 *     const agent = {
 *       name: "assistant",
 *       run: (context) => fromAISDK(streamText({ model, prompt, abortSignal: context.signal }), context),
 *     };
 *
 * Pass the run's context, and its signal as `abortSignal`: to stop reading the stream does not end the request, as the
 * AI SDK keeps a copy of it. A run that a person has answered goes on with the messages of `modelMessages(context)`.
 *
 * The stream is read at the pace of its consumer. The cost of a step is what its raw usage says as `cost`, as
 * OpenRouter's does, and else null. Attempts that the AI SDK's `streamRetries` withdrew are not marked in its stream:
 * they are shown, and taken out of the step's message at the end.
 *
 * Throws `AgentFailure` after it has closed what was open: with the code `timeout` for a timeout of the AI SDK's own,
 * `aborted` for an abort by a signal that is not the run's, `model_interrupted` for an answer that broke off, and what
 * became of the provider, such as `rate_limited` or `model_error`. A chunk that could not be read, in an answer that
 * went on to its end, is an `error` event.
 */
export async function* fromAISDK(
  result: AISDKResult | PromiseLike<AISDKResult>,
  options: AdapterOptions = {},
): AgentStream {
  const reader = new PartReader(options);
  let failure: AgentFailure | undefined;
  try {
    const source = await result;
    // Not yield*: in an async generator that awaits each value of an array twice.
    for await (const part of "stream" in source ? source.stream : source.fullStream)
      for (const event of reader.read(part)) yield event;
    if (options.signal?.aborted) return;
    failure = reader.failure();
    if (!failure && reader.steps.length > 0) yield* reader.correct(await stepsOf(source));
  } catch (error) {
    failure = failureOf(error);
  }
  if (!failure || options.signal?.aborted) return;
  yield* reader.blocks.abandon(failure.message);
  throw failure;
}

/** Empty for a result that does not keep them, as with `experimental_streamTextLowMemory`. */
async function stepsOf({ steps }: AISDKResult): Promise<readonly AISDKStep[]> {
  try {
    return (await steps) ?? [];
  } catch {
    return [];
  }
}

/** Translates one stream, part by part. */
class PartReader {
  readonly blocks: Blocks;
  /** What each step has said. */
  readonly steps: { readonly messageId: string; readonly parts: readonly Part[] }[] = [];
  /** What was streamed as an error, and may still be passed over. */
  #errors: unknown[] = [];
  #finish: Extract<AISDKPart, { type: "finish" }> | undefined;
  #abort: Extract<AISDKPart, { type: "abort" }> | undefined;
  /** Calls of which the arguments are streamed as plain text. */
  readonly #plain = new Set<string>();
  /** Calls that cannot be made: the code of their failure, which comes without one. */
  readonly #invalid = new Map<string, string>();
  /** Why a person, or a rule, did not allow a call; by the call's id. */
  readonly #reasons = new Map<string, string>();

  constructor(options: AdapterOptions) {
    this.blocks = new Blocks(options);
    const asked = new Map<string, string>();
    for (const { event } of options.entries ?? []) {
      if (event.type === "approval.requested") asked.set(event.approvalId, event.callId);
      else if (event.type === "input.approval" && event.reason !== undefined)
        this.#reasons.set(asked.get(event.approvalId) ?? "", event.reason);
    }
  }

  read(part: AISDKPart): AgentEvent[] {
    const { blocks } = this;
    switch (part.type) {
      case "start-step":
        return [
          ...blocks.startStep(),
          ...(part.warnings ?? []).flatMap((each) => blocks.other(warningEvent(each))),
        ];
      case "text-start":
        return blocks.start("text", part.id, part.providerMetadata);
      case "text-delta":
        return blocks.delta("text", part.id, part.text, part.providerMetadata);
      case "text-end":
        return blocks.end("text", part.id, part.providerMetadata);
      case "reasoning-start":
        return blocks.start("reasoning", part.id, part.providerMetadata);
      case "reasoning-delta":
        return blocks.delta("reasoning", part.id, part.text, part.providerMetadata);
      case "reasoning-end":
        return blocks.end("reasoning", part.id, part.providerMetadata);
      case "tool-input-start":
        if (part.inputEncoding === "text") this.#plain.add(part.id);
        return blocks.startCall(part.id, part.toolName);
      case "tool-input-delta":
        // What is no JSON comes whole with the call.
        return this.#plain.has(part.id) ? [] : blocks.callDelta(part.id, part.delta);
      case "tool-call":
        if (part.invalid) this.#invalid.set(part.toolCallId, codeOf(part.error));
        return blocks.call(part.toolCallId, part.toolName, part.input, part);
      case "tool-result":
        // The last preliminary result comes again as the final one.
        return part.preliminary
          ? blocks.progressed(part.toolCallId, part.output)
          : blocks.returned(part.toolCallId, part.toolName, part.output);
      case "tool-error": {
        const { toolCallId, toolName, error } = part;
        const invalid = this.#invalid.get(toolCallId);
        this.#invalid.delete(toolCallId);
        return blocks.failed(toolCallId, toolName, invalid ?? "tool_error", publicMessage(error), !invalid);
      }
      case "tool-output-denied": {
        const why = this.#reasons.get(part.toolCallId) ?? "The call was not allowed";
        return blocks.failed(part.toolCallId, part.toolName, "denied", why, false);
      }
      case "tool-approval-request": {
        // A rule has the answer already: nobody is asked.
        if (part.isAutomatic) return [];
        const { toolCallId, toolName, input } = part.toolCall;
        return blocks.ask(toolCallId, part.approvalId, toolName, input, part.reason);
      }
      case "tool-approval-response":
        if (part.reason !== undefined) this.#reasons.set(part.toolCall.toolCallId, part.reason);
        return [];
      case "source":
        return blocks.source(part.id, {
          url: part.url,
          mediaType: part.mediaType,
          title: part.title,
          filename: part.filename,
        });
      case "file":
      case "reasoning-file":
        return blocks.file(part.file.mediaType, part.file.base64, part.type === "file");
      case "custom":
        return blocks.custom(`provider.${part.kind}`, part.providerMetadata);
      case "steering-message": {
        const parts = [{ type: "text" as const, text: textOf(part.message.content) }];
        return blocks.other({ type: "message", message: { id: part.id, role: "user", parts } });
      }
      case "finish-step":
        return this.#finishStep(part);
      case "finish":
        this.#finish = part;
        return [];
      case "abort":
        this.#abort = part;
        return [];
      case "error":
        this.#errors.push(part.error);
        return [];
      case "start":
      case "tool-input-end":
      case "ping":
      case "raw":
        return [];
      default:
        // A type that a newer version has passes; the compiler makes sure that all of this one are known.
        part satisfies never;
        return [];
    }
  }

  /** Why the stream, which has ended, is no whole answer. */
  failure(): AgentFailure | undefined {
    if (this.#abort) {
      // Not the run's own: one of the AI SDK's timeouts, which only the text of the reason tells, or a signal of the program.
      const { reason } = this.#abort;
      const code = reason?.startsWith("TimeoutError") ? "timeout" : "aborted";
      return new AgentFailure(code, publicMessage(reason || "The model's answer was aborted"));
    }
    const { finishReason, rawFinishReason } = this.#finish ?? {};
    const whole =
      finishReason !== undefined &&
      finishReason !== "error" &&
      finishReason !== "interrupted" &&
      // Without a raw reason, a stream that ended without saying so.
      !(finishReason === "other" && rawFinishReason === undefined);
    if (whole) return undefined;
    const [error] = this.#errors;
    if (error !== undefined) return failureOf(error);
    return finishReason === "error"
      ? new AgentFailure("model_error", "The model failed without saying why")
      : new AgentFailure("model_interrupted", "The model's answer broke off before its end");
  }

  /** Tells the messages of steps anew that hold less than was streamed: an attempt of theirs was withdrawn. */
  correct(steps: readonly AISDKStep[]): AgentEvent[] {
    return this.steps.flatMap(({ messageId, parts }, index) => {
      const step = steps[index];
      const kept = step && keptOf(parts, step);
      return kept ? this.blocks.message(kept, messageId) : [];
    });
  }

  #finishStep(part: Extract<AISDKPart, { type: "finish-step" }>): AgentEvent[] {
    const { usage, response, performance } = part;
    const finishReason = finishReasonOf(part.finishReason);
    const { messageId, parts } = this.blocks;
    if (messageId !== undefined) this.steps.push({ messageId, parts });
    const passed = finishReason === "error" || finishReason === "interrupted" ? [] : this.#errors.splice(0);
    const cost = usage.raw?.cost;
    return [
      ...passed.flatMap((error) => {
        const { code, message } = failureOf(error);
        return this.blocks.other({ type: "error", code, message, retryable: false });
      }),
      ...this.blocks.finishStep({
        finishReason,
        model: response?.modelId,
        usage: usageOf({
          inputTokens: usage.inputTokens,
          outputTokens: usage.outputTokens,
          cacheReadTokens: usage.inputTokenDetails?.cacheReadTokens,
          cacheWriteTokens: usage.inputTokenDetails?.cacheWriteTokens,
          reasoningTokens: usage.outputTokenDetails?.reasoningTokens,
        }),
        cost: typeof cost === "number" && cost >= 0 ? cost : null,
        ttftMs: performance?.timeToFirstOutputMs,
        durationMs: performance?.responseTimeMs,
      }),
    ];
  }
}

/** The parts that the step held in the end, if it had streamed more than those. */
function keptOf(parts: readonly Part[], { content }: AISDKStep): readonly Part[] | undefined {
  const said = (part: { readonly type: string; readonly text?: unknown }) =>
    part.type === "text" || part.type === "reasoning" ? `${part.type} ${part.text}` : part.type;
  const held = content.filter(({ type, text }) => text !== "" && compared.has(type)).map(said);
  const kept: Part[] = [];
  // A withdrawn attempt comes before the one that stands: what was kept is looked for from the end.
  for (const part of parts.toReversed()) {
    // Calls are held back until their attempt stands.
    if (!compared.has(part.type)) kept.push(part);
    else if (held.at(-1) === said(part)) {
      held.pop();
      kept.push(part);
    }
  }
  return held.length === 0 && kept.length < parts.length ? kept.toReversed() : undefined;
}

const compared = new Set(["text", "reasoning", "file"]);

function finishReasonOf(reason: string): FinishReason {
  return finishReasons.find((known) => known === reason) ?? "other";
}

const finishReasons: readonly FinishReason[] = [
  "stop",
  "length",
  "content-filter",
  "tool-calls",
  "error",
  "interrupted",
  "other",
];

function codeOf(error: unknown): string {
  const name = error instanceof Error ? error.name : "";
  return name === "AI_NoSuchToolError" ? "unknown_tool" : "invalid_input";
}

function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((part: { text?: unknown }) => (typeof part.text === "string" ? part.text : "")).join("");
}
