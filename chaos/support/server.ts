// A server in a process of its own, on the store that a URL names.
import { createHub } from "../../src/hub.ts";
import { listen } from "../../src/server/listen.ts";
import { openStore } from "../../src/stores/open.ts";
import { faultyStore } from "../../src/testing/faulty-store.ts";
import { childOptions } from "../../test/support/child.ts";
import { serveParent } from "../../test/support/serve-parent.ts";
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

const { store: url, leaseMs, drainMs, loseHints = false, plant } = childOptions<ServerOptions>();
await serveParent(async () => {
  const store = plantedStore(faultyStore(await openStore(url), { loseHints }), plant);
  const hub = await createHub({ store, agents, leaseMs });
  return { server: await listen({ hub, port: 0 }), store };
}, drainMs);
