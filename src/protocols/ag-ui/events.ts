import type { AGUIEvent, Message } from "@ag-ui/core";

/** An event of AG-UI 1.0 as it is on the wire: its type is a plain text there. */
export type AgUiEvent = AGUIEvent extends infer Each
  ? Each extends { type: infer Type extends string }
    ? Omit<Each, "type"> & { readonly type: `${Type}` }
    : never
  : never;

export type AgUiEventOf<Type extends AgUiEvent["type"]> = Extract<AgUiEvent, { type: Type }>;

/** A message as AG-UI front ends keep it. */
export type AgUiMessage = Message;

/** The version of AG-UI that is spoken. */
export const AG_UI_VERSION = "1.0";

/** Keys of what this server adds to an event's `metadata`. */
export const metadataKeys = {
  /** On the last event of each entry: where a viewer that has read so far can go on. */
  cursor: "runlog-cursor",
  /** On `RUN_STARTED`: the run that is shown, which is not `runId` once an interrupt was answered. */
  run: "runlog-run",
  /** On the end of the whole run: USD, or null if unknown. */
  cost: "runlog-cost",
  /** On `STEP_FINISHED`: what the model call came to. */
  step: "runlog-step",
  /** On an interrupt: the tool and its input. */
  tool: "runlog-tool",
} as const;
