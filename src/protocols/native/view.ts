import { typeFilter } from "../../event-filter.ts";
import { isTerminalType } from "../../events.ts";
import type { View } from "../../view.ts";

export interface NativeOptions {
  /** Only these event types, `*` for any characters, and the terminal event. @default all */
  readonly types?: readonly string[] | undefined;
  /** Puts the cursor into each message, for transports that have no place of their own for it. @default false */
  readonly cursors?: boolean | undefined;
}

/** A run as it is: each entry as `{ seq, at, event }`, its event's JSON as it was stored. */
export function nativeView({ types, cursors }: NativeOptions = {}): View {
  const shown = types && typeFilter(types);
  return {
    name: "native",
    key: `native ${JSON.stringify([types, cursors])}`,
    stateless: true,
    start: () => (entry) => {
      if (shown && !shown(entry.type) && !isTerminalType(entry.type)) return [];
      const cursor = cursors ? `"cursor":"${entry.cursor}",` : "";
      return [{ data: `{"seq":${entry.seq},"at":${entry.at},${cursor}"event":${entry.json}}` }];
    },
  };
}
