import type { AssistantMessage } from "@ag-ui/core";
import type { AgUiEvent, AgUiMessage } from "./events.ts";

/** The messages that a front end has after some events: what a snapshot has to say. */
export class Transcript {
  #messages: AgUiMessage[];
  readonly #byId = new Map<string, AgUiMessage>();
  /** Which message made a call. */
  readonly #callers = new Map<string, AssistantMessage>();

  constructor(messages: readonly AgUiMessage[] = []) {
    this.#messages = [];
    for (const message of messages) this.#push(structuredClone(message));
  }

  get messages(): readonly AgUiMessage[] {
    return this.#messages;
  }

  has(id: string): boolean {
    return this.#byId.has(id);
  }

  /** The text of a message; empty if there is no such text. */
  textOf(id: string): string {
    const content = this.#byId.get(id)?.content;
    return typeof content === "string" ? content : "";
  }

  setText(id: string, text: string): void {
    const message = this.#byId.get(id);
    if (message && message.role !== "activity") message.content = text;
  }

  argumentsOf(callId: string): string {
    return this.#callOf(callId)?.function.arguments ?? "";
  }

  setArguments(callId: string, text: string): void {
    const call = this.#callOf(callId);
    if (call) call.function.arguments = text;
  }

  /** Takes back messages and calls. A thought only becomes empty: clients keep those that a snapshot leaves out. */
  withdraw(ids: ReadonlySet<string>): void {
    const gone = (message: AgUiMessage) => ids.has(message.role === "tool" ? message.toolCallId : message.id);
    for (const id of ids) {
      const caller = this.#callers.get(id);
      if (caller) caller.toolCalls = (caller.toolCalls ?? []).filter((call) => call.id !== id);
    }
    for (const message of this.#messages) {
      if (message.role === "reasoning" && gone(message)) message.content = "";
      else if (gone(message)) this.#byId.delete(message.id);
    }
    this.#messages = this.#messages.filter((message) => this.#byId.has(message.id));
  }

  apply(event: AgUiEvent): void {
    switch (event.type) {
      case "RUN_STARTED":
        for (const message of event.input?.messages ?? []) this.#push(structuredClone(message));
        break;
      case "TEXT_MESSAGE_START":
        this.#push({
          id: event.messageId,
          role: event.role ?? "assistant",
          content: "",
          ...(event.name !== undefined && { name: event.name }),
          ...ownerOf(event),
        });
        break;
      case "REASONING_MESSAGE_START":
        this.#push({ id: event.messageId, role: "reasoning", content: "", ...ownerOf(event) });
        break;
      case "TEXT_MESSAGE_CONTENT":
      case "REASONING_MESSAGE_CONTENT":
        this.setText(event.messageId, this.textOf(event.messageId) + event.delta);
        break;
      case "TOOL_CALL_START": {
        if (this.#callOf(event.toolCallId)) break;
        const id = event.parentMessageId ?? event.toolCallId;
        this.#push({ id, role: "assistant", toolCalls: [], ...ownerOf(event) });
        const caller = this.#byId.get(id) as AssistantMessage;
        const call = { id: event.toolCallId, type: "function" as const };
        caller.toolCalls = [
          ...(caller.toolCalls ?? []),
          { ...call, function: { name: event.toolCallName, arguments: "" } },
        ];
        this.#callers.set(event.toolCallId, caller);
        break;
      }
      case "TOOL_CALL_ARGS":
        this.setArguments(event.toolCallId, this.argumentsOf(event.toolCallId) + event.delta);
        break;
      case "TOOL_CALL_RESULT": {
        const { messageId: id, toolCallId, content } = event;
        const message: AgUiMessage = { id, toolCallId, role: "tool", content, ...ownerOf(event) };
        const caller = this.#callers.get(toolCallId);
        let at = caller ? this.#messages.indexOf(caller) + 1 : this.#messages.length;
        while (caller && this.#messages[at]?.role === "tool") at++;
        this.#push(message, at);
        break;
      }
      case "ACTIVITY_SNAPSHOT": {
        const { messageId: id, activityType, content } = event;
        const known = this.#byId.get(id);
        if (known) Object.assign(known, { activityType, content });
        else this.#push({ id, role: "activity", activityType, content, ...ownerOf(event) });
        break;
      }
      default:
    }
  }

  /** Adds a message, unless there is one with its id. */
  #push(message: AgUiMessage, at = this.#messages.length): void {
    if (this.#byId.has(message.id)) return;
    this.#byId.set(message.id, message);
    this.#messages.splice(at, 0, message);
    if (message.role !== "assistant") return;
    for (const call of message.toolCalls ?? []) this.#callers.set(call.id, message);
  }

  #callOf(id: string) {
    return this.#callers.get(id)?.toolCalls?.find((call) => call.id === id);
  }
}

function ownerOf(event: { readonly subagentRunId?: string }): { subagentRunId?: string } {
  return event.subagentRunId === undefined ? {} : { subagentRunId: event.subagentRunId };
}
