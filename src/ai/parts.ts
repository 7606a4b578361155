import type { TextStreamPart, ToolSet } from "ai";
import type { AgentEvent, FinishReason, Json, Part, Usage } from "../events.ts";
import { toJson } from "../json.ts";
import { publicMessage } from "../provider-failure.ts";
import { warningEvent } from "../provider-warning.ts";
import { toUsage, usageInChunk, whole } from "./usage.ts";

/** A call the model made. */
export interface Call {
  readonly callId: string;
  readonly name: string;
  readonly input: Json;
  /** Made by the provider itself: its result comes in the same stream. */
  readonly byProvider: boolean;
  /** Set for a call that cannot be made: to no tool, or with arguments that are no JSON. */
  failure?: { readonly code: string; readonly message: string };
  readonly startedAt: number;
}

/** How one block of text or reasoning grows. */
interface Block {
  readonly id: string;
  readonly kind: "text" | "reasoning";
  text: string;
  providerMetadata?: Json;
}

/** Said by us in a tool part's metadata, so that a provider's own call is given back as one. */
export const BY_PROVIDER = "runlog";

export interface PartReaderOptions {
  /** Makes the ids of blocks unique in the run: providers begin again in each step. */
  readonly prefix: string;
  readonly messageId: string;
  /** Names of the tools the model was given. */
  readonly tools: ReadonlySet<string>;
  /** Call ids that were used in the run; those of this reader are added. */
  readonly callIds: Set<string>;
}

/**
 * Reads the stream of one model call: gives the events of each part, and keeps what the step needs once the
 * stream is over. Whatever order a provider speaks in, each block and call is opened once and closed once.
 */
export class PartReader {
  finishReason: FinishReason | undefined;
  rawFinishReason: string | undefined;
  responseModel: string | undefined;
  /** What was streamed as an error. The stream may go on after it. */
  readonly errors: unknown[] = [];
  readonly calls: Call[] = [];
  /** When the first piece of output came, by `performance.now()`. */
  firstOutputAt: number | undefined;
  /** Calls the provider asks people about. */
  asked = false;

  readonly #options: PartReaderOptions;
  readonly #parts: (Block | Call | Extract<Part, { type: "file" }>)[] = [];
  readonly #open = new Map<string, Block>();
  readonly #blockIds = new Set<string>();
  /** Our call id for each of the provider's. */
  readonly #callIds = new Map<string, string>();
  /** Calls of which the arguments are streamed as plain text. */
  readonly #plain = new Set<string>();
  readonly #started = new Map<string, string>();
  readonly #metadata = new Map<string, Json>();
  readonly #answers = new Map<string, { output: Json } | { error: string }>();
  #files = 0;
  #usage: Usage | undefined;
  #chunkUsage: Partial<Usage> = {};

  constructor(options: PartReaderOptions) {
    this.#options = options;
  }

  /** As far as it is known: in the end all, before that what the provider's chunks told. */
  get usage(): Usage | undefined {
    return this.#usage ?? whole(this.#chunkUsage);
  }

  read(part: TextStreamPart<ToolSet>): AgentEvent[] {
    switch (part.type) {
      case "start-step":
        return part.warnings.map(warningEvent);
      case "text-start":
        return this.#start("text", part.id, part.providerMetadata);
      case "text-delta":
        return this.#delta("text", part.id, part.text, part.providerMetadata);
      case "text-end":
        return this.#end("text", part.id, part.providerMetadata);
      case "reasoning-start":
        return this.#start("reasoning", part.id, part.providerMetadata);
      case "reasoning-delta":
        return this.#delta("reasoning", part.id, part.text, part.providerMetadata);
      case "reasoning-end":
        return this.#end("reasoning", part.id, part.providerMetadata);
      case "tool-input-start":
        this.#output();
        if (part.inputEncoding === "text") this.#plain.add(part.id);
        return this.#startCall(part.id, part.toolName);
      case "tool-input-delta": {
        const callId = this.#callIds.get(part.id);
        // What is no JSON comes whole with the call.
        if (callId === undefined || part.delta === "" || this.#plain.has(part.id)) return [];
        return [{ type: "tool.delta", callId, text: part.delta }];
      }
      case "tool-input-end":
        return [];
      case "tool-call":
        this.#output();
        return this.#call(part);
      case "tool-result": {
        const { callId, durationMs } = this.#callOf(part.toolCallId);
        const output = toJson(part.output);
        // The last preliminary result comes again as the final one.
        if (part.preliminary) return [{ type: "tool.progressed", callId, data: output }];
        this.#answers.set(callId, { output });
        return [{ type: "tool.returned", callId, name: part.toolName, output, durationMs }];
      }
      case "tool-error": {
        const { callId, durationMs, call } = this.#callOf(part.toolCallId);
        // The failure of a call that cannot be made is told once, with those of our own tools.
        if (call?.failure && !part.providerExecuted) return [];
        const message = publicMessage(part.error);
        this.#answers.set(callId, { error: message });
        return [
          { type: "tool.failed", callId, name: part.toolName, code: "tool_error", message, durationMs },
        ];
      }
      case "tool-output-denied": {
        const { callId } = this.#callOf(part.toolCallId);
        const message = "The call was not allowed";
        this.#answers.set(callId, { error: message });
        return [{ type: "tool.failed", callId, name: part.toolName, code: "denied", message }];
      }
      case "tool-approval-request": {
        const { toolCallId, toolName, input } = part.toolCall;
        this.asked = true;
        const { callId } = this.#callOf(toolCallId);
        const reason = part.reason === undefined ? {} : { reason: part.reason };
        return [
          {
            type: "approval.requested",
            approvalId: part.approvalId,
            callId,
            name: toolName,
            input: toJson(input),
            ...reason,
          },
        ];
      }
      case "source": {
        const id = `${this.#options.prefix}${part.id}`;
        const title = part.title === undefined ? {} : { title: part.title };
        if (part.sourceType === "url") return [{ type: "source", id, url: part.url, ...title }];
        const filename = part.filename === undefined ? {} : { filename: part.filename };
        return [{ type: "source", id, mediaType: part.mediaType, ...title, ...filename }];
      }
      case "file":
      case "reasoning-file": {
        this.#output();
        return this.#file(part.file.mediaType, part.file.base64, part.type === "file");
      }
      case "custom":
        return [
          { type: "custom", name: `provider.${part.kind}`, data: toJson(part.providerMetadata ?? null) },
        ];
      case "finish-step":
        this.finishReason = part.finishReason;
        this.rawFinishReason = part.rawFinishReason;
        this.responseModel = part.response.modelId;
        this.#usage = toUsage(part.usage);
        return [];
      case "error":
        this.errors.push(part.error);
        return [];
      // `abort` is decided by the run's own signal: the SDK's timeouts look the same.
      // Steering and answered approvals are the AI SDK's own, which we do not use.
      case "abort":
      case "start":
      case "finish":
      case "ping":
      // Taken out before they come here.
      case "raw":
      case "steering-message":
      case "tool-approval-response":
        return [];
      default:
        // A type this version does not know passes; the compiler makes sure that it knows all there are.
        part satisfies never;
        return [];
    }
  }

  /** A chunk as the provider sent it. */
  readRaw(value: unknown): void {
    this.#chunkUsage = { ...this.#chunkUsage, ...usageInChunk(value) };
  }

  /** Ends what a provider left open in a stream that was complete. */
  close(): AgentEvent[] {
    const blocks = [...this.#open.keys()].flatMap((key) => this.#endBlock(key));
    const made = new Set(this.calls.map((call) => call.callId));
    const lost = [...this.#started].filter(([callId]) => !made.has(callId));
    return [
      ...blocks,
      ...lost.map(([callId, name]): AgentEvent => {
        const message = "The model did not finish the call";
        return { type: "tool.failed", callId, name, code: "interrupted", message };
      }),
    ];
  }

  /** The message so far, with the answers to the provider's own calls. */
  message(): Part[] {
    return this.#parts.flatMap((part): Part[] => {
      if ("type" in part) return [part];
      if ("kind" in part) {
        const { kind, text, providerMetadata } = part;
        if (kind === "text") return text === "" ? [] : [{ type: "text", text }];
        if (text === "" && providerMetadata === undefined) return [];
        return [{ type: "reasoning", text, ...(providerMetadata !== undefined && { providerMetadata }) }];
      }
      const { callId, name, input } = part;
      const providerMetadata = this.#metadata.get(callId);
      return [
        {
          type: "tool",
          callId,
          name,
          input,
          ...this.#answers.get(callId),
          ...(providerMetadata !== undefined && { providerMetadata }),
        },
      ];
    });
  }

  #output(): void {
    this.firstOutputAt ??= performance.now();
  }

  #start(kind: Block["kind"], key: string, metadata: unknown): AgentEvent[] {
    // A block that is begun again was never ended.
    const events = this.#endBlock(`${kind} ${key}`);
    const block: Block = { id: this.#blockId(key), kind, text: "", ...metadataOf(metadata) };
    this.#open.set(`${kind} ${key}`, block);
    this.#parts.push(block);
    return [...events, { type: `${kind}.started`, id: block.id, messageId: this.#options.messageId }];
  }

  #delta(kind: Block["kind"], key: string, text: string, metadata: unknown): AgentEvent[] {
    const name = `${kind} ${key}`;
    const events: AgentEvent[] = this.#open.has(name) ? [] : this.#start(kind, key, undefined);
    const block = this.#open.get(name)!;
    if (metadata) Object.assign(block, metadataOf(metadata));
    // Anthropic sends the signature of a thought as a delta without text.
    if (text === "") return events;
    this.#output();
    block.text += text;
    events.push({ type: `${kind}.delta`, id: block.id, text });
    return events;
  }

  #end(kind: Block["kind"], key: string, metadata: unknown): AgentEvent[] {
    const block = this.#open.get(`${kind} ${key}`);
    if (block) Object.assign(block, metadataOf(metadata));
    return this.#endBlock(`${kind} ${key}`);
  }

  #endBlock(key: string): AgentEvent[] {
    const block = this.#open.get(key);
    if (!block) return [];
    this.#open.delete(key);
    const { id, kind, providerMetadata } = block;
    if (kind === "text") return [{ type: "text.finished", id }];
    return [{ type: "reasoning.finished", id, ...(providerMetadata !== undefined && { providerMetadata }) }];
  }

  #blockId(key: string): string {
    return unique(`${this.#options.prefix}${key}`, this.#blockIds);
  }

  #startCall(key: string, name: string): AgentEvent[] {
    if (this.#callIds.has(key)) return [];
    const callId = unique(key, this.#options.callIds);
    this.#callIds.set(key, callId);
    this.#started.set(callId, name);
    return [{ type: "tool.started", callId, name, messageId: this.#options.messageId }];
  }

  #call(part: Extract<TextStreamPart<ToolSet>, { type: "tool-call" }>): AgentEvent[] {
    const { messageId, tools } = this.#options;
    const started = this.#startCall(part.toolCallId, part.toolName);
    const callId = this.#callIds.get(part.toolCallId)!;
    if (this.calls.some((call) => call.callId === callId)) return started;
    const byProvider = part.providerExecuted === true;
    const call: Call = {
      callId,
      name: part.toolName,
      input: toJson(part.input),
      byProvider,
      startedAt: performance.now(),
    };
    if (part.invalid) {
      call.failure = tools.has(part.toolName)
        ? { code: "invalid_input", message: "The arguments are not JSON" }
        : { code: "unknown_tool", message: `There is no tool "${part.toolName}"` };
    }
    this.calls.push(call);
    this.#parts.push(call);
    const metadata = byProvider
      ? { ...part.providerMetadata, [BY_PROVIDER]: { byProvider } }
      : part.providerMetadata;
    const providerMetadata = metadataOf(metadata);
    if (providerMetadata.providerMetadata !== undefined)
      this.#metadata.set(callId, providerMetadata.providerMetadata);
    return [
      ...started,
      { type: "tool.called", callId, name: call.name, input: call.input, messageId, ...providerMetadata },
    ];
  }

  #callOf(key: string): { callId: string; durationMs: number; call: Call | undefined } {
    const callId = this.#callIds.get(key) ?? key;
    const call = this.calls.find((each) => each.callId === callId);
    return { callId, call, durationMs: call ? performance.now() - call.startedAt : 0 };
  }

  #file(mediaType: string, data: string, said: boolean): AgentEvent[] {
    if (data.length > MAX_FILE_CHARS) {
      const message = `A file of ${mediaType} with about ${Math.round(data.length * 0.75)} bytes is too large for the log`;
      return [{ type: "error", code: "too_large", message, retryable: false }];
    }
    this.#files += 1;
    // What belongs to a thought is shown, but is no part of the answer.
    if (said) this.#parts.push({ type: "file", mediaType, data });
    return [{ type: "file", id: `${this.#options.prefix}file-${this.#files}`, mediaType, data }];
  }
}

/** Base64 of a file that fits an event (1 MiB) with room for the rest. */
const MAX_FILE_CHARS = 900_000;

function metadataOf(metadata: unknown): { providerMetadata?: Json } {
  return metadata === undefined || metadata === null ? {} : { providerMetadata: toJson(metadata) };
}

function unique(id: string, taken: Set<string>): string {
  let free = id;
  for (let n = 2; taken.has(free); n++) free = `${id}.${n}`;
  taken.add(free);
  return free;
}
