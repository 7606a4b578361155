import type { AgentEvent, FinishReason, Part, Usage } from "../events.ts";
import { newId } from "../internal/id.ts";
import { toJson } from "../json.ts";
import { addUsage } from "../summary.ts";
import { type AdapterOptions, type BlockKind, Blocks } from "./blocks.ts";
import { fields, list, parsed, text } from "./fields.ts";
import { BREAKPOINT, INTERRUPTS_EVENT } from "./from-lang-graph-answers.ts";
import { kindOf, type LangGraphChunk, messagesIn } from "./from-lang-graph-chunk.ts";
import {
  callsOf,
  modelOf,
  partsOf,
  piecesOf,
  reasonOf,
  textIn,
  tokensOf,
} from "./from-lang-graph-message.ts";
import { joinedParts } from "./joined-parts.ts";

/** Who speaks: the graph, a subgraph, or a node that speaks while another does. One message at a time. */
interface Voice {
  readonly blocks: Blocks;
  open: Draft | undefined;
}

/** A message of a model, as far as it came. */
interface Draft {
  readonly voice: Voice;
  /** The task that asked the model, as in `agent:<task id>`. */
  readonly task: string;
  messageId: string | undefined;
  growing: BlockKind | undefined;
  blocks: number;
  /** The calls whose arguments stream, by their place in the message. */
  readonly calls: Map<string, { readonly key: string; name: string; args: string; begun: boolean }>;
  usage: Usage | undefined;
  model: string | undefined;
  reason: FinishReason | undefined;
  /** What the log has of it, once it is finished. */
  told: readonly Part[];
  finished: boolean;
}

interface Interrupt {
  readonly id: string;
  readonly name: string;
  readonly value: unknown;
  readonly namespace: readonly string[];
}

/** Translates one stream of a graph, chunk by chunk. */
export class LangGraphReader {
  readonly #options: AdapterOptions;
  readonly #voices = new Map<string, Voice>();
  /** Messages that were told, by the graph's ids. */
  readonly #drafts = new Map<string, Draft>();
  /** Messages that were told before the graph stopped: the log's ids, by the graph's. */
  readonly #told = new Map<string, string>();
  /** Ids of messages that were in the state before. */
  readonly #old = new Set<string>();
  /** Who made a call that is told. */
  readonly #callers = new Map<string, Voice>();
  /** Calls that the log left open: their results may come now. */
  readonly #pending = new Set<string>();
  /** Calls of which the log has the end. */
  readonly #ended = new Set<string>();
  /** Subgraphs of which a whole state has come: the first is what they began with. */
  readonly #begun = new Set<string>();
  readonly #interrupts = new Map<string, Interrupt>();
  #stopped = false;
  readonly #approvalIds = new Set<string>();

  constructor(options: AdapterOptions) {
    this.#options = options;
    for (const { event } of options.entries ?? []) {
      if (event.type === "custom" && event.name === INTERRUPTS_EVENT) {
        const { messages } = fields(event.data);
        for (const [id, messageId] of Object.entries(fields(messages))) {
          this.#told.set(id, `${messageId}`);
          this.#old.add(id);
        }
      } else if (event.type === "approval.requested") this.#approvalIds.add(event.approvalId);
      else if (event.type === "tool.called") this.#pending.add(event.callId);
      else if (event.type === "tool.returned" || event.type === "tool.failed")
        this.#pending.delete(event.callId);
    }
  }

  read({ namespace, mode, data }: LangGraphChunk): AgentEvent[] {
    switch (mode) {
      case "messages": {
        const [message, metadata] = list(data);
        return this.#streamed(namespace, message, fields(metadata));
      }
      case "updates":
        return this.#updates(namespace, data);
      case "values":
        return this.#values(namespace, data);
      case "tasks":
        return this.#task(namespace, data);
      case "tools":
        return this.#tool(namespace, data);
      case "custom":
        return this.#voice(namespace).blocks.other({
          type: "custom",
          name: "langgraph.custom",
          data: toJson(data),
        });
      case "debug":
      case "checkpoints":
        return [];
      default:
        mode satisfies never;
        return [];
    }
  }

  /** The stream is over: messages that nothing ended are whole, and people are asked. */
  end(): AgentEvent[] {
    const events = [...this.#drafts.values()].flatMap((draft) => this.#finish(draft));
    if (this.#stopped && this.#interrupts.size === 0) {
      const id = `${BREAKPOINT}-${newId()}`;
      this.#interrupts.set(id, { id, name: BREAKPOINT, value: null, namespace: [] });
    }
    const asked = [...this.#interrupts.values()].map(({ id, name, value, namespace }) => {
      const approvalId = this.#approvalId(id);
      const event = {
        type: "approval.requested",
        approvalId,
        callId: id,
        name,
        input: toJson(value ?? null),
      } as const;
      return { approvalId, events: this.#voice(namespace).blocks.other(event) };
    });
    if (asked.length === 0) return events;
    // The graph tells the messages of tasks that are done anew when it goes on.
    const told = [...this.#drafts].map(([id, { messageId }]) => [id, messageId]);
    const messages = Object.fromEntries([...this.#told, ...told]);
    const data = { approvals: asked.map(({ approvalId }) => approvalId), messages };
    const before = this.#voice([]).blocks.other({ type: "custom", name: INTERRUPTS_EVENT, data });
    return [...events, ...before, ...asked.flatMap((each) => each.events)];
  }

  abandon(message: string): AgentEvent[] {
    return [...this.#voices.values()].flatMap(({ blocks }) => blocks.abandon(message));
  }

  /** One node's interrupts in turn may have one id. */
  #approvalId(id: string): string {
    let free = id;
    for (let n = 2; this.#approvalIds.has(free); n++) free = `${id}.${n}`;
    this.#approvalIds.add(free);
    return free;
  }

  #voice(namespace: readonly string[]): Voice {
    const [task] = namespace.slice(-1);
    return task === undefined ? this.#voiceOf("", {}) : this.#voiceOf(task, originOf(task));
  }

  #voiceOf(key: string, origin: { agent?: string; parent?: string }): Voice {
    const known = this.#voices.get(key);
    if (known) return known;
    const voice: Voice = { blocks: new Blocks({ ...this.#options, ...origin }), open: undefined };
    this.#voices.set(key, voice);
    return voice;
  }

  /** A message, or a piece of one, as soon as a node has it. */
  #streamed(namespace: readonly string[], message: unknown, metadata: { readonly [name: string]: unknown }) {
    if (kindOf(message) !== "ai") return this.#whole(namespace, message, true);
    const ns = text(metadata.langgraph_checkpoint_ns) ?? "";
    const task = ns.split("|").at(-1) ?? "";
    const { id, tool_call_chunks } = fields(message);
    if (!Array.isArray(tool_call_chunks)) return this.#whole(namespace, message, true, task);
    const key = text(id) ?? `${ns} `;
    if (this.#old.has(key)) return [];
    const draft = this.#drafts.get(key);
    if (draft?.finished) return [];
    const [before, open] = draft ? [[], draft] : this.#begin(namespace, key, task, metadata);
    return [...before, ...this.#grow(open, message, tool_call_chunks)];
  }

  /** A new message. A message before it of the same task is whole by that; that of another task goes on beside it. */
  #begin(
    namespace: readonly string[],
    id: string,
    task: string,
    metadata: { readonly [name: string]: unknown } = {},
  ): [AgentEvent[], Draft] {
    let voice = this.#voice(namespace);
    if (voice.open && voice.open.task !== task && task !== "") voice = this.#voiceOf(task, originOf(task));
    const before = voice.open ? this.#finish(voice.open) : [];
    const started = voice.blocks.startStep(text(metadata.ls_model_name));
    const draft: Draft = {
      voice,
      task,
      messageId: voice.blocks.messageId,
      growing: undefined,
      blocks: 0,
      calls: new Map(),
      usage: undefined,
      model: undefined,
      reason: undefined,
      told: [],
      finished: false,
    };
    voice.open = draft;
    this.#drafts.set(id, draft);
    return [[...before, ...started], draft];
  }

  #grow(draft: Draft, message: unknown, calls: readonly unknown[] = []): AgentEvent[] {
    const { blocks } = draft.voice;
    const events: AgentEvent[] = [];
    for (const piece of piecesOf(message)) {
      if (draft.growing !== piece.kind) {
        events.push(...endBlock(draft));
        draft.growing = piece.kind;
        draft.blocks += 1;
      }
      events.push(...blocks.delta(piece.kind, `${draft.blocks}`, piece.text));
    }
    for (const chunk of calls) events.push(...this.#growCall(draft, chunk));
    // Providers spread the count over chunks: their sum is that of the message.
    draft.usage = addUsage(draft.usage, tokensOf(message));
    draft.model = modelOf(message) ?? draft.model;
    draft.reason = reasonOf(message) ?? draft.reason;
    return events;
  }

  #growCall(draft: Draft, chunk: unknown): AgentEvent[] {
    const { id, index, name, args } = fields(chunk);
    const place = `${index ?? id ?? [...draft.calls.keys()].at(-1) ?? 0}`;
    let call = draft.calls.get(place);
    if (!call) {
      call = { key: text(id) ?? newId(), name: "", args: "", begun: false };
      draft.calls.set(place, call);
    }
    if (!call.begun) call.name += text(name) ?? "";
    const piece = text(args) ?? "";
    call.args += piece;
    const { blocks } = draft.voice;
    if (call.begun) return blocks.callDelta(call.key, piece);
    if (call.name === "") return [];
    call.begun = true;
    return [
      ...endBlock(draft),
      ...blocks.startCall(call.key, call.name),
      ...blocks.callDelta(call.key, call.args),
    ];
  }

  /** The message is whole: as the graph has it, or else as it was streamed. */
  #finish(draft: Draft, whole?: unknown): AgentEvent[] {
    if (draft.finished) return [];
    draft.finished = true;
    draft.voice.open = undefined;
    const { blocks } = draft.voice;
    const events = endBlock(draft);
    const streamed = [...draft.calls.values()].filter(({ name }) => name !== "");
    const calls =
      whole === undefined
        ? streamed.map(({ key, name, args }) => ({ id: key, name, input: parsed(args), invalid: undefined }))
        : callsOf(whole);
    for (const [index, { id, name, input, invalid }] of calls.entries()) {
      const key = id ?? streamed[index]?.key ?? newId();
      this.#callers.set(key, draft.voice);
      events.push(...blocks.call(key, name, input));
      if (invalid !== undefined) events.push(...blocks.failed(key, name, "invalid_input", invalid, false));
    }
    const { parts } = blocks;
    const step = blocks.finishStep({
      finishReason: reasonOf(whole) ?? draft.reason ?? (calls.length > 0 ? "tool-calls" : "stop"),
      usage: tokensOf(whole) ?? draft.usage,
      model: modelOf(whole) ?? draft.model,
    });
    draft.told = parts;
    return [...events, ...step, ...(whole === undefined ? [] : this.#rewrite(draft, whole))];
  }

  /** A message as the state has it. `fresh` says that it is new to the state for certain. */
  #whole(namespace: readonly string[], message: unknown, fresh: boolean, task = ""): AgentEvent[] {
    const { id: given } = fields(message);
    const id = text(given);
    switch (kindOf(message)) {
      case "ai": {
        if (id !== undefined && this.#old.has(id)) return [];
        const known = id === undefined ? undefined : this.#drafts.get(id);
        if (known) return known.finished ? this.#rewrite(known, message) : this.#finish(known, message);
        const [before, draft] = this.#begin(namespace, id ?? newId(), task);
        return [...before, ...this.#grow(draft, message), ...this.#finish(draft, message)];
      }
      case "tool":
        return id !== undefined && this.#old.has(id) ? [] : this.#result(namespace, message, fresh);
      case "remove":
        return id === undefined ? [] : this.#remove(id);
      default:
        if (id !== undefined) this.#old.add(id);
        return [];
    }
  }

  /** A node may put another message in the place of one; most often it is told again as it was. */
  #rewrite(draft: Draft, message: unknown): AgentEvent[] {
    if (textIn(message) === wordsOf(draft.told)) return [];
    const calls = draft.told.filter((part) => part.type === "tool");
    draft.told = joinedParts(partsOf(message, calls));
    return draft.voice.blocks.message(draft.told, draft.messageId);
  }

  #remove(id: string): AgentEvent[] {
    const gone = id === "__remove_all__" ? new Set([...this.#told.keys(), ...this.#drafts.keys()]) : [id];
    return [...gone].flatMap((each) => {
      const draft = this.#drafts.get(each);
      const messageId = draft?.messageId ?? this.#told.get(each);
      if (messageId === undefined) return [];
      this.#drafts.delete(each);
      this.#told.delete(each);
      this.#old.add(each);
      const { blocks } = draft?.voice ?? this.#voice([]);
      const message = { id: messageId, role: "assistant", parts: [] } as const;
      return [...(draft ? this.#finish(draft) : []), ...blocks.other({ type: "message", message })];
    });
  }

  #result(namespace: readonly string[], message: unknown, fresh: boolean): AgentEvent[] {
    const { tool_call_id, name, content, status } = fields(message);
    const key = text(tool_call_id);
    if (key === undefined) return [];
    // The model has said all, if its call was made.
    const calling = [...this.#drafts.values()].filter((draft) =>
      [...draft.calls.values()].some((call) => call.key === key),
    );
    const before = calling.flatMap((draft) => this.#finish(draft));
    const caller = this.#callers.get(key);
    if (!caller && !this.#pending.has(key) && (!fresh || this.#ended.has(key))) return before;
    this.#pending.delete(key);
    const voice = caller ?? this.#voice(namespace);
    this.#callers.set(key, voice);
    const tool = text(name) ?? "tool";
    if (status === "error") {
      return [
        ...before,
        ...voice.blocks.failed(key, tool, "tool_error", textIn(message) || "The tool failed"),
      ];
    }
    return [...before, ...voice.blocks.returned(key, tool, content)];
  }

  #updates(namespace: readonly string[], data: unknown): AgentEvent[] {
    return Object.entries(fields(data)).flatMap(([node, update]) => {
      if (node === "__interrupt__") return this.#interrupted(namespace, update);
      const { structuredResponse } = fields(update);
      const output =
        structuredResponse !== undefined && namespace.length === 0 && this.#options.parent === undefined
          ? this.#voice([]).blocks.other({
              type: "output.delta",
              value: toJson(structuredResponse),
              complete: true,
            })
          : [];
      return [...this.#messages(namespace, messagesIn(update)), ...output];
    });
  }

  #values(namespace: readonly string[], data: unknown): AgentEvent[] {
    const { __interrupt__: interrupts, ...state } = fields(data);
    const asked = interrupts === undefined ? [] : this.#interrupted(namespace, interrupts);
    if (interrupts !== undefined && Object.keys(state).length === 0) return asked;
    const messages = messagesIn(state);
    const key = namespace.join("|");
    if (this.#begun.has(key)) return [...this.#messages(namespace, messages), ...asked];
    this.#begun.add(key);
    this.#keep(messages);
    return asked;
  }

  #task(namespace: readonly string[], data: unknown): AgentEvent[] {
    const { id, name, input, result, interrupts } = fields(data);
    if (result === undefined) {
      // What a task is given was there before, or is told already.
      this.#keep(messagesIn(input));
      return [];
    }
    this.#interrupted(namespace, interrupts, text(name) ?? INTERRUPT);
    const told = this.#messages(namespace, messagesIn(result));
    if (fields(data).error) return told;
    const left = [...this.#drafts.values()].filter((draft) => draft.task.endsWith(`:${id}`));
    return [...told, ...left.flatMap((draft) => this.#finish(draft))];
  }

  #messages(namespace: readonly string[], messages: readonly unknown[]): AgentEvent[] {
    // A subgraph gives its whole state: what stands before a question was there before it.
    const question = messages.findLastIndex((message) => kindOf(message) === "human");
    if (question > 0) this.#keep(messages.slice(0, question));
    return messages.slice(Math.max(0, question)).flatMap((message) => this.#whole(namespace, message, false));
  }

  /** Takes messages that were there before; those that were told stay so. */
  #keep(messages: readonly unknown[]): void {
    for (const message of messages) {
      const id = text(fields(message).id);
      if (id !== undefined && !this.#drafts.has(id)) this.#old.add(id);
    }
  }

  #tool(namespace: readonly string[], data: unknown): AgentEvent[] {
    const { event, toolCallId, data: report, output } = fields(data);
    const key = text(toolCallId);
    if (event === "on_tool_end") return kindOf(output) === "tool" ? this.#whole(namespace, output, true) : [];
    if (key === undefined) return [];
    const { blocks } = this.#callers.get(key) ?? this.#voice(namespace);
    // A tool that throws is told by the message that its node makes of it, or by the graph that fails.
    return event === "on_tool_event" ? blocks.progressed(key, report) : [];
  }

  /** An interrupt is told by the subgraph and by all above it, and by each mode. The task that names it is the node's own. */
  #interrupted(namespace: readonly string[], interrupts: unknown, name?: string): AgentEvent[] {
    const asked = list(interrupts).map(fields);
    // Without an interrupt the graph has stopped at a breakpoint; tasks tell none where there is none.
    if (asked.length === 0 && name === undefined) this.#stopped = true;
    for (const { id, value } of asked) {
      const key = text(id) ?? newId();
      const known = this.#interrupts.get(key);
      if (known && (name === undefined || known.name !== INTERRUPT)) continue;
      this.#interrupts.set(key, { namespace, ...known, id: key, name: name ?? INTERRUPT, value });
    }
    return [];
  }
}

/** An interrupt of which no task has told the node. */
const INTERRUPT = "interrupt";

/** A task, as in `node:<task id>`, as who speaks. */
function originOf(task: string): { agent: string; parent: string } {
  return { agent: task.slice(0, Math.max(0, task.indexOf(":"))) || task, parent: task };
}

function endBlock(draft: Draft): AgentEvent[] {
  const kind = draft.growing;
  draft.growing = undefined;
  return kind ? draft.voice.blocks.end(kind, `${draft.blocks}`) : [];
}

function wordsOf(parts: readonly Part[]): string {
  return parts.map((part) => (part.type === "text" ? part.text : "")).join("");
}
