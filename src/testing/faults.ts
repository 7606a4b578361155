import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** What becomes of one connection. */
export type Fault =
  /** Bytes go through as they come. */
  | { readonly kind: "pass" }
  /**
   * The connection breaks once this many bytes of the answers went to the client: with a reset, or with an
   * orderly end in the middle of what was being said.
   */
  | { readonly kind: "cut"; readonly afterBytes: number; readonly how?: "reset" | "end" }
  /** The answers arrive one byte at a time. */
  | { readonly kind: "bytewise" };

export interface FaultyProxyOptions {
  /** Where the connections really go: `http://127.0.0.1:8000`. */
  readonly target: string;
  /** Asked once for each connection, in their order from 0. @default all pass */
  readonly fault?: (connection: number) => Fault;
}

/** A TCP proxy on this machine that harms connections as it is told; it knows nothing of HTTP. */
export interface FaultyProxy extends AsyncDisposable {
  readonly url: string;
  /** How many connections came so far. */
  readonly connections: number;
  /** How many of them were cut. */
  readonly cuts: number;
}

export async function faultyProxy({ target, fault = () => pass }: FaultyProxyOptions): Promise<FaultyProxy> {
  const { hostname, port } = new URL(target);
  const open = new Set<Socket>();
  let connections = 0;
  let cuts = 0;
  const keep = (socket: Socket): void => {
    open.add(socket);
    socket.setNoDelay(true);
    socket.on("close", () => open.delete(socket));
    // Breaking is what these connections are for.
    socket.on("error", () => {});
  };
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const plan = fault(connections++);
    const upstream = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    keep(client);
    keep(upstream);
    client.pipe(upstream);
    // One side's end ends the other, however it came.
    client.on("close", () => upstream.destroy());
    upstream.on("close", () => {
      if (!client.writableEnded) client.destroy();
    });
    if (plan.kind === "pass") upstream.pipe(client);
    else if (plan.kind === "bytewise") void passBytewise(upstream, client);
    else {
      void passUntil(upstream, client, plan.afterBytes).then((reached) => {
        if (!reached) return;
        cuts++;
        upstream.destroy();
        if (plan.how === "end") client.end();
        else client.resetAndDestroy();
      });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get connections() {
      return connections;
    },
    get cuts() {
      return cuts;
    },
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of open) socket.destroy();
      await once(server, "close");
    },
  };
}

const pass: Fault = { kind: "pass" };

/** True once exactly this many bytes went through; false if there were fewer. */
async function passUntil(from: Socket, to: Socket, bytes: number): Promise<boolean> {
  let left = bytes;
  if (left <= 0) return true;
  try {
    for await (const chunk of from as AsyncIterable<Buffer>) {
      const part = chunk.subarray(0, left);
      // Waited for, so that a reset does not overtake what was to arrive.
      if (!(await write(to, part))) return false;
      left -= part.length;
      if (left === 0) return true;
    }
    to.end();
  } catch {
    // It broke by itself.
  }
  return false;
}

async function passBytewise(from: Socket, to: Socket): Promise<void> {
  try {
    for await (const chunk of from as AsyncIterable<Buffer>) {
      for (const byte of chunk) if (!(await write(to, Buffer.of(byte)))) return;
    }
    to.end();
  } catch {
    to.destroy();
  }
}

/** Resolves once the system has taken the bytes; false if the socket is gone. */
function write(socket: Socket, bytes: Buffer): Promise<boolean> {
  return new Promise((resolve) => {
    if (!socket.writable) return resolve(false);
    const gone = () => resolve(false);
    socket.once("close", gone);
    socket.write(bytes, (error) => {
      socket.off("close", gone);
      resolve(!error);
    });
  });
}
