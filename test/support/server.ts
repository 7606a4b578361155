// A server in a process of its own, as small as `runlog serve` is: a store, a hub, a port, and SIGTERM.

import { messageOf } from "../../src/errors.ts";
import { listen } from "../../src/server/listen.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import { sqliteStore } from "../../src/stores/sqlite.ts";
import { agents } from "./agents.ts";
import { childOptions, tell } from "./child.ts";
import { makeSocketsEager } from "./eager-sockets.ts";
import { type FollowPlant, PlantedHub } from "./planted-hub.ts";
import { plantedStore, type StorePlant } from "./planted-store.ts";

export interface ServerOptions {
  /** A file for SQLite. @default memory */
  readonly file?: string;
  readonly synchronous?: "full" | "normal";
  readonly maxPages?: number;
  readonly indexEvery?: number;
  /** What agents get to end when it is stopped by SIGTERM. @default 10_000 */
  readonly drainMs?: number;
  /** A fault that a test is to notice. */
  readonly plant?: StorePlant | FollowPlant | "no-recovery" | "buffer";
}

export type ServerMessage =
  | { readonly url: string }
  | { readonly refused: string; readonly code: unknown }
  | { readonly memory: NodeJS.MemoryUsage }
  | { readonly error: string };

const { file, synchronous, maxPages, indexEvery, drainMs, plant } = childOptions<ServerOptions>();
if (plant === "buffer") makeSocketsEager();
try {
  const real = file
    ? sqliteStore(file, {
        ...(synchronous && { synchronous }),
        ...(maxPages && { maxPages }),
        ...(indexEvery && { indexEvery }),
      })
    : memoryStore();
  const store = plantedStore(real, plant);
  const hub = new PlantedHub({ store, agents, onError: (error) => tell({ error: messageOf(error) }) }, plant);
  if (plant !== "no-recovery") await hub.recover();
  const server = await listen({ hub, port: 0, onError: (error) => tell({ error: messageOf(error) }) });
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
