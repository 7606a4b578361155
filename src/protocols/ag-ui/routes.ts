import { type Context, Hono } from "hono";
import { parseCursor, type StoredEntry } from "../../batch.ts";
import { RunError } from "../../errors.ts";
import type { Message } from "../../events.ts";
import type { Run } from "../../hub.ts";
import { EMPTY } from "../../log.ts";
import { cursorFrom, cursorOf, type ProtocolContext } from "../../protocol.ts";
import { checkId } from "../../schema.ts";
import type { Tail } from "../../store.ts";
import { Summary } from "../../summary.ts";
import { untilWaiting } from "../../until-waiting.ts";
import { type Frames, project } from "../../view.ts";
import { readConversation, type Turn } from "./conversation.ts";
import type { AgUiEvent, AgUiMessage } from "./events.ts";
import { type AgUiInput, type Approval, invalid, parseInput } from "./input.ts";
import { fromAgUiMessages } from "./messages.ts";
import { Projection } from "./projection.ts";
import { agUiView, withCursor } from "./view.ts";

/**
 * AG-UI 1.0 over SSE. `POST /ag-ui` asks the first agent, `POST /agents/:name/ag-ui` another; each `GET` with a
 * thread's id behind shows its last run to who comes later.
 *
 * A request with `Last-Event-ID` goes on in the stream that broke, with exactly what follows; `?after=` begins a
 * stream for a reader who has all up to there.
 */
export function agUiRoutes(context: ProtocolContext): Hono {
  const { json } = context;
  const routes = new Hono();

  const post = async (c: Context, agent: string | undefined) => {
    const input = parseInput(await json(c.req.raw));
    return input.resume ? resume(context, c.req.raw, input) : start(context, c.req.raw, input, agent);
  };
  routes.post("/ag-ui", (c) => post(c, undefined));
  routes.post("/agents/:name/ag-ui", (c) => post(c, c.req.param("name")));

  const get = (c: Context) => connect(context, c.req.raw, checkId(c.req.param("thread"), "thread id"));
  routes.get("/ag-ui/:thread", get);
  routes.get("/agents/:name/ag-ui/:thread", get);

  return routes;
}

/** A question: a run of its own, under the request's id. */
async function start(
  context: ProtocolContext,
  request: Request,
  input: AgUiInput,
  agent: string | undefined,
): Promise<Response> {
  const { hub } = context;
  const { threadId: thread, runId, messages, whileBusy, passed } = input;
  const answered = lastAnswer(messages);
  const isAsked = ({ role }: AgUiMessage, index: number) => role === "user" && index > answered;
  const shown = messages.filter((message, index) => !isAsked(message, index));
  const question = fromAgUiMessages(messages.filter(isAsked));
  if (!question.some(({ parts }) => parts.length > 0))
    throw invalid('"messages" must end with what the user says; answers to interrupts come as "resume"');
  const history = await ownHistory(context, input, fromAgUiMessages(shown));
  const { run, created } = await hub.start({
    id: runId,
    thread,
    input: question,
    ...(history && { history }),
    ...(agent !== undefined && { agent }),
    ...(whileBusy && { whileBusy }),
    deps: { "ag-ui": passed },
  });
  // Shown again from its start, it may have waited before.
  const from = created ? 0 : ((await run.log.last())?.seq ?? 0);
  return (await goOn(context, run, shown, request)) ?? show(context, run, shown, EMPTY, from);
}

/**
 * What a front end shows of the conversation, if it is not what the thread holds. The thread's own history is
 * better, as it has what front ends are not shown: then it is left to the hub.
 */
async function ownHistory(
  { hub }: ProtocolContext,
  { threadId, runId }: AgUiInput,
  history: readonly Message[],
): Promise<readonly Message[] | undefined> {
  if (history.length === 0) return undefined;
  // The same request again is the same, whatever was said in the thread meanwhile.
  const before = (await hub.run(runId).log.entry(1))?.event;
  if (before?.type === "run.started") return before.history && history;
  const { messages } = await readConversation(hub.store, threadId);
  return JSON.stringify(fromAgUiMessages(messages)) === JSON.stringify(history) ? undefined : history;
}

/** Answers: the thread's run goes on. */
async function resume(context: ProtocolContext, request: Request, input: AgUiInput): Promise<Response> {
  const { threadId: thread, runId, messages, resume: approvals = [] } = input;
  const { last } = await readConversation(context.hub.store, thread);
  if (!last) throw unknownThread(thread);
  const { run: id, entries } = last;
  const run = context.hub.run(id);

  const summary = summaryOf(entries);
  const first = entries.find(({ event }) => event.type === "input.approval" && event.parent === runId);
  if (!first) {
    checkAnswers(approvals, summary, `run "${id}" of thread "${thread}"`);
    for (const message of fresh(messages, entries)) await run.send({ type: "input.message", message });
  }
  // Asked again, it is shown the same, and only what is still open is answered.
  const before = (first ? entries[first.seq - 2] : entries.at(-1)) ?? EMPTY;
  let from = entries.at(-1)!.seq;
  for (const approval of approvals) {
    if (!summary.approvals.has(approval.approvalId)) continue;
    // On behalf of the AG-UI run that it starts: so whoever follows sees that under the same id.
    const { cursor } = await run.send({ type: "input.approval", ...approval, parent: runId });
    from = parseCursor(cursor)!.seq;
  }
  return (await goOn(context, run, last.history, request)) ?? show(context, run, last.history, before, from);
}

/** Refuses with `not_waiting` what nobody asked, and with `invalid_request` less than what was asked. */
function checkAnswers(
  approvals: readonly Approval[],
  { waiting, approvals: open }: Summary,
  what: string,
): void {
  if (!waiting) throw new RunError("not_waiting", `Cannot resume ${what}: it waits for nothing`);
  const namesOf = (ids: readonly string[]) => ids.map((id) => `"${id}"`).join(", ");
  const unknown = approvals.find(({ approvalId }) => !open.has(approvalId));
  if (unknown) {
    const waits = namesOf([...open.keys()]);
    throw new RunError(
      "not_waiting",
      `Cannot answer interrupt "${unknown.approvalId}" of ${what}: it waits for ${waits}`,
    );
  }
  const missing = [...open.keys()].filter((id) => approvals.every(({ approvalId }) => approvalId !== id));
  if (missing.length === 0) return;
  throw invalid(`"resume" must answer every open interrupt of ${what}; ${namesOf(missing)} is missing`);
}

/** A stream that ends with the run, or where it waits: `from` is the first entry where it may. */
function show(
  { sse }: ProtocolContext,
  run: Run,
  history: readonly AgUiMessage[] | undefined,
  { seq, check }: Tail,
  from: number,
): Response {
  const view = agUiView({ run: run.id, history });
  const options = { after: { seq, check }, until: untilWaiting(from) };
  const frames = (signal: AbortSignal) => unbroken(project(run.log, view, { ...options, signal }));
  return sse(frames, { "runlog-run": run.id });
}

/** What follows in a stream that broke, if the request is of one. Throws `cursor_mismatch`. */
async function goOn(
  context: ProtocolContext,
  run: Run,
  history: readonly AgUiMessage[] | undefined,
  request: Request,
): Promise<Response | undefined> {
  const id = request.headers.get("last-event-id");
  if (!id) return undefined;
  const after = cursorFrom(id);
  if (!(await run.log.fits(after))) {
    const why = "the cursor is not of this log; ask without one";
    throw new RunError("cursor_mismatch", `Cannot go on in run "${run.id}" from there: ${why}`);
  }
  const entries = await run.log.entries();
  if (isOver(run, history, entries, after)) return new Response(null, { status: 204 });
  return show(context, run, history, after, Math.max(entries.at(-1)!.seq, after.seq));
}

/** A thread's last run for who comes later: what was said before it, what it has said, then what it says. */
async function connect(context: ProtocolContext, request: Request, thread: string): Promise<Response> {
  const { hub, sse } = context;
  const { last } = await readConversation(hub.store, thread);
  if (!last) throw unknownThread(thread);
  const run = hub.run(last.run);
  const again = await goOn(context, run, last.history, request);
  if (again) return again;
  const asked = cursorOf(request);
  // A cursor of an earlier run says that all of this one is new.
  const after = asked.seq > 0 && last.entries[asked.seq - 1]?.check === asked.check ? asked : undefined;
  if (after && isOver(run, last.history, last.entries, after)) return new Response(null, { status: 204 });
  return sse((signal) => unbroken(joined(run, last, after, signal)), { "runlog-run": run.id });
}

/** The start of a stream at a place in the log, and what follows. */
async function* joined(
  run: Run,
  { entries, history }: Turn,
  after: Tail | undefined,
  signal: AbortSignal,
): AsyncGenerator<Frames, void, undefined> {
  const projection = new Projection({ run: run.id, history });
  const customs: Extract<AgUiEvent, { type: "CUSTOM" }>[] = [];
  const seen = after ? entries.slice(0, after.seq) : entries;
  for (const entry of seen) {
    for (const event of projection.apply(entry)) if (event.type === "CUSTOM") customs.push(event);
  }
  const { seq, check, cursor } = seen.at(-1)!;
  const start = after ? projection.reopen() : projection.join(customs);
  if (start.length > 0) {
    yield start.map((event, index) =>
      index < start.length - 1
        ? { data: JSON.stringify(event) }
        : { data: JSON.stringify(withCursor(event, cursor)), cursor },
    );
  }
  if (!after && projection.resting) return;
  const view = agUiView({ run: run.id, history });
  const until = untilWaiting(Math.max(entries.at(-1)!.seq, seq));
  yield* project(run.log, view, { after: { seq, check }, signal, until });
}

/** AG-UI has no word for a log that was replaced: its stream ends there, and the next one is refused or whole. */
async function* unbroken(frames: AsyncIterable<Frames>): AsyncGenerator<Frames, void, undefined> {
  for await (const some of frames) {
    if (some.some(({ event }) => event === "reset")) return;
    yield some;
  }
}

/** Whether nothing is there to show after a place, nor will be before somebody does something. */
function isOver(
  run: Run,
  history: readonly AgUiMessage[] | undefined,
  entries: readonly StoredEntry[],
  after: Tail,
): boolean {
  const projection = new Projection({ run: run.id, history });
  const shown = entries.filter((entry) => projection.apply(entry).length > 0 && entry.seq > after.seq);
  return shown.length === 0 && projection.resting;
}

/** The place of the last message that is not the user's own, nor about how to answer; -1 if there is none. */
function lastAnswer(messages: readonly AgUiMessage[]): number {
  return messages.findLastIndex(({ role }) => role === "assistant" || role === "tool");
}

/** What the user said since the agent's last words, and the log does not know. */
function fresh(messages: readonly AgUiMessage[], entries: readonly StoredEntry[]): readonly Message[] {
  const known = new Set(
    entries.flatMap(({ event }) => {
      if (event.type === "input.message") return [event.message.id];
      if (event.type !== "run.started" || typeof event.input === "string") return [];
      return event.input.map(({ id }) => id);
    }),
  );
  const said = fromAgUiMessages(messages.slice(lastAnswer(messages) + 1));
  return said.filter(({ id, parts }) => !known.has(id) && parts.length > 0);
}

function summaryOf(entries: readonly StoredEntry[]): Summary {
  const summary = new Summary();
  for (const { event, at } of entries) summary.apply(event, at);
  return summary;
}

function unknownThread(thread: string): RunError {
  return new RunError("run_not_found", `Cannot find thread "${thread}": no run was ever started in it`);
}
