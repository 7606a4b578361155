import type { UIMessage } from "ai";
import { RunError } from "../../errors.ts";
import type { Json, Message, Part } from "../../events.ts";
import { dataType } from "./data-type.ts";
import { dataUrl } from "./safe-url.ts";

type Fields = { readonly [name: string]: unknown };

/**
 * The parts of a client's message. Text, files and data of a user; text, reasoning, files and calls of an assistant.
 * What a client was shown besides, such as steps and sources, is left out, as is what it claims of a provider.
 *
 * @param where Names the message in a refusal. Throws `invalid_request`.
 */
export function fromUiParts(parts: readonly unknown[], role: "user" | "assistant", where: string): Part[] {
  return parts.flatMap((value, index) => {
    const part = Object(value) as Fields;
    const refuse = (why: string) => invalid(`part ${index} of ${where} ${why}`);
    if (typeof part.type !== "string") throw refuse('must be an object with a "type"');
    const { type } = part;
    switch (type) {
      case "text":
        if (typeof part.text !== "string") throw refuse('is a text without "text"');
        return part.text === "" ? [] : [{ type, text: part.text }];
      case "reasoning":
        if (typeof part.text !== "string") throw refuse('is reasoning without "text"');
        return role === "user" ? [] : [{ type, text: part.text }];
      case "file":
        return [filePart(part, refuse)];
      default:
    }
    if (role === "user" && type.startsWith("data-")) {
      return [{ type: "data" as const, data: (part.data ?? null) as Json, name: type.slice("data-".length) }];
    }
    if (role === "assistant" && (type === "dynamic-tool" || type.startsWith("tool-")))
      return [toolPart(part, refuse)];
    return [];
  });
}

function filePart({ mediaType, url, filename }: Fields, refuse: (why: string) => RunError): Part {
  if (typeof mediaType !== "string" || typeof url !== "string") {
    throw refuse('is a file without "mediaType" and "url", as the AI SDK has them since version 5');
  }
  const name = typeof filename === "string" ? { name: filename } : {};
  const data = /^data:[^,]*,/.exec(url);
  if (!data) {
    if (!/^https?:\/\//i.test(url) || !URL.canParse(url))
      throw refuse("is a file whose URL is neither https: nor data:");
    return { type: "file", mediaType, url, ...name };
  }
  const body = url.slice(data[0].length);
  if (data[0].endsWith(";base64,")) return { type: "file", mediaType, data: body, ...name };
  try {
    return {
      type: "file",
      mediaType,
      data: Buffer.from(decodeURIComponent(body)).toString("base64"),
      ...name,
    };
  } catch {
    throw refuse("is a file whose data: URL cannot be read");
  }
}

function toolPart(part: Fields, refuse: (why: string) => RunError): Part {
  const { type, toolCallId, toolName, state, input, output, errorText, preliminary } = part;
  const name = type === "dynamic-tool" ? toolName : (type as string).slice("tool-".length);
  if (typeof toolCallId !== "string" || typeof name !== "string") {
    throw refuse('is a call without "toolCallId" and a name, as the AI SDK has them since version 5');
  }
  return {
    type: "tool",
    callId: toolCallId,
    name,
    input: (input ?? {}) as Json,
    ...(state === "output-available" && preliminary !== true && { output: (output ?? null) as Json }),
    ...(state === "output-error" && { error: String(errorText ?? "The call failed") }),
    ...(state === "output-denied" && { error: "The call was not allowed" }),
  };
}

/** A message of a log as a client has it. Data of an assistant is left out: it was the model's, not the page's. */
export function toUiMessage({ id, role, parts }: Message): UIMessage {
  return { id, role, parts: parts.flatMap((part) => toUiParts(part, role)) };
}

function toUiParts(part: Part, role: Message["role"]): UIMessage["parts"] {
  switch (part.type) {
    case "text":
      return [{ type: "text", text: part.text, ...(role === "assistant" && { state: "done" as const }) }];
    case "reasoning":
      return [{ type: "reasoning", text: part.text, state: "done" }];
    case "file": {
      const { mediaType, name } = part;
      const url = part.url ?? dataUrl(mediaType, part.data ?? "");
      return [{ type: "file", mediaType, url, ...(name !== undefined && { filename: name }) }];
    }
    case "data":
      return [{ type: dataType(part.name ?? "data"), data: part.data }];
    case "tool": {
      const { callId, name, input, output, error } = part;
      const call = { type: `tool-${name}` as const, toolCallId: callId, input };
      return [
        output !== undefined
          ? { ...call, state: "output-available", output }
          : { ...call, state: "output-error", errorText: error ?? "The call has no result" },
      ];
    }
    default:
      return [];
  }
}

/** A body that cannot be read. */
export function invalid(why: string): RunError {
  return new RunError("invalid_request", `Cannot read the request: ${why}`);
}
