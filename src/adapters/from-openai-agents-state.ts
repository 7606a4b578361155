import type { Entry, EventOf } from "../events.ts";
import { fields } from "./fields.ts";

/** The `custom` event that keeps the state of a run that waits: `{ state, approvals: [{ approvalId, callId }] }`. */
export const STATE_EVENT = "openai-agents.state";

/** A `RunToolApprovalItem`, as far as it is read here. */
export interface OpenAIAgentsInterruption {
  readonly rawItem: unknown;
  readonly name?: string | undefined;
  readonly arguments?: string | undefined;
  readonly agent: { readonly name: string };
}

/** A `RunState`, as far as it is used here. `Item` is the SDK's own. */
export interface OpenAIAgentsRunState<Item extends OpenAIAgentsInterruption> {
  getInterruptions(): Item[];
  approve(item: Item): void;
  reject(item: Item, options?: { message?: string }): void;
}

/** What a person said to one call. `callId` is the SDK's. */
export interface OpenAIAgentsAnswer extends Pick<EventOf<"input.approval">, "approved" | "reason" | "by"> {
  readonly approvalId: string;
  readonly callId: string;
}

export interface OpenAIAgentsWait {
  /** For `RunState.fromString(agent, state)`. */
  readonly state: string;
  readonly answers: readonly OpenAIAgentsAnswer[];
  /** Approves and rejects the calls of the state as people said. A reason is what the model is told of a rejection. */
  answer<Item extends OpenAIAgentsInterruption>(state: OpenAIAgentsRunState<Item>): void;
}

/**
 * What the log of a run that waited says of how it goes on; undefined for a run that does not come from a wait, and for
 * one that went on since: its state is out of date, and its approved calls have been made.
 *
 *     const waited = openAIAgentsState(entries);
 *     if (!waited) return run(assistant, input, { stream: true, signal });
 *     const state = await RunState.fromString(assistant, waited.state);
 *     waited.answer(state);
 *     return run(assistant, state, { stream: true, signal });
 */
export function openAIAgentsState(entries: readonly Entry[]): OpenAIAgentsWait | undefined {
  let state: string | undefined;
  let callIds = new Map<string, string>();
  let answers: OpenAIAgentsAnswer[] = [];
  for (const { event } of entries) {
    if (event.type === "custom" && event.name === STATE_EVENT && event.parent === undefined) {
      const data = fields(event.data);
      state = typeof data.state === "string" ? data.state : undefined;
      callIds = callIdsOf(data.approvals);
      answers = [];
    } else if (event.type === "input.approval") {
      const callId = callIds.get(event.approvalId);
      if (callId === undefined) continue;
      const { approvalId, approved, reason, by } = event;
      const said = { ...(reason !== undefined && { reason }), ...(by !== undefined && { by }) };
      answers.push({ approvalId, callId, approved, ...said });
    } else if (
      event.type === "step.started" ||
      event.type === "tool.returned" ||
      event.type === "tool.failed"
    ) {
      state = undefined;
    }
  }
  if (state === undefined) return undefined;
  return {
    state,
    answers,
    answer: (of) => {
      const left = [...answers];
      for (const item of of.getInterruptions()) {
        const at = left.findIndex(({ callId }) => callId === sdkCallId(item));
        const [said] = at < 0 ? [] : left.splice(at, 1);
        if (said?.approved) of.approve(item);
        else if (said) of.reject(item, said.reason === undefined ? {} : { message: said.reason });
      }
    },
  };
}

/** The SDK's id of the call that an interruption is about. A hosted tool's request has an id of its own. */
export function sdkCallId({ rawItem }: OpenAIAgentsInterruption): string {
  const { callId, id, providerData } = fields(rawItem);
  return String(callId ?? id ?? fields(providerData).id ?? "");
}

function callIdsOf(approvals: unknown): Map<string, string> {
  const pairs = (Array.isArray(approvals) ? approvals : []).map(fields);
  return new Map(pairs.map(({ approvalId, callId }) => [String(approvalId), String(callId)]));
}
