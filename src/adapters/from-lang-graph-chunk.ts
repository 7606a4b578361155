import { fields, list } from "./fields.ts";

export type LangGraphMode =
  | "values"
  | "updates"
  | "messages"
  | "custom"
  | "tasks"
  | "tools"
  | "debug"
  | "checkpoints";

const modes: ReadonlySet<unknown> = new Set<LangGraphMode>([
  "values",
  "updates",
  "messages",
  "custom",
  "tasks",
  "tools",
  "debug",
  "checkpoints",
]);

/** A chunk of a graph's stream. The namespace is that of the subgraph, as in `["child:<task id>"]`; empty for the graph itself. */
export interface LangGraphChunk {
  readonly namespace: readonly string[];
  readonly mode: LangGraphMode;
  readonly data: unknown;
}

/**
 * A chunk in any of its shapes: the bare data of a single mode, `[mode, data]` of several, and each of them with the
 * namespace before it.
 */
export function chunkOf(chunk: unknown, mode?: LangGraphMode): LangGraphChunk {
  if (mode !== undefined && !modes.has(mode)) {
    throw new TypeError(`Cannot read a stream of mode "${mode}": it must be one of ${[...modes].join(", ")}`);
  }
  if (chunk instanceof Uint8Array) {
    throw new TypeError('Cannot read a chunk of bytes: call the graph\'s "stream" without "encoding"');
  }
  if (Array.isArray(chunk)) {
    const [first, second, third] = chunk;
    if (chunk.length === 3 && isNamespace(first) && modes.has(second)) {
      return { namespace: first, mode: second as LangGraphMode, data: third };
    }
    if (chunk.length === 2) {
      if (mode === undefined && modes.has(first))
        return { namespace: [], mode: first as LangGraphMode, data: second };
      if (isNamespace(first)) return { namespace: first, mode: mode ?? modeOf(second), data: second };
    }
  }
  return { namespace: [], mode: mode ?? modeOf(chunk), data: chunk };
}

function modeOf(data: unknown): LangGraphMode {
  if (Array.isArray(data) && data.length === 2 && kindOf(data[0]) !== undefined) return "messages";
  if (typeof data === "object" && data !== null && !Array.isArray(data)) return "updates";
  const shown = typeof data === "string" ? JSON.stringify(data.slice(0, 40)) : typeof data;
  throw new TypeError(
    `Cannot tell the stream mode of ${shown}: pass { streamMode }, or several modes to the graph's "stream"`,
  );
}

/** Every part of a namespace is a node and its task. */
function isNamespace(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((part) => typeof part === "string" && part.includes(":"));
}

export type MessageKind = "ai" | "tool" | "human" | "system" | "remove" | "other";

/** What kind of message a value is; undefined for what is none. */
export function kindOf(value: unknown): MessageKind | undefined {
  const { getType, _getType, type, content } = fields(value);
  const asked = getType ?? _getType;
  const told = typeof asked === "function" ? asked.call(value) : content === undefined ? undefined : type;
  if (typeof told !== "string") return undefined;
  if (told === "AIMessageChunk") return "ai";
  return kinds.find((kind) => kind === told) ?? (typeof asked === "function" ? "other" : undefined);
}

const kinds: readonly MessageKind[] = ["ai", "tool", "human", "system", "remove"];

/** The messages in what a node gave to the state: in any of its fields. A node may have given several pieces. */
export function messagesIn(update: unknown): readonly unknown[] {
  if (kindOf(update) !== undefined) return [update];
  if (Array.isArray(update)) return update.flatMap(messagesIn);
  return Object.values(fields(update)).flatMap((value) => {
    if (kindOf(value) !== undefined) return [value];
    return list(value).filter((each) => kindOf(each) !== undefined);
  });
}
