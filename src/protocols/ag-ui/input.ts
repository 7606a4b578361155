import type { RunAgentInput } from "@ag-ui/core";
import { RunError } from "../../errors.ts";
import type { EventOf } from "../../events.ts";
import { checkId } from "../../schema.ts";
import type { ThreadPolicy } from "../../thread.ts";
import type { AgUiMessage } from "./events.ts";

type Fields = Record<string, unknown>;
export type Approval = Pick<EventOf<"input.approval">, "approvalId" | "approved" | "reason">;

/** What a front end asks for. */
export interface AgUiInput {
  readonly threadId: string;
  readonly runId: string;
  readonly messages: readonly AgUiMessage[];
  /** Answers to the interrupts of the thread's run; such a request goes on with it. */
  readonly resume: readonly Approval[] | undefined;
  readonly whileBusy: ThreadPolicy | undefined;
  /** What the front end says beside the conversation, as it came: for the agent's tools. */
  readonly passed: Pick<RunAgentInput, "state" | "tools" | "context" | "forwardedProps">;
}

/**
 * The body of a request, AG-UI 1.0's `RunAgentInput`. Fields that AG-UI does not know pass. Throws
 * `invalid_request`, naming the field; `invalid_id` for a thread or run that cannot be one here.
 */
export function parseInput(body: unknown): AgUiInput {
  const fields = objectOf(body, "the body");
  const { threadId, runId, protocolVersion, parentRunId, state, forwardedProps, resume } = fields;
  checkId(threadId, "threadId");
  checkId(runId, "runId");
  optional(protocolVersion, text, '"protocolVersion"');
  optional(parentRunId, text, '"parentRunId"');
  const messages = listOf(fields.messages, '"messages"').map((each, index) =>
    messageOf(each, `messages[${index}]`),
  );
  const tools = listOf(fields.tools ?? [], '"tools"').map((each, index) => {
    const tool = objectOf(each, `tools[${index}]`);
    text(tool.name, `tools[${index}].name`);
    text(tool.description, `tools[${index}].description`);
    return each;
  });
  const context = listOf(fields.context ?? [], '"context"').map((each, index) => {
    const { description, value } = objectOf(each, `context[${index}]`);
    text(description, `context[${index}].description`);
    text(value, `context[${index}].value`);
    return each;
  });
  return {
    threadId: threadId as string,
    runId: runId as string,
    messages,
    resume: resume === undefined ? undefined : approvalsOf(resume),
    whileBusy: policyOf(forwardedProps),
    passed: {
      state,
      tools: tools as RunAgentInput["tools"],
      context: context as RunAgentInput["context"],
      forwardedProps,
    },
  };
}

function messageOf(value: unknown, where: string): AgUiMessage {
  const message = objectOf(value, where);
  text(message.id, `${where}.id`);
  switch (message.role) {
    case "system":
    case "developer":
    case "reasoning":
      text(message.content, `${where}.content`);
      break;
    case "user":
      contentOf(message.content, `${where}.content`);
      break;
    case "tool":
      text(message.toolCallId, `${where}.toolCallId`);
      contentOf(message.content, `${where}.content`);
      optional(message.error, text, `${where}.error`);
      break;
    case "assistant": {
      optional(message.content, text, `${where}.content`);
      if (message.toolCalls === undefined) break;
      for (const [index, each] of listOf(message.toolCalls, `${where}.toolCalls`).entries()) {
        const at = `${where}.toolCalls[${index}]`;
        const call = objectOf(each, at);
        text(call.id, `${at}.id`);
        const { name, arguments: args } = objectOf(call.function, `${at}.function`);
        text(name, `${at}.function.name`);
        text(args, `${at}.function.arguments`);
      }
      break;
    }
    case "activity":
      text(message.activityType, `${where}.activityType`);
      objectOf(message.content, `${where}.content`);
      break;
    default:
      throw invalid(
        `${where}.role must be one of user, assistant, tool, system, developer, reasoning, activity, got ${show(message.role)}`,
      );
  }
  return message as unknown as AgUiMessage;
}

/** A text, or parts: text, or media with a source. */
function contentOf(value: unknown, where: string): void {
  if (typeof value === "string") return;
  if (!Array.isArray(value))
    throw invalid(`${where} must be a text or an array of parts, got ${show(value)}`);
  for (const [index, each] of value.entries()) {
    const at = `${where}[${index}]`;
    const part = objectOf(each, at);
    if (part.type === "text") {
      text(part.text, `${at}.text`);
      continue;
    }
    if (!["image", "audio", "video", "document"].includes(part.type as string)) {
      throw invalid(`${at}.type must be one of text, image, audio, video, document, got ${show(part.type)}`);
    }
    const source = objectOf(part.source, `${at}.source`);
    if (!["data", "url", "file"].includes(source.type as string))
      throw invalid(`${at}.source.type must be one of data, url, file, got ${show(source.type)}`);
    text(source.value, `${at}.source.value`);
    if (source.type === "data") text(source.mimeType, `${at}.source.mimeType`);
    else optional(source.mimeType, text, `${at}.source.mimeType`);
  }
}

/** The answers of people: approvals, each with an interrupt's id. */
function approvalsOf(resume: unknown): Approval[] {
  const entries = listOf(resume, '"resume"');
  if (entries.length === 0) throw invalid('"resume" must answer at least one interrupt; leave it out to ask');
  const seen = new Set<string>();
  return entries.map((each, index): Approval => {
    const where = `resume[${index}]`;
    const { interruptId, status, payload } = objectOf(each, where);
    text(interruptId, `${where}.interruptId`);
    const approvalId = interruptId as string;
    if (seen.has(approvalId)) throw invalid(`${where}.interruptId ${show(approvalId)} is answered twice`);
    seen.add(approvalId);
    if (status === "cancelled") return { approvalId, approved: false };
    if (status !== "resolved")
      throw invalid(`${where}.status must be one of resolved, cancelled, got ${show(status)}`);
    const { approved, reason, editedArgs } = objectOf(payload, `${where}.payload`);
    if (typeof approved !== "boolean")
      throw invalid(`${where}.payload.approved must be true or false, got ${show(approved)}`);
    optional(reason, text, `${where}.payload.reason`);
    // To call the tool as it was asked for would be to do what the person has just changed.
    if (editedArgs !== undefined)
      throw invalid(
        `${where}.payload.editedArgs cannot be taken: deny the call and say in "reason" what to change`,
      );
    return { approvalId, approved, ...(typeof reason === "string" && { reason }) };
  });
}

function policyOf(forwardedProps: unknown): ThreadPolicy | undefined {
  const policy = (Object(forwardedProps) as Fields).whileBusy;
  if (policy === undefined || policy === "reject" || policy === "queue" || policy === "replace")
    return policy;
  throw invalid(`forwardedProps.whileBusy must be one of reject, queue, replace, got ${show(policy)}`);
}

function objectOf(value: unknown, where: string): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw invalid(`${where} must be an object, got ${show(value)}`);
}

function listOf(value: unknown, where: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw invalid(`${where} must be an array, got ${show(value)}`);
}

function text(value: unknown, where: string): void {
  if (typeof value !== "string") throw invalid(`${where} must be a text, got ${show(value)}`);
}

function optional(value: unknown, check: (value: unknown, where: string) => void, where: string): void {
  if (value !== undefined) check(value, where);
}

function show(value: unknown): string {
  return (JSON.stringify(value) ?? "nothing").slice(0, 80);
}

export function invalid(why: string): RunError {
  return new RunError("invalid_request", `Cannot read the request: ${why}`);
}
