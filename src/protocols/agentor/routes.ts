import { Hono } from "hono";
import type { StoredEntry } from "../../batch.ts";
import { RunError } from "../../errors.ts";
import type { Input, Message } from "../../events.ts";
import { finalText, toMessages } from "../../messages.ts";
import type { ProtocolContext } from "../../protocol.ts";
import { infoFrom } from "../../run-info.ts";
import { untilWaiting } from "../../until-waiting.ts";
import { project } from "../../view.ts";
import { agentorView } from "./view.ts";

/** `POST /chat`: the simple door. One question, one answer, streamed or whole. */
export function agentorRoutes({ hub, sse, json, stopping }: ProtocolContext): Hono {
  const routes = new Hono();

  routes.post("/chat", async (c) => {
    const { input, stream, agent } = parseChat(await json(c.req.raw));
    const { run } = await hub.start({ input, ...(agent !== undefined && { agent }) });
    const headers = { "runlog-run": run.id };
    if (stream) {
      return sse((signal) => project(run.log, agentorView, { signal, until: untilWaiting() }), headers);
    }
    const entries: StoredEntry[] = [];
    const until = untilWaiting();
    for await (const slice of run.follow({ signal: stopping })) {
      entries.push(...(slice.entries ?? []));
      if (until(slice.entries ?? [])) break;
    }
    const { status, usage, cost, error } = infoFrom(run.id, entries);
    if (status === "failed")
      throw new RunError("run_failed", `Run "${run.id}" failed with ${error?.code}: ${error?.message}`);
    if (status === "cancelled") throw new RunError("run_cancelled", `Run "${run.id}" was cancelled`);
    return c.json(
      { run: run.id, status, text: finalText(toMessages(entries)), usage: usage ?? null, cost },
      200,
      headers,
    );
  });

  return routes;
}

interface Chat {
  readonly input: Input;
  readonly stream: boolean;
  readonly agent?: string;
}

function parseChat(body: unknown): Chat {
  if (typeof body !== "object" || body === null)
    throw invalid("the body must be a JSON object { input, stream }");
  const { input, stream = false, agent } = body as Record<string, unknown>;
  if (typeof stream !== "boolean") throw invalid('"stream" must be true or false');
  if (agent !== undefined && typeof agent !== "string") throw invalid('"agent" must be a name');
  return { input: parseMessages(input), stream, ...(agent !== undefined && { agent }) };
}

/** A text, or messages as chat completions have them: `{ role, content }`. */
function parseMessages(input: unknown): Input {
  if (typeof input === "string" && input !== "") return input;
  if (!Array.isArray(input) || input.length === 0)
    throw invalid('"input" must be a text or messages { role, content }, and not empty');
  return input.map((each, index): Message => {
    const { role, content } = Object(each) as Record<string, unknown>;
    if ((role !== "system" && role !== "user" && role !== "assistant") || typeof content !== "string") {
      throw invalid(`message ${index} must be { role: "system" | "user" | "assistant", content: "..." }`);
    }
    return { id: `input-${index}`, role, parts: [{ type: "text", text: content }] };
  });
}

function invalid(why: string): RunError {
  return new RunError("invalid_request", `Cannot read the request: ${why}`);
}
