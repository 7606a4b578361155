import { Socket } from "node:net";

/**
 * A fault that a test of slow viewers is to notice: whatever is written to a connection is copied and kept until it is
 * read, and the connection never says that there is too much of it.
 */
export function makeSocketsEager(): void {
  const write = Socket.prototype.write;
  Socket.prototype.write = function (this: Socket, chunk: string | Uint8Array, ...rest: never[]): boolean {
    write.call(this, typeof chunk === "string" ? chunk : Buffer.from(chunk), ...rest);
    return true;
  } as typeof write;
  Object.defineProperty(Socket.prototype, "writableLength", { get: () => 0 });
  Object.defineProperty(Socket.prototype, "writableNeedDrain", { get: () => false });
}
