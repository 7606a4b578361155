import type { StoredEntry } from "../../batch.ts";
import type { Input } from "../../events.ts";
import { pydanticDeepView } from "../../protocols/pydantic-deep/view.ts";
import { type AnyAgent, failureOf, interruptible, ownRun, type RunOptions } from "../own-run.ts";
import { type RunResult, resultOf } from "../run-result.ts";
import type { StreamEvent } from "./events.ts";

export interface RunStreamWithToolsOptions extends RunOptions {
  /** Whether `progress` events are told. @default true */
  readonly emitProgress?: boolean;
}

export interface CollectOptions extends RunOptions {
  /**
   * Called with each event, and waited for before the next. What it throws does not touch the run: that goes on to
   * its end, and then the promise rejects with it.
   */
  readonly onEvent?: (event: StreamEvent) => unknown;
}

/**
 * Starts a run and yields all that happens in it, from `agent_start` to `agent_end`, as it happens. A run that fails,
 * or is cancelled by others, is told as an `error` before its `agent_end`, and nothing is thrown. Breaking off
 * cancels the run.
 */
export function runStream(
  agent: AnyAgent,
  prompt: Input,
  options: RunOptions = {},
): AsyncGenerator<StreamEvent, void, undefined> {
  return interruptible((left) => shown(ownRun(agent, prompt, options, left)));
}

/** As {@linkcode runStream}, and `progress` events can be left out. */
export function runStreamWithTools(
  agent: AnyAgent,
  prompt: Input,
  options: RunStreamWithToolsOptions = {},
): AsyncGenerator<StreamEvent, void, undefined> {
  const { emitProgress = true } = options;
  return interruptible(async function* (left) {
    for await (const event of shown(ownRun(agent, prompt, options, left)))
      if (emitProgress || event.event_type !== "progress") yield event;
  });
}

/**
 * Starts a run and yields its text, piece by piece. Breaking off cancels the run. Throws `run_failed` or
 * `run_cancelled` if the run ends so.
 */
export function streamText(
  agent: AnyAgent,
  prompt: Input,
  options: RunOptions = {},
): AsyncGenerator<string, void, undefined> {
  return interruptible(async function* (left) {
    for await (const event of shown(unlessFailed(ownRun(agent, prompt, options, left))))
      if (event.event_type === "llm_chunk") yield event.data.text;
  });
}

/** Runs to the end. Rejects with `run_failed` or `run_cancelled` if the run ends so; `onEvent` was told before. */
export async function collectStreamResult(
  agent: AnyAgent,
  prompt: Input,
  options: CollectOptions = {},
): Promise<{ readonly result: RunResult; readonly events: readonly StreamEvent[] }> {
  const entries: StoredEntry[] = [];
  const events: StreamEvent[] = [];
  const troubles: unknown[] = [];
  const run = ownRun(agent, prompt, options, new AbortController().signal);
  for await (const event of shown(tee(run, entries))) {
    events.push(event);
    try {
      await options.onEvent?.(event);
    } catch (error) {
      troubles.push(error);
    }
  }
  const failure = failureOf(entries.at(-1)!.event);
  if (failure) throw failure;
  if (troubles.length > 0) throw troubles[0];
  return { result: resultOf(entries), events };
}

/** The events that entries are shown as: those of `?view=pydantic-deep`. */
export async function* shown(
  entries: AsyncIterable<StoredEntry>,
): AsyncGenerator<StreamEvent, void, undefined> {
  const show = pydanticDeepView.start();
  // Not `yield*`: an array's iterator has no `throw`, and the entries would not be closed.
  for await (const entry of entries)
    for (const { data } of show(entry)) yield JSON.parse(data) as StreamEvent;
}

/** Entries up to an end that went wrong, which is thrown. */
export async function* unlessFailed(
  entries: AsyncIterable<StoredEntry>,
): AsyncGenerator<StoredEntry, void, undefined> {
  for await (const entry of entries) {
    const failure = failureOf(entry.event);
    if (failure) throw failure;
    yield entry;
  }
}

async function* tee(
  entries: AsyncIterable<StoredEntry>,
  kept: StoredEntry[],
): AsyncGenerator<StoredEntry, void, undefined> {
  for await (const entry of entries) {
    kept.push(entry);
    yield entry;
  }
}
