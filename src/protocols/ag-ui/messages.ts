import type { ContentPart } from "@ag-ui/core";
import type { Json, Message, Part } from "../../events.ts";
import type { AgUiMessage } from "./events.ts";

/** Messages as AG-UI has them: a tool's answer is a message of its own, after the one that called. */
export function toAgUiMessages(messages: readonly Message[]): AgUiMessage[] {
  return messages.flatMap(({ id, role, parts }): AgUiMessage[] => {
    if (role === "system") return [{ id, role, content: textOf(parts) }];
    if (role === "user") return [{ id, role, content: contentOf(parts) }];
    const calls = parts.filter((part) => part.type === "tool");
    const content = textOf(parts);
    return [
      {
        id,
        role,
        ...((content !== "" || calls.length === 0) && { content }),
        ...(calls.length > 0 && {
          toolCalls: calls.map(({ callId, name, input }) => ({
            id: callId,
            type: "function" as const,
            function: { name, arguments: JSON.stringify(input ?? null) },
          })),
        }),
      },
      ...calls.flatMap((part): AgUiMessage[] => {
        if (part.output === undefined && part.error === undefined) return [];
        const content = part.error === undefined ? resultOf(part.output) : failureOf(part.error);
        return [{ id: `${part.callId}.result`, role: "tool", toolCallId: part.callId, content }];
      }),
    ];
  });
}

/**
 * A front end's messages as a model is to be shown them. Instructions (`system`, `developer`) are dropped: the
 * agent's are its own. So are thoughts, whose signatures are gone, and activities, which no model said.
 */
export function fromAgUiMessages(messages: readonly AgUiMessage[]): Message[] {
  const answers = new Map(
    messages.flatMap((message) => (message.role === "tool" ? [[message.toolCallId, message] as const] : [])),
  );
  return messages.flatMap((message): Message[] => {
    if (message.role === "user") return [{ id: message.id, role: "user", parts: partsOf(message.content) }];
    if (message.role !== "assistant") return [];
    const parts: Part[] = message.content ? [{ type: "text", text: message.content }] : [];
    for (const call of message.toolCalls ?? []) {
      const answer = answers.get(call.id);
      parts.push({
        type: "tool",
        callId: callIdOf(call.id),
        name: call.function.name,
        input: parsed(call.function.arguments),
        ...(answer &&
          (answer.error === undefined
            ? { output: typeof answer.content === "string" ? answer.content : textIn(answer.content) }
            : { error: answer.error })),
      });
    }
    return parts.length > 0 ? [{ id: message.id, role: "assistant", parts }] : [];
  });
}

/** What a tool returned, as the text of its message. */
export function resultOf(output: Json | undefined): string {
  return typeof output === "string" ? output : JSON.stringify(output ?? null);
}

/** A tool's failure, as the text of its message: the event has no field for it. */
export function failureOf(message: string): string {
  return `Error: ${message}`;
}

/** The texts of a message as one. */
export function textOf(parts: readonly Part[]): string {
  return parts.map((part) => (part.type === "text" ? part.text : "")).join("");
}

/** A text if there is nothing else, else its parts. */
function contentOf(parts: readonly Part[]): string | ContentPart[] {
  if (parts.every((part) => part.type === "text")) return textOf(parts);
  return parts.flatMap((part): ContentPart[] => {
    if (part.type === "text") return [{ type: "text", text: part.text }];
    if (part.type === "data") return [{ type: "text", text: JSON.stringify(part.data ?? null) }];
    if (part.type !== "file") return [];
    const { mediaType, data, url = "" } = part;
    const source =
      data === undefined
        ? ({ type: "url", value: url, mimeType: mediaType } as const)
        : ({ type: "data", value: data, mimeType: mediaType } as const);
    return [{ type: mediaKindOf(mediaType), source }];
  });
}

function mediaKindOf(mediaType: string): "image" | "audio" | "video" | "document" {
  const kind = mediaType.split("/")[0];
  return kind === "image" || kind === "audio" || kind === "video" ? kind : "document";
}

const anyOf = { image: "image/*", audio: "audio/*", video: "video/*", document: "application/octet-stream" };

/** A handle that only its provider can read is left out, as AG-UI lets a peer do that cannot use it. */
function partsOf(content: string | readonly ContentPart[]): Part[] {
  if (typeof content === "string") return content === "" ? [] : [{ type: "text", text: content }];
  return content.flatMap((part): Part[] => {
    if (part.type === "text") return [{ type: "text", text: part.text }];
    const { source } = part;
    if (source.type === "file") return [];
    const mediaType = source.mimeType ?? anyOf[part.type];
    return [
      {
        type: "file",
        mediaType,
        ...(source.type === "data" ? { data: source.value } : { url: source.value }),
      },
    ];
  });
}

function textIn(content: readonly ContentPart[]): string {
  return content.map((part) => (part.type === "text" ? part.text : `[${part.type}]`)).join("");
}

/** A call's id as every provider takes it: Anthropic wants `[A-Za-z0-9_-]`, OpenAI no more than 40 characters. */
function callIdOf(id: string): string {
  return id.replace(/[^\w-]/g, "_").slice(-40);
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    // A call that was cut off: it is shown as far as it came.
    return text;
  }
}
