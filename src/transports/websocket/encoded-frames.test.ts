import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { EncodedFrames } from "./encoded-frames.ts";
import { formatFrames } from "./frames.ts";
import { messageBytes } from "./message-bytes.ts";

/** What a client hears of bytes that are written to its connection, past the server's socket. */
async function heard(all: readonly Buffer[]): Promise<string[]> {
  const http = createServer();
  const server = new WebSocketServer({ server: http });
  server.on("connection", (socket, { socket: wire }) => {
    for (const bytes of all) wire.write(bytes);
    socket.close();
  });
  await new Promise<void>((resolve) => void http.listen(0, "127.0.0.1", resolve));
  const client = new WebSocket(`ws://127.0.0.1:${(http.address() as AddressInfo).port}`);
  const texts: string[] = [];
  client.on("message", (data, isBinary) => texts.push(isBinary ? "binary" : data.toString()));
  const [code] = await once(client, "close");
  expect(code).toBe(1005);
  http.close();
  return texts;
}

describe("messageBytes", () => {
  it("[P19] is a message to any client, at every length at which the header changes", async () => {
    const lengths = [0, 1, 125, 126, 127, 0xffff, 0x1_0000, 0x1_0001, 1024 * 1024];
    const texts = lengths.map((length) => "x".repeat(length));
    expect(await heard(texts.map(messageBytes))).toEqual(texts);
  });

  it("[F110] brings any text across unchanged", async () => {
    const texts = fc.sample(fc.string({ unit: "grapheme", maxLength: 200 }), 500);
    expect(await heard(texts.map(messageBytes))).toEqual(texts);
  });
});

describe("EncodedFrames", () => {
  const frames = [
    { data: `"${"x".repeat(70_000)}"`, cursor: "1-a" },
    { event: "reset", data: '{"reason":"lost"}', cursor: "0-0" },
    { data: '"😀"', cursor: "1-a" },
  ];

  it("[F49] are the messages of a subscription, made once for all that have its id", async () => {
    const encoded = new EncodedFrames(frames);
    const [own, other] = [encoded.under("a"), encoded.under('"')];
    expect(await heard(own)).toEqual([...formatFrames("a", frames)]);
    expect(await heard(other)).toEqual([...formatFrames('"', frames)]);
    expect(encoded.under("a")).toBe(own);
    expect(encoded.under('"')).toBe(other);
  });

  it("[F49] are made once for the first id, however large they are", () => {
    const encoded = new EncodedFrames([{ data: `"${"x".repeat(1024 * 1024)}"`, cursor: "1-a" }]);
    expect(encoded.under("a")).toBe(encoded.under("a"));
    expect(encoded.under("b")).not.toBe(encoded.under("b"));
  });

  it("[F75] keep no more than 1 MiB, however many ids there are", () => {
    const encoded = new EncodedFrames(frames);
    const ids = Array.from({ length: 100 }, (_, index) => `${index}`);
    const first = ids.map((id) => encoded.under(id));
    const kept = ids.filter((id, index) => encoded.under(id) === first[index]);
    expect(kept).toEqual(ids.slice(0, 14));
    expect(encoded.under("99")).toEqual(first[99]);
  });
});
