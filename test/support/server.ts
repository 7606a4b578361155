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
import { type ServerMessage, serveParent } from "./serve-parent.ts";

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

const { file, synchronous, maxPages, indexEvery, drainMs, plant } = childOptions<ServerOptions>();
if (plant === "buffer") makeSocketsEager();
await serveParent(async () => {
  const real = file
    ? sqliteStore(file, {
        ...(synchronous && { synchronous }),
        ...(maxPages && { maxPages }),
        ...(indexEvery && { indexEvery }),
      })
    : memoryStore();
  const store = plantedStore(real, plant);
  const onError = (error: unknown) => tell({ error: messageOf(error) } satisfies ServerMessage);
  const hub = new PlantedHub({ store, agents, onError }, plant);
  if (plant !== "no-recovery") await hub.recover();
  return { server: await listen({ hub, port: 0, onError }), store };
}, drainMs);
