import { isTerminalType } from "../../events.ts";
import type { Run } from "../../hub.ts";
import { untilWaiting } from "../../until-waiting.ts";
import { type Frame, type Frames, project } from "../../view.ts";
import type { Chunk } from "./chunk.ts";
import { uiMessageView } from "./view.ts";

/** What every response of the protocol says in its head. */
export function uiMessageHeaders(run: Run): Record<string, string> {
  return { "x-vercel-ai-ui-message-stream": "v1", "runlog-run": run.id };
}

export interface UiMessageFramesOptions {
  /** As in {@linkcode UiMessageViewOptions}. */
  readonly after?: number | undefined;
  /** Ends the frames where they are, without an end: the client comes back. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The answer of a run as it is to travel: what there is, then what comes, up to the run's end or to a question that
 * a person has still to answer; then `[DONE]`.
 */
export async function* uiMessageFrames(
  run: Run,
  { after, signal }: UiMessageFramesOptions = {},
): AsyncGenerator<Frames, void, undefined> {
  const last = await run.log.last();
  const waits = untilWaiting(last?.seq);
  let end: "run" | "question" | undefined;
  const frames = project(run.log, uiMessageView(run.id, { after }), {
    signal,
    until: (entries) => {
      if (isTerminalType(entries.at(-1)?.type ?? "")) end = "run";
      else if (waits(entries)) end = "question";
      return end !== undefined;
    },
  });
  for await (const some of frames) {
    if (some.some(({ event }) => event === "reset")) {
      // Nothing takes back what was told of a log that is no more.
      yield [
        frameOf({ type: "error", errorText: `The log of run "${run.id}" was replaced: load the chat again` }),
        DONE,
      ];
      return;
    }
    yield some;
  }
  // As the AI SDK ends a response that asks.
  if (end === "question") yield [frameOf({ type: "finish", finishReason: "tool-calls" }), DONE];
  else if (end) yield [DONE];
}

const DONE: Frame = { data: "[DONE]" };

function frameOf(chunk: Chunk): Frame {
  return { data: JSON.stringify(chunk) };
}
