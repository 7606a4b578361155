// A run is an async iterable, and so is everything here: blocks take one and give one, and stand in any order.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import {
  type AgentStream,
  createHub,
  type Entry,
  finalText,
  isTerminal,
  type RunContext,
  type StoredEntry,
  toMessages,
} from "runlog";
import { memoryStore } from "runlog/stores/memory";
import {
  buffered,
  Disconnected,
  filterEvents,
  importRun,
  mergeStreams,
  on,
  queued,
  readRecording,
  recordingLine,
  replay,
  sentences,
  teeToFile,
  textOf,
  withHandlers,
  withTimeout,
  words,
} from "runlog/streams";

async function* storyteller({ input }: RunContext): AgentStream {
  yield { type: "step.started", step: 1 };
  yield { type: "text.started", id: "1" };
  for (const text of ["Once upon a ti", `me there was ${input}. `, "It was hap", "py. The end"])
    yield { type: "text.delta", id: "1", text };
  yield { type: "text.finished", id: "1" };
  yield { type: "step.finished", step: 1, finishReason: "stop", usage: null, cost: 0 };
}

await using hub = await createHub({ store: memoryStore(), agents: [storyteller] });
const start = async (input: string) => (await hub.start({ input })).run;
const run = await start("a log");
const story = "Once upon a time there was a log. It was happy. The end";

const spoken: string[] = [];
const speak = async (text: string) => void spoken.push(text);
// #region text
for await (const sentence of sentences(textOf(run))) await speak(sentence);
// #endregion
assert.deepEqual(spoken, ["Once upon a time there was a log. ", "It was happy. ", "The end"]);

const sent: string[] = [];
const send = async (text: string) => void sent.push(text);
// #region compose
const whole = words(textOf(withTimeout(run, { idleMs: 30_000 })));
for await (const group of buffered(whole, { count: 5, ms: 200 })) await send(group.join(""));
// #endregion
assert.equal(sent.join(""), story);

const printed: string[] = [];
const print = (text: string) => void printed.push(text);
// #region filter
for await (const { event } of filterEvents(run, { types: ["step.finished"] })) {
  print(`step ${event.step}: ${event.finishReason}`);
}
// #endregion
assert.deepEqual(printed, ["step 1: stop"]);

const screen = { left: "", right: "" };
// #region merge
const left = textOf(await start("a river"));
const right = textOf(await start("a mountain"));
for await (const { source, value } of mergeStreams({ left, right })) screen[source] += value;
// #endregion
assert.equal(screen.left, story.replace("a log", "a river"));
assert.equal(screen.right, story.replace("a log", "a mountain"));

let shown = "";
let steps = 0;
const saved: number[] = [];
const save = async (entry: Entry) => void saved.push(entry.seq);
const errors: string[] = [];
// #region handlers
const handled = withHandlers(
  run,
  {
    show: on("text.delta", (event) => {
      shown += event.text;
    }),
    count: on("step.*", () => steps++),
    save,
    broken: () => {
      throw new Error("not today");
    },
  },
  { onError: (error, handler) => errors.push(`${handler}: ${(error as Error).message}`) },
);
for await (const _ of handled);
// #endregion
assert.equal(shown, story);
assert.equal(steps, 2);
assert.equal(saved.length, errors.length);
assert.equal(errors[0], "broken: not today");

const seen: number[] = [];
const slowly = async (entry: Entry) => {
  seen.push(entry.seq);
  await new Promise(setImmediate);
};
// #region queue
let last: StoredEntry | undefined;
const rest = async function* () {
  for await (const { entries } of run.follow({ after: last })) yield* entries ?? [];
};
while (last === undefined || !isTerminal(last.event)) {
  try {
    for await (const entry of queued(rest(), { limit: 2, whenFull: "disconnect" })) {
      await slowly(entry);
      last = entry;
    }
  } catch (error) {
    if (!(error instanceof Disconnected)) throw error;
  }
}
// #endregion
const seqs = (await run.log.entries()).map(({ seq }) => seq);
assert.deepEqual(seen, seqs);

// #region record
for await (const _ of teeToFile(run, "run.jsonl"));
const recording = await readFile("run.jsonl", "utf8");
// #endregion

// #region replay
const agent = replay(readRecording(recording), { speed: 4 });
await using stage = await createHub({ store: memoryStore(), agents: [agent] });
const { run: again } = await stage.start({ input: "a log" });
// #endregion
await again.ended();
assert.equal(finalText(toMessages(await again.log.entries())), story);

// #region import
await using archive = await createHub({ store: memoryStore() });
const kept = await importRun(archive, recording);
// #endregion
assert.deepEqual((await kept.log.entries()).map(recordingLine), (await run.log.entries()).map(recordingLine));

console.log("Every block gave every word:", story);
