import { Hono } from "hono";
import { RunError } from "../../errors.ts";
import type { Hub, Run } from "../../hub.ts";
import type { ProtocolContext } from "../../protocol.ts";
import { checkId } from "../../schema.ts";
import { Chat } from "./chat.ts";
import { uiMessageFrames, uiMessageHeaders } from "./frames.ts";
import { type Answer, type Ask, parseChatRequest } from "./requests.ts";
import { invalid } from "./ui-parts.ts";

/**
 * What `useChat` asks: a chat is a thread, an answer is a run, and a run's message has the run's id.
 *
 * | request | answer |
 * |---|---|
 * | `POST /api/chat` | starts a run, or answers the approvals of the one that waits; streams its message |
 * | `GET /api/chat/:id` | the messages so far |
 * | `GET /api/chat/:id/stream` | the message under way from its start, then live; 204 without one |
 * | `POST /api/chat/:id/stop` | cancels the run under way; answers once it has ended |
 */
export function uiMessageRoutes({ hub, sse, json }: ProtocolContext): Hono {
  const routes = new Hono();
  const show = (run: Run, after?: number) =>
    sse((signal) => uiMessageFrames(run, { after, signal }), uiMessageHeaders(run));

  routes.post("/api/chat", async (c) => {
    const request = parseChatRequest(await json(c.req.raw));
    const chat = new Chat(hub, request.id);
    if ("answers" in request) {
      const { run, after } = await answer(chat, request.id, request.answers);
      return show(run, after);
    }
    const { agent, whileBusy } = request;
    const history = await historyOf(chat, request);
    const { run } = await hub.start({
      thread: request.id,
      input: [request.message],
      ...(history && { history }),
      ...(agent !== undefined && { agent }),
      ...(whileBusy && { whileBusy }),
    });
    return show(run);
  });

  routes.get("/api/chat/:id", async (c) => {
    const id = checkId(c.req.param("id"), "chat id");
    const chat = new Chat(hub, id);
    // Asked first: a run that ends meanwhile is then shown once more, not missed.
    const open = await chat.open();
    const messages = await chat.messages();
    return c.json({ id, messages, run: open?.id ?? null }, 200, { "cache-control": "no-store" });
  });

  routes.get("/api/chat/:id/stream", async (c) => {
    const id = checkId(c.req.param("id"), "chat id");
    const chat = new Chat(hub, id);
    const asked = c.req.query("run");
    const run = asked === undefined ? await chat.open() : await runOf(hub, chat, id, asked);
    return run ? show(run, parseAfter(c.req.query("after"))) : c.body(null, 204);
  });

  routes.post("/api/chat/:id/stop", async (c) => {
    const id = checkId(c.req.param("id"), "chat id");
    const chat = new Chat(hub, id);
    const { run: asked } = Object(await json(c.req.raw)) as { readonly run?: unknown };
    if (asked !== undefined && typeof asked !== "string") throw invalid('"run" must be the id of a run');
    const run = asked === undefined ? await chat.open() : await runOf(hub, chat, id, asked);
    if (!run) return c.body(null, 204);
    await run.cancel({ reason: "Stopped by the user" });
    const { status } = await run.ended();
    return c.json({ run: run.id, status });
  });

  return routes;
}

/** What to start a run with beside its message; undefined where the thread has it. */
async function historyOf(chat: Chat, { before, appends }: Ask) {
  if (appends) {
    if (before.length === 0) return undefined;
    const items = await chat.items();
    // What was said in another tab since this one looked stays said.
    if (before.every(({ id }, index) => items[index]?.id === id)) return undefined;
  }
  return chat.historyOf(before);
}

/** Hands a person's answers to the run that waits. Returns where the client's message ends. */
async function answer(
  chat: Chat,
  id: string,
  answers: readonly Answer[],
): Promise<{ readonly run: Run; readonly after: number }> {
  const run = (await chat.last())?.run;
  if (!run)
    throw new RunError("not_waiting", `Cannot answer in chat ${JSON.stringify(id)}: nothing was asked in it`);
  const entries = await run.log.entries();
  const asked = new Set<string>();
  const given = new Map<string, { readonly seq: number; readonly approved: boolean }>();
  for (const { seq, event } of entries) {
    if (event.type === "approval.requested") asked.add(event.approvalId);
    if (event.type === "input.approval") given.set(event.approvalId, { seq, approved: event.approved });
  }
  for (const { approvalId, approved } of answers) {
    const refuse = (why: string) =>
      new RunError("not_waiting", `Cannot answer approval ${JSON.stringify(approvalId)}: ${why}`);
    if (!asked.has(approvalId)) throw refuse(`run "${run.id}", the last of the chat, did not ask for it`);
    // The same answer again is one whose response was lost.
    if (given.has(approvalId) && given.get(approvalId)?.approved !== approved)
      throw refuse("it was answered otherwise");
  }
  const before = answers.flatMap(({ approvalId }) => given.get(approvalId)?.seq ?? []);
  const after = Math.min(entries.at(-1)!.seq, ...before.map((seq) => seq - 1));
  for (const each of answers)
    if (!given.has(each.approvalId)) await run.send({ type: "input.approval", ...each });
  return { run, after };
}

/** A run of this chat by its id. */
async function runOf(hub: Hub, chat: Chat, id: string, asked: string): Promise<Run> {
  if ((await chat.runs()).includes(asked)) return hub.run(asked);
  throw new RunError(
    "run_not_found",
    `Cannot find run ${JSON.stringify(asked.slice(0, 80))} in chat ${JSON.stringify(id)}`,
  );
}

/** The last entry of which a client has what there is to show. */
function parseAfter(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const after = Number(text);
  if (text !== "" && Number.isSafeInteger(after) && after >= 0) return after;
  throw invalid(`"after" must be the "after" of a start chunk, got ${JSON.stringify(text.slice(0, 80))}`);
}
