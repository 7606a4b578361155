// A viewer in a process of its own. Tells each frame as it comes, and at its end how it went.
import { childOptions, tell } from "./child.ts";
import { type WatchOptions, watchRun } from "./watch-run.ts";

export interface ViewerOptions extends Pick<WatchOptions, "run" | "after" | "by" | "maxConnections"> {
  readonly base: string;
  /** Cuts the connection after every single frame. */
  readonly cutEach?: boolean;
}

export type ViewerMessage =
  | { readonly raw: string }
  | { readonly connections: number; readonly broken: number; readonly gaveUp?: string };

const { base, cutEach = false, ...options } = childOptions<ViewerOptions>();
const { connections, broken, gaveUp } = await watchRun({
  ...options,
  base: () => base,
  onFrame: ({ raw }) => {
    tell({ raw } satisfies ViewerMessage);
    return cutEach;
  },
});
tell({ connections, broken, ...(gaveUp !== undefined && { gaveUp }) } satisfies ViewerMessage);
process.disconnect();
