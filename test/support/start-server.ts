import { type Child, type ChildOptions, startChild } from "./child.ts";
import type { ServerMessage, ServerOptions } from "./server.ts";

/** A server in another process. Disposing of it kills it. */
export interface ServerProcess extends Child {
  readonly url: string;
  /** What its process uses, after a garbage collection. */
  memory(): Promise<NodeJS.MemoryUsage>;
}

/** Starts one and resolves once it listens; rejects with what it refused to start for. */
export async function startServer(
  options: ServerOptions = {},
  how: ChildOptions = {},
): Promise<ServerProcess> {
  const child = startChild("server.ts", options, how);
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
