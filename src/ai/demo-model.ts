import { setTimeout as sleepFor } from "node:timers/promises";
import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4Content,
  LanguageModelV4FinishReason,
  LanguageModelV4Message,
  LanguageModelV4Prompt,
  LanguageModelV4StreamPart,
  LanguageModelV4Usage,
} from "@ai-sdk/provider";
import type { Json } from "../events.ts";
import { type DemoAnswer, type DemoScene, demoTurn } from "./demo-script.ts";

export interface DemoModelOptions {
  /** From the request to the first piece, in ms. @default 400 */
  readonly firstTokenMs?: number;
  /** Pieces of output per second; `Infinity` streams without a timer. @default 60 */
  readonly tokensPerSecond?: number;
  /** How uneven the rhythm is, from 0 to 1. @default 0.5 */
  readonly jitter?: number;
  /** Another rhythm for the same question. @default 1 */
  readonly seed?: number;
  /** Waits, and rejects once the signal aborts. @default a timer */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<unknown>;
}

/**
 * A language model that needs no key and no network: a script which thinks, calls the tools it knows from
 * the demo agent, and streams markdown in the rhythm of a real one. The same conversation always gets the
 * same answer.
 */
export function demoModel(options: DemoModelOptions = {}): LanguageModelV4 {
  const { firstTokenMs = 400, tokensPerSecond = 60, jitter = 0.5, seed = 1, sleep = defaultSleep } = options;
  if (!(firstTokenMs >= 0)) throw new RangeError(`firstTokenMs must be 0 or more, got ${firstTokenMs}`);
  if (!(tokensPerSecond > 0))
    throw new RangeError(`tokensPerSecond must be more than 0, got ${tokensPerSecond}`);
  if (!(jitter >= 0 && jitter <= 1)) throw new RangeError(`jitter must be from 0 to 1, got ${jitter}`);

  const stream = async function* ({ prompt, tools, abortSignal }: LanguageModelV4CallOptions) {
    const signal = abortSignal ?? new AbortController().signal;
    const text = JSON.stringify(prompt);
    const random = randomOf(text, seed);
    const pause = async (ms: number) => {
      signal.throwIfAborted();
      if (ms > 0) await sleep(ms * (1 + jitter * (random() * 2 - 1)), signal);
    };
    yield { type: "stream-start", warnings: [] } satisfies LanguageModelV4StreamPart;
    await pause(firstTokenMs);
    let pieces = 0;
    for (const part of partsOf(prompt, new Set(tools?.map((tool) => tool.name)), text.length)) {
      if ("delta" in part && pieces++ > 0) await pause(1000 / tokensPerSecond);
      yield part;
    }
  };

  return {
    specificationVersion: "v4",
    provider: "demo",
    modelId: "demo",
    supportedUrls: {},
    async doStream(call) {
      call.abortSignal?.throwIfAborted();
      return { stream: ReadableStream.from(stream(call)) };
    },
    async doGenerate(call) {
      const parts: LanguageModelV4StreamPart[] = [];
      for await (const part of stream(call)) parts.push(part);
      return { content: contentOf(parts), ...endOf(parts), warnings: [] };
    },
  };
}

async function defaultSleep(ms: number, signal: AbortSignal): Promise<void> {
  await sleepFor(ms, undefined, { signal });
}

function* partsOf(
  prompt: LanguageModelV4Prompt,
  tools: ReadonlySet<string>,
  promptLength: number,
): Generator<LanguageModelV4StreamPart, void, undefined> {
  const { thought, text, calls } = demoTurn({ ...sceneOf(prompt), tools });
  let output = 0;
  const pieces = (said: string): string[] => {
    // About as long as the tokens of real models; a piece never splits a character.
    const found = said.match(/\s*\S{1,6}|\s+$/gu) ?? [];
    output += found.length;
    return found;
  };
  if (thought) {
    yield { type: "reasoning-start", id: "thought" };
    for (const delta of pieces(thought)) yield { type: "reasoning-delta", id: "thought", delta };
    yield { type: "reasoning-end", id: "thought" };
  }
  const reasoning = output;
  if (text) {
    yield { type: "text-start", id: "text" };
    for (const delta of pieces(text)) yield { type: "text-delta", id: "text", delta };
    yield { type: "text-end", id: "text" };
  }
  const before = callsIn(prompt).length;
  for (const [index, { name, input }] of calls.entries()) {
    const id = `call-${before + index + 1}`;
    const json = JSON.stringify(input);
    yield { type: "tool-input-start", id, toolName: name };
    for (const delta of pieces(json)) yield { type: "tool-input-delta", id, delta };
    yield { type: "tool-input-end", id };
    yield { type: "tool-call", toolCallId: id, toolName: name, input: json };
  }
  const input = Math.ceil(promptLength / 4);
  yield {
    type: "finish",
    finishReason:
      calls.length > 0 ? { unified: "tool-calls", raw: "tool-calls" } : { unified: "stop", raw: "stop" },
    usage: {
      inputTokens: { total: input, noCache: input, cacheRead: undefined, cacheWrite: undefined },
      outputTokens: { total: output, text: output - reasoning, reasoning },
    },
  };
}

function sceneOf(prompt: LanguageModelV4Prompt): Omit<DemoScene, "tools"> {
  const asked = prompt.findLastIndex((message) => message.role === "user");
  const message = prompt[asked];
  const texts =
    message?.role === "user" ? message.content.map((part) => (part.type === "text" ? part.text : "")) : [];
  const after = prompt.slice(asked + 1);
  const inputs = new Map(callsIn(after).map((call) => [call.toolCallId, call.input]));
  const answers = after.flatMap((message) => {
    if (message.role !== "tool") return [];
    return message.content.flatMap((part): DemoAnswer[] => {
      if (part.type !== "tool-result") return [];
      const { output } = part;
      const value =
        "value" in output ? (output.value as Json) : ((output as { reason?: string }).reason ?? "");
      const failed = output.type !== "text" && output.type !== "json";
      return [
        {
          name: part.toolName,
          input: (inputs.get(part.toolCallId) ?? {}) as DemoAnswer["input"],
          output: value,
          failed,
        },
      ];
    });
  });
  return { question: texts.join("\n"), answers };
}

function callsIn(prompt: readonly LanguageModelV4Message[]) {
  return prompt.flatMap((message) =>
    message.role === "assistant" ? message.content.filter((part) => part.type === "tool-call") : [],
  );
}

/** Numbers from 0 to 1 that depend on the text and the seed only. */
function randomOf(text: string, seed: number): () => number {
  let state = seed | 0;
  for (let at = 0; at < text.length; at++) state = Math.imul(state ^ text.charCodeAt(at), 0x01000193);
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 0) / 2 ** 32;
  };
}

function contentOf(parts: readonly LanguageModelV4StreamPart[]): LanguageModelV4Content[] {
  const content: LanguageModelV4Content[] = [];
  for (const part of parts) {
    const last = content.at(-1);
    if (part.type === "text-start") content.push({ type: "text", text: "" });
    else if (part.type === "reasoning-start") content.push({ type: "reasoning", text: "" });
    else if (part.type === "tool-call") content.push(part);
    else if ((part.type === "text-delta" || part.type === "reasoning-delta") && last && "text" in last)
      last.text += part.delta;
  }
  return content;
}

function endOf(parts: readonly LanguageModelV4StreamPart[]): {
  finishReason: LanguageModelV4FinishReason;
  usage: LanguageModelV4Usage;
} {
  const end = parts.find((part) => part.type === "finish")!;
  return { finishReason: end.finishReason, usage: end.usage };
}
