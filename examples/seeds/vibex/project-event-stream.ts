// "ProjectEventStream": __init__, create_stream, get_stream, send_event, stream_events, close_stream. What is sent
// before anybody listens is kept, and every listener gets all of it.
import assert from "node:assert/strict";
import { createHub } from "runlog";
import { type ProjectEvent, ProjectEventStream } from "runlog/compat/vibex";
import { memoryStore } from "runlog/stores/memory";

await using hub = await createHub({ store: memoryStore() });

// #region init
const stream = new ProjectEventStream(hub);
// #endregion

// #region send-event
await stream.sendEvent("project-1", "checkpoint", { step: 1 });
// #endregion

// #region create-stream
const created = await stream.createStream("project-1");
// #endregion
assert.equal(created.id, "project-1");

// #region get-stream
const found = await stream.getStream("project-1");
const missing = await stream.getStream("project-2");
// #endregion
assert.equal(found?.id, "project-1");
assert.equal(missing, undefined);

async function listen(): Promise<ProjectEvent[]> {
  const events: ProjectEvent[] = [];
  // #region stream-events
  for await (const event of stream.streamEvents("project-1")) events.push(event);
  // #endregion
  return events;
}

const both = Promise.all([listen(), listen()]);
await stream.sendEvent("project-1", "checkpoint", { step: 2, at: new Date(0) });

// #region close-stream
await stream.closeStream("project-1");
// #endregion

const [first, second] = await both;
assert.deepEqual(first, second);
assert.deepEqual(
  first.filter(({ event }) => event === "checkpoint").map(({ data }) => JSON.parse(data)),
  [{ step: 1 }, { step: 2, at: "1970-01-01T00:00:00.000Z" }],
);
console.log(first);
