import { type ChildOptions, startChild } from "../../test/support/child.ts";
import { listening, type ServerProcess } from "../../test/support/start-server.ts";
import type { ServerOptions } from "./server.ts";

/** The file that {@linkcode startChild} starts a server from. */
export const SERVER = new URL("server.ts", import.meta.url).href;

/** Starts a server in another process and resolves once it listens; rejects with what it refused to start for. */
export function startServer(options: ServerOptions, how: ChildOptions = {}): Promise<ServerProcess> {
  return listening(startChild(SERVER, options, how));
}
