import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { SocketConnection, type SocketConnectionOptions } from "./connection.ts";
import { FakeSocket } from "./fake-socket.fixture.ts";

const KiB = 1024;
const tick = () => vi.advanceTimersByTimeAsync(0);

function open(options: Partial<SocketConnectionOptions> = {}) {
  const socket = new FakeSocket();
  const stopping = new AbortController();
  const errors: unknown[] = [];
  const texts: string[] = [];
  const connection = new SocketConnection(socket, {
    wire: socket,
    stopping: stopping.signal,
    onError: (error) => errors.push(error),
    onText: async (text) => void texts.push(text),
    ...options,
  });
  return { socket, stopping, errors, texts, connection };
}

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

describe("a socket that may be half open", () => {
  it("[P19] is pinged every 25 s, and cut off 10 s after a ping without a sign of life", async () => {
    const { socket, connection } = open();
    await vi.advanceTimersByTimeAsync(24_999);
    expect(socket.log).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(socket.log).toEqual(["ping"]);
    socket.emit("pong");
    await vi.advanceTimersByTimeAsync(25_000);
    expect(socket.log).toEqual(["ping", "ping"]);
    await vi.advanceTimersByTimeAsync(9_999);
    expect(connection.gone.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(socket.log).toEqual(["ping", "ping", "terminate"]);
    expect(connection.gone.aborted).toBe(true);
    await vi.advanceTimersByTimeAsync(100_000);
    expect(socket.log).toHaveLength(3);
  });

  it.each(["message", "ping", "pong"])("is known to be alive by a %s", async (sign) => {
    const { socket } = open();
    await vi.advanceTimersByTimeAsync(25_000);
    socket.emit(sign, Buffer.from("x"), false);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(socket.log).not.toContain("terminate");
  });

  it("is known to be alive by reading, however slowly: a pong may stand behind much that is unsent", async () => {
    const { socket, connection } = open();
    socket.taking = false;
    for (let count = 0; count < 5; count++) connection.send("x");
    socket.drain();
    for (let count = 0; count < 3; count++) {
      await vi.advanceTimersByTimeAsync(25_000);
      socket.drain();
    }
    expect(socket.log).not.toContain("terminate");
    await vi.advanceTimersByTimeAsync(35_000);
    expect(socket.log).toContain("terminate");
  });

  it("is not taken to be alive because the system still takes what is sent", async () => {
    const { socket, connection } = open();
    for (let second = 0; second < 35; second++) {
      connection.send("x");
      await vi.advanceTimersByTimeAsync(1_000);
    }
    expect(socket.log).toContain("terminate");
  });

  it("is not cut off for a pong that the server itself did not read", async () => {
    const work = Promise.withResolvers<void>();
    const { socket } = open({ oneByOne: true, onText: () => work.promise });
    for (let count = 0; count < 70; count++) socket.says("x");
    expect(socket.log).toEqual(["pause"]);
    await vi.advanceTimersByTimeAsync(100_000);
    expect(socket.log).not.toContain("terminate");
    work.resolve();
    await tick();
    expect(socket.log).toContain("resume");
  });
});

describe("what a socket keeps", () => {
  it("[F75] has room until 256 KiB are unsent, and gives it in the order in which it was asked for", async () => {
    const { socket, connection } = open();
    socket.taking = false;
    const order: string[] = [];
    const write = async (name: string) => {
      for (let count = 0; count < 3; count++) {
        await connection.room();
        order.push(name);
        connection.send("x".repeat(200 * KiB));
      }
    };
    void write("a");
    void write("b");
    await tick();
    expect(order).toEqual(["a", "b"]);
    expect(socket.writableLength).toBe(400 * KiB);
    while (socket.unsent > 0) {
      socket.drain();
      await tick();
      expect(socket.writableLength).toBeLessThanOrEqual(400 * KiB);
    }
    expect(order).toEqual(["a", "b", "a", "b", "a", "b"]);
  });

  it("[F75] gives room to all who wait once the socket is gone, so that none waits forever", async () => {
    const { socket, connection } = open();
    socket.taking = false;
    connection.send("x".repeat(256 * KiB));
    let given = 0;
    for (let count = 0; count < 3; count++) void connection.room().then(() => given++);
    await tick();
    expect(given).toBe(0);
    socket.emit("close");
    await tick();
    expect(given).toBe(3);
  });

  it("[F60] [F75] deals with no more while 64 KiB of answers are unread, and then does not read", async () => {
    const { socket, connection } = open({
      onText: async () => connection.answer("x".repeat(4 * KiB)),
    });
    socket.taking = false;
    for (let count = 0; count < 1_000; count++) socket.says("x");
    await tick();
    expect(socket.writableLength).toBe(64 * KiB);
    expect(socket.log.at(-1)).toBe("pause");
    let answered = 0;
    while (socket.unsent > 0) {
      socket.drain();
      answered++;
      await tick();
    }
    expect(answered).toBe(1_000);
    expect(socket.log.filter((line) => line === "resume")).toHaveLength(1);
  });

  it("[F60] [F75] deals with 256 KiB of texts at once, and lets as much wait", async () => {
    const work = Promise.withResolvers<void>();
    const begun: string[] = [];
    const { socket } = open({
      onText: (text) => {
        begun.push(text);
        return work.promise;
      },
    });
    const large = "x".repeat(100 * KiB);
    for (let count = 0; count < 3; count++) socket.says(large);
    expect(begun).toHaveLength(3);
    expect(socket.log).toEqual([]);
    for (let count = 0; count < 3; count++) socket.says(large);
    expect(begun).toHaveLength(3);
    expect(socket.log).toEqual(["pause"]);
    work.resolve();
    await tick();
    expect(begun).toHaveLength(6);
    expect(socket.log).toEqual(["pause", "resume"]);
  });

  it("deals with one text at a time if that is wanted", async () => {
    const works = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const begun: string[] = [];
    const { socket } = open({
      oneByOne: true,
      onText: (text) => {
        begun.push(text);
        return works[begun.length - 1]!.promise;
      },
    });
    socket.says("a");
    socket.says("b");
    await tick();
    expect(begun).toEqual(["a"]);
    works[0]!.resolve();
    await tick();
    expect(begun).toEqual(["a", "b"]);
  });
});

describe("the end of a socket", () => {
  it("[P19] a binary message closes it with 1003, and what comes after is not heard", async () => {
    const { socket, texts, connection } = open();
    socket.emit("message", Buffer.of(1), true);
    socket.says("x");
    connection.send("y");
    expect(socket.log).toEqual(["close 1003 There are only text messages"]);
    expect(texts).toEqual([]);
    expect(connection.gone.aborted).toBe(true);
  });

  it("[F89] [P19] a server that stops closes it with 1012, after what was said before", async () => {
    const { socket, connection, stopping } = open();
    stopping.abort();
    connection.send("last");
    await new Promise(setImmediate);
    expect(socket.log).toEqual(["send last", "close 1012 The server is stopping"]);
  });

  it("[F89] a server that stops lets it say what is still to be said, and waits for that no longer than a second", async () => {
    const said = Promise.withResolvers<void>();
    const [ready, stuck] = [
      open({ beforeStop: () => said.promise }),
      open({ beforeStop: () => new Promise(() => {}) }),
    ];
    for (const { stopping } of [ready, stuck]) stopping.abort();
    await new Promise(setImmediate);
    expect(ready.socket.log).toEqual([]);
    said.resolve();
    await tick();
    expect(ready.socket.log).toEqual(["close 1012 The server is stopping"]);
    await vi.advanceTimersByTimeAsync(999);
    expect(stuck.socket.log).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(stuck.socket.log).toEqual(["close 1012 The server is stopping"]);
  });

  it("[P19] nothing is sent after a close, also where it was the client that closed and is not gone yet", () => {
    const { socket, connection } = open();
    socket.readyState = 2;
    connection.send("x");
    expect(connection.gone.aborted).toBe(false);
    expect(socket.log).toEqual([]);
  });

  it("a socket that opens while the server stops is closed too", async () => {
    const socket = new FakeSocket();
    const stopping = AbortSignal.abort();
    new SocketConnection(socket, { wire: socket, stopping, onText: async () => {} });
    await new Promise(setImmediate);
    expect(socket.log).toEqual(["close 1012 The server is stopping"]);
  });

  it("a client that does not answer the close is cut off, and one that does is left alone", async () => {
    const silent = open();
    const polite = open();
    for (const { socket } of [silent, polite]) socket.emit("message", Buffer.of(1), true);
    polite.socket.emit("close");
    await vi.advanceTimersByTimeAsync(1_000);
    expect(silent.socket.log.at(-1)).toBe("terminate");
    expect(polite.socket.log).not.toContain("terminate");
  });

  it("broken framing ends it: the socket says why, and is cut off if that is not heard", async () => {
    const { socket, connection } = open();
    socket.emit("error", new Error("Invalid frame"));
    expect(connection.gone.aborted).toBe(true);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(socket.log).toEqual(["terminate"]);
  });

  it("what goes wrong in dealing with a text is reported, and ends nothing", async () => {
    const { socket, errors, connection } = open({ onText: () => Promise.reject(new Error("bug")) });
    socket.says("x");
    await tick();
    expect(errors).toEqual([new Error("bug")]);
    expect(connection.gone.aborted).toBe(false);
  });
});
