import type { Part } from "../events.ts";

/** Parts with neighbours of one kind as one, and without metadata: a text may have been streamed in several blocks. */
export function joinedParts(parts: readonly Part[]): Part[] {
  const all: Part[] = [];
  for (const part of parts) {
    const last = all.at(-1);
    if (part.type !== "text" && part.type !== "reasoning") all.push(part);
    else if (last?.type === part.type) all[all.length - 1] = { type: part.type, text: last.text + part.text };
    else all.push({ type: part.type, text: part.text });
  }
  return all;
}
