import type { AgentEvent } from "../events.ts";
import { checkSchema, type StandardSchema } from "./standard-schema.ts";

/** What a tool is given beside its input. */
export interface ToolContext {
  readonly callId: string;
  /** Aborts when the run is cancelled or the tool's time is over. */
  readonly signal: AbortSignal;
  /** The run's id. */
  readonly run: string;
  /** What the program that started the run passed along. */
  readonly deps: unknown;
  /** Says how far the tool is: a `tool.progressed` event. Resolves when the log has room for more. */
  progress(data: unknown): Promise<void>;
  /** Appends any event of an agent: an `artifact`, a `plan`, a `custom` one. */
  emit(event: AgentEvent): Promise<void>;
}

export interface ToolOptions<Input> {
  /** Tells the model when to use it. */
  readonly description?: string;
  /** Any Standard Schema that has a JSON Schema: zod, valibot, arktype, ... */
  readonly input: StandardSchema<Input>;
  /**
   * Returns the result, or a promise of it. As an async generator, what it yields is progress and what it
   * returns is the result; one that returns nothing has its last value as its result. What it throws is
   * shown to the model, and to viewers, as `tool.failed { code: "tool_error" }`.
   */
  execute(input: Input, context: ToolContext): unknown;
  /** Whether a person must agree to a call before it is made. @default false */
  readonly approval?: boolean | ((input: Input, context: ApprovalContext) => boolean | Promise<boolean>);
  /** After this time the call is `tool.failed { code: "timeout" }`, in ms; `Infinity` for no limit. @default 60_000 */
  readonly timeoutMs?: number;
  /** Whether a call may be made again when its process died while it worked. @default false */
  readonly idempotent?: boolean;
}

export type ApprovalContext = Pick<ToolContext, "callId" | "run" | "deps">;

/** A tool as `tool` makes it. */
export interface Tool {
  readonly description: string | undefined;
  readonly input: StandardSchema;
  execute(input: unknown, context: ToolContext): unknown;
  approval(input: unknown, context: ApprovalContext): boolean | Promise<boolean>;
  readonly timeoutMs: number;
  readonly idempotent: boolean;
}

/**
 * A tool for an agent's model. Throws `TypeError` for a schema that cannot be told to a model, `RangeError`
 * for a time that is none.
 */
export function tool<Input>(options: ToolOptions<Input>): Tool {
  const { description, input, approval = false, timeoutMs = 60_000, idempotent = false } = options;
  checkSchema(input);
  if (!(timeoutMs > 0))
    throw new RangeError(`Cannot make a tool: timeoutMs must be more than 0, got ${timeoutMs}`);
  return {
    description,
    input,
    execute: (value, context) => options.execute(value as Input, context),
    approval: (value, context) =>
      typeof approval === "function" ? approval(value as Input, context) : approval,
    timeoutMs,
    idempotent,
  };
}
