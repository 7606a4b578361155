import { defineCommand } from "citty";
import { findRun } from "./find-run.ts";
import { formatOf, outputArgs } from "./output.ts";
import { httpFor, serverArgs } from "./server-args.ts";
import { watch } from "./watch.ts";

export const examples = [
  "runlog follow last",
  "runlog follow last --from now",
  "runlog follow last | jq -r .event.type",
];

export const command = defineCommand({
  meta: {
    name: "follow",
    description: "Show a run from its start and as it goes on; Ctrl-C only detaches",
  },
  args: {
    run: {
      type: "positional",
      default: "last",
      description: "The run's id, a beginning of it, or last",
    },
    from: { type: "string", default: "start", valueHint: "start|now|cursor", description: "Where to begin" },
    input: {
      type: "boolean",
      default: true,
      description: "Ask for approvals on a terminal",
      negativeDescription: "Only watch",
    },
    ...outputArgs,
    ...serverArgs,
  },
  async run({ args }) {
    const http = httpFor(args);
    const format = formatOf(args, "jsonl");
    const { run, cursor, status } = await findRun(http, args.run);
    const after = args.from === "start" ? undefined : args.from === "now" ? cursor : args.from;
    await watch({ http, flags: args, run, after, format, owner: false, input: args.input, status });
  },
});
