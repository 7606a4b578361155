import { defaultApplyEvents, HttpAgent, verifyEvents } from "@ag-ui/client";
import type { BaseEvent, Message } from "@ag-ui/core";
import { EventSchemas } from "@ag-ui/core/schemas";
import { from, lastValueFrom, type Observable, toArray } from "rxjs";
import type { AgUiEvent, AgUiMessage } from "../../src/protocols/ag-ui/events.ts";

/** What AG-UI's own client makes of a stream. */
export interface Judged {
  readonly messages: readonly Message[];
  readonly state: unknown;
}

/**
 * Gives a stream to AG-UI's schemas, to its verifier and to the fold that its clients keep. Throws unless all
 * accept it. A client that begins with messages of its own is given those.
 */
export async function judge(
  events: readonly AgUiEvent[],
  initialMessages: readonly AgUiMessage[] = [],
  initialState: unknown = {},
): Promise<Judged> {
  for (const event of events) {
    EventSchemas.parse(event);
    const unknown = Object.keys(event).filter((field) => !knownFields.get(event.type)?.has(field));
    if (unknown.length > 0) throw new Error(`AG-UI does not know ${unknown.join(", ")} of ${event.type}`);
  }
  const agent = new HttpAgent({
    url: "http://judge/",
    initialMessages: structuredClone(initialMessages) as Message[],
  });
  const input = { threadId: "", runId: "", messages: [], tools: [], context: [], state: initialState };
  const stream = from(structuredClone(events) as unknown as BaseEvent[]) as Observable<BaseEvent>;
  const verified = verifyEvents()(stream as never) as never;
  const mutations = await lastValueFrom(
    (
      defaultApplyEvents(input, verified, agent, []) as never as Observable<{
        messages?: Message[];
        state?: unknown;
      }>
    ).pipe(toArray()),
  );
  return {
    messages: mutations.findLast(({ messages }) => messages)?.messages ?? agent.messages,
    state: mutations.findLast(({ state }) => state !== undefined)?.state ?? initialState,
  };
}

/** Gives a stream to the verifier alone. Throws with the place where it is refused. */
export async function verified(events: readonly AgUiEvent[], where: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    verifyEvents()(from(events as never) as never).subscribe({
      error: (error: Error) => reject(new Error(`${where}: ${error.message}`)),
      complete: resolve,
    });
  });
}

/** The fields that AG-UI knows, by type. Its schemas let others pass, its client strips them: here they are a mistake. */
const knownFields = new Map(
  EventSchemas.options.map((option) => [
    [...option.shape.type.values][0] as string,
    new Set(Object.keys(option.shape)),
  ]),
);

/** Every AG-UI run of a stream has ended: the verifier does not ask. */
export function endsWell(events: readonly AgUiEvent[]): boolean {
  const last = events.at(-1)?.type;
  return last === "RUN_FINISHED" || last === "RUN_ERROR";
}

/** Messages without what only says where a viewer is. */
export function bare(messages: readonly (Message | AgUiMessage)[]): unknown[] {
  return messages.map(({ metadata: _, ...message }) => {
    if (!("toolCalls" in message) || !message.toolCalls) return message;
    return { ...message, toolCalls: message.toolCalls.map(({ metadata: __, ...call }) => call) };
  });
}
