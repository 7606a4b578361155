import type { Chunk } from "./chunk.ts";

/** A part of the client's message, as far as it must be known to withdraw others around it. */
export type MessagePart = Block | Call | Whole;

interface Common {
  /** The message of the log that it belongs to. */
  readonly draft?: string | undefined;
}

/** Text that grows. */
export interface Block extends Common {
  readonly is: "block";
  readonly kind: "text" | "reasoning";
  readonly id: string;
  readonly metadata: Metadata;
  text: string;
  open: boolean;
}

export interface Call extends Common {
  readonly is: "call";
  readonly callId: string;
  name: string;
  readonly metadata: Metadata;
  state: "streaming" | "cut" | "called" | "ended";
  /** The arguments' JSON so far, while it streams. */
  args: string;
  /** Whether a person was asked about it. */
  asked: boolean;
  /** What was told since the arguments were whole. */
  told: Chunk[];
}

/** What comes in one piece. */
export interface Whole extends Common {
  readonly is: "whole";
  /** The type and id of a data part. */
  readonly key?: string;
  chunk: Chunk;
}

export type Metadata = {
  readonly providerMetadata?: { readonly runlog: { readonly agent?: string; readonly parent?: string } };
};

/** The chunks that make a part anew. */
export function chunksOf(part: MessagePart): Chunk[] {
  switch (part.is) {
    case "whole":
      return [part.chunk];
    case "block":
      return [
        blockStart(part),
        ...(part.text === "" ? [] : [blockDelta(part, part.text)]),
        ...(part.open ? [] : [blockEnd(part)]),
      ];
    case "call":
      if (part.state !== "streaming" && part.told[0]?.type === "tool-input-available") return part.told;
      return [callStart(part), ...(part.args === "" ? [] : [callDelta(part, part.args)]), ...part.told];
  }
}

export function blockStart({ kind, id, metadata }: Block): Chunk {
  return { type: `${kind}-start`, id, ...metadata };
}

export function blockDelta({ kind, id }: Block, delta: string): Chunk {
  return { type: `${kind}-delta`, id, delta };
}

export function blockEnd({ kind, id }: Block): Chunk {
  return { type: `${kind}-end`, id };
}

export function callStart({ callId, name, metadata }: Call): Chunk {
  return { type: "tool-input-start", toolCallId: callId, toolName: name, ...metadata };
}

export function callDelta({ callId }: Call, text: string): Chunk {
  return { type: "tool-input-delta", toolCallId: callId, inputTextDelta: text };
}
