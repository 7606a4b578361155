import { type EventFilter, eventFilter } from "../event-filter.ts";
import type { EventOf, EventType } from "../events.ts";
import { Queue, type QueueOptions } from "./queue.ts";
import { CLOSED } from "./reader.ts";
import { eventOf, type Said } from "./said.ts";
import { through } from "./through.ts";

/** Does something with a value. What it returns is waited for, if it is a promise. */
export type Handler<Value> = (value: Value) => unknown;

export interface HandlersOptions<Value> extends QueueOptions<Value> {
  /** Values that may wait for each of the handlers. @default 1_000 */
  readonly limit?: number;
  /** What becomes of a handler that is too slow. @default "disconnect": it is given no more */
  readonly whenFull?: QueueOptions<Value>["whenFull"] & string;
  /** Called with what a handler throws, and its name; the handler goes on with the next value. @default ignored */
  readonly onError?: (error: unknown, handler: string) => void;
  /** How long the end waits for handlers that are still at work, in ms. @default 5_000 */
  readonly graceMs?: number;
}

/**
 * The values of a source as they are, each also given to every handler. A handler gets them in order, at a pace
 * of its own: one that is slow, hangs or throws changes nothing for the others and for the reader. A reader who
 * stops early leaves the handlers with what they were given.
 */
export function withHandlers<Value>(
  source: AsyncIterable<Value>,
  handlers: Readonly<Record<string, Handler<Value>>>,
  options: HandlersOptions<Value> = {},
): AsyncGenerator<Value, void, undefined> {
  const { onError, graceMs = 5_000, limit = 1_000, whenFull = "disconnect", snapshot } = options;
  const queues = Object.entries(handlers).map(([name, handle]) => ({
    name,
    handle,
    queue: new Queue<Value>({ limit, whenFull, ...(snapshot && { snapshot }) }),
  }));
  const fail = (error: unknown, name: string) => {
    try {
      onError?.(error, name);
    } catch {
      // What is told of a failure must not be one.
    }
  };
  const work = async ({ name, handle, queue }: (typeof queues)[number]) => {
    try {
      for await (const value of queue) {
        try {
          await handle(value);
        } catch (error) {
          fail(error, name);
        }
      }
    } catch (error) {
      fail(error, name);
    }
  };
  return through(source, async function* (reader) {
    const done = Promise.all(queues.map(work));
    let failure: { readonly error: unknown } | undefined;
    try {
      for (let result = await reader.next(); !result.done; result = await reader.next()) {
        const { value } = result;
        const full = queues.map(({ queue }) => queue.push(value)).filter((room) => room !== undefined);
        if (full.length > 0) await reader.until(Promise.all(full));
        yield value;
      }
    } catch (error) {
      failure = { error };
    } finally {
      for (const { queue } of queues) queue.end();
    }
    if (failure?.error !== CLOSED) await reader.until(done, graceMs);
    if (failure) throw failure.error;
  });
}

/**
 * A handler of some events only, by type, by glob or by filter; their entries come as the second argument, where
 * the source has entries. `on("text.delta", (event) => event.text)`
 */
export function on<const Type extends string>(
  filter: Type | readonly Type[] | EventFilter,
  handle: (event: Type extends EventType ? EventOf<Type> : ReturnType<typeof eventOf>, said: Said) => unknown,
): Handler<Said> {
  const { agents, runs, types }: EventFilter =
    typeof filter === "string"
      ? { types: [filter] }
      : Array.isArray(filter)
        ? { types: filter as readonly string[] }
        : (filter as EventFilter);
  const fits = eventFilter({ agents, runs, types });
  return (said) => {
    const event = eventOf(said);
    return fits(event) ? handle(event as Parameters<typeof handle>[0], said) : undefined;
  };
}
