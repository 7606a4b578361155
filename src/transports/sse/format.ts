import type { Frame } from "../../view.ts";

/** The content type of SSE; old Python clients guess Latin-1 where the charset is left out. */
export const SSE_TYPE = "text/event-stream; charset=utf-8";

/**
 * A frame as SSE. Data is JSON without line ends, the event name one of the view's own words and the id a
 * cursor: nothing in a payload can end a line, so nothing can forge a frame. Checked all the same: a view that
 * breaks the rule is a bug that must not become an attack.
 */
export function formatFrame({ data, event, cursor }: Frame): string {
  const id = cursor === undefined ? "" : `id: ${cursor}\n`;
  const name = event === undefined ? "" : `event: ${event}\n`;
  const text = `${id}${name}data: ${data}\n\n`;
  const start = id.length + name.length;
  const whole = text.indexOf("\n", start) === text.length - 2 && !text.includes("\r") && !text.includes("\0");
  if (!whole || event?.includes("\n"))
    throw new TypeError("Cannot send an SSE frame: its data holds a line end");
  return text;
}

/** A comment: keeps proxies from closing a quiet connection. */
export const HEARTBEAT = ":\n\n";

/** How long a client is to wait before it connects again, in ms. */
export function formatRetry(ms: number): string {
  return `retry: ${ms}\n\n`;
}

/** The same for a server that stops: its viewers all come back, but not all in the same moment. */
export function formatComeBack(ms: number): string {
  return formatRetry(Math.round(ms * (0.5 + 2 * Math.random())));
}
