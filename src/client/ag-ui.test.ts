import { HttpAgent } from "@ag-ui/client";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bare } from "../../test/support/judge-ag-ui.ts";
import { careful, gate, parrot, type Served, serve, stopAll } from "../../test/support/serve-ag-ui.ts";
import type { AgentStream, RunContext } from "../agent.ts";
import { RunlogAgent, type RunlogAgentConfig } from "./ag-ui.ts";

const rejected: unknown[] = [];
const onRejection = (reason: unknown) => rejected.push(reason);
beforeEach(() => {
  rejected.length = 0;
  process.on("unhandledRejection", onRejection);
});
afterEach(async () => {
  await stopAll();
  await new Promise(setImmediate);
  process.off("unhandledRejection", onRejection);
  // Node ends a process for one of these.
  expect(rejected).toEqual([]);
});

type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** Delays take no time; silences never come. */
const wait = (ms: number, signal: AbortSignal) =>
  ms < 45_000
    ? new Promise<void>((resolve) => setImmediate(resolve))
    : new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));

function agentOf(fetch: Fetch, config: Partial<RunlogAgentConfig> = {}) {
  const agent = new RunlogAgent({ url: "http://localhost/ag-ui", threadId: "t-1", fetch, wait, ...config });
  agent.addMessage({ id: "u-1", role: "user", content: "Hello" });
  return agent;
}

/** A network that cuts each answer after some bytes: `error` breaks the connection, `end` ends it as if it were whole. */
function cutting(
  { fetch }: Served,
  bytes: number,
  how: "error" | "end",
): { fetch: Fetch; requests: Headers[] } {
  const requests: Headers[] = [];
  return {
    requests,
    fetch: async (url, init) => {
      requests.push(new Headers(init.headers));
      const response = await fetch(url, init);
      if (!response.headers.get("content-type")?.startsWith("text/event-stream")) return response;
      let left = bytes + 40 * requests.length;
      const reader = response.body!.getReader();
      const body = new ReadableStream<Uint8Array>({
        async pull(controller) {
          const { done, value } = await reader.read();
          if (done) return controller.close();
          controller.enqueue(value.subarray(0, left));
          left -= value.length;
          if (left > 0) return;
          void reader.cancel();
          if (how === "end") controller.close();
          else controller.error(new TypeError("network error"));
        },
      });
      return new Response(body, { status: response.status, headers: response.headers });
    },
  };
}

async function* talkative(): AgentStream {
  yield { type: "reasoning.started", id: "0" };
  yield { type: "reasoning.delta", id: "0", text: "Hm" };
  yield { type: "reasoning.finished", id: "0" };
  for (const id of ["1", "2"]) {
    yield { type: "text.started", id };
    for (const text of ["One ", "two ", "three"]) yield { type: "text.delta", id, text };
    yield { type: "text.finished", id };
    yield { type: "tool.called", callId: `c-${id}`, name: "look", input: { id } };
    yield { type: "tool.returned", callId: `c-${id}`, name: "look", output: id, durationMs: 1 };
  }
}

describe("RunlogAgent", () => {
  it("[F74] does what AG-UI's own client does where nothing goes wrong", async () => {
    const served = await serve(talkative);
    const own = new HttpAgent({ url: "http://localhost/ag-ui", threadId: "t-0", fetch: served.fetch });
    own.addMessage({ id: "u-1", role: "user", content: "Hello" });
    await own.runAgent({ runId: "r-0" });
    const agent = agentOf(served.fetch);
    const { newMessages } = await agent.runAgent({ runId: "r-1" });
    expect(newMessages).toHaveLength(5);
    expect(JSON.stringify(bare(agent.messages))).toBe(
      JSON.stringify(bare(own.messages)).replaceAll("r-0", "r-1"),
    );
    expect(agent.cursor).toBe((await served.hub.run("r-1").log.last())!.cursor);
    expect(agent.runlogRun).toBe("r-1");
  });

  it.each(["error", "end"] as const)(
    "[F54] takes up a stream that was cut anywhere (%s), and says nothing twice",
    async (how) => {
      const served = await serve(talkative);
      const whole = agentOf(served.fetch);
      await whole.runAgent({ runId: "r-1" });
      for (let bytes = 0; bytes < 5_000; bytes += 97) {
        const agent = agentOf(cutting(served, bytes, how).fetch);
        await agent.runAgent({ runId: "r-1" });
        expect(bare(agent.messages), `cut after ${bytes}`).toEqual(bare(whole.messages));
        const joined = agentOf(cutting(served, bytes, how).fetch);
        await joined.connectAgent();
        expect(bare(joined.messages), `joined, cut after ${bytes}`).toEqual(bare(whole.messages));
      }
    },
  );

  it("goes on after the last event that came whole", async () => {
    const served = await serve(talkative);
    const { fetch, requests } = cutting(served, 1_000, "error");
    await agentOf(fetch).runAgent({ runId: "r-1" });
    const cursors = (await served.hub.run("r-1").log.entries()).map(({ cursor }) => cursor);
    const asked = requests.map((headers) => headers.get("last-event-id"));
    expect(asked.length).toBeGreaterThan(2);
    expect(asked[0]).toBe(null);
    expect(asked.slice(1).every((cursor) => cursors.includes(cursor!))).toBe(true);
  });

  it("joins a run at work, and again in the middle with what it has", async () => {
    const { opened, open } = gate();
    async function* slow(): AgentStream {
      yield { type: "text.started", id: "1" };
      yield { type: "text.delta", id: "1", text: "Now " };
      await opened;
      yield { type: "text.delta", id: "1", text: "done" };
      yield { type: "text.finished", id: "1" };
    }
    const served = await serve(slow);
    const agent = agentOf(served.fetch);
    const said = Promise.withResolvers<void>();
    const left = agent.runAgent({ runId: "r-1" }, { onTextMessageContentEvent: () => said.resolve() });
    await said.promise;
    await agent.detachActiveRun();
    await left;
    const late = agentOf(served.fetch);
    const heard = Promise.withResolvers<void>();
    const both = [
      late.connectAgent({}, { onTextMessageStartEvent: () => heard.resolve() }),
      agent.connectAgent(),
    ];
    await heard.promise;
    open();
    await Promise.all(both);
    for (const { messages } of [agent, late]) {
      expect(bare(messages)).toEqual([
        { id: "u-1", role: "user", content: "Hello" },
        { id: "r-1.1", role: "assistant", content: "Now done" },
      ]);
    }
  });

  it("closes its connection when it is detached, and the run goes on", async () => {
    const { opened, open } = gate();
    async function* slow(): AgentStream {
      yield { type: "text.started", id: "1" };
      yield { type: "text.delta", id: "1", text: "So" };
      await opened;
    }
    const served = await serve(slow);
    const closed = Promise.withResolvers<void>();
    const agent = agentOf(async (url, init) => {
      const response = await served.fetch(url, init);
      const reader = response.body!.getReader();
      const body = new ReadableStream<Uint8Array>({
        async pull(controller) {
          const { done, value } = await reader.read();
          if (!done) controller.enqueue(value);
        },
        cancel() {
          closed.resolve();
          return reader.cancel();
        },
      });
      return new Response(body, { headers: response.headers });
    });
    const said = Promise.withResolvers<void>();
    const left = agent.runAgent({ runId: "r-1" }, { onTextMessageContentEvent: () => said.resolve() });
    await said.promise;
    await agent.detachActiveRun();
    await left;
    await closed.promise;
    expect((await served.hub.run("r-1").info()).status).toBe("running");
    open();
  });

  it("finds an empty thread empty, and one that it knows to the end as it is", async () => {
    const served = await serve(parrot);
    const agent = agentOf(served.fetch);
    expect(await agent.connectAgent()).toEqual({ result: undefined, newMessages: [] });
    await agent.runAgent({ runId: "r-1" });
    const before = structuredClone(agent.messages);
    await agent.connectAgent();
    expect(agent.messages).toEqual(before);
  });

  it("[F20] joins a run that waits, and answers it", async () => {
    const served = await serve(careful);
    await agentOf(served.fetch).runAgent({ runId: "r-1" });
    const other = agentOf(served.fetch);
    await other.connectAgent();
    expect(other.pendingInterrupts.map(({ id }) => id)).toEqual(["a-1"]);
    const { fetch } = cutting(served, 0, "error");
    other.fetch = fetch;
    const resume = [{ interruptId: "a-1", status: "resolved" as const, payload: { approved: true } }];
    await other.runAgent({ runId: "r-2", resume });
    expect(other.messages.at(-1)).toMatchObject({ role: "assistant", content: "Done." });
    expect(other.runlogRun).toBe("r-1");
  });

  it("[F78] cancels the run when it is aborted, and shows that it was", async () => {
    async function* endless({ signal }: RunContext): AgentStream {
      yield { type: "text.started", id: "1" };
      yield { type: "text.delta", id: "1", text: "So" };
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    }
    const served = await serve(endless);
    const agent = agentOf(served.fetch);
    const outcomes: string[] = [];
    await agent.runAgent(
      { runId: "r-1" },
      {
        onTextMessageContentEvent: () => agent.abortRun(),
        onRunFinishedEvent: ({ outcome }) => void outcomes.push(outcome),
      },
    );
    expect(outcomes).toEqual(["cancelled"]);
    expect((await served.hub.run("r-1").info()).status).toBe("cancelled");
  });

  it("cuts the stream where the server cannot be asked to cancel", async () => {
    const { opened, open } = gate();
    async function* slow(): AgentStream {
      yield { type: "text.started", id: "1" };
      yield { type: "text.delta", id: "1", text: "So" };
      await opened;
    }
    const served = await serve(slow);
    const agent = agentOf((url, init) =>
      url.endsWith("/cancel") ? Promise.reject(new TypeError("fetch failed")) : served.fetch(url, init),
    );
    const codes: unknown[] = [];
    await agent.runAgent(
      { runId: "r-1" },
      {
        onTextMessageContentEvent: () => agent.abortRun(),
        onRunErrorEvent: ({ event }) => void codes.push(event.code),
      },
    );
    expect(codes).toEqual(["abort"]);
    expect((await served.hub.run("r-1").info()).status).toBe("running");
    open();
  });

  it("rejects where the first request fails, and ends with RUN_ERROR where a later one is refused", async () => {
    const served = await serve(talkative);
    const down = agentOf(() => Promise.reject(new TypeError("fetch failed")));
    await expect(down.runAgent({ runId: "r-1" })).rejects.toThrow("fetch failed");
    const wrong = agentOf(served.fetch, { threadId: "no thread" });
    await expect(wrong.runAgent({ runId: "r-1" })).rejects.toThrow("HTTP 400");

    const { fetch } = cutting(served, 1_500, "error");
    let requests = 0;
    const refused = agentOf(async (url, init) => {
      if (requests++ > 0) await served.hub.run("r-2").delete();
      return fetch(url, init);
    });
    const errors: unknown[] = [];
    await refused.runAgent({ runId: "r-2" }, { onRunErrorEvent: ({ event }) => void errors.push(event) });
    expect(errors).toMatchObject([{ code: "refused", message: expect.stringContaining("r-2") }]);
  });

  it("gives up after as many attempts as it is told", async () => {
    const served = await serve(talkative);
    const { fetch } = cutting(served, 1_500, "error");
    let requests = 0;
    const agent = agentOf(
      (url, init) => (requests++ > 0 ? Promise.reject(new TypeError("fetch failed")) : fetch(url, init)),
      { maxAttempts: 3 },
    );
    const codes: unknown[] = [];
    await agent.runAgent({ runId: "r-1" }, { onRunErrorEvent: ({ event }) => void codes.push(event.code) });
    expect([codes, requests]).toEqual([["unreachable"], 4]);
  });

  it("gives up a connection that went silent, and takes it up", async () => {
    const served = await serve(talkative);
    let requests = 0;
    const agent = agentOf(
      async (url, init) => {
        if (requests++ > 0) return served.fetch(url, init);
        // What it would have said is never heard.
        return new Response(new ReadableStream(), { headers: { "content-type": "text/event-stream" } });
      },
      { wait: () => new Promise((resolve) => setImmediate(resolve)), silenceMs: 45_000 },
    );
    await agent.runAgent({ runId: "r-1" });
    expect(agent.messages).toHaveLength(6);
  });

  it("gives up a request that is not answered, and asks again", async () => {
    const served = await serve(talkative);
    const { fetch } = cutting(served, 1_500, "error");
    let requests = 0;
    const agent = agentOf(
      (url, init) =>
        requests++ === 1
          ? new Promise((_, reject) =>
              init.signal?.addEventListener("abort", () => reject(new Error("Gone"))),
            )
          : fetch(url, init),
      {
        // Silences are over at once until the request that hangs has been made.
        wait: (ms, signal) => (requests === 1 ? wait(0, signal) : wait(ms, signal)),
      },
    );
    await agent.runAgent({ runId: "r-1" });
    expect(requests).toBeGreaterThan(2);
    expect(agent.messages).toHaveLength(6);
  });

  it("has clones that are whole, and wants a URL of AG-UI's", async () => {
    const served = await serve(parrot);
    const agent = agentOf(served.fetch);
    await agent.runAgent({ runId: "r-1" });
    const clone = agent.clone();
    expect(clone.cursor).toBe(agent.cursor);
    clone.addMessage({ id: "u-2", role: "user", content: "More" });
    await clone.runAgent({ runId: "r-2" });
    expect(clone.messages).toHaveLength(4);
    expect(agent.messages).toHaveLength(2);
    expect(() => new RunlogAgent({ url: "http://localhost/chat" })).toThrow(TypeError);
    const named = new RunlogAgent({ url: "http://localhost/base/agents/a/ag-ui/" });
    expect(named.url).toBe("http://localhost/base/agents/a/ag-ui");
  });
});
