import type { AgentStream, RunContext } from "../../src/agent.ts";
import type { Input, Message } from "../../src/events.ts";

export function textOf(input: Input): string {
  return typeof input === "string" ? input : input.map(textOfMessage).join(" ");
}

function textOfMessage({ parts }: Message): string {
  return parts.map((part) => (part.type === "text" ? part.text : `[${part.type}]`)).join(" ");
}

/** Says what was said before, and what it was asked. */
export async function* parrot({ input, history }: RunContext): AgentStream {
  yield { type: "step.started", step: 1 };
  yield { type: "text.started", id: "1" };
  for (const message of history)
    yield { type: "text.delta", id: "1", text: `${message.role}: ${textOfMessage(message)}; ` };
  yield { type: "text.delta", id: "1", text: `You said ${textOf(input)}` };
  yield { type: "text.finished", id: "1" };
  yield {
    type: "step.finished",
    step: 1,
    finishReason: "stop",
    usage: { inputTokens: 10, outputTokens: 5 },
    cost: 0.5,
  };
}

/** Asks before it deletes, as often as it is told to, and says what came of it. */
export async function* careful({ input, entries }: RunContext): AgentStream {
  const calls = Array.from({ length: textOf(input).split(" and ").length }, (_, index) => `c-${index + 1}`);
  if (entries.length === 0) {
    yield { type: "step.started", step: 1 };
    yield { type: "text.started", id: "1" };
    yield { type: "text.delta", id: "1", text: "May I?" };
    yield { type: "text.finished", id: "1" };
    for (const callId of calls) {
      yield { type: "tool.called", callId, name: "delete", input: { file: callId } };
      yield {
        type: "approval.requested",
        approvalId: `a-${callId}`,
        callId,
        name: "delete",
        input: { file: callId },
      };
    }
    yield { type: "step.finished", step: 1, finishReason: "tool-calls", usage: null, cost: null };
    // As the agent of the AI SDK does after each step.
    yield { type: "progress", iteration: 1, totalTokens: 1, totalCost: null };
    return;
  }
  const answers = new Map(
    entries.flatMap(({ event }) =>
      event.type === "input.approval" ? [[event.approvalId, event] as const] : [],
    ),
  );
  for (const callId of calls) {
    const answer = answers.get(`a-${callId}`);
    if (answer?.approved)
      yield { type: "tool.returned", callId, name: "delete", output: "gone", durationMs: 1 };
    else
      yield { type: "tool.failed", callId, name: "delete", code: "denied", message: answer?.reason ?? "No" };
  }
  yield { type: "step.started", step: 2 };
  yield { type: "text.started", id: "2" };
  yield { type: "text.delta", id: "2", text: "Done." };
  yield { type: "text.finished", id: "2" };
  yield { type: "step.finished", step: 2, finishReason: "stop", usage: null, cost: null };
}

/** Says "one ", and each further word once it is let. */
export class Stepwise {
  readonly name = "stepwise";
  readonly #words: readonly string[];
  #waiting: (() => void)[] = [];
  #allowed = 0;

  constructor(...words: readonly string[]) {
    this.#words = words;
  }

  /** Lets the next word out. */
  next(): void {
    const wake = this.#waiting.shift();
    if (wake) wake();
    else this.#allowed++;
  }

  async *run({ signal }: RunContext): AgentStream {
    yield { type: "text.started", id: "1" };
    for (const [index, word] of this.#words.entries()) {
      if (index > 0) await this.#turn(signal);
      if (signal.aborted) return;
      yield { type: "text.delta", id: "1", text: `${word} ` };
    }
    yield { type: "text.finished", id: "1" };
  }

  #turn(signal: AbortSignal): Promise<void> {
    if (this.#allowed > 0) {
      this.#allowed--;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      signal.addEventListener("abort", () => {
        this.#waiting = this.#waiting.filter((each) => each !== resolve);
        resolve();
      });
    });
  }
}
