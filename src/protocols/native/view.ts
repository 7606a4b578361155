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
export function nativeView({ types, cursors = false }: NativeOptions = {}): View {
  if (!types) return cursors ? withCursors : whole;
  const shown = typeFilter(types);
  const { start } = nativeView({ cursors });
  return {
    name: "native",
    key: `native ${JSON.stringify([types, cursors])}`,
    stateless: true,
    start() {
      const show = start();
      return (entry) => (shown(entry.type) || isTerminalType(entry.type) ? show(entry) : []);
    },
  };
}

const whole: View = {
  name: "native",
  stateless: true,
  start: () => (entry) => [{ data: `{"seq":${entry.seq},"at":${entry.at},"event":${entry.json}}` }],
};

const withCursors: View = {
  name: "native",
  key: "native with cursors",
  stateless: true,
  start: () => (entry) => [
    { data: `{"seq":${entry.seq},"at":${entry.at},"cursor":"${entry.cursor}","event":${entry.json}}` },
  ],
};
