import type { View } from "../../view.ts";
import { Projection } from "./projection.ts";

export interface UiMessageViewOptions {
  /**
   * The client has the message up to this entry, as when it answers an approval: after `start` comes only what
   * continues it. @default 0: the whole message
   */
  readonly after?: number | undefined;
}

/**
 * A run as one assistant message of the AI SDK's UI message stream, version 1. The message's id is the run's: whoever
 * replays the run builds the same message again.
 */
export function uiMessageView(run: string, { after = 0 }: UiMessageViewOptions = {}): View {
  return {
    name: "ui-message",
    start: () => {
      const projection = new Projection(run, after);
      return (entry) => projection.apply(entry).map((chunk) => ({ data: JSON.stringify(chunk) }));
    },
  };
}
