import { type Message, TaskState } from "@a2a-js/sdk";
import { describe, expect, it, vi } from "vitest";
import type { AgentLike } from "../../agent.ts";
import type { EventOf, EventType, Input, StreamEvent } from "../../events.ts";
import { createHub, type StartOptions } from "../../hub.ts";
import { finalText, toMessages } from "../../messages.ts";
import { memoryStore } from "../../stores/memory.ts";
import { TestRun } from "../../testing/run-context.ts";
import { a2aAgent } from "./agent.ts";
import {
  breakingFetch,
  data,
  type ForeignServerOptions,
  foreignServer,
  raw,
  text,
} from "./agent-server.fixture.ts";

const { TASK_STATE_AUTH_REQUIRED, TASK_STATE_CANCELED, TASK_STATE_COMPLETED } = TaskState;
const { TASK_STATE_FAILED, TASK_STATE_INPUT_REQUIRED, TASK_STATE_REJECTED, TASK_STATE_WORKING } = TaskState;
const versions = ["1.0", "0.3"] as const;
const atOnce = async () => {};

/** A hub with one agent, and what its runs say. */
async function stage(agent: AgentLike) {
  const hub = await createHub({ store: memoryStore(), agents: [agent] });
  const talk = async (input: Input, options: Partial<StartOptions> = {}) => {
    const { run } = await hub.start({ input, ...options });
    const events = async () => (await run.log.entries()).map(({ event }) => event);
    const of = async <Type extends EventType>(type: Type) =>
      (await events()).filter((event) => event.type === type) as unknown[] as EventOf<Type>[];
    const seen = async (type: string, count = 1) => {
      let times = 0;
      for await (const { entries = [] } of run.follow())
        for (const { event } of entries) if (event.type === type && ++times === count) return;
    };
    return { run, events, of, seen, said: async () => finalText(toMessages(await run.log.entries())) };
  };
  return { hub, talk, [Symbol.asyncDispose]: () => hub.drain(0) };
}

async function ended(agent: AgentLike, input: Input = "Hi", options: Partial<StartOptions> = {}) {
  await using scene = await stage(agent);
  const talk = await scene.talk(input, options);
  const end = await talk.run.ended();
  return { end, info: await talk.run.info(), events: await talk.events(), said: await talk.said() };
}

function serve(version: "1.0" | "0.3", execute: ForeignServerOptions["execute"], more = {}) {
  return foreignServer({ version, execute, ...more });
}

function textIn(message: Message): string {
  return message.parts.map((part) => (part.content?.$case === "text" ? part.content.value : "")).join("");
}

const textsOf = (events: readonly StreamEvent[]) =>
  events.map((event) => (event.type === "text.delta" ? event.text : "")).join("");

describe.each(versions)("[F70] an agent of another server, over A2A %s", (version) => {
  it("answers with its artifacts: text as a block, files and data beside it", async () => {
    await using server = await serve(version, async (_, voice) => {
      voice.task();
      voice.status(TASK_STATE_WORKING, [text("Looking")]);
      voice.answer("Hel", "lo ", "world");
      voice.artifact("picture", [raw("PNG", "image/png")], false, true);
      voice.artifact("table", [data({ rows: 1 })], false, false);
      voice.artifact("table", [data({ rows: 2 })], false, true);
      voice.status(TASK_STATE_COMPLETED);
    });
    const { info, events, said } = await ended(a2aAgent({ url: server.url, name: "far" }));
    expect(said).toBe("Hello world");
    expect(info).toMatchObject({ status: "finished", cost: null, agent: "far" });
    const shapes = events.map((event) => (event.type === "custom" ? event.name : event.type));
    expect(shapes).toEqual([
      "run.started",
      "step.started",
      "a2a.task",
      "a2a.status",
      "text.started",
      "text.delta",
      "text.finished",
      "file",
      "artifact",
      "artifact",
      "step.finished",
      "run.finished",
    ]);
    expect(events).toContainEqual(
      expect.objectContaining({
        type: "file",
        mediaType: "image/png",
        data: Buffer.from("PNG").toString("base64"),
      }),
    );
    expect(events.filter(({ type }) => type === "artifact")).toMatchObject([
      { id: "table", action: "created", parts: [{ type: "data", data: { rows: 1 } }] },
      { id: "table", action: "updated", parts: [{ type: "data", data: { rows: 2 } }] },
    ]);
  });

  it("is sent every kind of content", async () => {
    let got: Message | undefined;
    await using server = await serve(version, async (message, voice) => {
      got = message;
      voice.message([text("Thanks")]);
    });
    const input: Input = [
      {
        id: "u",
        role: "user",
        parts: [
          { type: "text", text: "Look" },
          { type: "file", mediaType: "image/png", data: "AAEC", name: "a.png" },
          { type: "file", mediaType: "text/html", url: "https://example.com/" },
          { type: "data", data: { a: [1] } },
          { type: "reasoning", text: "private" },
        ],
      },
    ];
    const { said } = await ended(a2aAgent({ url: server.url }), input);
    expect(said).toBe("Thanks");
    const contents = got?.parts.map(({ content }) => content);
    expect(contents).toMatchObject([
      { $case: "text", value: "Look" },
      { $case: "raw" },
      { $case: "url", value: "https://example.com/" },
      { $case: "data", value: { a: [1] } },
    ]);
    expect([...(contents![1]!.value as Uint8Array)]).toEqual([0, 1, 2]);
    expect(got?.parts[1]).toMatchObject({ mediaType: "image/png", filename: "a.png" });
  });

  it("goes on with its conversation in the next run of the thread", async () => {
    const contexts = new Map<string, string[]>();
    await using server = await serve(version, async (message, voice, { contextId }) => {
      const heard = contexts.get(contextId) ?? [];
      contexts.set(contextId, [...heard, textIn(message)]);
      voice.task();
      voice.answer(`After ${heard.join(", ") || "nothing"}`);
      voice.status(TASK_STATE_COMPLETED);
    });
    await using scene = await stage(a2aAgent({ url: server.url }));
    for (const [input, answer] of [
      ["one", "After nothing"],
      ["two", "After one"],
    ] as const) {
      const { run, said } = await scene.talk(input, { thread: "t-1" });
      await run.ended();
      expect(await said()).toBe(answer);
    }
    expect([...contexts.keys()]).toEqual(["t-1"]);
  });

  it("says so when it keeps the conversation under a name of its own", async () => {
    await using server = await serve(version, async (_, voice) => voice.message([text("Hello")]));
    const renaming: typeof fetch = async (input, init) => {
      const body = init?.body;
      return fetch(input, { ...init, ...(body && { body: String(body).replace('"t-1"', '"theirs"') }) });
    };
    const { events: kept } = await ended(a2aAgent({ url: server.url }), "Hi", { thread: "t-1" });
    expect(kept.filter(({ type }) => type === "error")).toEqual([]);
    await using other = await serve(version, async (_, voice) => {
      voice.task();
      voice.status(TASK_STATE_COMPLETED);
    });
    const { events, end } = await ended(a2aAgent({ url: other.url, fetch: renaming }), "Hi", {
      thread: "t-1",
    });
    expect(events).toContainEqual(expect.objectContaining({ type: "error", code: "remote_context" }));
    expect(end.status).toBe("finished");
  });

  it("is told the history that a run without a thread brings", async () => {
    await using server = await serve(version, async (message, voice) => {
      voice.message(message.parts);
    });
    const { said } = await ended(a2aAgent({ url: server.url }), "Again", {
      history: [
        { id: "1", role: "user", parts: [{ type: "text", text: "Hi" }] },
        { id: "2", role: "assistant", parts: [{ type: "text", text: "Hello" }] },
      ],
    });
    expect(said).toBe("user: Hiassistant: Hellouser: Again");
  });

  it("says its last words only if they are not its answer", async () => {
    for (const [answer, last, all] of [
      ["42", "42", "42"],
      ["", "Just so", "Just so"],
    ] as const) {
      await using server = await serve(version, async (_, voice) => {
        voice.task();
        if (answer) voice.answer(answer);
        voice.status(TASK_STATE_COMPLETED, [text(last)]);
      });
      const { said } = await ended(a2aAgent({ url: server.url }));
      expect(said).toBe(all);
    }
  });

  it.each([
    [TASK_STATE_FAILED, "remote_failed", "The remote agent failed: No luck"],
    [TASK_STATE_REJECTED, "remote_rejected", "The remote agent rejected the task: No luck"],
    [TASK_STATE_CANCELED, "remote_cancelled", "The remote agent cancelled the task: No luck"],
  ])("fails the run when it ends in state %s", async (state, code, message) => {
    await using server = await serve(version, async (_, voice) => {
      voice.task();
      voice.answer("Well,");
      voice.status(state, [text("No luck")]);
    });
    const { end, said } = await ended(a2aAgent({ url: server.url }));
    expect(end).toMatchObject({ status: "failed", error: { code, message } });
    expect(said).toBe("Well,");
  });

  it("asks a person what it asks, and goes on with the answer in the same task", async () => {
    const heard: Message[] = [];
    await using server = await serve(version, async (message, voice, { task }) => {
      heard.push(message);
      if (task) voice.taskAsItWas();
      else {
        voice.task();
        voice.answer("One moment.");
        voice.status(TASK_STATE_INPUT_REQUIRED, [text("May I?")]);
        return;
      }
      voice.artifact("answer", [text(" Done.")], true, true);
      voice.status(TASK_STATE_COMPLETED);
    });
    await using scene = await stage(a2aAgent({ url: server.url }));
    const { run, of, seen, said, events } = await scene.talk("Delete it", { thread: "t" });
    await seen("step.finished");
    expect(await run.info()).toMatchObject({ status: "waiting" });
    const [asked] = await of("approval.requested");
    expect(asked).toMatchObject({ name: "input_required", reason: "May I?", input: { question: "May I?" } });
    expect(await said()).toContain("May I?");
    await run.send({ type: "input.approval", approvalId: asked!.approvalId, approved: true });
    expect(await run.ended()).toMatchObject({ status: "finished" });
    expect(heard[1]).toMatchObject({ taskId: heard[0]!.taskId, contextId: "t" });
    expect(heard[1]!.parts.map(({ content }) => content?.value)).toEqual([
      { approvalId: asked!.approvalId, approved: true },
      "yes",
    ]);
    expect(textsOf(await events())).toBe("One moment.May I? Done.");
    expect(await of("tool.returned")).toMatchObject([{ callId: asked!.callId, output: { approved: true } }]);
    expect((await of("step.finished")).map(({ finishReason }) => finishReason)).toEqual([
      "tool-calls",
      "stop",
    ]);
  });

  it("passes on a refusal, with its reason, and asks again if it is asked again", async () => {
    const heard: Message[] = [];
    await using server = await serve(version, async (message, voice) => {
      heard.push(message);
      voice.task();
      if (heard.length < 3) voice.status(TASK_STATE_AUTH_REQUIRED, [text("Log in")]);
      else voice.status(TASK_STATE_COMPLETED, [text("Bye")]);
    });
    await using scene = await stage(a2aAgent({ url: server.url }));
    const { run, of, seen } = await scene.talk("Go");
    for (const round of [1, 2]) {
      await seen("step.finished", round);
      const asked = await of("approval.requested");
      expect(asked).toHaveLength(round);
      expect(asked.at(-1)).toMatchObject({ name: "auth_required" });
      const { approvalId } = asked.at(-1)!;
      await run.send({ type: "input.approval", approvalId, approved: false, reason: "Not now" });
    }
    await run.ended();
    expect(heard.slice(1).map(textIn)).toEqual(["no: Not now", "no: Not now"]);
    expect(await of("tool.failed")).toMatchObject([
      { code: "denied", message: "Not now" },
      { code: "denied", message: "Not now" },
    ]);
  });

  it("passes a cancel on to the task", async () => {
    const cancelled = Promise.withResolvers<string>();
    await using server = await serve(
      version,
      async (_, voice) => {
        voice.task();
        voice.artifact("answer", [text("Counting")]);
        await cancelled.promise;
        voice.status(TASK_STATE_CANCELED);
      },
      { cancel: async (taskId: string) => cancelled.resolve(taskId) },
    );
    await using scene = await stage(a2aAgent({ url: server.url }));
    const { run, of, seen } = await scene.talk("Count");
    await seen("text.delta");
    await run.cancel();
    expect(await run.ended()).toMatchObject({ status: "cancelled" });
    const [task] = await of("custom");
    expect(task!.data).toMatchObject({ taskId: await cancelled.promise });
  });

  it("sends what people say to the task at work", async () => {
    const more = Promise.withResolvers<Message>();
    await using server = await serve(version, async (message, voice, { task }) => {
      voice.task(TASK_STATE_WORKING);
      if (task) return more.resolve(message);
      voice.artifact("answer", [text("Long")]);
      voice.artifact("answer", [text(`, then ${textIn(await more.promise)}`)], true, true);
      voice.status(TASK_STATE_COMPLETED);
    });
    await using scene = await stage(a2aAgent({ url: server.url }));
    const { run, of, seen, said } = await scene.talk("Write");
    await seen("text.delta");
    await run.send({
      type: "input.message",
      message: { id: "m", role: "user", parts: [{ type: "text", text: "shorter" }] },
    });
    await run.ended();
    expect(await said()).toBe("Long, then shorter");
    expect((await of("custom")).map(({ name, data }) => [name, data])).toContainEqual([
      "a2a.message",
      { messageId: "m", taskId: (await more.promise).taskId },
    ]);
  });

  it("takes what the task at work does not take as a turn of its own", async () => {
    const refused = Promise.withResolvers<void>();
    const heard: string[] = [];
    await using server = await serve(version, async (message, voice, { task }) => {
      heard.push(textIn(message));
      if (task) throw new Error("not here");
      voice.task();
      if (heard.length === 1) {
        voice.artifact("answer", [text("First")]);
        await refused.promise;
      } else voice.answer(`Then ${textIn(message)}`);
      voice.status(TASK_STATE_COMPLETED);
    });
    const refusing: typeof fetch = async (input, init) => {
      if (!/"(SendMessage|message\/send)"/.test(String(init?.body))) return fetch(input, init);
      refused.resolve();
      const { id } = JSON.parse(String(init?.body));
      return Response.json({ jsonrpc: "2.0", id, error: { code: -32004, message: "Busy" } });
    };
    await using scene = await stage(a2aAgent({ url: server.url, fetch: refusing }));
    const { run, events, seen } = await scene.talk("Write");
    await seen("text.delta");
    await run.send({
      type: "input.message",
      message: { id: "m", role: "user", parts: [{ type: "text", text: "more" }] },
    });
    expect(await run.ended()).toMatchObject({ status: "finished" });
    expect(textsOf(await events())).toBe("FirstThen more");
    expect(heard).toEqual(["Write", "more"]);
  });

  it("is polled where it has no streams", async () => {
    const polled = Promise.withResolvers<void>();
    await using server = await serve(
      version,
      async (_, voice) => {
        voice.task();
        voice.answer("Some");
        await polled.promise;
        voice.artifact("answer", [text(" more")], true);
        voice.status(TASK_STATE_COMPLETED);
      },
      { streaming: false },
    );
    let polls = 0;
    const sleep = async () => {
      if (++polls === 2) polled.resolve();
      await new Promise(setImmediate);
    };
    const { said, events } = await ended(a2aAgent({ url: server.url, sleep }));
    expect(said).toBe("Some more");
    expect(textsOf(events)).toBe("Some more");
    const methods = server.methods();
    expect(methods[0]).toBe(version === "1.0" ? "SendMessage" : "message/send");
    expect(new Set(methods.slice(1))).toEqual(new Set([version === "1.0" ? "GetTask" : "tasks/get"]));
  });

  it("loses and doubles nothing, at whichever byte the connection breaks", async () => {
    // Long enough that some breaks come while it works, and some once it has ended.
    const pieces = ["Once ", "upon ", "a ", "time ", "😀."];
    await using server = await serve(version, async (_, voice) => {
      voice.task();
      for (const [index, piece] of pieces.entries()) {
        voice.artifact("answer", [text(piece)], index > 0);
        await new Promise(setImmediate);
      }
      voice.artifact("table", [data({ rows: 1 })]);
      voice.status(TASK_STATE_COMPLETED);
    });
    let whole = 0;
    const measuring: typeof fetch = async (input, init) => {
      const response = await fetch(input, init);
      const body = await response.clone().text();
      if (response.headers.get("content-type") === "text/event-stream") whole = Buffer.byteLength(body);
      return response;
    };
    const untouched = await ended(a2aAgent({ url: server.url, fetch: measuring }));
    expect(untouched.said).toBe(pieces.join(""));
    expect(whole).toBeGreaterThan(1000);
    // The first event names the task: before it, nobody can know what became of the message.
    for (let cut = 500; cut < whole; cut += 61) {
      const fetch = breakingFetch(cut, 400);
      const { end, events } = await ended(a2aAgent({ url: server.url, fetch, sleep: atOnce }));
      expect([cut, end.status, textsOf(events)]).toEqual([cut, "finished", pieces.join("")]);
      expect(events.filter(({ type }) => type === "artifact")).toHaveLength(1);
    }
  });

  it("goes on by subscribing where the task is still at work", async () => {
    const back = Promise.withResolvers<void>();
    await using server = await serve(version, async (_, voice) => {
      voice.task();
      voice.answer("Before");
      await back.promise;
      voice.artifact("answer", [text(", after")], true);
      voice.status(TASK_STATE_COMPLETED);
    });
    let streams = 0;
    const breaking = breakingFetch("Before");
    const watching: typeof fetch = async (input, init) => {
      const response = await breaking(input, init);
      if (response.headers.get("content-type") === "text/event-stream" && ++streams === 2) back.resolve();
      return response;
    };
    const { said, events } = await ended(a2aAgent({ url: server.url, fetch: watching, sleep: atOnce }));
    expect(said).toBe("Before, after");
    expect(textsOf(events)).toBe("Before, after");
    expect(server.methods()).toContain(version === "1.0" ? "SubscribeToTask" : "tasks/resubscribe");
  });

  it("asks for what a server has left out between two connections", async () => {
    const back = Promise.withResolvers<void>();
    await using server = await serve(version, async (_, voice) => {
      voice.task();
      voice.artifact("answer", [text("Before")]);
      await back.promise;
      for (const piece of [", lost", ", after"]) voice.artifact("answer", [text(piece)], true);
      voice.status(TASK_STATE_COMPLETED);
    });
    let streams = 0;
    const breaking = breakingFetch("Before");
    const leaving: typeof fetch = async (input, init) => {
      const response = await breaking(input, init);
      if (response.headers.get("content-type") !== "text/event-stream" || ++streams < 2) return response;
      back.resolve();
      const events = (await response.text()).split("\n\n").filter((event) => !event.includes("lost"));
      return new Response(events.join("\n\n"), response);
    };
    const { events } = await ended(a2aAgent({ url: server.url, fetch: leaving, sleep: atOnce }));
    expect(streams).toBe(2);
    const { id } = events.findLast((event) => event.type === "text.started")!;
    expect(textsOf(events.filter((event) => event.type === "text.delta" && event.id === id))).toBe(
      "Before, lost, after",
    );
  });

  it("gives up after as many tries in a row as it may", async () => {
    await using server = await serve(version, async (_, voice) => {
      voice.task();
      voice.answer("Before");
      await new Promise(() => {});
    });
    let isBroken = false;
    const breaking = breakingFetch("Before");
    const failing: typeof fetch = async (input, init) => {
      if (isBroken) throw new TypeError("fetch failed");
      isBroken = !String(input).endsWith(".json");
      return breaking(input, init);
    };
    const sleep = vi.fn(atOnce);
    const { end } = await ended(a2aAgent({ url: server.url, fetch: failing, sleep, retries: 3 }));
    expect(end).toMatchObject({ status: "failed", error: { code: "remote_lost" } });
    expect(sleep).toHaveBeenCalledTimes(3);
  });

  it("goes on with the task that a dead process has left", async () => {
    const goOn = Promise.withResolvers<void>();
    await using server = await serve(version, async (_, voice) => {
      voice.task();
      voice.answer("Half");
      await goOn.promise;
      voice.artifact("answer", [text(" and half")], true);
      voice.status(TASK_STATE_COMPLETED);
    });
    const agent = a2aAgent({ url: server.url, sleep: atOnce });
    expect(agent.onProducerLost).toBe("resume");
    const dead = new TestRun(agent);
    const first = dead.go();
    await dead.seen("text.delta");
    const log = [...dead.events];
    const taken = new TestRun(agent, { events: [...log, { type: "run.resumed", fromStep: 1 }] });
    const second = taken.go();
    await taken.seen("text.delta");
    goOn.resolve();
    expect(await second).toEqual({ status: "finished" });
    expect(await first).toEqual({ status: "finished" });
    expect(finalText(toMessages(taken.entries))).toBe("Half and half");
    const ids = taken.of("text.started").map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(server.methods().filter((method) => /stream/i.test(method))).toHaveLength(1);
  });
});
