import { HttpAgent } from "@ag-ui/client";
import { createParser } from "eventsource-parser";
import { afterEach, describe, expect, it } from "vitest";
import { bare, endsWell, judge } from "../../../test/support/judge-ag-ui.ts";
import {
  careful,
  gate,
  parrot,
  questionOf,
  type Served,
  serve,
  stopAll,
} from "../../../test/support/serve-ag-ui.ts";
import type { AgentStream, RunContext } from "../../agent.ts";
import type { AgUiEvent } from "./events.ts";

afterEach(stopAll);

type Shown = AgUiEvent & { readonly id?: string };

async function events(response: Response | Promise<Response>): Promise<Shown[]> {
  const list: Shown[] = [];
  const onEvent = ({ data, id }: { data: string; id?: string | undefined }) =>
    list.push({ ...JSON.parse(data), ...(id !== undefined && { id }) });
  createParser({ onEvent }).feed(await (await response).text());
  return list;
}

const plain = (list: readonly Shown[]) => list.map(({ id: _, ...event }) => event as AgUiEvent);
const user = (id: string, content: string) => ({ id, role: "user" as const, content });
const asked = { threadId: "t-1", runId: "r-1", messages: [user("u-1", "Hello")] };

function post({ fetch }: Served, body: unknown, headers: Record<string, string> = {}, path = "/ag-ui") {
  return fetch(path, { method: "POST", body: JSON.stringify(body), headers });
}

const agentOf = ({ fetch }: Served, path = "/ag-ui") =>
  new HttpAgent({ url: `http://localhost${path}`, threadId: "t-1", fetch: (url, init) => fetch(url, init) });

describe("POST /ag-ui", () => {
  it("[F74] answers AG-UI's own client, which keeps the conversation", async () => {
    const served = await serve(parrot);
    const agent = agentOf(served);
    agent.addMessage(user("u-1", "Hello"));
    const ends: unknown[] = [];
    await agent.runAgent(
      { runId: "r-1" },
      { onRunFinishedEvent: ({ event, outcome }) => void ends.push([outcome, event.usage]) },
    );
    agent.addMessage(user("u-2", "again"));
    await agent.runAgent({ runId: "r-2" }, { onRunFinishedEvent: ({ outcome }) => void ends.push(outcome) });
    expect(bare(agent.messages)).toEqual([
      user("u-1", "Hello"),
      { id: "r-1.1", role: "assistant", content: "You said Hello" },
      user("u-2", "again"),
      { id: "r-2.1", role: "assistant", content: "You said again" },
    ]);
    const usage = [{ model: "demo", inputTokens: 3, outputTokens: 4, totalTokens: 7 }];
    expect(ends).toEqual([["success", usage], "success"]);
  });

  it("names run and thread, and carries a cursor and the cost", async () => {
    const served = await serve(parrot);
    const response = await post(served, asked);
    expect(response.headers.get("runlog-run")).toBe("r-1");
    expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    const list = await events(response);
    const { cursor } = (await served.hub.run("r-1").log.last())!;
    expect(list[0]).toMatchObject({
      type: "RUN_STARTED",
      threadId: "t-1",
      runId: "r-1",
      protocolVersion: "1.0",
    });
    expect(list.at(-1)).toMatchObject({
      type: "RUN_FINISHED",
      outcome: { type: "success" },
      id: cursor,
      metadata: { "runlog-cursor": cursor, "runlog-cost": 0.5 },
    });
    expect((await served.hub.run("r-1").info()).thread).toBe("t-1");
  });

  it("asks another agent under its name, and refuses one that is not there", async () => {
    async function* other(): AgentStream {
      yield { type: "custom", name: "app.here", data: 1 };
    }
    const served = await serve(parrot, other);
    const list = await events(post(served, asked, {}, "/agents/other/ag-ui"));
    expect(list.map(({ type }) => type)).toEqual(["RUN_STARTED", "CUSTOM", "RUN_FINISHED"]);
    const refused = await post(served, { ...asked, runId: "r-2" }, {}, "/agents/nobody/ag-ui");
    expect([refused.status, await refused.json()]).toMatchObject([404, { code: "agent_not_found" }]);
  });

  it("shows the same run for the same request again, and refuses another one under its id", async () => {
    let runs = 0;
    async function* counted(context: RunContext): AgentStream {
      runs++;
      yield* parrot(context);
    }
    const served = await serve(counted);
    const first = await events(post(served, asked));
    expect(await events(post(served, asked))).toEqual(first);
    expect(runs).toBe(1);
    const refused = await post(served, { ...asked, messages: [user("u-1", "Bye")] });
    expect([refused.status, await refused.json()]).toMatchObject([409, { code: "run_exists" }]);
  });

  it("[F54] goes on after Last-Event-ID with exactly the rest, and is 204 once all was shown", async () => {
    const served = await serve(parrot);
    const all = await events(post(served, asked));
    for (const [index, { id }] of all.slice(0, -1).entries()) {
      if (id === undefined) continue;
      expect(await events(post(served, asked, { "last-event-id": id }))).toEqual(all.slice(index + 1));
    }
    expect((await post(served, asked, { "last-event-id": all.at(-1)!.id! })).status).toBe(204);
    const foreign = await post(served, asked, { "last-event-id": "2-zzz" });
    expect([foreign.status, await foreign.json()]).toMatchObject([409, { code: "cursor_mismatch" }]);
  });

  it("gives the agent the thread's own history, or what the front end shows where it shows another", async () => {
    const seen: unknown[] = [];
    async function* curious(context: RunContext): AgentStream {
      seen.push(context.history.map(({ role, parts }) => [role, parts]));
      yield { type: "reasoning.started", id: "0" };
      yield { type: "reasoning.delta", id: "0", text: "Hm" };
      yield { type: "reasoning.finished", id: "0" };
      yield* parrot(context);
    }
    const served = await serve(curious);
    const agent = agentOf(served);
    agent.addMessage(user("u-1", "One"));
    await agent.runAgent({ runId: "r-1" });
    agent.addMessage(user("u-2", "Two"));
    await agent.runAgent({ runId: "r-2" });
    // The front end never had the thought's signature: the thread has.
    const said = { type: "text", text: "You said One" };
    expect(seen[1]).toEqual([
      ["user", [{ type: "text", text: "One" }]],
      ["assistant", [{ type: "reasoning", text: "Hm" }]],
      ["assistant", [said]],
    ]);
    agent.setMessages([
      { id: "s", role: "system", content: "You are a pirate" },
      user("x-1", "Elsewhere"),
      {
        id: "x-2",
        role: "assistant",
        content: "I look",
        toolCalls: [{ id: "a.b", type: "function", function: { name: "read", arguments: '{"n":1}' } }],
      },
      { id: "x-3", role: "tool", toolCallId: "a.b", content: "42" },
      user("u-3", "Three"),
    ]);
    await agent.runAgent({ runId: "r-3" });
    expect(seen[2]).toEqual([
      ["user", [{ type: "text", text: "Elsewhere" }]],
      [
        "assistant",
        [
          { type: "text", text: "I look" },
          { type: "tool", callId: "a_b", name: "read", input: { n: 1 }, output: "42" },
        ],
      ],
    ]);
  });

  it("hands what the front end says beside the conversation to the tools", async () => {
    let deps: unknown;
    async function* asking(context: RunContext): AgentStream {
      deps = context.deps;
      yield* parrot(context);
    }
    const served = await serve(asking);
    const passed = {
      state: { page: 3 },
      tools: [{ name: "confirm", description: "Asks" }],
      context: [{ description: "Where", value: "Oslo" }],
      forwardedProps: { beta: true },
    };
    await events(post(served, { ...asked, ...passed }));
    expect(deps).toEqual({ "ag-ui": passed });
  });

  it("[F88] refuses a second run in a thread at work, or waits, or replaces, as it is told", async () => {
    const { opened, open } = gate();
    async function* slow(context: RunContext): AgentStream {
      if (questionOf(context.input) === "Hello") await Promise.race([opened, aborted(context.signal)]);
      yield* parrot(context);
    }
    const served = await serve(slow);
    const first = post(served, asked);
    await first;
    const next = (runId: string, whileBusy?: string) => ({
      ...asked,
      runId,
      messages: [user(runId, "Next")],
      ...(whileBusy && { forwardedProps: { whileBusy } }),
    });
    const busy = await post(served, next("r-2"));
    expect([busy.status, await busy.json()]).toMatchObject([409, { code: "thread_busy" }]);
    expect((await post(served, next("r-3", "never"))).status).toBe(400);
    const replaced = await events(post(served, next("r-4", "replace")));
    expect(replaced.at(-1)).toMatchObject({ type: "RUN_FINISHED", outcome: { type: "success" } });
    expect((await events(first)).at(-1)).toMatchObject({ outcome: { type: "cancelled" } });
    open();
  });

  it("[F84] takes back a failed attempt, and leaves the conversation before it", async () => {
    async function* clumsy(context: RunContext): AgentStream {
      yield { type: "step.started", step: 1 };
      yield { type: "text.started", id: "0" };
      yield { type: "text.delta", id: "0", text: "Wrong" };
      yield { type: "step.retried", step: 1, attempt: 1, code: "overloaded", message: "Busy" };
      yield { type: "text.started", id: "1" };
      yield { type: "text.delta", id: "1", text: `Right, ${questionOf(context.input)}` };
      yield { type: "text.finished", id: "1" };
      yield { type: "step.finished", step: 1, finishReason: "stop", usage: null, cost: null };
    }
    const served = await serve(clumsy);
    const agent = agentOf(served);
    agent.addMessage({ id: "s", role: "system", content: "The front end's own" });
    for (const n of [1, 2]) {
      agent.addMessage(user(`u-${n}`, `${n}`));
      await agent.runAgent({ runId: `r-${n}` });
    }
    expect(agent.messages.map(({ content }) => content)).toEqual([
      "The front end's own",
      "1",
      "Right, 1",
      "2",
      "Right, 2",
    ]);
  });

  it("[F80] leaves the run at work when the client goes", async () => {
    const { opened, open } = gate();
    async function* slow(context: RunContext): AgentStream {
      yield { type: "custom", name: "app.here", data: null };
      await opened;
      yield* parrot(context);
    }
    const served = await serve(slow);
    const response = await post(served, asked);
    await response.body!.cancel();
    open();
    expect((await served.hub.run("r-1").ended()).status).toBe("finished");
  });

  it("ends with RUN_ERROR when the run fails in the middle of a text", async () => {
    async function* failing(): AgentStream {
      yield { type: "text.started", id: "1" };
      yield { type: "text.delta", id: "1", text: "Once" };
      throw new Error("The provider broke off");
    }
    const served = await serve(failing);
    const list = plain(await events(post(served, asked)));
    await judge(list);
    expect(list.slice(-2)).toMatchObject([
      { type: "TEXT_MESSAGE_END" },
      { type: "RUN_ERROR", message: expect.any(String), code: expect.any(String) },
    ]);
  });

  it("[F87] shows what people say meanwhile as messages of theirs", async () => {
    const { opened, open } = gate();
    async function* patient(context: RunContext): AgentStream {
      yield { type: "text.started", id: "1" };
      yield { type: "text.delta", id: "1", text: "Working" };
      await opened;
      const [said] = context.takeMessages();
      yield { type: "text.delta", id: "1", text: `, heard ${questionOf([said!.message])}` };
      yield { type: "text.finished", id: "1" };
    }
    const served = await serve(patient);
    const response = post(served, asked);
    await response;
    await started(served, "r-1", 3);
    const message = { id: "u-2", role: "user" as const, parts: [{ type: "text" as const, text: "Hurry" }] };
    await served.hub.run("r-1").send({ type: "input.message", message });
    open();
    const { messages } = await judge(plain(await events(response)));
    expect(bare(messages)).toEqual([
      user("u-1", "Hello"),
      { id: "r-1.1", role: "assistant", content: "Working, heard Hurry" },
      user("r-1.u-2", "Hurry"),
    ]);
  });

  const long = "x".repeat(65);
  const [message] = asked.messages;
  const withMessage = (fields: object) => ({ ...asked, messages: [{ ...message, ...fields }] });
  const resume = (entry: unknown) => ({ ...asked, resume: [entry] });
  it.each<[string, unknown, string]>([
    ["no object", [], "the body must be an object"],
    ["null", null, "the body must be an object"],
    ["no thread", { ...asked, threadId: undefined }, "thread"],
    ["a thread that is too long", { ...asked, threadId: long }, "threadId"],
    ["a thread that is a path", { ...asked, threadId: "../x" }, "threadId"],
    ["a run that is a number", { ...asked, runId: 7 }, "runId"],
    ["a version that is a number", { ...asked, protocolVersion: 1 }, '"protocolVersion"'],
    ["no messages", { ...asked, messages: undefined }, '"messages" must be an array'],
    ["no message", { ...asked, messages: [] }, '"messages" must end with what the user says'],
    [
      "nothing of the user",
      { ...asked, messages: [{ id: "a", role: "assistant", content: "Hi" }] },
      "must end with",
    ],
    ["an empty question", withMessage({ content: "" }), "must end with"],
    ["instructions alone", withMessage({ role: "system" }), "must end with"],
    ["a message that is a text", { ...asked, messages: ["Hi"] }, "messages[0] must be an object"],
    ["a message without an id", withMessage({ id: undefined }), "messages[0].id must be a text"],
    ["a role of its own", withMessage({ role: "robot" }), "messages[0].role must be one of"],
    [
      "content that is a number",
      withMessage({ content: 1 }),
      "messages[0].content must be a text or an array",
    ],
    ["a part of its own", withMessage({ content: [{ type: "smell" }] }), "messages[0].content[0].type"],
    ["a part without a text", withMessage({ content: [{ type: "text" }] }), "messages[0].content[0].text"],
    [
      "a picture without a source",
      withMessage({ content: [{ type: "image" }] }),
      "content[0].source must be",
    ],
    [
      "bytes without a type",
      withMessage({ content: [{ type: "image", source: { type: "data", value: "" } }] }),
      "source.mimeType",
    ],
    [
      "a source of its own",
      withMessage({ content: [{ type: "image", source: { type: "disk", value: "" } }] }),
      "source.type",
    ],
    [
      "a handle alone",
      withMessage({ content: [{ type: "image", source: { type: "file", value: "f" } }] }),
      "must end with",
    ],
    ["calls that are none", withMessage({ role: "assistant", toolCalls: {} }), "toolCalls must be an array"],
    [
      "a call without arguments",
      withMessage({ role: "assistant", toolCalls: [{ id: "c", function: { name: "x" } }] }),
      "toolCalls[0].function.arguments",
    ],
    ["an answer to no call", withMessage({ role: "tool" }), "messages[0].toolCallId"],
    [
      "an activity without content",
      withMessage({ role: "activity", activityType: "PLAN" }),
      "messages[0].content",
    ],
    ["tools that are none", { ...asked, tools: [{ name: "x" }] }, "tools[0].description"],
    ["context that is none", { ...asked, context: [{ description: "x", value: 1 }] }, "context[0].value"],
    ["resume that is none", { ...asked, resume: {} }, '"resume" must be an array'],
    ["resume without an answer", { ...asked, resume: [] }, '"resume" must answer'],
    ["an answer to nothing", resume({ status: "cancelled" }), "resume[0].interruptId"],
    ["an answer without a status", resume({ interruptId: "a" }), "resume[0].status"],
    ["an answer without a payload", resume({ interruptId: "a", status: "resolved" }), "resume[0].payload"],
    [
      "an answer that is no yes or no",
      resume({ interruptId: "a", status: "resolved", payload: { approved: "yes" } }),
      "resume[0].payload.approved",
    ],
    [
      "an answer with arguments of its own",
      resume({ interruptId: "a", status: "resolved", payload: { approved: true, editedArgs: {} } }),
      "resume[0].payload.editedArgs",
    ],
    [
      "an answer given twice",
      { ...asked, resume: [1, 2].map(() => ({ interruptId: "a", status: "cancelled" })) },
      "resume[1].interruptId",
    ],
  ])("refuses %s, naming the field", async (_, body, names) => {
    const served = await serve(parrot);
    const response = await post(served, body);
    expect(response.status).toBe(400);
    expect((await problemOf(response)).detail).toContain(names);
    expect((await served.hub.list()).runs).toEqual([]);
  });
});

describe("interrupts", () => {
  const answer = (payload: unknown, fields: object = {}) => ({
    ...asked,
    runId: "r-2",
    resume: [{ interruptId: "a-1", status: "resolved", payload }],
    ...fields,
  });

  it("[F20] end the answer with what is asked, and are answered by AG-UI's own client", async () => {
    const served = await serve(careful);
    const agent = agentOf(served);
    agent.addMessage(user("u-1", "Delete a"));
    await agent.runAgent({ runId: "r-1" });
    expect(agent.pendingInterrupts).toMatchObject([
      {
        id: "a-1",
        reason: "tool_call",
        message: "Sure?",
        toolCallId: "r-1.c-1",
        metadata: { "runlog-tool": { name: "delete", input: { file: "a" } } },
      },
    ]);
    const starts: unknown[] = [];
    await agent.runAgent(
      { runId: "r-2", resume: [{ interruptId: "a-1", status: "resolved", payload: { approved: true } }] },
      { onRunStartedEvent: ({ event: { runId, parentRunId } }) => void starts.push([runId, parentRunId]) },
    );
    expect(starts).toEqual([["r-2", "r-1"]]);
    expect(agent.pendingInterrupts).toEqual([]);
    expect(bare(agent.messages)).toEqual([
      user("u-1", "Delete a"),
      {
        id: "r-1.m-1",
        role: "assistant",
        toolCalls: [
          { id: "r-1.c-1", type: "function", function: { name: "delete", arguments: '{"file":"a"}' } },
        ],
      },
      { id: "r-1.c-1.result", toolCallId: "r-1.c-1", role: "tool", content: "gone" },
      { id: "r-1.2", role: "assistant", content: "Done." },
    ]);
    expect((await served.hub.list()).runs).toHaveLength(1);
    // What the front end shows is what the thread holds: nothing of it goes into the log again.
    agent.addMessage(user("u-3", "Thanks"));
    await agent.runAgent({ runId: "r-3" });
    const first = (await served.hub.run("r-3").log.entry(1))!.event;
    expect(first).toMatchObject({ type: "run.started", thread: "t-1" });
    expect(first).not.toHaveProperty("history");
    agent.setMessages(agent.messages.slice(0, 4));
    // What was told after the question is not lost: it waits for who goes on.
    expect(agent.state).toMatchObject({ runlog: { progress: { iteration: 1 } } });
  });

  it.each<[string, object, string]>([
    [
      "denied with a reason",
      { status: "resolved", payload: { approved: false, reason: "Not now" } },
      "Error: Not now",
    ],
    ["cancelled", { status: "cancelled" }, "Error: No"],
  ])("can be %s", async (_, entry, content) => {
    const served = await serve(careful);
    await events(post(served, asked));
    const list = await events(
      post(served, { ...asked, runId: "r-2", resume: [{ interruptId: "a-1", ...entry }] }),
    );
    expect(list.find(({ type }) => type === "TOOL_CALL_RESULT")).toMatchObject({ content });
    expect(endsWell(list)).toBe(true);
  });

  it("are answered once: the same request again is shown the same, from its start or from a cursor", async () => {
    const served = await serve(careful);
    await events(post(served, asked));
    const all = await events(post(served, answer({ approved: true })));
    expect(all[0]).toMatchObject({ type: "RUN_STARTED", runId: "r-2" });
    expect(await events(post(served, answer({ approved: true })))).toEqual(all);
    const cut = all.findIndex(({ id }) => id !== undefined);
    const rest = await events(post(served, answer({ approved: true }), { "last-event-id": all[cut]!.id! }));
    expect(rest).toEqual(all.slice(cut + 1));
    const late = await post(served, answer({ approved: true }, { runId: "r-3" }));
    expect([late.status, await late.json()]).toMatchObject([409, { code: "not_waiting" }]);
  });

  it("take along what the user says with the answer, once", async () => {
    const served = await serve(careful);
    await events(post(served, asked));
    const messages = [
      ...asked.messages,
      { id: "r-1.m-1", role: "assistant", toolCalls: [] },
      user("u-2", "Be quick"),
    ];
    const list = plain(await events(post(served, answer({ approved: true }, { messages }))));
    expect(list[0]).toMatchObject({ type: "RUN_STARTED", input: { messages: [user("u-2", "Be quick")] } });
    const said = list.flatMap((event) => (event.type === "TEXT_MESSAGE_CONTENT" ? [event.delta] : []));
    expect(said.join("")).toBe('Done. And [{"type":"text","text":"Be quick"}]');
  });

  it("are answered to the end by the same request, where its first try answered only one of them", async () => {
    async function* twice({ entries }: RunContext): AgentStream {
      if (entries.some(({ event }) => event.type === "input.approval")) return;
      yield { type: "step.started", step: 1 };
      for (const n of [1, 2])
        yield { type: "approval.requested", approvalId: `a-${n}`, callId: `c-${n}`, name: "go", input: null };
      yield { type: "step.finished", step: 1, finishReason: "tool-calls", usage: null, cost: null };
    }
    const served = await serve(twice);
    await events(post(served, asked));
    const run = served.hub.run("r-1");
    await run.send({ type: "input.approval", approvalId: "a-1", approved: true, parent: "r-2" });
    const both = [1, 2].map((n) => ({ interruptId: `a-${n}`, status: "cancelled" }));
    const list = await events(post(served, { ...asked, runId: "r-2", resume: both }));
    expect(list.map(({ type }) => type)).toEqual(["RUN_STARTED", "RUN_FINISHED"]);
    expect(list[0]).toMatchObject({ runId: "r-2", parentRunId: "r-1" });
  });

  it("are refused where nothing waits, for what was not asked, and where one of them has no answer", async () => {
    async function* twice(): AgentStream {
      yield { type: "step.started", step: 1 };
      for (const n of [1, 2])
        yield { type: "approval.requested", approvalId: `a-${n}`, callId: `c-${n}`, name: "go", input: null };
      yield { type: "step.finished", step: 1, finishReason: "tool-calls", usage: null, cost: null };
    }
    const served = await serve(twice);
    const none = await post(served, answer({ approved: true }));
    expect([none.status, await none.json()]).toMatchObject([404, { code: "run_not_found" }]);
    const waits = await events(post(served, asked));
    expect(waits.at(-1)).toMatchObject({ outcome: { type: "interrupt" } });
    const part = await post(served, answer({ approved: true }));
    expect([part.status, (await problemOf(part)).detail]).toEqual([
      400,
      expect.stringContaining('"a-2" is missing'),
    ]);
    const other = await post(served, { ...asked, resume: [{ interruptId: "b", status: "cancelled" }] });
    expect([other.status, (await problemOf(other)).detail]).toEqual([
      409,
      expect.stringContaining('"a-1", "a-2"'),
    ]);
    const busy = await post(served, { ...asked, runId: "r-9" });
    expect((await problemOf(busy)).code).toBe("thread_busy");
  });
});

describe("GET /ag-ui/:thread", () => {
  const get = ({ fetch }: Served, query = "", headers: Record<string, string> = {}) =>
    fetch(`/ag-ui/t-1${query}`, { headers });

  it("[F50] shows who comes late the conversation, then the run as it goes on", async () => {
    const { opened, open } = gate();
    async function* slow(context: RunContext): AgentStream {
      yield { type: "custom", name: "app.here", data: context.run };
      yield { type: "text.started", id: "1" };
      yield { type: "text.delta", id: "1", text: "Now " };
      if (context.run === "r-2") await opened;
      yield { type: "text.delta", id: "1", text: "done" };
      yield { type: "text.finished", id: "1" };
    }
    const served = await serve(slow);
    await events(post(served, asked));
    const live = post(served, { ...asked, runId: "r-2", messages: [user("u-2", "More")] });
    await live;
    await started(served, "r-2", 4);
    const late = get(served);
    await late;
    open();
    const list = plain(await events(late));
    expect(list.map(({ type }) => type)).toEqual([
      "RUN_STARTED",
      "MESSAGES_SNAPSHOT",
      "CUSTOM",
      "TEXT_MESSAGE_START",
      "TEXT_MESSAGE_CONTENT",
      "TEXT_MESSAGE_END",
      "RUN_FINISHED",
    ]);
    // A page that has a part of it already is put right.
    const stale = [{ id: "r-2.1", role: "assistant" as const, content: "No" }];
    const { messages } = await judge(list, stale);
    expect(bare(messages)).toEqual(
      expect.arrayContaining([
        user("u-1", "Hello"),
        { id: "r-1.1", role: "assistant", content: "Now done" },
        user("u-2", "More"),
        { id: "r-2.1", role: "assistant", content: "Now done" },
      ]),
    );
    expect(messages).toHaveLength(4);
    await events(live);
  });

  it("[F54] begins a stream anywhere for who has all up to there, and is 204 at the end", async () => {
    const served = await serve(parrot);
    const all = await events(post(served, asked));
    const whole = (await judge(plain(all))).messages;
    for (const [index, { id }] of all.slice(0, -1).entries()) {
      if (id === undefined) continue;
      const before = (await judge(plain(all.slice(0, index + 1)))).messages;
      const list = plain(await events(get(served, `?after=${id}`)));
      expect(endsWell(list)).toBe(true);
      expect(bare((await judge(list, before)).messages)).toEqual(bare(whole));
      expect(await events(get(served, "", { "last-event-id": id }))).toEqual(all.slice(index + 1));
    }
    expect((await get(served, `?after=${all.at(-1)!.id}`)).status).toBe(204);
    expect((await get(served, "", { "last-event-id": all.at(-1)!.id! })).status).toBe(204);
  });

  it("shows all to who brings a cursor of an earlier run", async () => {
    const served = await serve(parrot);
    const first = await events(post(served, asked));
    await events(post(served, { ...asked, runId: "r-2", messages: [user("u-2", "More")] }));
    const list = await events(get(served, `?after=${first.at(-1)!.id}`));
    expect(list.map(({ type }) => type)).toEqual(["RUN_STARTED", "MESSAGES_SNAPSHOT", "RUN_FINISHED"]);
  });

  it("ends with the interrupt of a run that waits, and is 204 for who has seen it", async () => {
    const served = await serve(careful);
    await events(post(served, asked));
    const list = await events(get(served));
    await judge(plain(list));
    expect(list.at(-1)).toMatchObject({ outcome: { type: "interrupt", interrupts: [{ id: "a-1" }] } });
    expect((await get(served, `?after=${list.at(-1)!.id}`)).status).toBe(204);
  });

  it("refuses a thread in which nothing was said, what is no thread, and what is no cursor", async () => {
    const served = await serve(parrot);
    const none = await get(served);
    expect([none.status, await none.json()]).toMatchObject([404, { code: "run_not_found" }]);
    expect((await served.fetch("/ag-ui/a%20b")).status).toBe(400);
    await events(post(served, asked));
    expect((await get(served, "?after=x")).status).toBe(400);
  });
});

async function problemOf(response: Response): Promise<{ readonly code: string; readonly detail: string }> {
  return (await response.json()) as { code: string; detail: string };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
}

/** Resolves once so many entries of a run are there. */
async function started({ hub }: Served, run: string, entries: number): Promise<void> {
  let seen = 0;
  for await (const slice of hub.run(run).follow()) {
    seen += slice.entries?.length ?? 0;
    if (seen >= entries) return;
  }
}
