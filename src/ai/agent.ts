import type { LanguageModelCallOptions, ToolSet } from "ai";
import type { AgentInfo, AgentLike, AgentStream, RunContext, RunLimits } from "../agent.ts";
import type { AgentEvent, EventOf, JsonObject, Usage } from "../events.ts";
import { AgentFailure } from "../failure.ts";
import { failed, interrupted, type ProviderFailure, providerFailure } from "../provider-failure.ts";
import { checkId } from "../schema.ts";
import { addUsage } from "../summary.ts";
import { backoffMs, type Sleep, sleep } from "./backoff.ts";
import { makeCalls, type ToolCall } from "./calls.ts";
import { costOf } from "./cost.ts";
import { toModelMessages } from "./model-messages.ts";
import { checkModel, type ModelChoice, type ResolvedModel, resolveModel } from "./models.ts";
import { PartReader } from "./parts.ts";
import { rawChunksTo } from "./raw-chunks.ts";
import { Recall } from "./recall.ts";
import { fitting, withEnds } from "./step-message.ts";
import type { Tool } from "./tool.ts";

/** A tool that the provider runs itself, such as `openai.tools.webSearch({})`. */
export type ProviderTool = Extract<ToolSet[string], { type: "provider" }>;

export interface AgentOptions {
  /** `[A-Za-z0-9_-]`, up to 64 characters. */
  readonly name: string;
  readonly description?: string;
  /** Such as `openai/gpt-5.1`, `demo`, a model of the AI SDK, or `{ baseURL, name }`. */
  readonly model: ModelChoice;
  /** Models that are asked next, in this order, when one fails for good. @default none */
  readonly fallback?: readonly ModelChoice[];
  /** How often each model is asked again in a step after a failure that may pass. @default 2 */
  readonly retries?: number;
  readonly instructions?: string;
  readonly tools?: Readonly<Record<string, Tool | ProviderTool>>;
  /** Limits of this agent's runs, over the hub's. */
  readonly limits?: Partial<RunLimits>;
  /**
   * What becomes of a run whose process died. `resume`: another process goes on at the step that was open. Its calls
   * are made again if their tools are `idempotent`; the model is told of the others. @default "fail"
   */
  readonly onProducerLost?: "fail" | "resume";
  readonly maxOutputTokens?: number;
  readonly temperature?: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly stopSequences?: readonly string[];
  readonly seed?: number;
  /** How long the model may think, for those that do. */
  readonly reasoning?: NonNullable<LanguageModelCallOptions["reasoning"]>;
  /** By provider: `{ anthropic: { thinking: { ... } } }`. */
  readonly providerOptions?: Readonly<Record<string, JsonObject>>;
  /** Headers of each request to the provider. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Waits between attempts. @default a timer */
  readonly sleep?: Sleep;
}

/** What a model said in a step. */
interface Turn {
  readonly reader: PartReader;
  readonly messageId: string;
  readonly model: ResolvedModel;
  readonly usage: Usage | undefined;
  readonly cost: number | null;
  readonly ttftMs: number | undefined;
  readonly durationMs: number;
}

/**
 * A language model in a loop with tools. Each turn of the model is a step; a step's calls are made at once,
 * and the loop goes on until the model makes none. What happens is told as events, and all it needs to go on
 * is the log: run again with the log so far, it continues where the log ends.
 *
 * Throws `model_not_found` or `missing_key` when made, `AgentFailure` when a run fails: `limit_exceeded`,
 * `not_resumable`, or what became of the provider, such as `rate_limited` or `provider_unauthorized`.
 */
export class Agent implements AgentLike {
  readonly name: string;
  readonly info: AgentInfo;
  readonly limits: Partial<RunLimits>;
  readonly onProducerLost: "fail" | "resume";
  readonly #options: AgentOptions;
  readonly #choices: readonly ModelChoice[];
  readonly #retries: number;
  readonly #tools = new Map<string, Tool>();
  readonly #providerTools: ToolSet = {};
  readonly #models = new Map<number, ResolvedModel>();
  #toolSet: Promise<ToolSet> | undefined;

  constructor(options: AgentOptions) {
    const { name, description, model, fallback = [], retries = 2, tools = {}, limits = {} } = options;
    if (!Number.isSafeInteger(retries) || retries < 0)
      throw new RangeError(`retries must be 0 or more, got ${retries}`);
    this.name = checkId(name, "agent name");
    this.#options = options;
    this.#choices = [model, ...fallback];
    for (const choice of this.#choices) checkModel(choice);
    this.#retries = retries;
    this.limits = limits;
    this.onProducerLost = options.onProducerLost ?? "fail";
    for (const [toolName, tool] of Object.entries(tools)) {
      if ("execute" in tool && "approval" in tool) this.#tools.set(toolName, tool);
      else if ("type" in tool && tool.type === "provider") this.#providerTools[toolName] = tool;
      else throw new TypeError(`Cannot use "${toolName}" as a tool: make it with tool({ input, execute })`);
    }
    this.info = {
      name,
      model: nameOf(model),
      ...(description !== undefined && { description }),
      tools: Object.entries(tools).map(([toolName, { description: about }]) =>
        typeof about === "string" ? { name: toolName, description: about } : { name: toolName },
      ),
    };
  }

  async *run(context: RunContext): AgentStream {
    const { limits, signal } = context;
    const recall = new Recall(context);
    this.#refuseRepeats(recall);
    yield* this.#makeAnswered(recall, context);
    let modelIndex = 0;
    while (!signal.aborted && !recall.waiting) {
      for (const { message } of context.takeMessages()) recall.add(message);
      if (!recall.modelIsNext) return;
      const step = recall.step + 1;
      if (step > limits.maxSteps)
        throw limitExceeded(`The run made ${recall.step} model calls, and no more are allowed`);

      const asked = yield* this.#ask(step, modelIndex, recall, context);
      if (!asked) return;
      const { turn, finish } = asked;
      modelIndex = asked.modelIndex;

      const { reader } = turn;
      const own = reader.calls
        .filter((call) => !call.byProvider)
        .map((call) => made(call, reader.finishReason));
      const { ends, waiting } = yield* makeCalls(own, this.#tools, context);
      if (signal.aborted) {
        yield finish;
        return;
      }
      const message = {
        id: turn.messageId,
        role: "assistant" as const,
        parts: withEnds(reader.message(), ends),
      };
      if (message.parts.length > 0) {
        recall.add(message);
        yield { type: "message", message: fitting(message) };
      }
      yield finish;
      recall.finish(finish);
      yield {
        type: "progress",
        iteration: step,
        ...(Number.isFinite(limits.maxSteps) && { maxIterations: limits.maxSteps }),
        totalTokens: recall.totalTokens,
        totalCost: recall.costUnknown ? null : recall.knownCost,
      };
      if (recall.knownCost > limits.maxCostUsd) {
        throw limitExceeded(
          `The run cost ${recall.knownCost} USD, more than the ${limits.maxCostUsd} allowed`,
        );
      }
      if (waiting || reader.asked) return;
      if (cutOff(reader.finishReason) || message.parts.length === 0) {
        // The model has said all it could: only a person can ask for more.
        const more = context.takeMessages();
        if (more.length === 0) return;
        for (const each of more) recall.add(each.message);
      }
    }
  }

  /** A step that is asked again would make its calls again. */
  #refuseRepeats(recall: Recall): void {
    const repeated = recall.maybeMade.find((call) => !this.#tools.get(call.name)?.idempotent);
    if (!repeated) return;
    throw new AgentFailure(
      "not_resumable",
      `The process died after it had called "${repeated.name}", which is not marked \`idempotent\`: it will not be called again`,
    );
  }

  /** The calls of an earlier step that waited for a person. */
  async *#makeAnswered(recall: Recall, context: RunContext): AsyncGenerator<AgentEvent, void, undefined> {
    const calls = recall.answered.map(({ doubtful, ...call }): ToolCall => {
      if (!doubtful || call.approval?.approved === false || this.#tools.get(call.name)?.idempotent)
        return call;
      const message = "The process died while the call was made: nobody knows how far it came";
      return { ...call, failure: { code: "interrupted", message } };
    });
    if (calls.length === 0) return;
    const { ends } = yield* makeCalls(calls, this.#tools, context);
    recall.answer(ends);
  }

  /** One step's question to the model: as often, and to as many models, as it takes. Undefined once aborted. */
  async *#ask(
    step: number,
    firstModel: number,
    recall: Recall,
    context: RunContext,
  ): AsyncGenerator<
    AgentEvent,
    { turn: Turn; finish: EventOf<"step.finished">; modelIndex: number } | undefined,
    undefined
  > {
    const { signal } = context;
    let modelIndex = firstModel;
    let model = await this.#model(modelIndex);
    let failures = 0;
    let spentUsage: Usage | undefined;
    let spentCost = 0;
    yield { type: "step.started", step, model: model.id };
    // Loads the AI SDK, which is not the model's time.
    await this.#tellTools();
    for (let attempt = recall.tries + 1; ; attempt++) {
      const name = attempt === 1 ? `${step}` : `${step}.${attempt}`;
      const reader = new PartReader({
        prefix: `${name}-`,
        messageId: `${context.run}-${name}`,
        tools: new Set(this.#tools.keys()),
        callIds: recall.callIds,
      });
      const startedAt = performance.now();
      const failure = yield* this.#attempt(model, reader, recall, signal);
      const durationMs = performance.now() - startedAt;
      const ttftMs = reader.firstOutputAt === undefined ? undefined : reader.firstOutputAt - startedAt;
      const cost = await this.#cost(model, reader);
      const usage = addUsage(spentUsage, reader.usage);
      const turn: Turn = {
        reader,
        messageId: `${context.run}-${name}`,
        model,
        usage,
        cost: cost === null ? null : cost + spentCost,
        ttftMs,
        durationMs,
      };
      if (signal.aborted) {
        // Cancelled: what is known to be spent is kept, and nothing more is said.
        if (usage) yield finished(step, turn, "interrupted");
        return undefined;
      }
      if (!failure) return { turn, finish: finished(step, turn, reader.finishReason ?? "other"), modelIndex };

      // An attempt that was withdrawn is paid for all the same.
      spentUsage = usage;
      spentCost += cost ?? 0;
      failures += 1;
      const again = failure.retryable && failures <= this.#retries;
      if (!again && modelIndex + 1 >= this.#choices.length) {
        if (usage) yield finished(step, turn, "error");
        throw new AgentFailure(failure.code, failure.message);
      }
      const waitMs = again ? (failure.retryAfterMs ?? backoffMs(failures)) : 0;
      if (!again) {
        modelIndex += 1;
        model = await this.#model(modelIndex);
        failures = 0;
      }
      yield {
        type: "step.retried",
        step,
        attempt,
        code: failure.code,
        message: failure.message,
        model: model.id,
      };
      if (waitMs > 0) await (this.#options.sleep ?? sleep)(waitMs, signal).catch(ignoreAbort(signal));
      if (signal.aborted) {
        if (usage) yield finished(step, turn, "interrupted");
        return undefined;
      }
    }
  }

  /** One request to one model. Returns why it failed, or nothing. */
  async *#attempt(
    model: ResolvedModel,
    reader: PartReader,
    recall: Recall,
    signal: AbortSignal,
  ): AsyncGenerator<AgentEvent, ProviderFailure | undefined, undefined> {
    const { streamText, isStepCount, wrapLanguageModel } = await import("ai");
    const tools = await this.#tellTools();
    const messages = toModelMessages(recall.messages, model.provider, recall.providerApprovals);
    // A consumer that leaves in the middle ends the request too.
    const left = new AbortController();
    let complete = false;
    try {
      const { stream } = streamText({
        ...this.#settings(model),
        model: wrapLanguageModel({
          model: model.model,
          middleware: rawChunksTo((chunk) => reader.readRaw(chunk)),
        }),
        messages,
        // Our own instructions and histories hold them; who may write them is the server's business.
        allowSystemInMessages: true,
        ...(Object.keys(tools).length > 0 && { tools }),
        stopWhen: isStepCount(1),
        maxRetries: 0,
        abortSignal: AbortSignal.any([signal, left.signal]),
        // By default it writes to the console. What it gets is in the stream too.
        onError: () => {},
      });
      for await (const part of stream) {
        if (signal.aborted) break;
        // Not yield*: in an async generator that awaits each value of an array twice.
        for (const event of reader.read(part)) yield event;
      }
      complete = true;
    } catch (error) {
      complete = true;
      return signal.aborted ? interrupted : providerFailure(error);
    } finally {
      if (!complete || signal.aborted) left.abort();
    }
    if (signal.aborted) return interrupted;
    const [error] = reader.errors;
    switch (reader.finishReason) {
      case undefined:
      case "error":
        return error === undefined ? failed : providerFailure(error);
      case "interrupted":
        return error === undefined ? interrupted : providerFailure(error);
      case "other":
        // The AI SDK's word for a stream that ended without a finish.
        if (reader.rawFinishReason === undefined)
          return error === undefined ? interrupted : providerFailure(error);
        break;
      default:
    }
    yield* reader.close();
    // A chunk that could not be read, in an answer that went on to its end.
    for (const each of reader.errors) {
      const { code, message } = providerFailure(each);
      yield { type: "error", code, message, retryable: false };
    }
    return undefined;
  }

  #settings(model: ResolvedModel) {
    const {
      instructions,
      maxOutputTokens,
      temperature,
      topP,
      topK,
      stopSequences,
      seed,
      reasoning,
      headers,
    } = this.#options;
    return {
      ...(instructions !== undefined && { instructions }),
      ...(maxOutputTokens !== undefined && { maxOutputTokens }),
      ...(temperature !== undefined && { temperature }),
      ...(topP !== undefined && { topP }),
      ...(topK !== undefined && { topK }),
      ...(stopSequences !== undefined && { stopSequences: [...stopSequences] }),
      ...(seed !== undefined && { seed }),
      ...(reasoning !== undefined && { reasoning }),
      ...(headers !== undefined && { headers: { ...headers } }),
      providerOptions: providerOptions(model, this.#options.providerOptions),
    };
  }

  async #model(index: number): Promise<ResolvedModel> {
    const known = this.#models.get(index);
    if (known) return known;
    const model = await resolveModel(this.#choices[index]!);
    this.#models.set(index, model);
    return model;
  }

  async #cost({ model, provider, baseURL }: ResolvedModel, reader: PartReader): Promise<number | null> {
    // The provider's answer names the very version, which the price list may not know.
    const names = [reader.responseModel, model.modelId].filter((name) => name !== undefined);
    for (const name of names) {
      const cost = await costOf(reader.usage, { provider, model: name, baseURL });
      if (cost !== null) return cost;
    }
    return null;
  }

  #tellTools(): Promise<ToolSet> {
    this.#toolSet ??= this.#makeToolSet();
    return this.#toolSet;
  }

  /** The tools as the AI SDK tells them to a model. Without `execute`: the calls are made here. */
  async #makeToolSet(): Promise<ToolSet> {
    const { asSchema, jsonSchema } = await import("ai");
    const set: ToolSet = { ...this.#providerTools };
    for (const [name, { input, description }] of this.#tools) {
      // Only its JSON Schema: the AI SDK would replace the input by the validated value, which may be no JSON.
      const schema = jsonSchema(await asSchema(input as Parameters<typeof asSchema>[0]).jsonSchema);
      set[name] = { inputSchema: schema, ...(description !== undefined && { description }) };
    }
    return set;
  }
}

function nameOf(choice: ModelChoice): string {
  if (typeof choice === "string") return choice;
  return "doStream" in choice ? choice.modelId : choice.name;
}

function limitExceeded(message: string): AgentFailure {
  return new AgentFailure("limit_exceeded", message);
}

function cutOff(reason: PartReader["finishReason"]): boolean {
  return reason !== "stop" && reason !== "tool-calls" && reason !== "other";
}

/** A model that was cut off may have been about to say more of a call. */
function made(call: ToolCall, reason: PartReader["finishReason"]): ToolCall {
  if (call.failure || !cutOff(reason)) return call;
  return {
    ...call,
    failure: { code: "interrupted", message: `The model was cut off (${reason}): the call was not made` },
  };
}

function finished(
  step: number,
  turn: Turn,
  finishReason: EventOf<"step.finished">["finishReason"],
): EventOf<"step.finished"> {
  const { model, usage, cost, ttftMs, durationMs } = turn;
  return {
    type: "step.finished",
    step,
    finishReason,
    model: model.id,
    usage: usage ?? null,
    cost,
    ...(ttftMs !== undefined && { ttftMs }),
    durationMs,
  };
}

function providerOptions(
  model: ResolvedModel,
  given: AgentOptions["providerOptions"] = {},
): Record<string, JsonObject> {
  // The log is the conversation: nothing needs to be kept at OpenAI, and thoughts come along encrypted.
  if (model.model.provider !== "openai.responses") return { ...given };
  return { ...given, openai: { store: false, ...given.openai } };
}

function ignoreAbort(signal: AbortSignal): (error: unknown) => void {
  return (error) => {
    if (!signal.aborted) throw error;
  };
}
