import type { Part as SdkPart } from "@a2a-js/sdk";
import { RunError } from "../../errors.ts";
import type { Part } from "../../events.ts";
import type { WirePart } from "./wire.ts";

/**
 * Parts as A2A has them. Thoughts and tool calls are no content and are left out, and so is what this version
 * does not know.
 */
export function toWireParts(parts: readonly Part[]): WirePart[] {
  return parts.flatMap((part): WirePart[] => {
    switch (part.type) {
      case "text":
        return [{ text: part.text }];
      case "data":
        return [{ data: part.data, ...(part.name !== undefined && { filename: part.name }) }];
      case "file":
        return toWireFile(part);
      default:
        return [];
    }
  });
}

/** A file: its bytes, or where they are. */
export function toWireFile(file: {
  readonly mediaType: string;
  readonly data?: string;
  readonly url?: string;
  readonly name?: string;
}): WirePart[] {
  const { mediaType, data, url, name } = file;
  const about = { mediaType, ...(name !== undefined && { filename: name }) };
  if (data !== undefined) return [{ raw: data, ...about }];
  return url === undefined ? [] : [{ url, ...about }];
}

/** A part of a client's message. Throws `invalid_request` for one without content, and for a URL that is not http(s). */
export function fromSdkPart({ content, mediaType, filename }: SdkPart): Part {
  const named = filename === "" ? {} : { name: filename };
  switch (content?.$case) {
    case "text":
      return { type: "text", text: content.value };
    case "data":
      return { type: "data", data: content.value, ...named };
    case "raw":
      return {
        type: "file",
        mediaType: mediaType || BYTES,
        data: content.value.toString("base64"),
        ...named,
      };
    case "url":
      if (!/^https?:\/\//i.test(content.value))
        throw invalid(`the URL of a part must begin with http:// or https://, got ${show(content.value)}`);
      return { type: "file", mediaType: mediaType || BYTES, url: content.value, ...named };
    default:
      throw invalid("each part must have one of text, raw, url, data");
  }
}

const BYTES = "application/octet-stream";

function invalid(why: string): RunError {
  return new RunError("invalid_request", `Cannot read the message: ${why}`);
}

function show(text: string): string {
  return JSON.stringify(text.slice(0, 80).toWellFormed());
}
