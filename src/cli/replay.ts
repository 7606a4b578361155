import { defineCommand } from "citty";
import { readRecording } from "../recording.ts";
import { usageError } from "./failure.ts";
import { onInterrupt } from "./interrupts.ts";
import { formatOf, notice, outputArgs } from "./output.ts";
import { produce, startRecorded } from "./produce.ts";
import { readInput } from "./read-input.ts";
import { httpFor, serverArgs } from "./server-args.ts";
import { watch } from "./watch.ts";

export const examples = [
  "runlog replay run.jsonl",
  "runlog replay run.jsonl --speed 4",
  "runlog export last | runlog replay - --speed max",
];

export const command = defineCommand({
  meta: {
    name: "replay",
    description: "Play a recorded run as a new one and show it; Ctrl-C cancels it",
  },
  args: {
    file: { type: "positional", required: true, description: "What runlog export printed; - for stdin" },
    speed: {
      type: "string",
      default: "1",
      valueHint: "number|max",
      description: "How many times as fast as it was; max: at once",
    },
    ...outputArgs,
    ...serverArgs,
  },
  async run({ args }) {
    const speed = args.speed === "max" ? Number.POSITIVE_INFINITY : Number(args.speed);
    if (!(speed > 0))
      throw usageError(`Cannot replay at speed "${args.speed}": --speed is a number above 0, or max`);
    const http = httpFor(args);
    const format = formatOf(args, "jsonl");
    const recording = readRecording(await readInput(args.file));
    const run = await startRecorded(http, recording);
    if (format !== "pretty") notice(`run ${run}`);
    const stop = new AbortController();
    using _ = onInterrupt(() => stop.abort());
    const leave = new AbortController();
    const producing = produce(http, run, recording, { speed, signal: stop.signal }).catch((error) =>
      leave.abort(error),
    );
    const options = {
      http,
      flags: args,
      run,
      format,
      owner: true,
      input: "elsewhere",
      leave: leave.signal,
    } as const;
    try {
      await watch(options);
    } finally {
      // Whoever only stopped watching stops the replay, too.
      stop.abort();
      await producing;
    }
  },
});
