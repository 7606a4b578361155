import { RunError } from "../../errors.ts";
import type { Hub } from "../../hub.ts";
import { untilWaiting } from "../../until-waiting.ts";
import { project } from "../../view.ts";
import { agentorView } from "./view.ts";

export interface AnswerTextOptions {
  readonly hub: Hub;
  /** Ends the answer; the run goes on. */
  readonly signal: AbortSignal;
  /** What a client is told of anything thrown. */
  readonly refusalOf: (error: unknown) => RunError;
}

/**
 * Agentor's `/ws`: `{"text": "..."}` asks the first agent, and each event of the answer is one JSON text. It ends
 * with the run, or when the run waits for a person. What goes wrong is one more event, `"type": "error"`, with the
 * same fields as the others: a client that reads them as it reads those shows its `message`.
 */
export async function* answerText(
  text: string,
  { hub, signal, refusalOf }: AnswerTextOptions,
): AsyncGenerator<string, void, undefined> {
  try {
    const { run } = await hub.start({ input: parseText(text) });
    for await (const frames of project(run.log, agentorView, { signal, until: untilWaiting() })) {
      for (const { event, data } of frames) {
        if (event === "reset")
          throw new RunError("cursor_mismatch", `The log of run "${run.id}" was replaced`);
        yield event === "error" ? failure(JSON.parse(data)) : data;
      }
    }
  } catch (error) {
    yield failure(refusalOf(error));
  }
}

function failure({ code, message }: { readonly code: string; readonly message: string }): string {
  return JSON.stringify({ type: "error", message, chunk: null, tool_action: null, reasoning: null, code });
}

function parseText(text: string): string {
  let fields: unknown;
  try {
    fields = JSON.parse(text);
  } catch {
    // Told below, as any other that is none.
  }
  const asked = (fields as { text?: unknown } | null | undefined)?.text;
  if (typeof asked === "string" && asked !== "") return asked;
  throw new RunError("invalid_request", 'Cannot read the message: it must be {"text": "..."}, and not empty');
}
