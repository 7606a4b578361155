import type { Json, JsonObject, Message, Part } from "../../events.ts";

/** A part of a message on VibeX's wire. */
export type VibexPart =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "reasoning"; readonly content: string }
  | {
      readonly type: "tool-call";
      readonly toolCallId: string;
      readonly toolName: string;
      readonly args: Json;
    }
  | {
      readonly type: "tool-result";
      readonly toolCallId: string;
      readonly toolName: string;
      readonly result: Json;
      readonly isError?: boolean;
    }
  | { readonly type: "image"; readonly image: string; readonly mimeType?: string | null }
  | { readonly type: "file"; readonly data: string; readonly mimeType: string }
  | { readonly type: "artifact"; readonly artifact: JsonObject }
  | { readonly type: "step-start"; readonly stepId: string; readonly stepName?: string | null }
  | { readonly type: "error"; readonly error: string; readonly errorCode?: string | null };

/** Those parts that a message of Runlog keeps as data. */
const KEPT = new Set(["artifact", "step-start", "error"]);

/** The text of a message. Calls, results and thoughts are no content. */
export function contentOf({ parts }: Pick<Message, "parts">): string {
  return parts.map((part) => (part.type === "text" ? part.text : "")).join("");
}

/** The parts of a message as VibeX has them. A call and its result are two parts there. */
export function toVibexParts(parts: readonly Part[]): VibexPart[] {
  return parts.flatMap((part): VibexPart[] => {
    switch (part.type) {
      case "text":
        return [{ type: "text", text: part.text }];
      case "reasoning":
        return [{ type: "reasoning", content: part.text }];
      case "tool": {
        const call = { toolCallId: part.callId, toolName: part.name };
        const made: VibexPart = { type: "tool-call", ...call, args: part.input ?? {} };
        if (part.error !== undefined)
          return [made, { type: "tool-result", ...call, result: part.error, isError: true }];
        if (part.output !== undefined)
          return [made, { type: "tool-result", ...call, result: part.output, isError: false }];
        return [made];
      }
      case "file":
        return [toVibexFile(part)];
      case "data": {
        const { name, data } = part;
        const own = typeof data === "object" && data !== null && !Array.isArray(data) && "type" in data;
        return own && data.type === name && KEPT.has(name ?? "") ? [data as unknown as VibexPart] : [];
      }
      default:
        return [];
    }
  });
}

export function toVibexFile(file: {
  readonly mediaType: string;
  readonly data?: string;
  readonly url?: string;
}): VibexPart {
  const { mediaType, data, url = "" } = file;
  if (mediaType.startsWith("image/")) return { type: "image", image: data ?? url, mimeType: mediaType };
  return { type: "file", data: data ?? url, mimeType: mediaType };
}

/** VibeX's parts as those of a message. A result joins its call. */
export function fromVibexParts(parts: readonly VibexPart[]): Part[] {
  const result: Part[] = [];
  for (const part of parts) {
    if (part.type === "tool-result") {
      const end = part.isError ? { error: textOf(part.result) } : { output: part.result ?? null };
      const at = result.findIndex((each) => each.type === "tool" && each.callId === part.toolCallId);
      const call = at < 0 ? undefined : result[at];
      if (call) result[at] = { ...call, ...end } as Part;
      else result.push({ type: "tool", callId: part.toolCallId, name: part.toolName, input: null, ...end });
    } else result.push(fromVibexPart(part));
  }
  return result;
}

function fromVibexPart(part: Exclude<VibexPart, { type: "tool-result" }>): Part {
  switch (part.type) {
    case "text":
      return { type: "text", text: part.text };
    case "reasoning":
      return { type: "reasoning", text: part.content };
    case "tool-call":
      return { type: "tool", callId: part.toolCallId, name: part.toolName, input: part.args };
    case "image":
    case "file":
      return fromVibexFile(part);
    default:
      return { type: "data", name: part.type, data: part as unknown as Json };
  }
}

/** An image may be a URL or its bytes; a file is its bytes. */
export function fromVibexFile(
  part: Extract<VibexPart, { type: "image" | "file" }>,
): Extract<Part, { type: "file" }> {
  if (part.type === "file") return { type: "file", mediaType: part.mimeType, data: part.data };
  const mediaType = part.mimeType ?? "image/*";
  return /^[a-z][a-z0-9+.-]*:/i.test(part.image)
    ? { type: "file", mediaType, url: part.image }
    : { type: "file", mediaType, data: part.image };
}

/** Any result as a text. */
export function textOf(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value ?? null);
}
