import { type ChildOptions, startChild } from "../../test/support/child.ts";
import type { ServerProcess } from "../../test/support/start-server.ts";
import type { ServerMessage, ServerOptions } from "./server.ts";

/** The file that {@linkcode startChild} starts a server from. */
export const SERVER = new URL("server.ts", import.meta.url).href;

/** Starts a server in another process and resolves once it listens; rejects with what it refused to start for. */
export async function startServer(options: ServerOptions, how: ChildOptions = {}): Promise<ServerProcess> {
  const child = startChild(SERVER, options, how);
  try {
    const ready = await child.message(isReady);
    if ("refused" in ready) throw Object.assign(new Error(ready.refused), { code: ready.code });
    return Object.assign(child, {
      url: ready.url,
      async memory() {
        child.process.send!("memory");
        return (await child.message(isMemory)).memory;
      },
    });
  } catch (error) {
    await child[Symbol.asyncDispose]();
    throw error;
  }
}

function isReady(message: unknown): message is Extract<ServerMessage, { url: string } | { refused: string }> {
  return "url" in (message as ServerMessage) || "refused" in (message as ServerMessage);
}

function isMemory(message: unknown): message is Extract<ServerMessage, { memory: unknown }> {
  return "memory" in (message as ServerMessage);
}
