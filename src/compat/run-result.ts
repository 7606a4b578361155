import type { Entry, Json, Message, Usage } from "../events.ts";
import { finalText, toMessages } from "../messages.ts";
import { Summary } from "../summary.ts";

/** What became of a run that finished. */
export interface RunResult {
  /** The structured output if the agent gave one, else the text of its last message. */
  readonly output: Json;
  /** The whole conversation: what `messageHistory` of the next run takes. */
  readonly messages: readonly Message[];
  readonly usage: Usage | undefined;
  /** USD; null where a part of it is unknown. */
  readonly cost: number | null;
}

export function resultOf(entries: readonly Entry[]): RunResult {
  const summary = new Summary();
  for (const { event, at } of entries) summary.apply(event, at);
  const messages = toMessages(entries);
  const { output, usage, cost } = summary;
  return { output: output ?? finalText(messages), messages, usage, cost };
}
