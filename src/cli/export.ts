import { defineCommand } from "citty";
import { readEntries } from "../client/entries.ts";
import { findRun } from "./find-run.ts";
import { notice, outputArgs, writeJson } from "./output.ts";
import { httpFor, serverArgs } from "./server-args.ts";

export const examples = [
  "runlog export last > run.jsonl",
  "runlog export last | jq -r 'select(.event.type == \"tool.called\").event.name'",
];

export const command = defineCommand({
  meta: {
    name: "export",
    description: "Print the log of a run as it is now, one entry { seq, at, event } per line",
  },
  args: {
    run: { type: "positional", required: true, description: "The run's id, a beginning of it, or last" },
    json: outputArgs.json,
    ...serverArgs,
  },
  async run({ args }) {
    const http = httpFor(args);
    const { run } = await findRun(http, args.run);
    let last = 0;
    const pages = readEntries(http, run);
    let page = await pages.next();
    for (; !page.done; page = await pages.next()) {
      for (const entry of page.value) {
        await writeJson(JSON.stringify(entry));
        last = entry.seq;
      }
    }
    if (!page.value) notice(`run ${run} has not ended: this is its log up to entry ${last}`);
  },
});
