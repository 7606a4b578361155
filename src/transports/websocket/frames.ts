import type { Frame, Frames } from "../../view.ts";
import { formatMessage } from "./format.ts";

/** About how much of a log travels in one message, in characters: what is longer than that goes alone. */
const FRAMES_CHARS = 64 * 1024;

/**
 * Frames as the messages of a subscription, each made when it is asked for. A message holds whole entries, so
 * that a viewer who is cut off between two messages has nothing half. Data is JSON already, and goes in as it is.
 */
export function* formatFrames(id: string, frames: Frames): Generator<string, void, undefined> {
  const head = `{"type":"frames","id":${JSON.stringify(id)},"frames":[`;
  let body = "";
  for (const frame of frames) {
    if (frame.event === "reset") {
      if (body !== "") yield `${head}${body}]}`;
      body = "";
      const { reason } = JSON.parse(frame.data) as { reason: string };
      yield formatMessage({ type: "reset", id, reason });
      continue;
    }
    body += (body && ",") + formatFrame(frame);
    if (frame.cursor === undefined || body.length < FRAMES_CHARS) continue;
    yield `${head}${body}]}`;
    body = "";
  }
  if (body !== "") yield `${head}${body}]}`;
}

function formatFrame({ cursor, event, data }: Frame): string {
  const at = cursor === undefined ? "" : `"cursor":"${cursor}",`;
  const name = event === undefined ? "" : `"event":${JSON.stringify(event)},`;
  return `{${at}${name}"data":${data}}`;
}
