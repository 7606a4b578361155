import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, it } from "vitest";
import type { AgentStream, RunContext } from "../agent.ts";
import { createHub } from "../hub.ts";
import { memoryStore } from "../stores/memory.ts";
import { listen } from "./listen.ts";

async function* endless({ signal }: RunContext): AgentStream {
  yield { type: "text.started", id: "1" };
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
}

async function* asks(): AgentStream {
  yield { type: "approval.requested", approvalId: "a", callId: "c", name: "pay", input: {} };
}

const start = (url: string, body: object) =>
  fetch(`${url}/runs`, { method: "POST", body: JSON.stringify(body) });

describe("listen", () => {
  it("refuses an address that others can reach when there is no token", async () => {
    const hub = await createHub({ store: memoryStore() });
    for (const host of ["0.0.0.0", "::", "192.168.1.5"]) {
      await expect(listen({ hub, host, port: 0 })).rejects.toThrow(
        `Cannot listen on ${host} without a token: set RUNLOG_TOKEN`,
      );
    }
    await using server = await listen({ hub, host: "0.0.0.0", port: 0, token: "secret" });
    expect((await fetch(server.url)).status).toBe(401);
  });

  it("fails clearly when the port is taken", async () => {
    const hub = await createHub({ store: memoryStore() });
    await using server = await listen({ hub, port: 0 });
    await expect(listen({ hub, port: Number(new URL(server.url).port) })).rejects.toMatchObject({
      code: "EADDRINUSE",
    });
  });

  it("[F57] [F71] streams over a real socket to a client that only has fetch", async () => {
    await using hub = await createHub({ store: memoryStore(), agents: [endless] });
    await using server = await listen({ hub, port: 0 });
    const { run } = (await (await start(server.url, { input: "x" })).json()) as { run: string };
    const response = await fetch(`${server.url}/runs/${run}/events`, {
      headers: { accept: "application/x-ndjson" },
    });
    let text = "";
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      // It is live: the run ends because of what was read.
      if (text.includes("text.started") && !text.includes("input.cancel")) await hub.run(run).cancel();
    }
    expect(JSON.parse(text.trimEnd().split("\n").at(-1)!).event.type).toBe("run.cancelled");
  });

  it("[F89] shows the end of what was at work to its viewers, ends the others cleanly, and is gone", async () => {
    const hub = await createHub({ store: memoryStore(), agents: [endless, asks] });
    const server = await listen({ hub, port: 0 });
    const follow = async (agent: string) => {
      const { run } = (await (await start(server.url, { agent, input: "x" })).json()) as { run: string };
      const response = await fetch(`${server.url}/runs/${run}/events`);
      return response.text();
    };
    const [working, waiting] = [follow("endless"), follow("asks")];
    while ((await hub.list()).runs.length < 2) await new Promise(setImmediate);
    while ((await hub.list({ status: "waiting" })).runs.length < 1) await new Promise(setImmediate);
    await server.stop(0);
    expect(await working).toContain('"code":"server_stopped"');
    expect(await waiting).toContain("approval.requested");
    expect(await waiting).not.toContain("run.f");
    await expect(fetch(server.url)).rejects.toThrow();
  });

  it("is not troubled by a client that breaks off in the middle of a body", async () => {
    await using hub = await createHub({ store: memoryStore() });
    const errors: unknown[] = [];
    const refused = Promise.withResolvers<number>();
    await using server = await listen({
      hub,
      port: 0,
      onError: (error) => errors.push(error),
      onRequest: ({ status }) => refused.resolve(status),
    });
    const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
    socket.write(
      "POST /runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n{",
    );
    // Its answer says that the request has been begun.
    await once(socket, "data");
    socket.destroy();
    expect(await refused.promise).toBe(400);
    expect(errors).toEqual([]);
  });

  it("answers 413 to a client that is still sending, and reads on so that the client sees it", async () => {
    await using hub = await createHub({ store: memoryStore() });
    await using server = await listen({ hub, port: 0 });
    const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
    const size = 8 * 1024 * 1024;
    socket.write(`POST /runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${size}\r\n\r\n`);
    let answer = "";
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    for (let sent = 0; sent < size; sent += 64 * 1024) {
      if (!socket.write("x".repeat(64 * 1024))) await once(socket, "drain");
    }
    while (!answer.includes("}")) await once(socket, "data");
    expect(answer).toContain("HTTP/1.1 413");
    expect(answer).toContain('"code":"too_large"');
    socket.destroy();
  });
});
