import type { Producer } from "../../batch.ts";
import { RunError } from "../../errors.ts";
import type { InputEvent, JsonObject, Message } from "../../events.ts";
import type { StartOptions } from "../../hub.ts";
import { newId } from "../../internal/id.ts";
import type { ProducedEvent } from "../../producers.ts";
import { checkId, isInput, parseEvent } from "../../schema.ts";
import type { RunStatus } from "../../summary.ts";
import type { ThreadPolicy } from "../../thread.ts";
import type { View, Views } from "../../view.ts";

type Fields = Record<string, unknown>;

/** The body of `POST /runs`. Throws `invalid_request`, naming the field. */
export function parseStart(body: unknown): StartOptions {
  const fields = objectOf(body);
  const known = ["agent", "input", "id", "history", "thread", "whileBusy", "tags", "metadata", "leaseMs"];
  for (const name of Object.keys(fields)) {
    if (!known.includes(name)) throw invalid(`there is no field "${name}" (there are ${known.join(", ")})`);
  }
  const { agent, input, id, history, thread, whileBusy, tags, metadata, leaseMs } = fields;
  if (agent !== undefined && agent !== null && typeof agent !== "string")
    throw invalid('"agent" must be a name or null');
  // A producer elsewhere may have nothing to say of what it was asked.
  const asked = input === undefined && agent === null ? "(a producer elsewhere)" : input;
  if (!isInput(asked)) throw invalid('"input" must be a text or messages { id, role, parts }, and not empty');
  if (history !== undefined && !(Array.isArray(history) && (history.length === 0 || isInput(history)))) {
    throw invalid('"history" must be messages { id, role, parts }');
  }
  if (whileBusy !== undefined && !["reject", "queue", "replace"].includes(whileBusy as string)) {
    throw invalid('"whileBusy" must be one of reject, queue, replace');
  }
  if (
    tags !== undefined &&
    !(Array.isArray(tags) && tags.every((tag) => typeof tag === "string" && tag.length <= 64))
  ) {
    throw invalid('"tags" must be texts of up to 64 characters');
  }
  if (metadata !== undefined && !isObject(metadata)) throw invalid('"metadata" must be an object');
  if (leaseMs !== undefined && !(typeof leaseMs === "number" && leaseMs >= 1_000 && leaseMs <= 86_400_000)) {
    throw invalid('"leaseMs" must be a number from 1000 to 86400000');
  }
  return {
    input: asked,
    ...(agent !== undefined && { agent: agent as string | null }),
    // What an id may be is checked with the run.
    ...(id !== undefined && { id: id as string }),
    ...(history !== undefined && { history: history as readonly Message[] }),
    ...(thread !== undefined && { thread: thread as string }),
    ...(whileBusy !== undefined && { whileBusy: whileBusy as ThreadPolicy }),
    ...(tags !== undefined && { tags: tags as readonly string[] }),
    ...(metadata !== undefined && { metadata: metadata as JsonObject }),
    ...(leaseMs !== undefined && { leaseMs: leaseMs as number }),
  };
}

/** The body of `POST /runs/:id/events`: an event, or an array of up to 500. An empty array renews the lease. */
export function parseProduced(body: unknown): ProducedEvent[] {
  const events = Array.isArray(body) ? body : [body];
  if (events.length > 500)
    throw new RunError("too_large", `Cannot append ${events.length} events at once: the limit is 500`);
  return events.map((each, index) => {
    try {
      // A producer need not add up its costs: the end of its run may leave them out.
      const type = isObject(each) && typeof each.type === "string" ? each.type : "";
      const ends = /^run\.(finished|failed|cancelled)$/.test(type);
      return (ends ? parseEvent({ cost: null, ...each }) && each : parseEvent(each)) as ProducedEvent;
    } catch (error) {
      if (!(error instanceof RunError) || events.length === 1) throw error;
      throw new RunError(error.code, `Event ${index}: ${error.message}`);
    }
  });
}

/** How a producer numbers its append: `{ id, epoch, seq }`; the epoch is 0 if left out. */
export function parseProducer(value: unknown): Producer | undefined {
  if (value === undefined) return undefined;
  const { id, epoch = 0, seq } = objectOf(value);
  for (const [name, number] of Object.entries({ epoch, seq })) {
    if (!Number.isSafeInteger(number) || (number as number) < 0)
      throw invalid(`a producer's "${name}" must be a whole number from 0`);
  }
  return { id: checkId(id, "producer id"), epoch: epoch as number, seq: seq as number };
}

/** The headers `Producer-Id`, `Producer-Epoch` and `Producer-Seq` of an append over HTTP. */
export function producerOf(headers: Headers): Producer | undefined {
  const id = headers.get("producer-id");
  const seq = headers.get("producer-seq");
  const epoch = headers.get("producer-epoch");
  if (id === null && seq === null && epoch === null) return undefined;
  const number = (text: string | null) => (text && /^\d+$/.test(text) ? Number(text) : Number.NaN);
  return parseProducer({ id: id ?? "", seq: number(seq), epoch: epoch === null ? 0 : number(epoch) });
}

/** The body of `POST /runs/:id/input`; an `input.message` may have its text in place of a whole message. */
export function parseInput(body: unknown): InputEvent {
  const fields = objectOf(body);
  const text =
    fields.type === "input.message" && typeof fields.message === "string" ? fields.message : undefined;
  const event = parseEvent(
    text === undefined
      ? fields
      : { ...fields, message: { id: newId(), role: "user", parts: [{ type: "text", text }] } },
  );
  if (event.type === "input.approval" || event.type === "input.message" || event.type === "input.cancel")
    return event;
  throw invalid(`"type" must be one of input.approval, input.message, input.cancel, got "${event.type}"`);
}

/** The body of `POST /runs/:id/cancel`. */
export function parseCancel(body: unknown): { reason?: string } {
  const { reason } = body === undefined ? {} : objectOf(body);
  if (reason !== undefined && typeof reason !== "string") throw invalid('"reason" must be a text');
  return reason === undefined ? {} : { reason };
}

export function parseStatus(value: string | undefined): RunStatus | undefined {
  const known = ["running", "waiting", "finished", "failed", "cancelled"];
  if (value === undefined || known.includes(value)) return value as RunStatus | undefined;
  throw invalid(`"status" must be one of ${known.join(", ")}, got ${JSON.stringify(value.slice(0, 80))}`);
}

/** The view that is asked for by name; undefined for the native one. */
export function viewNamed(views: Views, name: string | undefined, run: string): View | undefined {
  if (name === undefined || name === "native") return undefined;
  const make = views.get(name);
  if (make) return make(run);
  const known = ["native", ...views.keys()].join(", ");
  const asked = JSON.stringify(name.slice(0, 80));
  throw new RunError("invalid_request", `Cannot show a run as ${asked}: there is ${known}`);
}

/** A whole number from 1 to `most`. */
export function parseLimit(value: string | undefined, most: number): number | undefined {
  if (value === undefined) return undefined;
  const limit = Number(value);
  if (Number.isInteger(limit) && limit >= 1 && limit <= most) return limit;
  throw invalid(
    `"limit" must be a whole number from 1 to ${most}, got ${JSON.stringify(value.slice(0, 80))}`,
  );
}

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function objectOf(body: unknown): Fields {
  if (isObject(body)) return body;
  throw invalid("the body must be a JSON object");
}

function invalid(why: string): RunError {
  return new RunError("invalid_request", `Cannot read the request: ${why}`);
}
