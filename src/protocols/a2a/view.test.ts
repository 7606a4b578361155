import { StreamResponse, TaskState } from "@a2a-js/sdk";
import { LegacyJsonRpcTransportHandler } from "@a2a-js/sdk/compat/v0_3/server";
import { type A2ARequestHandler, defaultServerCallContextBuilder } from "@a2a-js/sdk/server";
import { describe, expect, it } from "vitest";
import { event, isTerminal, type StreamEvent } from "../../events.ts";
import { logs, toEntries } from "../../testing/logs.ts";
import { RUN, shown, testProtocol } from "../../testing/protocol.ts";
import { randomRuns } from "../../testing/random-runs.ts";
import type { ViewMessage } from "../../view.ts";
import {
  answeredElsewhere,
  messageAfterHelp,
  resumedAfterHelp,
  retriedAfterHelp,
  siblingRetried,
} from "../attempts.fixture.ts";
import { TaskSnapshot } from "./snapshot.ts";
import { type A2aVersion, a2aView } from "./view.ts";
import type { StatusUpdate, Update, WireArtifact, WirePart } from "./wire.ts";

const open = (version?: A2aVersion) => a2aView({ run: RUN, ...(version && { version }) });
const parsed = (messages: readonly ViewMessage[]) => messages.map(({ data }) => JSON.parse(data));
const say = (events: readonly StreamEvent[]): Update[] => parsed(shown(open(), toEntries(events)));

/** What the SDK writes of what it has read is what the view said: nothing was unknown to it, nothing was missing. */
function judge(messages: readonly ViewMessage[], events: readonly StreamEvent[]): void {
  const said = parsed(messages);
  const read = said.map((each) => StreamResponse.fromJSON(each));
  expect(read.map((each) => StreamResponse.toJSON(each))).toEqual(said);
  expect(read[0]?.payload?.$case).toBe("task");
  const ends = read.filter(
    ({ payload }) => payload?.$case === "statusUpdate" && isFinal(payload.value.status!.state),
  );
  const last = events.at(-1)!;
  expect(ends).toEqual(isTerminal(last) ? [read.at(-1)] : []);
}

const isFinal = (state: TaskState) =>
  [TaskState.TASK_STATE_COMPLETED, TaskState.TASK_STATE_FAILED, TaskState.TASK_STATE_CANCELED].includes(
    state,
  );

testProtocol("a2a", { open, golden: "view.golden.txt", judge });

testProtocol("a2a 0.3", {
  open: () => open("0.3"),
  golden: "view-0.3.golden.txt",
  async judge(messages, events) {
    const said = parsed(messages);
    expect(said.map(({ final: _, ...rest }) => rest)).toEqual(
      (await asSdk(say(events))).map(({ final: _, ...rest }) => rest),
    );
    expect(said.filter(({ final }) => final).map(({ status }) => status.state)).toEqual(
      said.flatMap(({ kind, status }) =>
        kind === "status-update" && !/^(submitted|working)$/.test(status.state) ? [status.state] : [],
      ),
    );
  },
});

/** What the SDK's own server of 0.3 makes of updates of 1.0. */
async function asSdk(updates: readonly Update[]): Promise<Record<string, unknown>[]> {
  const handler = {
    getAgentCard: async () => ({ capabilities: { streaming: true } }),
    async *resubscribe() {
      for (const update of updates) yield StreamResponse.fromJSON(update);
    },
  } as unknown as A2ARequestHandler;
  const context = defaultServerCallContextBuilder({ extensions: undefined, user: undefined, headers: {} });
  const request = { jsonrpc: "2.0", id: 1, method: "tasks/resubscribe", params: { id: RUN } };
  const stream = await new LegacyJsonRpcTransportHandler(handler).handle(request as never, context);
  const results: Record<string, unknown>[] = [];
  for await (const { result } of stream as AsyncGenerator<{ result: object }>)
    results.push(JSON.parse(JSON.stringify(result)));
  return results;
}

const statuses = (updates: readonly Update[]) =>
  updates.flatMap((update): Pick<StatusUpdate, "status" | "metadata">[] => {
    if ("statusUpdate" in update) return [update.statusUpdate];
    return "task" in update ? [update.task] : [];
  });
const artifacts = (updates: readonly Update[]) =>
  updates.flatMap((update) => ("artifactUpdate" in update ? [update.artifactUpdate] : []));
const textOf = (parts: readonly WirePart[]) =>
  parts.map((part) => ("text" in part ? part.text : "")).join("");
const pieces = (updates: readonly Update[]) =>
  artifacts(updates).map(({ artifact, append = false, lastChunk = false }) => [
    artifact.artifactId,
    textOf(artifact.parts),
    append,
    lastChunk,
  ]);
function task(events: readonly StreamEvent[]) {
  const snapshot = new TaskSnapshot(RUN);
  for (const entry of toEntries(events)) snapshot.apply(entry);
  return snapshot.task()!;
}

describe("the view a2a", () => {
  it("[F61] begins with the task as it was submitted: what was asked, in its thread", () => {
    const [first] = say(logs.everything);
    expect(first).toEqual({
      task: {
        id: RUN,
        contextId: "t-1",
        status: { state: "TASK_STATE_SUBMITTED", timestamp: "2026-01-02T03:04:05.006Z" },
        history: [
          {
            messageId: "u-1",
            contextId: "t-1",
            taskId: RUN,
            role: "ROLE_USER",
            parts: [{ text: "Write a report" }],
          },
        ],
        metadata: { user: 7, agent: "lead", seq: 1, cursor: expect.stringMatching(/^1-/) },
      },
    });
  });

  const left = (events: readonly StreamEvent[]) =>
    task(events).artifacts!.map(({ parts }) => textOf(parts as readonly WirePart[]));

  it("[F84] withdraws what an agent inside the run said, and leaves what another one says", () => {
    expect(left(siblingRetried)).toEqual(["Right still"]);
  });

  it("[F84] withdraws all of an attempt, also if an agent inside it was done before", () => {
    expect(left(retriedAfterHelp)).toEqual(["Right"]);
    expect(left(resumedAfterHelp)).toEqual(["Right"]);
  });

  it("[F95] withdraws nothing as another process goes on between two steps", () => {
    expect(left(answeredElsewhere)).toEqual(["Said between"]);
  });

  it("says a text once whose message comes after an agent inside the step was done", () => {
    expect(left(messageAfterHelp)).toEqual(["Once"]);
  });

  it("[F66] says each text as an artifact of its own: the first piece new, the others appended, then its end", () => {
    expect(pieces(say(logs.bare))).toEqual([
      ["text:1", "You said ", false, false],
      ["text:1", "Hello", true, false],
      ["text:1", "", true, true],
      ["text:2", "Bye", false, false],
      ["text:2", "", true, true],
    ]);
  });

  it("[F66] keeps tools and thoughts out of the answer: they are the run's own events, beside a status", () => {
    const updates = say(logs.tool);
    expect(
      artifacts(updates)
        .map(({ artifact }) => textOf(artifact.parts))
        .join(""),
    ).toBe("Let me look.It is -3 °C.");
    const events = statuses(updates).flatMap(({ metadata }) =>
      metadata.event ? [metadata.event as { type: string }] : [],
    );
    expect(events).toContainEqual({
      type: "tool.returned",
      callId: "c-1",
      name: "weather",
      output: { celsius: -3 },
      durationMs: 120,
    });
    expect(events.filter(({ type }) => type === "reasoning.delta")).toHaveLength(2);
    expect(statuses(updates).every(({ status }) => status.message === undefined)).toBe(true);
  });

  it("says where each message is in the log; only the last of an entry has its cursor", () => {
    const entries = toEntries(logs.retried);
    const updates = say(logs.retried).map(
      (update) => Object.values(update)[0].metadata as { seq: number; cursor?: string },
    );
    for (const [index, { seq, cursor }] of updates.entries()) {
      const last = updates[index + 1]?.seq !== seq;
      expect(cursor).toBe(last ? entries[seq - 1]!.cursor : undefined);
    }
    expect(updates.some(({ cursor }) => cursor === undefined)).toBe(true);
  });

  it("[F20] requires input once the run waits, and says what is asked for people and for programs", () => {
    const waiting = statuses(say(logs.waiting)).filter(
      ({ status }) => status.state === "TASK_STATE_INPUT_REQUIRED",
    );
    const [say1, question] = waiting[0]!.status.message!.parts;
    expect(textOf([say1!])).toMatch(
      /^May I call delete with .*\nAnswer with the same taskId: "yes" or "no"/s,
    );
    expect(question).toEqual({
      data: expect.objectContaining({ approvalId: "a-c-1", name: "delete", input: { file: "a" } }),
    });
    expect(new Set(waiting.map(({ status }) => status.message!.messageId)).size).toBe(1);
    const after = statuses(say(logs.approved)).slice(statuses(say(logs.waiting)).length);
    expect(after.map(({ status }) => status.state)).not.toContain("TASK_STATE_INPUT_REQUIRED");
  });

  it("ends as the run did, with why, and with what is known of tokens and cost", () => {
    const last = (events: readonly StreamEvent[]) => statuses(say(events)).at(-1)!;
    expect(last(logs.plain)).toMatchObject({
      status: { state: "TASK_STATE_COMPLETED" },
      metadata: { usage: { inputTokens: 100, outputTokens: 20 }, cost: 0.001 },
    });
    expect(last(logs.failedMidText)).toMatchObject({
      status: {
        state: "TASK_STATE_FAILED",
        message: { role: "ROLE_AGENT", parts: [{ text: "The provider broke off" }] },
      },
      metadata: { code: "provider_failed", cost: null },
    });
    expect(last(logs.cancelledMidTool).status).toMatchObject({
      state: "TASK_STATE_CANCELED",
      message: { parts: [{ text: "enough" }] },
    });
  });

  it("takes back what a failed attempt had said: the artifact is empty, and gone from the task", () => {
    const updates = artifacts(say(logs.retried));
    expect(updates.filter(({ artifact }) => artifact.artifactId === "text:1-0").at(-1)).toMatchObject({
      artifact: { parts: [{ text: "" }] },
      lastChunk: true,
      metadata: { withdrawn: true },
    });
    expect(updates.at(-1)).not.toHaveProperty("metadata.withdrawn");
    expect(task(logs.retried).artifacts).toEqual([
      { artifactId: "text:1.2-0", name: "answer", parts: [{ text: "Here it is." }] },
    ]);
    expect(task(logs.resumed).artifacts?.map(({ parts }) => textOf(parts))).toEqual(["Found."]);
  });

  it("makes artifacts of the agent's artifacts, files and structured output", () => {
    const byId = new Map<string, WireArtifact>(
      task(logs.everything).artifacts!.map((each) => [each.artifactId, each]),
    );
    expect([...byId.keys()]).toEqual(["file:f-1", "output", "text:1-0", "report", "message:m-1"]);
    expect(byId.get("file:f-1")!.parts).toEqual([{ raw: "iVBORw0KGgo=", mediaType: "image/png" }]);
    expect(byId.get("output")!.parts).toEqual([{ data: { title: "Report" } }]);
    // An update without parts changes what it says, and keeps the rest.
    expect(byId.get("report")).toEqual({
      artifactId: "report",
      name: "report.md",
      parts: [{ text: "# Report" }],
      metadata: { action: "updated", version: 2 },
    });
    // What a message adds to what was streamed, and nothing twice.
    expect(byId.get("message:m-1")!.parts).toEqual([{ data: { stars: 5 }, filename: "rating" }]);
  });

  it("drops a deleted artifact from the task, and says so to those who have it", () => {
    const made = event.artifact({
      id: "a",
      action: "created",
      name: "a.md",
      parts: [{ type: "text", text: "A" }],
    });
    const events = [logs.plain[0]!, made, event.artifact({ id: "a", action: "deleted", name: "a.md" })];
    expect(artifacts(say(events)).at(-1)).toMatchObject({
      artifact: { parts: [{ text: "" }] },
      metadata: { deleted: true },
    });
    expect(task(events).artifacts).toEqual([]);
  });

  it("says a whole message once, whether it was streamed or not; one that differs replaces what was streamed", () => {
    const start = logs.plain[0]!;
    const streamed = [
      event.textStarted({ id: "1", messageId: "m" }),
      event.textDelta({ id: "1", text: "Hi" }),
      event.textFinished({ id: "1" }),
    ];
    const whole = (text: string) =>
      event.message({ message: { id: "m", role: "assistant", parts: [{ type: "text", text }] } });
    const said = (...events: StreamEvent[]) =>
      task([start, ...events]).artifacts!.map(({ artifactId, parts }) => [artifactId, textOf(parts)]);
    expect(said(...streamed, whole("Hi"))).toEqual([["text:1", "Hi"]]);
    expect(said(whole("Hi"))).toEqual([["message:m", "Hi"]]);
    expect(said(...streamed, whole("Ho"))).toEqual([["message:m", "Ho"]]);
    expect(said(whole("Hi"), whole("Ho"))).toEqual([["message:m", "Ho"]]);
  });

  it("says the result of a run unless it was said already", () => {
    const end = (output: string | { a: number }) => event.runFinished({ output, cost: 0 });
    const outputs = (events: readonly StreamEvent[]) =>
      task(events)
        .artifacts!.filter(({ artifactId }) => artifactId === "output")
        .map(({ parts }) => parts);
    const spoken = logs.bare.slice(0, -1);
    expect(outputs([...spoken, end("Bye")])).toEqual([]);
    expect(outputs([...spoken, end("You said HelloBye")])).toEqual([]);
    expect(outputs([...spoken, end("Done")])).toEqual([[{ text: "Done" }]]);
    expect(outputs([...spoken, end({ a: 1 })])).toEqual([[{ data: { a: 1 } }]]);
  });

  it("names the agent that speaks for another", () => {
    expect(
      artifacts(say(logs.everything)).find(({ artifact }) => artifact.artifactId === "text:1-0")!.metadata,
    ).toMatchObject({ agent: "writer" });
  });

  it("[F63] puts the pieces of a text together: a task has one part for each", () => {
    for (const [name, events] of Object.entries(logs)) {
      for (const { artifactId, parts } of task(events).artifacts!) {
        if (artifactId.startsWith("text:")) expect([name, parts.length]).toEqual([name, 1]);
      }
    }
    expect(task(logs.oddText).artifacts![0]!.parts).toEqual([
      { text: expect.stringContaining("data: {}\r\n") },
    ]);
  });

  it("[F63] has, at each place of any log, the task that a client has who took the stream so far", () => {
    for (const events of randomRuns(100, 7)) {
      const snapshot = new TaskSnapshot(RUN);
      const show = a2aView({ run: RUN }).start();
      const client = new Map<string, string>();
      for (const entry of toEntries(events)) {
        snapshot.apply(entry);
        for (const { artifact, append, metadata } of artifacts(parsed(show(entry)))) {
          const before = append ? (client.get(artifact.artifactId) ?? "") : "";
          client.set(artifact.artifactId, before + textOf(artifact.parts));
          if (metadata.withdrawn || metadata.deleted) client.delete(artifact.artifactId);
        }
        const has = snapshot.task()?.artifacts ?? [];
        expect(has.map(({ artifactId, parts }) => [artifactId, textOf(parts)])).toEqual([...client]);
      }
    }
  });
});
