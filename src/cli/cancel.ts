import { defineCommand } from "citty";
import { findRun } from "./find-run.ts";
import { formatOf, notice, outputArgs, write, writeJson } from "./output.ts";
import { httpFor, serverArgs } from "./server-args.ts";
import { cancel } from "./watch.ts";

export const examples = ["runlog cancel last", 'runlog cancel RUN --reason "wrong question"'];

export const command = defineCommand({
  meta: { name: "cancel", description: "Cancel a run, whoever started it" },
  args: {
    run: { type: "positional", required: true, description: "The run's id, a beginning of it, or last" },
    reason: { type: "string", valueHint: "text", description: "Written into the log" },
    ...outputArgs,
    ...serverArgs,
  },
  async run({ args }) {
    const http = httpFor(args);
    const format = formatOf(args, "json");
    const { run, status } = await findRun(http, args.run);
    const ended = status !== "running" && status !== "waiting";
    const answer = await cancel(http, run, args.reason);
    if (format === "pretty") notice(ended ? `run ${run} had ended: ${status}` : `cancelling run ${run}`);
    else if (format === "text") await write(`${run}\n`);
    else await writeJson(JSON.stringify(answer));
  },
});
