import type { Message, Part } from "../events.ts";
import { cutOutput } from "../json.ts";
import type { CallEnd } from "./calls.ts";

/** The parts with the ends of their calls. A message holds what the log keeps: a long output is cut in the same way. */
export function withEnds(parts: readonly Part[], ends: readonly CallEnd[]): Part[] {
  const byCall = new Map(ends.map((end) => [end.callId, end]));
  return parts.map((part) => {
    const end = part.type === "tool" ? byCall.get(part.callId) : undefined;
    if (!end) return part;
    return {
      ...part,
      ...(end.type === "tool.returned" ? { output: cutOutput(end.output).output } : { error: end.message }),
    } as Part;
  });
}

/** An event holds 1 MiB; this leaves room for what is not a part. */
const MAX_MESSAGE_BYTES = 1_000_000;

/** Leaves out of a long message what the log holds already: the outputs, and then the files. */
export function fitting(message: Message): Message {
  let parts = message.parts;
  const long = () => Buffer.byteLength(JSON.stringify(parts)) > MAX_MESSAGE_BYTES;
  if (long()) parts = parts.map((part) => (part.type === "tool" ? withoutOutput(part) : part));
  if (long()) parts = parts.filter((part) => part.type !== "file");
  return { ...message, parts };
}

function withoutOutput(part: Extract<Part, { type: "tool" }>): Part {
  const { output: _, ...call } = part;
  return call;
}
