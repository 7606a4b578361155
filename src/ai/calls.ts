import type { RunContext } from "../agent.ts";
import type { AgentEvent, EventOf, Json } from "../events.ts";
import { toJson } from "../json.ts";
import { publicMessage } from "../provider-failure.ts";
import { validate } from "./standard-schema.ts";
import type { Tool, ToolContext } from "./tool.ts";

/** A call to one of the agent's own tools. */
export interface ToolCall {
  readonly callId: string;
  readonly name: string;
  readonly input: Json;
  /** Set for a call that cannot be made. */
  readonly failure?: { readonly code: string; readonly message: string };
  /** Set once a person has answered. */
  readonly approval?: { readonly approved: boolean; readonly reason?: string };
}

/** The longest word of a tool that failed: the model may learn from it. */
const MAX_ERROR = 4_000;

export type CallEnd = EventOf<"tool.returned" | "tool.failed">;
type Failure = EventOf<"tool.failed">;

/**
 * Makes the calls of a step, all at once, and yields each end as it comes. A call that a person must agree
 * to is asked about and not made. Returns early, without ends, once the run is aborted.
 */
export async function* makeCalls(
  calls: readonly ToolCall[],
  tools: ReadonlyMap<string, Tool>,
  context: RunContext,
): AsyncGenerator<AgentEvent, { ends: CallEnd[]; waiting: boolean }, undefined> {
  const pending = new Map<string, Promise<CallEnd>>();
  const ends: CallEnd[] = [];
  let waiting = false;
  // A consumer that leaves in the middle stops the tools too.
  const left = new AbortController();
  const signal = AbortSignal.any([context.signal, left.signal]);
  const end = (event: CallEnd): CallEnd => {
    ends.push(event);
    return event;
  };
  const aborted = untilAborted(context.signal);
  try {
    for (const call of calls) {
      if (context.signal.aborted) break;
      const ready = await prepare(call, tools, context);
      if ("failed" in ready) yield end(ready.failed);
      else if (ready.ask) {
        waiting = true;
        const { callId, name, input } = call;
        yield { type: "approval.requested", approvalId: `a-${callId}`, callId, name, input };
      } else pending.set(call.callId, make(call, ready.tool, ready.input, context, signal));
    }
    while (pending.size > 0 && !context.signal.aborted) {
      const next = await Promise.race([...pending.values(), aborted.promise]);
      if (!next || context.signal.aborted) break;
      pending.delete(next.callId);
      yield end(next);
    }
  } finally {
    aborted.forget();
    if (pending.size > 0) left.abort();
  }
  return { ends, waiting };
}

type Ready = { failed: Failure } | { ask: boolean; tool: Tool; input: unknown };

/** Everything that is known before a call is made. */
async function prepare(
  call: ToolCall,
  tools: ReadonlyMap<string, Tool>,
  context: RunContext,
): Promise<Ready> {
  const { callId, name, approval } = call;
  const fail = (code: string, message: string): Ready => ({
    failed: { type: "tool.failed", callId, name, code, message },
  });
  if (call.failure) return fail(call.failure.code, call.failure.message);
  if (approval?.approved === false) return fail("denied", approval.reason ?? "The call was not allowed");
  const tool = tools.get(name);
  if (!tool) return fail("unknown_tool", `There is no tool "${name}"`);
  try {
    const valid = await validate(tool.input, call.input);
    if ("wrong" in valid) return fail("invalid_input", valid.wrong);
    const ask =
      !approval && (await tool.approval(valid.value, { callId, run: context.run, deps: context.deps }));
    return { ask, tool, input: valid.value };
  } catch (error) {
    return fail("tool_error", publicMessage(error, MAX_ERROR));
  }
}

/** Makes a call; what goes wrong is its end, never a rejection. */
async function make(
  call: ToolCall,
  tool: Tool,
  input: unknown,
  context: RunContext,
  runSignal: AbortSignal,
): Promise<CallEnd> {
  const { callId, name } = call;
  const startedAt = performance.now();
  const stop = new AbortController();
  const signal = AbortSignal.any([runSignal, stop.signal]);
  const over = Promise.withResolvers<never>();
  over.promise.catch(() => {});
  const timeout = () => {
    const error = new ToolTimeout(`The tool took longer than ${tool.timeoutMs} ms`);
    over.reject(error);
    stop.abort(error);
  };
  // A timer takes 31 bits of ms; what is longer is no limit.
  const timer = tool.timeoutMs < 2 ** 31 ? setTimeout(timeout, tool.timeoutMs) : undefined;
  const toolContext: ToolContext = {
    callId,
    signal,
    run: context.run,
    deps: context.deps,
    progress: (data) => context.emit({ type: "tool.progressed", callId, data: data as Json }),
    emit: (event) => context.emit(event),
  };
  const fail = (code: string, error: unknown): Failure => {
    const durationMs = performance.now() - startedAt;
    return { type: "tool.failed", callId, name, code, message: publicMessage(error, MAX_ERROR), durationMs };
  };
  let result: unknown;
  try {
    const work = resultOf(tool, input, toolContext);
    work.catch(() => {});
    result = await Promise.race([work, over.promise]);
  } catch (error) {
    return fail(error instanceof ToolTimeout ? "timeout" : "tool_error", error);
  } finally {
    clearTimeout(timer);
  }
  const durationMs = performance.now() - startedAt;
  try {
    return { type: "tool.returned", callId, name, output: toJson(result), durationMs };
  } catch (error) {
    return fail("invalid_output", error);
  }
}

class ToolTimeout extends Error {}

/** The result of a tool, which may say how far it is by yielding. */
async function resultOf(tool: Tool, input: unknown, context: ToolContext): Promise<unknown> {
  const result = tool.execute(input, context);
  if (!isGenerator(result)) return result;
  let last: unknown;
  try {
    while (!context.signal.aborted) {
      const { done, value } = await result.next();
      if (done) return value === undefined ? last : value;
      last = value;
      await context.progress(value);
    }
    throw context.signal.reason;
  } finally {
    // Not waited for: a generator that hangs would hang here too.
    void result.return?.(undefined).catch(() => {});
  }
}

function isGenerator(
  value: unknown,
): value is AsyncIterator<unknown> & { return?(value: unknown): Promise<unknown> } {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value && "next" in value;
}

function untilAborted(signal: AbortSignal): { promise: Promise<undefined>; forget(): void } {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const wake = () => resolve(undefined);
  signal.addEventListener("abort", wake, { once: true });
  return { promise, forget: () => signal.removeEventListener("abort", wake) };
}
