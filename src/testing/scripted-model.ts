import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4FinishReason,
  LanguageModelV4StreamPart,
  LanguageModelV4Usage,
} from "@ai-sdk/provider";

export type ScriptPart = LanguageModelV4StreamPart;

/** What the model does when it is asked: the parts of its stream, what it throws, or a function that decides. */
export type ScriptTurn =
  | readonly ScriptPart[]
  | Error
  | ((call: LanguageModelV4CallOptions) => Iterable<ScriptPart> | AsyncIterable<ScriptPart>);

export interface ScriptedModel extends LanguageModelV4 {
  /** What the model was asked so far. */
  readonly asked: LanguageModelV4CallOptions[];
}

/** A model for tests that does one thing after another; asked more often than there are turns, it throws. */
export function scriptedModel(
  turns: readonly ScriptTurn[],
  { provider = "test", modelId = "scripted" }: { provider?: string; modelId?: string } = {},
): ScriptedModel {
  const asked: LanguageModelV4CallOptions[] = [];
  return {
    asked,
    specificationVersion: "v4",
    provider,
    modelId,
    supportedUrls: {},
    doGenerate: () => Promise.reject(new Error("A scripted model only streams")),
    async doStream(call) {
      const turn = turns[asked.length];
      asked.push(call);
      if (turn === undefined) throw new Error(`The script has ${turns.length} turns, and this is one more`);
      if (turn instanceof Error) throw turn;
      return { stream: ReadableStream.from(typeof turn === "function" ? turn(call) : turn) };
    },
  };
}

/** Tokens as a provider tells them. */
export function tokens(input: number, output: number, cached = 0, reasoning = 0): LanguageModelV4Usage {
  return {
    inputTokens: { total: input, noCache: input - cached, cacheRead: cached, cacheWrite: undefined },
    outputTokens: { total: output, text: output - reasoning, reasoning },
  };
}

/** A block of text in pieces. */
export function says(pieces: readonly string[], id = "0"): ScriptPart[] {
  return [
    { type: "text-start", id },
    ...pieces.map((delta) => ({ type: "text-delta" as const, id, delta })),
    { type: "text-end", id },
  ];
}

/** A block of reasoning in pieces. */
export function thinks(pieces: readonly string[], id = "r0"): ScriptPart[] {
  return [
    { type: "reasoning-start", id },
    ...pieces.map((delta) => ({ type: "reasoning-delta" as const, id, delta })),
    { type: "reasoning-end", id },
  ];
}

/** A call with its arguments in two pieces. */
export function calls(id: string, toolName: string, input: unknown): ScriptPart[] {
  const json = typeof input === "string" ? input : JSON.stringify(input);
  return [
    { type: "tool-input-start", id, toolName },
    { type: "tool-input-delta", id, delta: json.slice(0, 3) },
    { type: "tool-input-delta", id, delta: json.slice(3) },
    { type: "tool-input-end", id },
    { type: "tool-call", toolCallId: id, toolName, input: json },
  ];
}

export function ends(unified: LanguageModelV4FinishReason["unified"], usage = tokens(10, 5)): ScriptPart[] {
  return [{ type: "finish", finishReason: { unified, raw: unified }, usage }];
}

/** A whole answer. */
export function answers(text: string, usage?: LanguageModelV4Usage): ScriptPart[] {
  return [...says([text]), ...ends("stop", usage)];
}
