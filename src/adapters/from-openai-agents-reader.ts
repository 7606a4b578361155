import type { AgentEvent, EventOf, FinishReason, Part } from "../events.ts";
import { newId } from "../internal/id.ts";
import { toJson } from "../json.ts";
import { type AdapterOptions, type BlockKind, Blocks } from "./blocks.ts";
import { type Fields, fields, list, parsed, text } from "./fields.ts";
import type { OpenAIAgentsEvent } from "./from-openai-agents.ts";
import { type OpenAIAgentsInterruption, sdkCallId } from "./from-openai-agents-state.ts";
import { joinedParts } from "./joined-parts.ts";
import { usageOf } from "./usage-of.ts";

/** Translates one stream of the OpenAI Agents SDK, event by event. */
export class OpenAIAgentsReader {
  readonly blocks: Blocks;
  /** The SDK's agent that speaks. */
  current: string | undefined;
  /** Between two responses of a model: a response that begins while one is open is another attempt. */
  #responding = false;
  /** The block that grows; the SDK tells no ends of blocks. */
  #growing: { readonly kind: BlockKind; readonly key: string } | undefined;
  /** By the key of the provider's own deltas: the id of the call. */
  #deltaCalls = new Map<string, string>();
  /** What the last response held, which its items repeat: calls by id, and texts. */
  #called = new Set<string>();
  #texts: string[] = [];
  /** The last text that was said, as the SDK would take it for the final output. */
  #lastText: string | undefined;
  /** Calls that a person did not allow, by the log's id. */
  readonly #denied = new Set<string>();
  /** Approvals that were asked for, which needs other ids next time. */
  readonly #approvalIds = new Set<string>();

  constructor(options: AdapterOptions) {
    this.blocks = new Blocks(options);
    const asked = new Map<string, string>();
    for (const { event } of options.entries ?? []) {
      if (event.type === "approval.requested") {
        asked.set(event.approvalId, event.callId);
        this.#approvalIds.add(event.approvalId);
      } else if (event.type === "input.approval" && !event.approved) {
        this.#denied.add(asked.get(event.approvalId) ?? "");
      } else if (event.type === "agent.changed" && event.parent === options.parent) {
        this.current = event.to;
      }
    }
  }

  read(event: OpenAIAgentsEvent): AgentEvent[] {
    switch (event.type) {
      case "raw_model_stream_event":
        return this.#raw(event.data);
      case "run_item_stream_event":
        return this.#item(event.name, event.item);
      case "agent_updated_stream_event":
        return this.#changed(event.agent.name);
      default:
        // A type that a newer version has passes; the compiler makes sure that all of this one are known.
        event satisfies never;
        return [];
    }
  }

  /** The request for an approval; about a nested agent's call, with that agent's name. */
  asked(item: OpenAIAgentsInterruption): EventOf<"approval.requested"> {
    const raw = fields(item.rawItem);
    const callId = this.blocks.callId(sdkCallId(item));
    let approvalId = callId;
    for (let n = 2; this.#approvalIds.has(approvalId); n++) approvalId = `${callId}.${n}`;
    this.#approvalIds.add(approvalId);
    const name = item.name ?? text(raw.name) ?? "tool";
    const input = toJson(parsed(item.arguments ?? raw.arguments));
    const who = item.agent.name === this.current ? {} : { agent: item.agent.name };
    return { type: "approval.requested", approvalId, callId, name, input, ...who };
  }

  /** What the run amounts to, unless it was said already. */
  output(value: unknown): AgentEvent[] {
    if (value === undefined || value === null || value === this.#lastText) return [];
    return this.blocks.other({ type: "output.delta", value: toJson(value), complete: true });
  }

  #raw(data: { readonly type: string }): AgentEvent[] {
    const { delta, itemId, event, providerData, response } = data as Fields;
    switch (data.type) {
      case "response_started":
        return this.#start(modelIn(providerData));
      case "output_text_delta":
        return this.#grow("text", text(itemId) ?? "text", text(delta) ?? "");
      case "response_done":
        return this.#done(fields(response));
      case "model":
        return this.#native(fields(event));
      default:
        return [];
    }
  }

  #start(model?: string): AgentEvent[] {
    this.#deltaCalls = new Map();
    this.#growing = undefined;
    if (this.#responding) return this.blocks.retryStep("model_error", "The model was asked again");
    this.#responding = true;
    return this.blocks.startStep(model);
  }

  /** A piece of text or thought. Another block that was growing is whole by that. */
  #grow(kind: BlockKind, key: string, delta: string): AgentEvent[] {
    const before = this.#responding ? [] : this.#start();
    const last = this.#growing;
    if (last && (last.kind !== kind || last.key !== key)) before.push(...this.#endBlock());
    this.#growing = { kind, key };
    return [...before, ...this.blocks.delta(kind, key, delta)];
  }

  #endBlock(): AgentEvent[] {
    const last = this.#growing;
    this.#growing = undefined;
    return last ? this.blocks.end(last.kind, last.key) : [];
  }

  /**
   * What the provider itself streams: thoughts and arguments, which the SDK tells only when they are whole. Of the
   * Responses API, of Chat Completions, and of models of the AI SDK.
   */
  #native(event: Fields): AgentEvent[] {
    const delta = text(event.delta) ?? "";
    switch (event.type) {
      case "response.reasoning_summary_text.delta":
        return this.#grow("reasoning", `${event.item_id}-${event.summary_index}`, delta);
      case "response.reasoning_text.delta":
        return this.#grow("reasoning", `${event.item_id}-text-${event.content_index}`, delta);
      case "response.output_item.added": {
        const { type, id, call_id, name } = fields(event.item);
        return type === "function_call" ? this.#startCall(`${id}`, text(call_id), text(name)) : [];
      }
      case "response.function_call_arguments.delta":
        return this.#callDelta(`${event.item_id}`, delta);
      case "reasoning-delta":
        return this.#grow("reasoning", `${event.id}`, delta);
      case "tool-input-start":
        return this.#startCall(`${event.id}`, text(event.id), text(event.toolName));
      case "tool-input-delta":
        return this.#callDelta(`${event.id}`, delta);
      default:
        return list(event.choices).flatMap((choice) => this.#choice(fields(choice)));
    }
  }

  #choice({ index, delta }: Fields): AgentEvent[] {
    // The SDK takes the first answer only.
    if (index !== 0) return [];
    const { reasoning, reasoning_content, tool_calls } = fields(delta);
    const thought = text(reasoning) ?? text(reasoning_content) ?? "";
    return [
      ...(thought === "" ? [] : this.#grow("reasoning", "reasoning", thought)),
      ...list(tool_calls).flatMap((each) => {
        const call = fields(each);
        const { name, arguments: args } = fields(call.function);
        const key = `${call.index}`;
        return [
          ...this.#startCall(key, text(call.id), text(name)),
          ...this.#callDelta(key, text(args) ?? ""),
        ];
      }),
    ];
  }

  #startCall(key: string, callId: string | undefined, name: string | undefined): AgentEvent[] {
    if (!callId || !name || this.#deltaCalls.has(key)) return [];
    this.#deltaCalls.set(key, callId);
    const before = this.#responding ? this.#endBlock() : this.#start();
    return [...before, ...this.blocks.startCall(callId, name)];
  }

  #callDelta(key: string, delta: string): AgentEvent[] {
    const callId = this.#deltaCalls.get(key);
    return callId === undefined ? [] : this.blocks.callDelta(callId, delta);
  }

  /** A whole response: what was not streamed is told, then the step ends. Its tools run afterwards. */
  #done(response: Fields): AgentEvent[] {
    const { blocks } = this;
    const events = this.#responding ? [] : this.#start();
    events.push(...this.#endBlock());
    const items = list(response.output).map(fields);
    const said = blocks.parts;
    this.#called = new Set();
    this.#texts = items.filter(isMessage).map(textOf);
    this.#lastText = this.#texts.at(-1) ?? this.#lastText;
    // Any piece that was streamed belongs to what is whole here; what is not whole is corrected below.
    let streamed = said.map((part) => (part.type === "text" ? part.text : "")).join("");
    const thought = said.some((part) => part.type === "reasoning");
    const whole: Part[] = [];
    for (const [index, item] of items.entries()) {
      if (isMessage(item)) {
        const words = textOf(item);
        if (streamed === "" && words !== "") events.push(...this.#tell("text", `said-${index}`, words));
        else streamed = streamed.startsWith(words) ? streamed.slice(words.length) : streamed;
        if (words !== "") whole.push({ type: "text", text: words });
      } else if (item.type === "reasoning") {
        const thoughts = [...list(item.rawContent), ...list(item.content)].map(
          (each) => `${fields(each).text ?? ""}`,
        );
        for (const [at, words] of thoughts.entries()) {
          if (words === "") continue;
          if (!thought) events.push(...this.#tell("reasoning", `thought-${index}-${at}`, words));
          whole.push({ type: "reasoning", text: words });
        }
      } else {
        events.push(...this.#call(item));
        const call = blocks.parts.at(-1);
        if (isCall(item) && call?.type === "tool") whole.push(call);
      }
    }
    const { messageId, parts } = blocks;
    const step = blocks.finishStep({
      finishReason: finishReasonOf(response, this.#called.size > 0),
      usage: tokensOf(response.usage),
      model: modelIn(response.providerData),
    });
    this.#responding = false;
    // Thoughts that the SDK does not keep stay as they were streamed.
    const kept = whole.some((part) => part.type === "reasoning")
      ? whole
      : [...parts.filter((part) => part.type === "reasoning"), ...whole];
    const same = JSON.stringify(joinedParts(parts)) === JSON.stringify(joinedParts(kept));
    const end = step.pop();
    return [...events, ...step, ...(same ? [] : blocks.message(kept, messageId)), ...(end ? [end] : [])];
  }

  #tell(kind: BlockKind, key: string, words: string): AgentEvent[] {
    return [...this.blocks.delta(kind, key, words), ...this.blocks.end(kind, key)];
  }

  #item(name: string, item: { readonly rawItem?: unknown }): AgentEvent[] {
    const raw = fields(item.rawItem);
    const { output, sourceAgent, targetAgent } = item as Fields;
    switch (name) {
      case "message_output_created": {
        const words = textOf(raw);
        const at = this.#texts.indexOf(words);
        if (at >= 0) this.#texts.splice(at, 1);
        if (at >= 0 || words === "") return [];
        // Said by no model: what the program answers for a run that reached its limit, for instance.
        this.#lastText = words;
        return this.blocks.message([{ type: "text", text: words }], newId());
      }
      case "tool_called":
      case "handoff_requested":
      case "tool_search_called":
        return this.#call(raw);
      case "tool_output":
      case "tool_search_output_created":
        return this.#result(raw, output ?? raw.output ?? raw.tools);
      case "handoff_occurred": {
        this.current = text(fields(sourceAgent).name) ?? this.current;
        const target = text(fields(targetAgent).name);
        const result = this.#result(raw, raw.output);
        return target === undefined ? result : [...result, ...this.#changed(target)];
      }
      // Requests for approval are asked together, at the end, with the state; the others hold nothing to show.
      default:
        return [];
    }
  }

  #call(raw: Fields): AgentEvent[] {
    const callId = callIdOf(raw);
    if (!isCall(raw) || callId === undefined || this.#called.has(callId)) return [];
    this.#called.add(callId);
    const events = this.blocks.call(callId, nameOf(raw), inputOf(raw));
    // A hosted tool has run before its call is told.
    return raw.type === "hosted_tool_call" ? [...events, ...this.#result(raw, raw.output)] : events;
  }

  #result(raw: Fields, output: unknown): AgentEvent[] {
    const callId = callIdOf(raw);
    if (callId === undefined) return [];
    const name = nameOf(raw);
    const value = typeOf(output) === "text" ? fields(output).text : (output ?? null);
    if (!this.#denied.delete(this.blocks.callId(callId))) return this.blocks.returned(callId, name, value);
    const why = typeof value === "string" ? value : "The call was not allowed";
    return this.blocks.failed(callId, name, "denied", why, false);
  }

  #changed(to: string): AgentEvent[] {
    const from = this.current;
    this.current = to;
    return from === undefined || from === to ? [] : this.blocks.other({ type: "agent.changed", from, to });
  }
}

function isMessage({ type, role }: Fields): boolean {
  return role === "assistant" && (type === undefined || type === "message");
}

/** Every kind of call: of a function, of the hosted tools, of a computer or a shell. A hosted request to be allowed to make one is none. */
function isCall({ type, name }: Fields): boolean {
  return (
    (typeof type === "string" && type.endsWith("_call") && name !== "mcp_approval_request") ||
    type === "program"
  );
}

function callIdOf({ callId, call_id, id }: Fields): string | undefined {
  return text(callId) ?? text(call_id) ?? text(id);
}

function nameOf({ name, type }: Fields): string {
  return text(name) ?? `${type}`.replace(/_(call|output)(_output|_result)?$/, "");
}

function inputOf({ arguments: args, action, actions, operation, code }: Fields): unknown {
  return parsed(args) ?? actions ?? action ?? operation ?? code ?? {};
}

function textOf({ content }: Fields): string {
  const said = list(content).map((each) => {
    const { text: words, refusal, transcript } = fields(each);
    return words ?? refusal ?? transcript ?? "";
  });
  return said.join("");
}

function typeOf(value: unknown): unknown {
  return fields(value).type;
}

/** Where a model is named: in what the Responses API began with, in a chunk of Chat Completions, or in a response. */
function modelIn(providerData: unknown): string | undefined {
  const { model, response } = fields(providerData);
  return text(model) ?? text(fields(response).model);
}

function finishReasonOf({ providerData }: Fields, called: boolean): FinishReason {
  const why = fields(fields(providerData).incomplete_details).reason;
  if (why === "max_output_tokens") return "length";
  if (why === "content_filter") return "content-filter";
  return called ? "tool-calls" : "stop";
}

/** The SDK counts 0 tokens where a provider told none. */
function tokensOf(usage: unknown) {
  const { inputTokens, outputTokens, inputTokensDetails, outputTokensDetails } = fields(usage);
  if (inputTokens === 0 && outputTokens === 0) return undefined;
  return usageOf({
    inputTokens,
    outputTokens,
    cacheReadTokens: detail(inputTokensDetails, "cached_tokens"),
    cacheWriteTokens: detail(inputTokensDetails, "cache_write_tokens"),
    reasoningTokens: detail(outputTokensDetails, "reasoning_tokens"),
  });
}

/** Details are an object, or one for each request. */
function detail(details: unknown, name: string): number | undefined {
  const told = (Array.isArray(details) ? details : [details]).map((each) => fields(each)[name]);
  const known = told.filter((tokens) => typeof tokens === "number");
  return known.length > 0 ? known.reduce((sum, tokens) => sum + tokens, 0) : undefined;
}
