// "TaskEventStream": __init__, create_stream, get_stream, send_event, stream_events, close_stream. Every listener gets
// every event, whenever it comes, and learns when the stream ends.
import assert from "node:assert/strict";
import { createParser, type EventSourceMessage } from "eventsource-parser";
import { createHub } from "runlog";
import { TaskEventStream } from "runlog/compat/agentx";
import { memoryStore } from "runlog/stores/memory";

await using hub = await createHub({ store: memoryStore() });

// #region init
const stream = new TaskEventStream(hub);
// #endregion

// #region create-stream
const created = await stream.createStream("task-1");
// #endregion
assert.equal(created.id, "task-1");

// #region get-stream
const found = await stream.getStream("task-1");
const missing = await stream.getStream("task-2");
// #endregion
assert.equal(found?.id, "task-1");
assert.equal(missing, undefined);

async function listen(): Promise<string> {
  let text = "";
  // #region stream-events
  for await (const frame of stream.streamEvents("task-1")) text += frame;
  // #endregion
  return text;
}

const early = listen();

// #region send-event
await stream.sendEvent("task-1", "checkpoint", { step: 1, note: "two\n\nlines" });
await stream.sendEvent("task-1", "checkpoint", { step: 2 });
// #endregion

const other = listen();

// #region close-stream
await stream.closeStream("task-1");
// #endregion

const late = listen();
const [first, second, third] = await Promise.all([early, other, late]);
assert.equal(first, second);
assert.equal(first, third);
const events: EventSourceMessage[] = [];
createParser({ onEvent: (event) => events.push(event) }).feed(first);
assert.deepEqual(
  events.filter(({ event }) => event === "checkpoint").map(({ data }) => JSON.parse(data)),
  [{ step: 1, note: "two\n\nlines" }, { step: 2 }],
);
assert.ok(events.every(({ id }) => id));
console.log(first);
