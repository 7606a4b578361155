import { RunError } from "../../errors.ts";
import type { Frames } from "../../view.ts";

/** The frames of a stream. What goes wrong in the middle is told as its last message, made by `failure`. */
export async function* streamFrames(
  frames: AsyncIterable<Frames>,
  failure: (error: unknown) => object,
): AsyncGenerator<Frames, void, undefined> {
  try {
    for await (const some of frames) {
      // A2A has no word for beginning anew.
      if (some.some(({ event }) => event === "reset"))
        throw new RunError(
          "cursor_mismatch",
          "Cannot go on: the log of the task was replaced; ask for it again",
        );
      yield some;
    }
  } catch (error) {
    yield [{ event: "error", data: JSON.stringify(failure(error)) }];
  }
}
