import { type EventFilter, eventFilter } from "../event-filter.ts";
import type { Entry, EventType, StreamEvent } from "../events.ts";
import { eventOf, type Said } from "./said.ts";
import { through } from "./through.ts";

/** What is left of values of one kind when only some types are wanted. */
export type OfType<Value extends Said, Type extends string> = Type extends EventType
  ? Value extends Entry
    ? Omit<Value, "event"> & { readonly event: Extract<StreamEvent, { type: Type }> }
    : Extract<Value, { type: Type }>
  : Value;

/**
 * The entries or events that a filter lets through. `types: []` lets nothing through. The server filters the
 * same way for `?types=`, where the terminal event is always shown: on a wire it is how the end is told.
 */
export function filterEvents<Value extends Said, const Type extends string = string>(
  source: AsyncIterable<Value>,
  filter: EventFilter & { readonly types?: readonly Type[] },
): AsyncGenerator<OfType<Value, Type>, void, undefined> {
  const fits = eventFilter(filter);
  return through(source, async function* (reader) {
    /** The run's own agent, once its first event has said it. */
    let agent: string | undefined;
    for (let result = await reader.next(); !result.done; result = await reader.next()) {
      const event = eventOf(result.value);
      if (event.type === "run.started") agent = event.agent ?? undefined;
      if (fits(event, { agent })) yield result.value as unknown as OfType<Value, Type>;
    }
  });
}
