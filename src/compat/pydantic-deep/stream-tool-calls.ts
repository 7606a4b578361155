import type { Input, Json } from "../../events.ts";
import { type AnyAgent, interruptible, ownRun, type RunOptions } from "../own-run.ts";
import { shown, unlessFailed } from "./run-stream.ts";

/** A call that begins. */
export interface ToolCallStart {
  readonly type: "start";
  /** The provider's id of the call: the same at its end. */
  readonly callId: string;
  readonly toolName: string;
  readonly args: Json;
}

/** A call that is over: it has a `result`, or an `error` if it failed. */
export type ToolCallEnd = {
  readonly type: "end";
  readonly callId: string;
  readonly toolName: string;
  readonly args: Json;
  /** By a monotonic clock; undefined for a call that was not made. */
  readonly durationSeconds: number | undefined;
} & (
  | { readonly result: Json; readonly error?: undefined }
  | { readonly error: string; readonly result?: undefined }
);

export type StreamedToolCall = ToolCallStart | ToolCallEnd;

/**
 * Starts a run and yields the start and the end of each tool call, as they happen. Breaking off cancels the run.
 * Throws `run_failed` or `run_cancelled` if the run ends so.
 */
export function streamToolCalls(
  agent: AnyAgent,
  prompt: Input,
  options: RunOptions = {},
): AsyncGenerator<StreamedToolCall, void, undefined> {
  return interruptible(async function* (left) {
    const started = new Map<string, ToolCallStart>();
    for await (const { event_type, data } of shown(unlessFailed(ownRun(agent, prompt, options, left)))) {
      if (event_type === "tool_start") {
        const { tool_call_id: callId = "", tool_name: toolName, args = null } = data;
        const start: ToolCallStart = { type: "start", callId, toolName, args };
        started.set(callId, start);
        yield start;
      } else if (event_type === "tool_end") {
        const { tool_call_id: callId = "", tool_name: toolName, duration_seconds: durationSeconds } = data;
        const args = started.get(callId)?.args ?? null;
        started.delete(callId);
        const end = { type: "end", callId, toolName, args, durationSeconds } as const;
        yield data.error === undefined
          ? { ...end, result: data.result ?? null }
          : { ...end, error: data.error };
      }
    }
  });
}
