import { messageOf } from "../../src/errors.ts";
import type { Listening } from "../../src/server/listen.ts";
import { tell } from "./child.ts";

/** What a server in a process of its own tells the one that started it. */
export type ServerMessage =
  | { readonly url: string }
  | { readonly refused: string; readonly code: unknown }
  | { readonly memory: NodeJS.MemoryUsage }
  | { readonly error: string };

/**
 * Starts a server for the process that started this one: tells where it listens, or why it does not, and what it
 * uses whenever it is asked; stops it at SIGTERM, and then disposes of what it was on.
 */
export async function serveParent(
  start: () => Promise<{ readonly server: Listening; readonly store: AsyncDisposable }>,
  drainMs?: number,
): Promise<void> {
  try {
    const { server, store } = await start();
    process.on("SIGTERM", async () => {
      await server.stop(drainMs);
      await store[Symbol.asyncDispose]();
      process.exit(0);
    });
    process.on("message", async () => {
      gc!();
      // What the first has let go of outside of the heap is freed a turn later.
      await new Promise((resolve) => setImmediate(resolve));
      gc!();
      tell({ memory: process.memoryUsage() } satisfies ServerMessage);
    });
    tell({ url: server.url } satisfies ServerMessage);
  } catch (error) {
    tell({ refused: messageOf(error), code: (error as { code?: unknown }).code } satisfies ServerMessage);
    process.disconnect();
  }
}
