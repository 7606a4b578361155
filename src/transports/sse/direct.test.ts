import { createServer, request, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import fc from "fast-check";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { AgentStream, RunContext } from "../../agent.ts";
import { createHub } from "../../hub.ts";
import { createApp } from "../../server/app.ts";
import { nodeHandler } from "../../server/node-handler.ts";
import { memoryStore } from "../../stores/memory.ts";
import { encodeTexts } from "./direct.ts";

/** A server of one run, whose agent says a number for each message it gets, and ends with "end". */
async function serve({
  around = () => {},
  stopping,
}: {
  around?: (outgoing: ServerResponse) => void;
  stopping?: AbortSignal;
} = {}) {
  async function* counter(context: RunContext): AgentStream {
    for (let n = 1; ; n++) {
      let said = context.takeMessages();
      while (said.length === 0 && !context.signal.aborted) {
        await new Promise((resolve) => setImmediate(resolve));
        said = context.takeMessages();
      }
      const [part] = said[0]?.message.parts ?? [];
      if (context.signal.aborted || (part?.type === "text" && part.text === "end")) return;
      yield { type: "custom", name: "app.count", data: n };
    }
  }
  const hub = await createHub({ store: memoryStore(), agents: [counter] });
  const handle = nodeHandler(createApp({ hub, ...(stopping && { stopping }) }));
  const server = createServer((incoming, outgoing) => {
    around(outgoing);
    void handle(incoming, outgoing);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(async () => {
    await hub.drain(0);
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const { run } = await hub.start({ input: "count" });
  let sent = 0;
  const tell = (text: string) =>
    run.send({
      type: "input.message",
      message: { id: `m-${sent++}`, role: "user", parts: [{ type: "text", text }] },
    });
  /** What a client gets, from the start or after a cursor, until the end. */
  const read = (after = "") =>
    new Promise<string>((resolve, reject) => {
      const path = `/runs/${run.id}/events${after && `?after=${after}`}`;
      request({ port, host: "127.0.0.1", path }, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (piece) => (text += piece));
        response.on("end", () => resolve(text)).on("error", reject);
      }).end();
    });
  return { run, port, tell, read };
}

const bodyOf = (text: string) => text.replace(/^retry: \d+\n\n/, "");

describe("writing straight to sockets", () => {
  it("[F53] frames a chunk once, whatever is in it", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
        const { chunk, body } = encodeTexts([text]);
        expect(body.toString()).toBe(Buffer.from(text).toString());
        expect(chunk.toString("latin1")).toBe(
          `${body.length.toString(16)}\r\n${body.toString("latin1")}\r\n`,
        );
      }),
    );
  });

  it("[F49] [F50] gives all who come, whenever they come, the same bytes", async () => {
    const { read, tell, run } = await serve();
    const reading: Promise<string>[] = [];
    for (let n = 0; n < 30; n++) {
      reading.push(read());
      await tell("go on");
      if (n % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await tell("end");
    const texts = (await Promise.all(reading)).map(bodyOf);
    await run.ended();
    const whole = bodyOf(await read());
    expect(whole.match(/app\.count/g)).toHaveLength(30);
    for (const text of texts) expect(text).toBe(whole);
  });

  it("[F54] goes on after any cursor with exactly the rest, joining while it is live", async () => {
    const { read, tell } = await serve();
    for (let n = 0; n < 5; n++) await tell("go on");
    await new Promise((resolve) => setImmediate(resolve));
    const live = read();
    await tell("go on");
    await tell("end");
    const whole = bodyOf(await live);
    const frames = whole.split("\n\n").slice(0, -1);
    for (const [index, frame] of frames.slice(0, -1).entries()) {
      const cursor = /^id: (.*)$/m.exec(frame)![1]!;
      expect(bodyOf(await read(cursor))).toBe(`${frames.slice(index + 1).join("\n\n")}\n\n`);
    }
  });

  it("writes no chunks to a client that does not know them", async () => {
    const { port, tell, run } = await serve();
    await tell("go on");
    await tell("end");
    await run.ended();
    const text = await new Promise<string>((resolve) => {
      let all = "";
      const socket = connect(port, "127.0.0.1");
      socket.write(`GET /runs/${run.id}/events HTTP/1.0\r\nHost: localhost\r\n\r\n`);
      socket
        .setEncoding("utf8")
        .on("data", (piece) => (all += piece))
        .on("close", () => resolve(all));
    });
    const [head, ...rest] = text.split("\r\n\r\n");
    expect(head).not.toMatch(/transfer-encoding/i);
    expect(rest.join("\r\n\r\n")).toMatch(/^retry: 1000\n\nid: /);
    expect(rest.join("")).not.toContain("\r\n");
  });

  it("leaves nothing behind that listens for the server's stop", async () => {
    const { signal } = new AbortController();
    const listening = new Set<unknown>();
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...given: Parameters<typeof addEventListener>) => {
      listening.add(given[1]);
      addEventListener.apply(signal, given);
    };
    signal.removeEventListener = (...given: Parameters<typeof removeEventListener>) => {
      listening.delete(given[1]);
      removeEventListener.apply(signal, given);
    };
    const { read, tell } = await serve({ stopping: signal });
    const reading = [read(), read(), read()];
    await tell("end");
    await Promise.all(reading);
    await vi.waitFor(() => expect(listening.size).toBe(0));
  });

  it("goes past nothing that was put around a response", async () => {
    const written: string[] = [];
    const { read, tell } = await serve({
      around: (outgoing) => {
        const { write } = outgoing;
        outgoing.write = (chunk: Buffer) => {
          written.push(String(chunk));
          return write.call(outgoing, chunk, "utf8");
        };
      },
    });
    const reading = read();
    await tell("end");
    const text = await reading;
    expect(written.join("")).toBe(text);
  });
});
