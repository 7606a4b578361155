import type { CommandDef } from "citty";

/** A file of a command: what citty runs, and examples to copy for its help. */
export interface CommandModule {
  // biome-ignore lint/suspicious/noExplicitAny: each command has flags of its own
  readonly command: CommandDef<any>;
  readonly examples: readonly string[];
  /** The positional that takes any number of words. */
  readonly words?: string;
}

/** Every command, loaded when it is called: a client must not wait for the server's code. */
export const commands: Readonly<Record<string, () => Promise<CommandModule>>> = {
  serve: () => import("./serve.ts"),
  run: () => import("./run.ts"),
  follow: () => import("./follow.ts"),
  ls: () => import("./ls.ts"),
  show: () => import("./show.ts"),
  cancel: () => import("./cancel.ts"),
  export: () => import("./export.ts"),
  import: () => import("./import.ts"),
  replay: () => import("./replay.ts"),
};
