import { eventOf, type Said } from "./said.ts";
import { through } from "./through.ts";

/**
 * The text of entries or events as it streams: that of each `text.delta`. What a retry withdraws has been said
 * by then; whoever shows it must look at the events.
 */
export function textOf(source: AsyncIterable<Said>): AsyncGenerator<string, void, undefined> {
  return through(source, async function* (reader) {
    for (let result = await reader.next(); !result.done; result = await reader.next()) {
      const event = eventOf(result.value);
      if (event.type === "text.delta") yield event.text;
    }
  });
}
