import { describe, expect, it } from "vitest";
import type { Frames } from "../../view.ts";
import { SocketConnection } from "./connection.ts";
import { EncodedFrames } from "./encoded-frames.ts";
import { FakeSocket } from "./fake-socket.fixture.ts";
import { Subscription } from "./subscription.ts";

const KiB = 1024;
const tick = () => new Promise((resolve) => setImmediate(resolve));

/** Two subscriptions on one socket, and what is sent. */
function open() {
  const socket = new FakeSocket();
  const stopping = new AbortController();
  const connection = new SocketConnection(socket, {
    wire: socket,
    stopping: stopping.signal,
    onText: async () => {},
  });
  const over: string[] = [];
  const onOver = ({ id }: Subscription) => void over.push(id);
  const [a, b] = ["a", "b"].map((id) => new Subscription({ id, connection, onOver }));
  return { socket, over, a: a!, b: b!, stopping };
}

/** Frames of some entries, each of which fills a message: `from`, `from + 1`, and so on. */
function large(from: number, count: number): EncodedFrames {
  const frames: Frames = Array.from({ length: count }, (_, index) => ({
    data: JSON.stringify("x".repeat(64 * KiB)),
    cursor: `${from + index}`,
  }));
  return new EncodedFrames(frames);
}
const small = (cursor: string) => new EncodedFrames([{ data: '"x"', cursor }]);

/** The other side reads all there is; what it got, as ids and cursors. */
async function readAll(socket: FakeSocket): Promise<string[]> {
  await tick();
  while (socket.unsent > 0) {
    socket.drain();
    await tick();
    expect(socket.writableLength).toBeLessThan((256 + 65) * KiB);
  }
  return socket.texts.map((text) => {
    const { type, id, frames = [] } = JSON.parse(text);
    return [
      id,
      ...(type === "frames" ? [] : [type]),
      ...frames.map(({ cursor }: { cursor: string }) => cursor),
    ].join(" ");
  });
}

describe("a subscription whose socket is not read", () => {
  it("[F75] sends no more than 256 KiB and a message, and the rest in order, by turns with others", async () => {
    const { socket, a, b } = open();
    socket.taking = false;
    a.write(large(1, 8));
    b.write(large(1, 2));
    expect(socket.writableLength).toBeLessThan((256 + 65) * KiB);
    expect(a.unread).toBeGreaterThan(8 * 64 * KiB);
    // What comes later does not overtake what waits, also where there is room for it by then.
    while (socket.unsent > 0) socket.drain();
    a.write(small("9"));
    a.end(true);
    b.write(small("3"));
    const got = await readAll(socket);
    expect(got.filter((text) => text.startsWith("a"))).toEqual([
      "a 1",
      "a 2",
      "a 3",
      "a 4",
      "a 5",
      "a 6",
      "a 7",
      "a 8",
      "a 9",
      "a end",
    ]);
    expect(got.filter((text) => text.startsWith("b"))).toEqual(["b 1", "b 2", "b 3"]);
    expect(got.indexOf("b 1")).toBeLessThan(got.indexOf("a 8"));
    expect(a.unread).toBe(0);
  });

  it("[F75] has room for more of the log once all that it wrote has been sent", async () => {
    const { socket, a } = open();
    socket.taking = false;
    a.write(large(1, 8));
    let hasRoom = false;
    void a.room().then(() => {
      hasRoom = true;
    });
    while (!hasRoom) {
      socket.drain();
      await tick();
    }
    expect(socket.texts).toHaveLength(8);
    expect(a.unread).toBeLessThan(256 * KiB);
  });

  it("[F75] has room again after one message that is larger than all that may be unsent", async () => {
    const { socket, a } = open();
    socket.taking = false;
    a.write(new EncodedFrames([{ data: JSON.stringify("x".repeat(300 * KiB)), cursor: "1" }]));
    const room = a.room();
    await tick();
    socket.drain();
    await room;
    a.write(small("2"));
    expect(socket.texts).toHaveLength(2);
  });

  it("[P19] is over at once when it is left: what waits is dropped, and the socket is there for the others", async () => {
    const { socket, over, a, b } = open();
    socket.taking = false;
    a.write(large(1, 8));
    b.write(small("1"));
    a.leave();
    a.end(true);
    a.write(small("9"));
    expect(over).toEqual(["a"]);
    expect(await readAll(socket)).toEqual(["a 1", "a 2", "a 3", "a 4", "b 1"]);
    expect(over).toEqual(["a"]);
  });

  it("[P19] is over when its end has been sent, not before: until then its name is in use", async () => {
    const { socket, over, a } = open();
    socket.taking = false;
    a.write(large(1, 8));
    a.fail(new Error("secret"));
    await tick();
    expect(over).toEqual([]);
    expect((await readAll(socket)).at(-1)).toBe("a error");
    expect(over).toEqual(["a"]);
  });
});

describe("a subscription of a socket that closes", () => {
  it("[P19] writes nothing after the close, nor to a connection that is no more", () => {
    const { socket, a } = open();
    a.write(small("1"));
    socket.writable = false;
    socket.readyState = 2;
    a.write(small("2"));
    expect(socket.texts).toHaveLength(1);
  });

  it("is told of no end where the server stopped, so that it comes back", async () => {
    const { socket, over, a, b } = open();
    a.end(true);
    b.end(false);
    await tick();
    expect(await readAll(socket)).toEqual(["a end"]);
    expect(over.toSorted()).toEqual(["a", "b"]);
  });
});
