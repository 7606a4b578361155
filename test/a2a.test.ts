import { execFile, execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import {
  AgentCard,
  type Part,
  Role,
  type SendMessageRequest,
  type StreamResponse,
  type Task,
  TaskState,
} from "@a2a-js/sdk";
import {
  type Client,
  ClientFactory,
  DefaultAgentCardResolver,
  JsonRpcTransportFactory,
  RestTransportFactory,
} from "@a2a-js/sdk/client";
import { parseLegacyAgentCard } from "@a2a-js/sdk/compat/v0_3/client";
import { describe, expect, it, onTestFinished } from "vitest";
import type { AgentFunction, AgentLike } from "../src/agent.ts";
import { createHub, type Hub } from "../src/hub.ts";
import { cardDocument, cardOf } from "../src/protocols/a2a/card.ts";
import { createApp } from "../src/server/app.ts";
import { listen } from "../src/server/listen.ts";
import { memoryStore } from "../src/stores/memory.ts";

const root = join(import.meta.dirname, "..");

/** Says what it was asked, word by word, after looking it up. */
const echo: AgentLike = {
  name: "echo",
  info: {
    name: "echo",
    description: "Says it again",
    tools: [{ name: "look", description: "Looks it up" }, { name: "write" }],
  },
  async *run({ input, history }) {
    const text =
      typeof input === "string"
        ? input
        : input
            .flatMap(({ parts }) => parts)
            .map((part) => (part.type === "text" ? part.text : `[${part.type}]`))
            .join("");
    yield { type: "step.started", step: 1 };
    yield { type: "tool.called", callId: "c", name: "look", input: { text } };
    yield { type: "tool.returned", callId: "c", name: "look", output: "SECRET", durationMs: 1 };
    yield { type: "text.started", id: "1" };
    yield { type: "text.delta", id: "1", text: `${history.length}:` };
    for (const word of text.split(" ")) yield { type: "text.delta", id: "1", text: ` ${word}` };
    yield { type: "text.finished", id: "1" };
    yield {
      type: "step.finished",
      step: 1,
      finishReason: "stop",
      usage: { inputTokens: 3, outputTokens: 2 },
      cost: 0.5,
    };
  },
};

/** Says one word for each message that reaches it while it works, until one says "end". */
const gated: AgentFunction = async function* gated({ signal, takeMessages }) {
  yield { type: "text.started", id: "1" };
  yield { type: "text.delta", id: "1", text: "begin" };
  for (let end = false; !end && !signal.aborted; ) {
    for (const { message } of takeMessages()) {
      const [part] = message.parts;
      const text = part?.type === "text" ? part.text : "";
      yield { type: "text.delta", id: "1", text: ` ${text}` };
      end ||= text === "end";
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  yield { type: "text.finished", id: "1" };
};

/** Asks a person before each of its calls, and says what the answers were. */
const asks: AgentFunction = async function* asks({ input, entries }) {
  const calls = JSON.stringify(input).includes("twice") ? ["c-1", "c-2"] : ["c-1"];
  if (entries.length === 0) {
    yield { type: "step.started", step: 1 };
    for (const callId of calls) {
      yield { type: "tool.called", callId, name: "delete", input: { file: callId } };
      yield {
        type: "approval.requested",
        approvalId: `a-${callId}`,
        callId,
        name: "delete",
        input: { file: callId },
        reason: "It is gone then",
      };
    }
    yield { type: "step.finished", step: 1, finishReason: "tool-calls", usage: null, cost: 0 };
    return;
  }
  const said = entries.flatMap(({ event }) => {
    if (event.type === "input.approval")
      return [`${event.approvalId}=${event.approved}${event.reason ? ` (${event.reason})` : ""}`];
    return event.type === "input.message"
      ? event.message.parts.map((part) => (part.type === "text" ? part.text : ""))
      : [];
  });
  for (const callId of calls)
    yield { type: "tool.returned", callId, name: "delete", output: null, durationMs: 1 };
  yield { type: "text.started", id: "2" };
  yield { type: "text.delta", id: "2", text: said.join(", ") };
  yield { type: "text.finished", id: "2" };
};

const fails: AgentFunction = async function* fails() {
  yield { type: "text.started", id: "1" };
  yield { type: "text.delta", id: "1", text: "Once" };
  throw new Error("no provider");
};

/** JSON of an answer: what is in it is what the tests are about. */
// biome-ignore lint/suspicious/noExplicitAny: a test reads it at any depth, and fails where it is not there
type Read = any;
const read = (response: Response): Promise<Read> => response.json();

interface Served {
  readonly hub: Hub;
  readonly url: string;
  readonly v1: Client;
  readonly v03: Client;
  readonly rest: Client;
  /** Posts a body as it is, and gives its status and JSON. */
  post(
    body: unknown,
    headers?: Record<string, string>,
    path?: string,
  ): Promise<{ readonly status: number; readonly json: Read }>;
}

/** A server, and the SDK's clients of it, made from the card at a path. */
async function serve(agents: readonly (AgentLike | AgentFunction)[] = [echo], at = ""): Promise<Served> {
  const hub = await createHub({ store: memoryStore(), agents });
  const server = await listen({ hub, port: 0, heartbeatMs: 5 });
  onTestFinished(() => server.stop(0));
  const { url } = server;
  const card = at ? `${url}${at}/.well-known/agent-card.json` : url;
  const path = at ? "" : undefined;
  const transports = [new RestTransportFactory()];
  return {
    hub,
    url,
    v1: await new ClientFactory().createFromUrl(card, path),
    rest: await new ClientFactory({ transports }).createFromUrl(card, path),
    v03: await legacyClient(card, path),
    async post(body, headers = {}, to = "/") {
      const sent = typeof body === "string" ? body : JSON.stringify(body);
      const response = await fetch(`${url}${to}`, { method: "POST", body: sent, headers });
      return { status: response.status, json: await response.json() };
    },
  };
}

/** The SDK's client of 0.3, which knows nothing of what 1.0 added to the card. */
function legacyClient(url: string, path?: string): Promise<Client> {
  const legacyCompat = { enabled: true };
  const fetchCard: typeof fetch = async (...asked) => {
    const { supportedInterfaces: _, ...card } = (await (await fetch(...asked)).json()) as Record<
      string,
      unknown
    >;
    return Response.json(card);
  };
  return new ClientFactory({
    transports: [new JsonRpcTransportFactory({ legacyCompat })],
    cardResolver: new DefaultAgentCardResolver({ legacyCompat, fetchImpl: fetchCard }),
  }).createFromUrl(url, path);
}

const text = (value: string) => ({
  content: { $case: "text" as const, value },
  metadata: undefined,
  filename: "",
  mediaType: "",
});
const data = (value: unknown) => ({
  content: { $case: "data" as const, value },
  metadata: undefined,
  filename: "",
  mediaType: "",
});
let messages = 0;
/** A message of a text or of parts; `now` asks to be answered at once. */
function send(
  parts: string | Part[],
  { taskId = "", contextId = "", now = false }: { taskId?: string; contextId?: string; now?: boolean } = {},
): SendMessageRequest {
  const configuration = now
    ? { acceptedOutputModes: [], taskPushNotificationConfig: undefined, returnImmediately: true }
    : undefined;
  return {
    tenant: "",
    message: {
      messageId: `client-${++messages}`,
      taskId,
      contextId,
      role: Role.ROLE_USER,
      parts: typeof parts === "string" ? [text(parts)] : parts,
      metadata: undefined,
      extensions: [],
      referenceTaskIds: [],
    },
    configuration,
    metadata: undefined,
  };
}

async function steer(hub: Hub, run: string, words: string): Promise<void> {
  const message = { id: words, role: "user" as const, parts: [{ type: "text" as const, text: words }] };
  await hub.run(run).send({ type: "input.message", message });
}

async function all(stream: AsyncIterable<StreamResponse>): Promise<StreamResponse[]> {
  return Array.fromAsync(stream);
}
const kinds = (stream: readonly StreamResponse[]) => stream.map(({ payload }) => payload?.$case);
/** The text of the answers that a client has heard, as it puts them together. */
function heard(stream: readonly StreamResponse[]): string {
  const artifacts = new Map<string, string>();
  for (const { payload } of stream) {
    if (payload?.$case !== "artifactUpdate") continue;
    const { artifact, append } = payload.value;
    const said = artifact!.parts
      .map(({ content }) => (content?.$case === "text" ? content.value : ""))
      .join("");
    artifacts.set(artifact!.artifactId, (append ? (artifacts.get(artifact!.artifactId) ?? "") : "") + said);
  }
  return [...artifacts.values()].join("");
}
const statesOf = (stream: readonly StreamResponse[]) =>
  stream.flatMap(({ payload }) =>
    payload?.$case === "task" || payload?.$case === "statusUpdate"
      ? [TaskState[payload.value.status!.state]!.slice(11)]
      : [],
  );
const answers = (task: Task) =>
  task.artifacts.flatMap(({ parts }) => parts.map(({ content }) => content?.value));
const taskIdOf = (stream: readonly StreamResponse[]) => (stream[0]!.payload as { value: Task }).value.id;
const contextIdOf = (stream: readonly StreamResponse[]) =>
  (stream[0]!.payload as { value: Task }).value.contextId;

describe.each(["v1", "v03", "rest"] as const)("the SDK's client %s", (name) => {
  it("[F61] streams a message: the task, its states, the answer in pieces, the end", async () => {
    const { [name]: client } = await serve();
    const stream = await all(client.sendMessageStream(send("tell me")));
    expect(kinds(stream)[0]).toBe("task");
    expect(heard(stream)).toBe("0: tell me");
    expect(statesOf(stream)[0]).toBe("SUBMITTED");
    expect(statesOf(stream)[1]).toBe("WORKING");
    expect(statesOf(stream).at(-1)).toBe("COMPLETED");
    for (const { payload } of stream) expect((payload!.value as Task).metadata).toHaveProperty("seq");
    const last = stream.at(-1)!.payload!.value as Task;
    expect(last.metadata).toMatchObject({ usage: { inputTokens: 3, outputTokens: 2 }, cost: 0.5 });
  });

  it("[F66] hears answers only as artifacts, under one id; what tools return stays apart", async () => {
    const { [name]: client } = await serve();
    const stream = await all(client.sendMessageStream(send("tell me")));
    const updates = stream.flatMap(({ payload }) =>
      payload?.$case === "artifactUpdate" ? [payload.value] : [],
    );
    expect(updates.map(({ append }) => append)).toEqual(updates.map((_, index) => index > 0));
    expect(updates.map(({ lastChunk }) => lastChunk)).toEqual(
      updates.map((_, index) => index === updates.length - 1),
    );
    expect(new Set(updates.map(({ artifact }) => artifact!.artifactId)).size).toBe(1);
    expect(JSON.stringify(updates)).not.toContain("SECRET");
    expect(JSON.stringify(stream)).toContain("SECRET");
  });

  it("[F62] [F63] sends a message and waits for the whole task; asks for it again, with as much history as it likes", async () => {
    const { [name]: client } = await serve();
    const task = (await client.sendMessage(send("tell me"))) as Task;
    expect(task.status!.state).toBe(TaskState.TASK_STATE_COMPLETED);
    expect(answers(task)).toEqual(["0: tell me"]);
    expect(task.history.map(({ role, parts }) => [role, parts[0]!.content!.value])).toEqual([
      [Role.ROLE_USER, "tell me"],
    ]);
    expect(await client.getTask({ tenant: "", id: task.id })).toEqual(task);
    const short = await client.getTask({ tenant: "", id: task.id, historyLength: 0 });
    expect(short.history).toEqual([]);
  });

  it("[F62] is answered at once if it asks for that", async () => {
    const { [name]: client } = await serve([gated]);
    const task = (await client.sendMessage(send("go", { now: true }))) as Task;
    expect(task.status!.state).toBeLessThan(TaskState.TASK_STATE_COMPLETED);
    await client.cancelTask({ tenant: "", id: task.id, metadata: undefined });
  });

  it("[F65] attaches to a run in the middle: all that was said, then what comes, without a gap", async () => {
    const { [name]: client, hub } = await serve([gated]);
    const first = client.sendMessageStream(send("go"))[Symbol.asyncIterator]();
    const task = (await first.next()).value as StreamResponse;
    const id = taskIdOf([task]);
    await steer(hub, id, "one");
    await first.return?.();
    let ended = false;
    const stream: StreamResponse[] = [];
    for await (const each of client.resubscribeTask({ tenant: "", id })) {
      stream.push(each);
      if (heard(stream) === "begin one" && !ended) {
        ended = true;
        await steer(hub, id, "end");
      }
    }
    expect(heard(stream)).toBe("begin one end");
    expect(statesOf(stream).at(-1)).toBe("COMPLETED");
    await expect(all(client.resubscribeTask({ tenant: "", id }))).rejects.toThrow("has ended");
  });

  it("[F64] cancels: the task is canceled, and an ended one cannot be", async () => {
    const { [name]: client } = await serve([gated]);
    const stream = client.sendMessageStream(send("go"));
    const seen: StreamResponse[] = [];
    for await (const each of stream) {
      seen.push(each);
      if (seen.length === 3) {
        const task = await client.cancelTask({ tenant: "", id: taskIdOf(seen), metadata: undefined });
        expect(task.status!.state).toBe(TaskState.TASK_STATE_CANCELED);
      }
    }
    expect(statesOf(seen).at(-1)).toBe("CANCELED");
    await expect(client.cancelTask({ tenant: "", id: taskIdOf(seen), metadata: undefined })).rejects.toThrow(
      "cancelled",
    );
  });

  it("[F69] goes on with a context: the agent knows what was said before", async () => {
    const { [name]: client } = await serve();
    const first = await all(client.sendMessageStream(send("one")));
    const contextId = contextIdOf(first);
    const second = await all(client.sendMessageStream(send("two", { contextId })));
    expect(contextIdOf(second)).toBe(contextId);
    expect(taskIdOf(second)).not.toBe(taskIdOf(first));
    expect(heard(second)).toBe("2: two");
    const fresh = await all(client.sendMessageStream(send("three", { contextId: "of-my-own" })));
    expect([contextIdOf(fresh), heard(fresh)]).toEqual(["of-my-own", "0: three"]);
  });

  it("[F20] is asked by a run that waits, and answers with a data part: the same task goes on", async () => {
    const { [name]: client } = await serve([asks]);
    const stream = await all(client.sendMessageStream(send("go")));
    expect(statesOf(stream).at(-1)).toBe("INPUT_REQUIRED");
    const { status, contextId, taskId } = stream.at(-1)!.payload!.value as Read;
    const [say, question] = status.message.parts;
    expect(say.content.value).toContain("May I call delete");
    expect(question.content.value).toEqual({
      approvalId: "a-c-1",
      name: "delete",
      input: { file: "c-1" },
      reason: "It is gone then",
    });
    const answer = data({ approvalId: "a-c-1", approved: false, reason: "keep it" });
    const rest = await all(client.sendMessageStream(send([answer], { taskId, contextId })));
    expect(kinds(rest)[0]).toBe("task");
    expect(taskIdOf(rest)).toBe(taskId);
    expect(statesOf(rest)).not.toContain("INPUT_REQUIRED");
    expect(statesOf(rest).at(-1)).toBe("COMPLETED");
    expect(heard(rest)).toBe("a-c-1=false (keep it)");
    const { history } = await client.getTask({ tenant: "", id: taskId });
    expect(history.map(({ role }) => role)).toEqual([Role.ROLE_USER, Role.ROLE_AGENT, Role.ROLE_USER]);
  });

  it("[F20] answers in a word, and waits for the task to end", async () => {
    const { [name]: client } = await serve([asks]);
    const waiting = (await client.sendMessage(send("go"))) as Task;
    expect(waiting.status!.state).toBe(TaskState.TASK_STATE_INPUT_REQUIRED);
    const more = (await client.sendMessage(send("which file?", { taskId: waiting.id }))) as Task;
    expect(more.status!.state).toBe(TaskState.TASK_STATE_INPUT_REQUIRED);
    const done = (await client.sendMessage(send(" Approve\n", { taskId: waiting.id }))) as Task;
    expect(done.status!.state).toBe(TaskState.TASK_STATE_COMPLETED);
    expect(answers(done)).toEqual(["which file?, a-c-1=true"]);
  });

  it("[F20] answers several questions one by one, in any order; a word is not enough", async () => {
    const { [name]: client } = await serve([asks]);
    const { id, status } = (await client.sendMessage(send("twice"))) as Task;
    expect(status!.message!.parts).toHaveLength(3);
    await expect(client.sendMessage(send("yes", { taskId: id }))).rejects.toThrow("2 questions are open");
    const half = (await client.sendMessage(
      send([data({ approvalId: "a-c-2", approved: true })], { taskId: id }),
    )) as Task;
    expect(half.status!.state).toBe(TaskState.TASK_STATE_INPUT_REQUIRED);
    expect(half.status!.message!.parts).toHaveLength(2);
    const done = (await client.sendMessage(
      send([text("careful"), data({ approvalId: "a-c-1", approved: false })], { taskId: id }),
    )) as Task;
    expect(answers(done)).toEqual(["a-c-2=true, careful, a-c-1=false"]);
  });

  it("[F20] [F65] follows a task through a question that another answers", async () => {
    const { [name]: client, v1 } = await serve([asks]);
    const { id } = (await v1.sendMessage(send("go"))) as Task;
    const stream: StreamResponse[] = [];
    for await (const each of client.resubscribeTask({ tenant: "", id })) {
      stream.push(each);
      if (statesOf([each])[0] === "INPUT_REQUIRED") await v1.sendMessage(send("no", { taskId: id }));
    }
    expect(heard(stream)).toBe("a-c-1=false");
    expect(statesOf(stream)).toContain("INPUT_REQUIRED");
    expect(statesOf(stream).at(-1)).toBe("COMPLETED");
  });

  it("[F87] reaches the agent of a working task with a message", async () => {
    const { [name]: client } = await serve([gated]);
    const task = (await client.sendMessage(send("go", { now: true }))) as Task;
    const steered = await all(
      client.sendMessageStream(send("end", { taskId: task.id, contextId: task.contextId })),
    );
    expect(statesOf(steered).at(-1)).toBe("COMPLETED");
    const done = await client.getTask({ tenant: "", id: task.id });
    expect(answers(done)).toEqual(["begin end"]);
    expect(done.history).toHaveLength(2);
  });

  it("[F69] sends texts, data and files in one message, in their order", async () => {
    const { [name]: client, hub } = await serve();
    const parts = [
      text("see"),
      data({ a: [1] }),
      {
        content: { $case: "raw", value: Buffer.from("hi") },
        metadata: undefined,
        filename: "a.txt",
        mediaType: "text/plain",
      },
      {
        content: { $case: "url", value: "https://example.org/b.png" },
        metadata: undefined,
        filename: "",
        mediaType: "image/png",
      },
    ];
    const task = (await client.sendMessage(send(parts as Part[]))) as Task;
    expect(answers(task)).toEqual(["0: see[data][file][file]"]);
    const started = (await hub.run(task.id).log.entry(1))!.event;
    expect(started).toMatchObject({
      input: [
        {
          role: "user",
          parts: [
            { type: "text", text: "see" },
            { type: "data", data: { a: [1] } },
            { type: "file", mediaType: "text/plain", data: "aGk=", name: "a.txt" },
            { type: "file", mediaType: "image/png", url: "https://example.org/b.png" },
          ],
        },
      ],
    });
    expect(task.history[0]!.parts.map(({ content }) => content!.$case)).toEqual([
      "text",
      "data",
      "raw",
      "url",
    ]);
  });

  it("[F61] hears of a failure as the state of the task, with what was said before it", async () => {
    const { [name]: client } = await serve([fails]);
    const stream = await all(client.sendMessageStream(send("go")));
    expect(heard(stream)).toBe("Once");
    const last = stream.at(-1)!.payload!.value as Task;
    expect(last.status!.state).toBe(TaskState.TASK_STATE_FAILED);
    expect(last.metadata).toMatchObject({ code: expect.any(String), cost: 0 });
    expect(last.status!.message!.parts[0]!.content!.value).not.toBe("");
  });

  it("is refused a task that is not there, one that has ended, and one of another context", async () => {
    const { [name]: client } = await serve();
    await expect(client.getTask({ tenant: "", id: "nope" })).rejects.toThrow('Cannot find task "nope"');
    await expect(client.sendMessage(send("x", { taskId: "nope" }))).rejects.toThrow(
      'Cannot find task "nope"',
    );
    const { id } = (await client.sendMessage(send("x"))) as Task;
    await expect(client.sendMessage(send("x", { taskId: id }))).rejects.toThrow("it has ended as finished");
    await expect(
      all(client.sendMessageStream(send("x", { taskId: id, contextId: "other" }))),
    ).rejects.toThrow('in context "other"');
    await expect(client.sendMessage(send("x", { contextId: "no id!" }))).rejects.toThrow(
      "leave it out for a new one",
    );
  });
});

describe("cards of A2A", () => {
  it.each([
    ["", "/", "/a2a"],
    ["/agents/echo/a2a", "/agents/echo/a2a", "/agents/echo/a2a"],
  ])("[F67] tell both versions, at the address that was asked: %s", async (at, rpc, rest) => {
    const { url, v1, v03 } = await serve([echo, gated], at);
    const card: unknown = await (await fetch(`${url}${at}/.well-known/agent-card.json`)).json();
    expect(card).toMatchObject({
      name: "echo",
      description: "Says it again",
      capabilities: { streaming: true, pushNotifications: false },
      skills: [
        { id: "look", name: "look", description: "Looks it up", tags: ["tool"] },
        { id: "write", name: "write", description: 'The tool "write"', tags: ["tool"] },
      ],
      supportedInterfaces: [
        { url: `${url}${rpc}`, protocolBinding: "JSONRPC", protocolVersion: "1.0" },
        { url: `${url}${rest}`, protocolBinding: "HTTP+JSON", protocolVersion: "1.0" },
        { url: `${url}${rpc}`, protocolBinding: "JSONRPC", protocolVersion: "0.3" },
      ],
      url: `${url}${rpc}`,
      preferredTransport: "JSONRPC",
      protocolVersion: "0.3.0",
    });
    expect(card).not.toHaveProperty("securitySchemes");
    expect([v1.protocolVersion, v03.protocolVersion]).toEqual(["1.0", "0.3"]);
    for (const client of [v1, v03])
      expect(heard(await all(client.sendMessageStream(send("hi"))))).toBe("0: hi");
  });

  it("[F67] tell of a bearer token where one is needed, in the words of both versions", () => {
    const card = cardOf({
      agent: { name: "a" },
      rpcUrl: "https://x.org/",
      restUrl: "https://x.org/a2a",
      needsToken: true,
    });
    const document = JSON.parse(JSON.stringify(cardDocument(card)));
    expect(AgentCard.fromJSON(document)).toMatchObject({
      securitySchemes: {
        bearer: { scheme: { $case: "httpAuthSecurityScheme", value: { scheme: "Bearer" } } },
      },
      securityRequirements: [{ schemes: { bearer: { list: [] } } }],
    });
    const { supportedInterfaces: _, ...legacy } = document;
    expect(parseLegacyAgentCard(legacy)).toMatchObject({
      securitySchemes: {
        bearer: { scheme: { $case: "httpAuthSecurityScheme", value: { scheme: "bearer" } } },
      },
      securityRequirements: [{ schemes: { bearer: { list: [] } } }],
      skills: [{ id: "a" }],
    });
  });

  it("are refused for agents that are not there", async () => {
    const { url } = await serve();
    expect((await fetch(`${url}/agents/nobody/a2a/.well-known/agent-card.json`)).status).toBe(404);
    expect((await fetch(`${url}/agents/nobody/a2a`, { method: "POST", body: "{}" })).status).toBe(404);
  });

  it("[F67] each door has the tasks of its agent; the first one's shows any", async () => {
    const { v1, post } = await serve([echo, gated], "/agents/echo/a2a");
    const { id } = (await v1.sendMessage(send("hi"))) as Task;
    const get = rpc("GetTask", { id });
    expect((await post(get, {}, "/agents/gated/a2a")).json.error.code).toBe(-32001);
    expect((await post(get, {}, "/agents/echo/a2a")).json.result.id).toBe(id);
    expect((await post(get)).json.result.id).toBe(id);
    expect((await post(rpc("ListTasks", {}), {}, "/agents/gated/a2a")).json.result.tasks).toEqual([]);
  });
});

const rpc = (method: string, params: unknown, id: unknown = 7) => ({ jsonrpc: "2.0", id, method, params });
const message = (fields: object = {}) => ({
  messageId: "m",
  role: "ROLE_USER",
  parts: [{ text: "hi" }],
  ...fields,
});
const legacy = (fields: object = {}) => ({
  kind: "message",
  messageId: "m",
  role: "user",
  parts: [{ kind: "text", text: "hi" }],
  ...fields,
});
const sending = (fields: object, more: object = {}) =>
  rpc("SendMessage", { message: message(fields), ...more });
const sendingLegacy = (fields: object, more: object = {}) =>
  rpc("message/send", { message: legacy(fields), ...more });
const V1 = { "a2a-version": "1.0" };
const V03 = { "a2a-version": "0.3" };
const part = (each: unknown) => sending({ parts: [each] });
const legacyPart = (each: unknown) => sendingLegacy({ parts: [each] });
const configured = (configuration: unknown) => sending({}, { configuration });

describe("JSON-RPC of A2A", () => {
  // What is sent, the code that answers it, and the headers it comes with.
  it.each<[body: unknown, code: number, headers?: Record<string, string>]>([
    ["", -32700],
    ["{", -32700],
    ["nonsense", -32700],
    ['{"jsonrpc":"2.0",}', -32700],
    [String.fromCharCode(0), -32700],
    ["null", -32600],
    ["1", -32600],
    ['"text"', -32600],
    ["true", -32600],
    ["[]", -32600],
    [[rpc("GetTask", { id: "x" }), rpc("GetTask", { id: "y" })], -32600],
    [{}, -32600],
    [{ method: "GetTask", id: 1, params: {} }, -32600],
    [{ ...rpc("GetTask", {}), jsonrpc: "1.0" }, -32600],
    [{ ...rpc("GetTask", {}), jsonrpc: 2 }, -32600],
    [{ jsonrpc: "2.0", id: 1 }, -32600],
    [{ ...rpc("", {}) }, -32600],
    [{ ...rpc("GetTask", {}), method: 5 }, -32600],
    [rpc("GetTask", {}, 1.5), -32600],
    [rpc("GetTask", {}, {}), -32600],
    [rpc("GetTask", {}, [1]), -32600],
    [rpc("GetTask", {}, true), -32600],
    [rpc("tasks/forget", {}), -32601],
    [rpc("__proto__", {}), -32601],
    [rpc("constructor", {}), -32601],
    [rpc("tasks/get", { id: "x" }), -32601, V1],
    [rpc("GetTask", { id: "x" }), -32601, V03],
    [rpc("GetTask", { id: "x" }), -32009, { "a2a-version": "2.0" }],
    [rpc("tasks/get", { id: "x" }), -32009, { "a2a-version": "0.2" }],
    [rpc("tasks/get", { id: "x" }), -32009, { "a2a-version": "latest" }],
    [{ jsonrpc: "2.0", id: 7, method: "GetTask" }, -32602],
    [rpc("GetTask", null), -32602],
    [rpc("GetTask", ["x"]), -32602],
    [rpc("GetTask", "x"), -32602],
    [rpc("GetTask", {}), -32602],
    [rpc("GetTask", { id: "" }), -32602],
    [rpc("GetTask", { id: 5 }), -32602],
    [rpc("GetTask", { id: "x", historyLength: -1 }), -32602],
    [rpc("GetTask", { id: "x", historyLength: "all" }), -32602],
    [rpc("GetTask", { id: "x" }), -32001],
    [rpc("GetTask", { id: "../../etc/passwd" }), -32001],
    [rpc("tasks/get", { id: "\u0000\ud800" }), -32001],
    [rpc("CancelTask", { id: "x" }), -32001],
    [rpc("tasks/cancel", { id: "x" }), -32001],
    [rpc("SubscribeToTask", { id: "x" }), -32001],
    [rpc("tasks/resubscribe", { id: "x" }), -32001],
    [rpc("SubscribeToTask", { id: null }), -32602],
    [rpc("SendMessage", {}), -32602],
    [rpc("SendMessage", { message: "hi" }), -32602],
    [rpc("message/send", { message: null }), -32602],
    [rpc("message/send", { message: {} }), -32602],
    [sending({ messageId: undefined }), -32602],
    [sending({ messageId: "" }, {}), -32602],
    [sendingLegacy({ messageId: undefined }), -32602, V03],
    [sendingLegacy({ role: undefined }), -32602, V03],
    [sendingLegacy({ role: "system" }), -32602],
    [sending({ role: "user" }), -32602],
    [sending({ role: 1 }), -32602],
    [sending({ parts: undefined }), -32602],
    [sending({ parts: "hi" }), -32602],
    [sending({ parts: [] }), -32602],
    [sendingLegacy({ parts: [] }), -32602],
    [sendingLegacy({ parts: {} }), -32602],
    [sending({ contextId: 5 }), -32602],
    [sending({ contextId: "a b" }), -32602],
    [sending({ taskId: {} }), -32602],
    [sending({ taskId: "x" }), -32001],
    [part(null), -32602],
    [part("hi"), -32602],
    [part({}), -32602],
    [part({ text: 5 }), -32602],
    [part({ text: "a", data: 1 }), -32602],
    [part({ raw: "not base64!" }), -32602],
    [part({ url: "file:///etc/passwd" }), -32602],
    [part({ url: 5 }), -32602],
    [part({ text: "a", mediaType: 5 }), -32602],
    [part({ data: JSON.parse("[".repeat(500) + "]".repeat(500)) }), -32602],
    [legacyPart([]), -32602],
    [legacyPart({ kind: "text" }), -32602],
    [legacyPart({ kind: "smell", smell: "rain" }), -32602],
    [legacyPart({ kind: "file" }), -32602],
    [legacyPart({ kind: "file", file: {} }), -32602],
    [legacyPart({ kind: "file", file: { bytes: 5 } }), -32602],
    [legacyPart({ kind: "file", file: { bytes: "aGk=", uri: "https://x.org" } }), -32602],
    [legacyPart({ kind: "data", data: [1] }), -32602],
    [configured("now"), -32602],
    [configured({ returnImmediately: "yes" }), -32602],
    [configured({ historyLength: 1.5 }), -32602],
    [configured({ acceptedOutputModes: "text" }), -32602],
    [configured({ acceptedOutputModes: ["image/png"] }), -32005],
    [configured({ taskPushNotificationConfig: { url: "https://x.org" } }), -32003],
    [sendingLegacy({}, { configuration: { pushNotificationConfig: { url: "https://x.org" } } }), -32003],
    [sending({}, { metadata: "x" }), -32602],
    [sending({}, { metadata: { long: "x".repeat(9_000) } }), -32602],
    [rpc("CreateTaskPushNotificationConfig", {}), -32003],
    [rpc("GetTaskPushNotificationConfig", { id: "x" }), -32003],
    [rpc("ListTaskPushNotificationConfigs", {}), -32003],
    [rpc("DeleteTaskPushNotificationConfig", null), -32003],
    [rpc("tasks/pushNotificationConfig/set", {}), -32003],
    [rpc("tasks/pushNotificationConfig/list", { id: "x" }), -32003],
    [rpc("GetExtendedAgentCard", {}), -32004],
    [rpc("agent/getAuthenticatedExtendedCard", undefined), -32007],
    [rpc("ListTasks", { pageSize: 0 }), -32602],
    [rpc("ListTasks", { pageSize: 101 }), -32602],
    [rpc("ListTasks", { pageToken: "next" }), -32602],
    [rpc("ListTasks", { statusTimestampAfter: "yesterday" }), -32602],
    [rpc("ListTasks", { includeArtifacts: "yes" }), -32602],
    [rpc("ListTasks", { status: "TASK_STATE_HAPPY" }), -32602],
    [rpc("ListTasks", { status: 3 }), -32602],
  ])("[F68] answers %j with %i, under HTTP 200", async (body, code, headers = {}) => {
    const { post, hub } = await serve();
    const { status, json } = await post(body, headers);
    expect(status).toBe(200);
    expect(json).toMatchObject({ jsonrpc: "2.0", error: { code, message: expect.stringMatching(/./) } });
    expect(json.error.message).not.toMatch(/undefined|is not a function|at .*:\d+/);
    const known = code !== -32700 && (body as { id?: unknown }).id === 7;
    expect(json.id).toBe(known ? 7 : (body as { id?: unknown })?.id === 1 ? 1 : null);
    expect((await hub.list()).runs).toEqual([]);
  });

  it("[F68] answers a body that is too large with 413, and a JSON-RPC error", async () => {
    const { post } = await serve();
    const { status, json } = await post(sending({ parts: [{ text: "x".repeat(5_000_000) }] }));
    expect([status, json.error.code, json.id]).toEqual([413, -32600, null]);
  });

  it("[F68] tells clients of 1.0 what kind of error it is, and which of Runlog's", async () => {
    const { post } = await serve([gated]);
    const { json } = await post(sending({ contextId: "c" }, { configuration: { returnImmediately: true } }));
    const busy = await post(sending({ contextId: "c" }));
    expect(busy.json.error).toMatchObject({
      code: -32004,
      message: expect.stringContaining(`run "${json.result.task.id}" has not ended`),
      data: [
        {
          "@type": "type.googleapis.com/google.rpc.ErrorInfo",
          reason: "UNSUPPORTED_OPERATION",
          metadata: { code: "thread_busy", retry: "true" },
        },
      ],
    });
    expect((await post(sendingLegacy({ contextId: "c" }))).json.error).not.toHaveProperty("data");
  });

  it("[F68] a stream that cannot begin is an answer like any other", async () => {
    const { url } = await serve();
    const body = JSON.stringify(rpc("SubscribeToTask", { id: "x" }));
    const response = await fetch(url, { method: "POST", body });
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(response.status).toBe(200);
  });

  it("[F68] tells nothing of what goes wrong inside", async () => {
    const { post, hub } = await serve();
    hub.store.record = () => Promise.reject(new Error("password=hunter2"));
    const { json } = await post(rpc("GetTask", { id: "x" }));
    expect(json.error).toMatchObject({ code: -32603, message: "Something went wrong inside the server" });
  });

  it.each([
    ["message/stream", V03, legacy()],
    ["message/stream", {}, { parts: [{ text: "hi" }] }],
    ["message/stream", { "a2a-version": "0.3.0" }, legacy()],
    ["SendStreamingMessage", {}, message()],
    ["SendStreamingMessage", { "a2a-version": "1.0.1" }, message()],
  ])(
    "[F61] speaks the version of the header, else of the method: %s %j",
    async (method, headers, sentMessage) => {
      const { url } = await serve();
      const response = await fetch(url, {
        method: "POST",
        headers,
        body: JSON.stringify(rpc(method, { message: sentMessage }, "q-1")),
      });
      const frames = framesOf(await response.text());
      expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
      expect(response.headers.get("runlog-run")).toMatch(/^[0-9a-z]{20}$/);
      for (const {
        data: { jsonrpc, id },
      } of frames)
        expect([jsonrpc, id]).toEqual(["2.0", "q-1"]);
      const { result } = frames.at(-1)!.data;
      if (method.startsWith("message"))
        expect(result).toMatchObject({ kind: "status-update", final: true, status: { state: "completed" } });
      else expect(result.statusUpdate.status.state).toBe("TASK_STATE_COMPLETED");
    },
  );

  it("[F54] [F65] goes on after Last-Event-ID with exactly the rest, also once the task has ended", async () => {
    const { url } = await serve();
    const ask = (body: unknown, headers = {}) =>
      fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
    const first = await ask(rpc("SendStreamingMessage", { message: message() }));
    const frames = framesOf(await first.text());
    const id = first.headers.get("runlog-run");
    for (const [index, { cursor }] of frames.entries()) {
      if (!cursor || index === frames.length - 1) continue;
      const rest = await ask(rpc("SubscribeToTask", { id }), { "last-event-id": cursor });
      expect(framesOf(await rest.text())).toEqual(frames.slice(index + 1));
    }
    expect(frames.filter(({ cursor }) => cursor).length).toBeGreaterThan(5);
    const wrong = async (cursor: string) =>
      (await read(await ask(rpc("SubscribeToTask", { id }), { "last-event-id": cursor }))).error.code;
    expect(await wrong("nonsense")).toBe(-32602);
    expect(await wrong("3-zzz")).toBe(-32602);
    expect(await wrong(frames.at(-1)!.cursor!)).toBe(-32004);
  });

  it("[F64] a task that has ended cannot be canceled: -32002", async () => {
    const { post, v1 } = await serve();
    const { id } = (await v1.sendMessage(send("hi"))) as Task;
    for (const method of ["CancelTask", "tasks/cancel"])
      expect((await post(rpc(method, { id }))).json.error.code).toBe(-32002);
  });

  it("[F20] refuses answers that nobody asked for, or that are none", async () => {
    const { post, v1 } = await serve([asks]);
    const { id: taskId } = (await v1.sendMessage(send("go"))) as Task;
    const answer = async (value: object) =>
      (await post(sending({ taskId, parts: [{ data: value }] }))).json.error;
    expect(await answer({ approvalId: "other", approved: true })).toMatchObject({
      code: -32602,
      message: expect.stringContaining('open are "a-c-1"'),
    });
    expect(await answer({ approvalId: "a-c-1", approved: "yes" })).toMatchObject({
      code: -32602,
      message: expect.stringContaining('"approved" must be'),
    });
    expect(await answer({ approvalId: 5, approved: true })).toMatchObject({ code: -32602 });
    expect(await answer({ approvalId: "a-c-1", approved: true, reason: 5 })).toMatchObject({ code: -32602 });
    expect((await v1.getTask({ tenant: "", id: taskId })).status!.state).toBe(
      TaskState.TASK_STATE_INPUT_REQUIRED,
    );
  });

  it("lists tasks, newest first, by pages, contexts and states", async () => {
    const { v1, post } = await serve([asks]);
    const ids: string[] = [];
    for (const contextId of ["a", "b", "c"])
      ids.unshift(((await v1.sendMessage(send("go", { contextId }))) as Task).id);
    await v1.cancelTask({ tenant: "", id: ids[2]!, metadata: undefined });
    const list = async (params: object) => (await post(rpc("ListTasks", params))).json.result;
    const first = await list({ pageSize: 2 });
    expect(first).toMatchObject({ pageSize: 2, totalSize: 3 });
    const second = await list({ pageSize: 2, pageToken: first.nextPageToken });
    expect([...first.tasks, ...second.tasks].map(({ id }) => id)).toEqual(ids);
    expect(second.nextPageToken).toBe("");
    expect(first.tasks[0]).not.toHaveProperty("history");
    expect((await list({ contextId: "b" })).tasks.map((task: Read) => [task.id, task.contextId])).toEqual([
      [ids[1], "b"],
    ]);
    expect((await list({ status: "TASK_STATE_CANCELED" })).tasks.map(({ id }: Read) => id)).toEqual([ids[2]]);
    expect((await list({ status: "TASK_STATE_REJECTED" })).tasks).toEqual([]);
    expect((await list({ statusTimestampAfter: "2999-01-01T00:00:00Z" })).tasks).toEqual([]);
    const whole = await list({ contextId: "c", historyLength: 1, includeArtifacts: true });
    expect(whole.tasks[0]).toMatchObject({ history: [{ parts: [{ text: "go" }] }], artifacts: [] });
  });

  it("continues a run that began elsewhere and in no thread, once it has ended", async () => {
    const { hub, v1 } = await serve([echo, gated]);
    const { run: open } = await hub.start({ agent: "gated", input: "go" });
    await expect(v1.sendMessage(send("hi", { contextId: open.id }))).rejects.toThrow("has not ended");
    const { run } = await hub.start({ input: "before" });
    await run.ended();
    const { contextId } = await v1.getTask({ tenant: "", id: run.id });
    expect(contextId).toBe(run.id);
    expect(heard(await all(v1.sendMessageStream(send("after", { contextId }))))).toBe("2: after");
    expect(heard(await all(v1.sendMessageStream(send("again", { contextId }))))).toBe("4: again");
  });

  it("[F89] a server that stops answers with the task as it is", async () => {
    const working = Promise.withResolvers<void>();
    const works: AgentFunction = async function* works(run) {
      working.resolve();
      yield* gated(run);
    };
    await using hub = await createHub({ store: memoryStore(), agents: [works] });
    const stop = new AbortController();
    const app = createApp({ hub, stopping: stop.signal });
    const body = JSON.stringify(sending({}));
    const answer = app.fetch(new Request("http://localhost/", { method: "POST", body }));
    await working.promise;
    stop.abort();
    expect((await read(await answer)).result.task.status.state).toMatch(/SUBMITTED|WORKING/);
  });
});

/** Frames of a response, each with its cursor. */
function framesOf(body: string): { cursor?: string; data: Read }[] {
  return body.split("\n\n").flatMap((frame) => {
    const line = /^data: (.*)$/m.exec(frame)?.[1];
    const cursor = /^id: (.*)$/m.exec(frame)?.[1];
    return line === undefined ? [] : [{ data: JSON.parse(line), ...(cursor !== undefined && { cursor }) }];
  });
}

describe("REST of A2A", () => {
  it.each<[method: string, path: string, status: number, reason: string | undefined, body?: unknown]>([
    ["GET", "/a2a/tasks/x", 404, "TASK_NOT_FOUND"],
    ["GET", "/a2a/tasks/x:subscribe", 404, "TASK_NOT_FOUND"],
    ["POST", "/a2a/tasks/x:subscribe", 404, "TASK_NOT_FOUND"],
    ["POST", "/a2a/tasks/x:cancel", 404, "TASK_NOT_FOUND"],
    ["POST", "/a2a/tasks/x:forget", 404, "TASK_NOT_FOUND"],
    ["GET", "/a2a/tasks?pageSize=many", 400, "INVALID_PARAMS"],
    ["GET", "/a2a/tasks?pageToken=next", 400, "INVALID_PARAMS"],
    ["GET", "/a2a/tasks/x?historyLength=-1", 400, "INVALID_PARAMS"],
    ["POST", "/a2a/message:send", 400, "INVALID_PARAMS", "{"],
    ["POST", "/a2a/message:send", 400, "INVALID_PARAMS", "[]"],
    ["POST", "/a2a/message:stream", 400, "INVALID_PARAMS", { message: { messageId: "m" } }],
    [
      "POST",
      "/a2a/message:send",
      413,
      "INVALID_PARAMS",
      { message: message({ parts: [{ text: "x".repeat(2_000_000) }] }) },
    ],
    ["GET", "/a2a/extendedAgentCard", 400, "UNSUPPORTED_OPERATION"],
    ["POST", "/a2a/tasks/x/pushNotificationConfigs", 400, "PUSH_NOTIFICATION_NOT_SUPPORTED", {}],
  ])("[F68] answers %s %s with %i", async (method, path, status, reason, body) => {
    const { url } = await serve();
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const response = await fetch(`${url}${path}`, { method, ...(text !== undefined && { body: text }) });
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({
      error: { code: status, message: /./, details: [{ reason }] },
    });
  });

  it("[F68] is of 1.0 only", async () => {
    const { url } = await serve();
    const response = await fetch(`${url}/a2a/tasks`, { headers: V03 });
    expect([response.status, (await read(response)).error.details[0].reason]).toEqual([
      400,
      "VERSION_NOT_SUPPORTED",
    ]);
  });

  it("lists tasks as the SDK's client reads them", async () => {
    const { rest } = await serve();
    const { id } = (await rest.sendMessage(send("hi"))) as Task;
    const { tasks, totalSize } = await rest.listTasks({
      tenant: "",
      contextId: "",
      status: 0,
      pageToken: "",
      statusTimestampAfter: undefined,
      includeArtifacts: true,
    });
    expect([tasks.map((task) => [task.id, answers(task)]), totalSize]).toEqual([[[id, ["0: hi"]]], 1]);
  });
});

describe("Agentor's own Python client of A2A", () => {
  const python = process.env.PYTHON ?? "python3";

  it("prints the task, the answer as it comes, and the end", async ({ skip }) => {
    try {
      execFileSync(python, ["-c", "import requests"], { stdio: "ignore" });
    } catch {
      if (process.env.REQUIRE_ALL_STORES === "1") throw new Error(`${python} has no module "requests"`);
      skip(`${python} has no module "requests"`);
    }
    const { url } = await serve();
    // As the page prints it, but for the port.
    const program = readFileSync(join(root, "test/clients/agentor_a2a.py"), "utf8").replace(
      "http://localhost:8000",
      url,
    );
    const { stdout } = await promisify(execFile)(python, ["-c", program]);
    expect(stdout).toMatch(
      /^Task created: [0-9a-z]{20}\n0: Explain machine learning\n\nCompleted with status: completed\n$/,
    );
  });
});
