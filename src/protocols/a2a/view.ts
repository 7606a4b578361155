import type { JsonObject } from "../../events.ts";
import type { View } from "../../view.ts";
import { toLegacy } from "./legacy.ts";
import { Projection } from "./projection.ts";
import type { Update } from "./wire.ts";

export type A2aVersion = "1.0" | "0.3";

export interface A2aViewOptions {
  /** The run's id: the task's. */
  readonly run: string;
  /** @default "1.0" */
  readonly version?: A2aVersion;
  /** The id of the JSON-RPC request that is answered. @default messages stand alone, as over REST */
  readonly request?: string | number | null;
}

/** A2A's stream: the task first, then what becomes of its status and its artifacts. */
export function a2aView(options: A2aViewOptions): View {
  return {
    name: "a2a",
    start: () => {
      const projection = new Projection(options.run);
      return (entry) => projection.apply(entry).map((update) => ({ data: encodeUpdate(update, options) }));
    },
  };
}

/** An update as it goes over the wire. */
export function encodeUpdate(
  update: Update,
  { version, request }: Pick<A2aViewOptions, "version" | "request">,
): string {
  const result = version === "0.3" ? toLegacy(update) : (update as unknown as JsonObject);
  return JSON.stringify(request === undefined ? result : { jsonrpc: "2.0", id: request, result });
}
