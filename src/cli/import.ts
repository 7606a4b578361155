import { defineCommand } from "citty";
import { isTerminal } from "../events.ts";
import { readRecording } from "../recording.ts";
import { describeRun, type FoundRun } from "./find-run.ts";
import { formatOf, notice, outputArgs, write, writeJson } from "./output.ts";
import { readInput } from "./read-input.ts";
import { httpFor, serverArgs } from "./server-args.ts";

export const examples = [
  "runlog import run.jsonl",
  "runlog export last --url http://one:8000 | runlog import - --url http://other:8000",
];

export const command = defineCommand({
  meta: {
    name: "import",
    description: "Keep a recorded run on the server, entry for entry, and print its new id",
  },
  args: {
    file: { type: "positional", required: true, description: "What runlog export printed; - for stdin" },
    ...outputArgs,
    ...serverArgs,
  },
  async run({ args }) {
    const http = httpFor(args);
    const format = formatOf(args, "json");
    const text = await readInput(args.file);
    // Read here too: what is wrong with the file is said before anything is sent.
    const recording = readRecording(text);
    const { run } = await http.json<FoundRun>("/runs/import", { method: "POST", lines: text });
    if (!isTerminal(recording.at(-1)!.event))
      notice("the recording stops before the end of its run, which is ended as failed");
    if (format === "pretty" || format === "text") await write(`${run}\n`);
    else await writeJson(JSON.stringify(await describeRun(http, run)));
  },
});
