import type { Entry } from "../events.ts";
import { recordingLine } from "../recording.ts";
import { CLOSED } from "./reader.ts";
import { through } from "./through.ts";

/** Where lines go. What is returned is waited for, if it is a promise. */
export interface LineSink {
  /** Is given a line with its line end. */
  write(line: string): unknown;
  /** Called once, when the reader is done. */
  close?(): unknown;
}

export interface TeeOptions {
  /**
   * Called when a line cannot be written: nothing more is then, and the reader goes on. Left out, the reader
   * is given the error.
   */
  readonly onError?: (error: unknown) => void;
}

/**
 * The values of a source as they are, each written first as a line of JSON. Entries are written as
 * `runlog export` prints them, so what was written can be imported and replayed.
 */
export function tee<Value>(
  source: AsyncIterable<Value>,
  sink: LineSink,
  { onError }: TeeOptions = {},
): AsyncGenerator<Value, void, undefined> {
  return through(source, async function* (reader) {
    let failed = false;
    try {
      for (let result = await reader.next(); !result.done; result = await reader.next()) {
        if (!failed) {
          const written = (async () => sink.write(`${lineOf(result.value)}\n`))();
          try {
            await reader.until(written);
          } catch (error) {
            if (!onError || error === CLOSED) throw error;
            failed = true;
            onError(error);
          }
        }
        yield result.value;
      }
    } finally {
      await sink.close?.();
    }
  });
}

function lineOf(value: unknown): string {
  return isEntry(value) ? recordingLine(value) : (JSON.stringify(value) ?? "null");
}

function isEntry(value: unknown): value is Entry {
  return typeof value === "object" && value !== null && "seq" in value && "at" in value && "event" in value;
}
