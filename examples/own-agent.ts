// An agent of your own is an async generator of events. Here one process writes its run, and follows it twice:
// once from the start, and once from a cursor in the middle.
import assert from "node:assert/strict";
import { type AgentStream, createHub, finalText, parseCursor, type RunContext, toMessages } from "runlog";
import { memoryStore } from "runlog/stores/memory";

// #region agent
async function* countdown({ input, signal }: RunContext): AgentStream {
  yield { type: "text.started", id: "1" };
  for (let n = Number(input); n > 0 && !signal.aborted; n--) {
    yield { type: "text.delta", id: "1", text: `${n}, ` };
  }
  yield { type: "text.delta", id: "1", text: "lift-off" };
  yield { type: "text.finished", id: "1" };
}
// #endregion

await using hub = await createHub({ store: memoryStore(), agents: [countdown] });
const { run } = await hub.start({ input: "3" });
assert.equal((await run.ended()).status, "finished");

const entries = await run.log.entries();
assert.equal(finalText(toMessages(entries)), "3, 2, 1, lift-off");

const middle = entries[1]!;
const rest: number[] = [];
for await (const slice of run.follow({ after: parseCursor(middle.cursor) })) {
  rest.push(...(slice.entries ?? []).map(({ seq }) => seq));
}
assert.deepEqual(
  rest,
  entries.slice(2).map(({ seq }) => seq),
);
console.log("Followed from the start, and from", middle.cursor);
