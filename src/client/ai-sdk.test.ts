import { Chat } from "@ai-sdk/react";
import { lastAssistantMessageIsCompleteWithApprovalResponses, type UIMessage } from "ai";
import { describe, expect, it, vi } from "vitest";
import { careful, parrot, Stepwise } from "../../test/support/chat-agents.ts";
import { type ChatServer, serveChat } from "../../test/support/serve-chat.ts";
import { type ChatTransportOptions, createChatTransport } from "./ai-sdk.ts";

const none = async () => {};

function open(
  server: ChatServer,
  init: ConstructorParameters<typeof Chat<UIMessage>>[0] = {},
  options: ChatTransportOptions = {},
) {
  const transport = createChatTransport({ api: server.api, wait: none, ...options });
  return { transport, chat: new Chat<UIMessage>({ id: "chat-1", transport, ...init }) };
}

const textOf = (message: UIMessage | undefined) =>
  message?.parts.map((part) => (part.type === "text" ? part.text : "")).join("");

const until = (test: () => unknown) =>
  vi.waitFor(() => expect(test()).toBeTruthy(), { interval: 5, timeout: 5_000 });

const statusOf = async (server: ChatServer) => (await server.hub.list()).runs[0]?.status;

const stops = (server: ChatServer) => server.requests.filter((request) => request.endsWith("/stop"));

/** A fetch that notes the bodies it sends. */
function noting(bodies: { messages: UIMessage[] }[]): typeof fetch {
  return (url, init) => {
    if (typeof init?.body === "string") bodies.push(JSON.parse(init.body));
    return fetch(url, init);
  };
}

describe("createChatTransport", () => {
  it("[F74] sends the new message alone, and the whole chat where it is written anew", async () => {
    await using server = await serveChat(parrot);
    const bodies: { messages: UIMessage[] }[] = [];
    const { chat } = open(
      server,
      {},
      { fetch: noting(bodies), body: { agent: "parrot" }, headers: { "x-mine": "1" } },
    );
    await chat.sendMessage({ text: "Hello" });
    await chat.sendMessage({ text: "Again" });
    expect(textOf(chat.lastMessage)).toBe("user: Hello; assistant: You said Hello; You said Again");
    await chat.regenerate();
    expect(bodies.map(({ messages }) => messages.length)).toEqual([1, 1, 3]);
    expect(bodies[0]).toMatchObject({ id: "chat-1", agent: "parrot", trigger: "submit-message" });
  });

  it("[F78] stops the run where the chat is stopped, and the next message finds it stopped", async () => {
    const agent = new Stepwise("one", "two");
    await using server = await serveChat(agent);
    const { chat } = open(server);
    const sent = chat.sendMessage({ text: "Count" });
    await until(() => textOf(chat.lastMessage) === "one ");
    const run = chat.lastMessage!.id;
    await chat.stop();
    await sent;
    expect([chat.status, textOf(chat.lastMessage)]).toEqual(["ready", "one "]);
    const next = chat.sendMessage({ text: "Once more" });
    await until(() => chat.messages.length === 4);
    expect((await server.hub.run(run).info()).status).toBe("cancelled");
    agent.next();
    await next;
    expect([chat.error, textOf(chat.lastMessage)]).toEqual([undefined, "one two "]);
    expect(stops(server)).toEqual(["POST /api/chat/chat-1/stop"]);
  });

  it("[F78] stops a run that had not answered yet", async () => {
    const agent = new Stepwise("one", "two");
    await using server = await serveChat(agent);
    const answered = Promise.withResolvers<void>();
    const slow: typeof fetch = async (url, init) => {
      const response = await fetch(url, init);
      if (String(url).endsWith("/api/chat")) await answered.promise;
      return response;
    };
    const { chat } = open(server, {}, { fetch: slow });
    const sent = chat.sendMessage({ text: "Count" });
    await vi.waitFor(async () => expect(await statusOf(server)).toBe("running"), { interval: 5 });
    await chat.stop();
    await sent;
    expect(chat.status).toBe("ready");
    answered.resolve();
    await vi.waitFor(async () => expect(await statusOf(server)).toBe("cancelled"), { interval: 5 });
  });

  it("tells of a stop that could not be delivered", async () => {
    await using server = await serveChat(new Stepwise("one", "two"));
    const errors: unknown[] = [];
    const broken: typeof fetch = (url, init) =>
      String(url).endsWith("/stop") ? Promise.resolve(new Response("", { status: 502 })) : fetch(url, init);
    const { chat } = open(server, {}, { fetch: broken, onError: (error) => errors.push(error) });
    const sent = chat.sendMessage({ text: "Count" });
    await until(() => textOf(chat.lastMessage) === "one ");
    await chat.stop();
    await sent;
    await until(() => errors.length === 1);
    expect((errors[0] as Error).message).toBe("The chat's server answered 502");
  });

  it.each(["cut", "restart"] as const)(
    "[F54] goes on where it was when the connection is %s in the middle, as often as that happens",
    async (how) => {
      const agent = new Stepwise("one", "two", "three");
      await using server = await serveChat(agent);
      const { chat } = open(server);
      const sent = chat.sendMessage({ text: "Count" });
      await until(() => textOf(chat.lastMessage) === "one ");
      server[how]();
      agent.next();
      await until(() => textOf(chat.lastMessage) === "one two ");
      server[how]();
      agent.next();
      await sent;
      expect([chat.status, chat.error]).toEqual(["ready", undefined]);
      expect(chat.messages.map(textOf)).toEqual(["Count", "one two three "]);
      expect(chat.lastMessage?.parts).toHaveLength(1);
      expect(chat.lastMessage?.metadata).toMatchObject({ status: "finished" });
      expect(stops(server)).toEqual([]);
    },
  );

  it("[F54] shows the end of a run that ended while the connection was lost", async () => {
    const agent = new Stepwise("one", "two");
    await using server = await serveChat(agent);
    const lost = Promise.withResolvers<void>();
    const { chat } = open(server, {}, { wait: () => lost.promise });
    const sent = chat.sendMessage({ text: "Count" });
    await until(() => textOf(chat.lastMessage) === "one ");
    server.cut();
    agent.next();
    await server.hub.run(chat.lastMessage!.id).ended();
    lost.resolve();
    await sent;
    expect(textOf(chat.lastMessage)).toBe("one two ");
  });

  it("[F54] takes a connection that went silent for one that is lost", async () => {
    const agent = new Stepwise("one", "two");
    await using server = await serveChat(agent);
    const mute: typeof fetch = async (url, init) => {
      const response = await fetch(url, init);
      return String(url).endsWith("/api/chat") ? new Response(new ReadableStream(), response) : response;
    };
    const { chat } = open(server, {}, { fetch: mute, silenceMs: 50 });
    const sent = chat.sendMessage({ text: "Count" });
    await until(() => textOf(chat.lastMessage) === "one ");
    agent.next();
    await sent;
    expect([chat.error, textOf(chat.lastMessage)]).toEqual([undefined, "one two "]);
  });

  it("takes a request that is not answered for a connection that is lost", async () => {
    const agent = new Stepwise("one", "two");
    await using server = await serveChat(agent);
    let asked = 0;
    const hanging: typeof fetch = async (url, init) => {
      asked++;
      if (asked === 2)
        return new Promise((_, reject) => {
          init!.signal!.addEventListener("abort", () => reject(init!.signal!.reason));
        });
      const response = await fetch(url, init);
      return asked === 1 ? new Response(new ReadableStream(), response) : response;
    };
    const { chat } = open(server, {}, { fetch: hanging, silenceMs: 50 });
    const sent = chat.sendMessage({ text: "Count" });
    await until(() => textOf(chat.lastMessage) === "one ");
    agent.next();
    await sent;
    expect([chat.error, textOf(chat.lastMessage)]).toEqual([undefined, "one two "]);
  });

  it("is an error, and never an end, when the connection cannot be made again", async () => {
    const agent = new Stepwise("one", "two");
    await using server = await serveChat(agent);
    let down = false;
    const unreachable: typeof fetch = (url, init) =>
      down ? Promise.reject(new TypeError("fetch failed")) : fetch(url, init);
    let finish: unknown;
    const { chat } = open(
      server,
      { onFinish: (end) => (finish = end) },
      { fetch: unreachable, maxAttempts: 3 },
    );
    const sent = chat.sendMessage({ text: "Count" });
    await until(() => textOf(chat.lastMessage) === "one ");
    down = true;
    server.cut();
    await sent;
    expect([chat.status, chat.error?.message]).toEqual(["error", "fetch failed"]);
    expect(finish).toMatchObject({ isDisconnect: true, isAbort: false });
    // The network is back, and the page looks again.
    down = false;
    agent.next();
    await server.hub.run(chat.lastMessage!.id).ended();
    await chat.resumeStream();
    expect([chat.status, chat.messages.map(textOf)]).toEqual(["ready", ["Count", "one two "]]);
  });

  it("does not go on with an answer that is another one by now", async () => {
    await using server = await serveChat(new Stepwise("one", "two"));
    const changed: typeof fetch = async (url, init) => {
      const response = await fetch(url, init);
      if (!String(url).includes("/stream")) return response;
      const other = { type: "text-start", id: "other" };
      const chunks = [{ type: "start", messageId: "x" }, other, other, other];
      return new Response(chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join(""));
    };
    const { chat } = open(server, {}, { fetch: changed });
    const sent = chat.sendMessage({ text: "Count" });
    await until(() => textOf(chat.lastMessage) === "one ");
    server.cut();
    await sent;
    expect([chat.status, chat.error?.message]).toEqual([
      "error",
      expect.stringMatching(/^Cannot go on with the answer/),
    ]);
  });

  it("[F20] continues after an approval, also over a connection that breaks", async () => {
    const gate = Promise.withResolvers<void>();
    await using server = await serveChat({
      name: "careful",
      async *run(context) {
        for await (const event of careful(context)) {
          yield event;
          if (event.type === "text.delta" && event.text === "Done.") await gate.promise;
        }
      },
    });
    const { chat } = open(server, {
      sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses,
    });
    await chat.sendMessage({ text: "Delete it" });
    await chat.addToolApprovalResponse({ id: "a-c-1", approved: true });
    await until(() => textOf(chat.lastMessage) === "May I?Done.");
    server.cut();
    gate.resolve();
    await until(() => chat.status === "ready");
    expect([chat.error, chat.messages.length, textOf(chat.lastMessage)]).toEqual([
      undefined,
      2,
      "May I?Done.",
    ]);
    expect(chat.lastMessage?.parts).toHaveLength(6);
  });

  it("[F20] answers a question that stands before a newer message", async () => {
    await using server = await serveChat(careful);
    const { chat } = open(server);
    await chat.sendMessage({ text: "Delete it" });
    await chat.sendMessage({ text: "Well?" });
    expect(chat.error?.message).toMatch(/^Cannot start a run in thread "chat-1": run ".*" has not ended$/);
    chat.clearError();
    await chat.addToolApprovalResponse({ id: "a-c-1", approved: true });
    await chat.sendMessage();
    expect([chat.error, chat.messages.map(textOf)]).toEqual([
      undefined,
      ["Delete it", "May I?Done.", "Well?"],
    ]);
  });

  it("[F54] loads a chat, and shows an answer to its end that ended before the chat resumed", async () => {
    const agent = new Stepwise("one", "two");
    await using server = await serveChat(agent);
    const before = open(server).chat;
    void before.sendMessage({ text: "Count" });
    await until(() => textOf(before.lastMessage) === "one ");
    const { transport } = open(server);
    const messages = await transport.load("chat-1");
    expect(messages.map(textOf)).toEqual(["Count", "one "]);
    agent.next();
    await until(() => before.status === "ready");
    const chat = new Chat<UIMessage>({ id: "chat-1", messages, transport });
    await chat.resumeStream();
    expect([chat.status, chat.messages.map(textOf)]).toEqual(["ready", ["Count", "one two "]]);
    // Now there is nothing to resume.
    expect(await transport.load("chat-1")).toHaveLength(2);
    expect(await transport.reconnectToStream({ chatId: "chat-1" })).toBeNull();
  });

  it("[F80] resumes anew without stopping the run, as React does with its effects while it is developed", async () => {
    const agent = new Stepwise("one", "two");
    await using server = await serveChat(agent);
    const first = open(server).chat;
    void first.sendMessage({ text: "Count" });
    await until(() => textOf(first.lastMessage) === "one ");
    const { chat, transport } = open(server);
    chat.messages = await transport.load("chat-1");
    const attempts = [chat.resumeStream(), chat.resumeStream()];
    await until(() => chat.status === "streaming");
    attempts.push(chat.resumeStream());
    attempts.push(chat.stop(), chat.resumeStream());
    await until(() => server.requests.filter((request) => request.endsWith("/stream")).length >= 2);
    agent.next();
    await Promise.all(attempts);
    expect([chat.status, chat.messages.map(textOf)]).toEqual(["ready", ["Count", "one two "]]);
    expect(stops(server)).toEqual([]);
    expect(await statusOf(server)).toBe("finished");
  });

  it("[F78] stops a run that it has resumed", async () => {
    await using server = await serveChat(new Stepwise("one", "two"));
    const first = open(server).chat;
    void first.sendMessage({ text: "Count" });
    await until(() => textOf(first.lastMessage) === "one ");
    const { chat } = open(server);
    const resumed = chat.resumeStream();
    await until(() => chat.status === "streaming");
    await chat.stop();
    await resumed;
    await until(() => first.status === "ready");
    expect(first.lastMessage?.metadata).toMatchObject({ status: "cancelled" });
  });

  it("tells what a server refuses in its own words", async () => {
    await using server = await serveChat(parrot);
    const { chat } = open(server, { id: "a.b" });
    await chat.sendMessage({ text: "Hello" });
    expect(chat.error?.message).toMatch(/^Cannot use "a.b" as a chat id/);
    await expect(open(server).transport.load("a.b")).rejects.toThrow('Cannot use "a.b" as a chat id');
  });
});
