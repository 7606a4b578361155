import { type Child, type ChildOptions, startChild } from "./child.ts";
import type { ServerMessage } from "./serve-parent.ts";
import type { ServerOptions } from "./server.ts";

/** A server in another process. Disposing of it kills it. */
export interface ServerProcess extends Child {
  readonly url: string;
  /** What its process uses, after a garbage collection. */
  memory(): Promise<NodeJS.MemoryUsage>;
}

/** Starts one and resolves once it listens; rejects with what it refused to start for. */
export function startServer(options: ServerOptions = {}, how: ChildOptions = {}): Promise<ServerProcess> {
  return listening(startChild("server.ts", options, how));
}

/** A child that tells what `serveParent` does, once it listens; rejects with what it refused to start for. */
export async function listening(child: Child): Promise<ServerProcess> {
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
