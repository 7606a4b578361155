// A server in a process of its own, on the store that a URL names.
import { messageOf } from "../../src/errors.ts";
import { createHub } from "../../src/hub.ts";
import { listen } from "../../src/server/listen.ts";
import { openStore } from "../../src/stores/open.ts";
import { faultyStore } from "../../src/testing/faulty-store.ts";
import { childOptions, tell } from "../../test/support/child.ts";
import { agents } from "./agents.ts";
import { type Plant, plantedStore } from "./plants.ts";

export interface ServerOptions {
  /** As `openStore` takes it. */
  readonly store: string;
  /** @default 30_000 */
  readonly leaseMs?: number;
  /** What agents get to end when it is stopped by SIGTERM. @default 10_000 */
  readonly drainMs?: number;
  /** No hint of the store ever arrives. */
  readonly loseHints?: boolean;
  /** A bug in what is kept. */
  readonly plant?: Plant;
}

export type ServerMessage =
  | { readonly url: string }
  | { readonly refused: string; readonly code: unknown }
  | { readonly memory: NodeJS.MemoryUsage };

const { store: url, leaseMs, drainMs, loseHints = false, plant } = childOptions<ServerOptions>();
try {
  const store = plantedStore(faultyStore(await openStore(url), { loseHints }), plant);
  const hub = await createHub({ store, agents, leaseMs });
  const server = await listen({ hub, port: 0 });
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
