import { startNats } from "../../src/testing/nats-server.fixture.ts";
import { startRedis } from "../../src/testing/redis-server.fixture.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";

/** Somewhere to keep logs, as `openStore` takes it, gone when it is disposed of. */
export interface Place extends AsyncDisposable {
  readonly store: string;
}

export type PlaceKind = "sqlite" | "redis" | "nats";

/** A new place: a file for SQLite (FULL), a Redis that syncs always, or a NATS that does. */
export async function newPlace(kind: PlaceKind): Promise<Place> {
  if (kind === "redis") {
    const redis = await startRedis({ appendfsync: "always" });
    return { store: redis.url, [Symbol.asyncDispose]: () => redis[Symbol.asyncDispose]() };
  }
  if (kind === "nats") {
    const nats = await startNats();
    return { store: nats.url, [Symbol.asyncDispose]: () => nats[Symbol.asyncDispose]() };
  }
  const folder = await tempFolder();
  return {
    store: `sqlite:${folder.file("chaos.db")}`,
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}
