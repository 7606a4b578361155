import { createParser, type EventSourceMessage } from "eventsource-parser";
import { afterEach, describe, expect, it } from "vitest";
import type { AgentStream, RunContext } from "../../agent.ts";
import { createHub, type Hub } from "../../hub.ts";
import { createApp } from "../../server/app.ts";
import { memoryStore } from "../../stores/memory.ts";

async function* parrot({ input }: RunContext): AgentStream {
  yield { type: "text.started", id: "1" };
  yield { type: "text.delta", id: "1", text: `You said ${input}` };
  yield { type: "text.finished", id: "1" };
}

const hubs: Hub[] = [];
afterEach(async () => {
  for (const hub of hubs.splice(0)) await hub.drain(0);
});

async function serve() {
  const hub = await createHub({ store: memoryStore(), agents: [parrot] });
  hubs.push(hub);
  const app = createApp({ hub });
  const ask = (path: string, init?: RequestInit) => app.fetch(new Request(`http://localhost${path}`, init));
  const { run } = await hub.start({ input: "Hello", id: "t-1" });
  await run.ended();
  return { ask, hub };
}

async function messages(response: Response): Promise<EventSourceMessage[]> {
  const list: EventSourceMessage[] = [];
  createParser({ onEvent: (message) => list.push(message) }).feed(await response.text());
  return list;
}

describe("GET /tasks/:id/stream", () => {
  it("[F53] streams any run as AgentX does, with Runlog's cursors as ids, and ends with it", async () => {
    const { ask, hub } = await serve();
    const response = await ask("/tasks/t-1/stream");
    expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    expect(response.headers.get("runlog-run")).toBe("t-1");
    const all = await messages(response);
    expect(all.map(({ event, data }) => [event, JSON.parse(data)])).toEqual([
      ["task_update", { task_id: "t-1", status: "running", result: null }],
      ["agent_message", { agent_id: "parrot", message: "You said Hello", metadata: {} }],
      ["task_update", { task_id: "t-1", status: "completed", result: null }],
    ]);
    const cursors = (await hub.run("t-1").log.entries()).map(({ cursor }) => cursor);
    expect(all.filter(({ id }) => !cursors.includes(id ?? ""))).toEqual([]);
  });

  it("[F54] resumes after Last-Event-ID, or ?after=, and is 204 once all was shown", async () => {
    const { ask } = await serve();
    const all = await messages(await ask("/tasks/t-1/stream"));
    for (const [index, { id = "" }] of all.slice(0, -1).entries()) {
      const rest = all.slice(index + 1);
      expect(await messages(await ask("/tasks/t-1/stream", { headers: { "last-event-id": id } }))).toEqual(
        rest,
      );
      expect(await messages(await ask(`/tasks/t-1/stream?after=${id}`))).toEqual(rest);
    }
    expect((await ask(`/tasks/t-1/stream?after=${all.at(-1)?.id}`)).status).toBe(204);
  });

  it("refuses a task that is not there, and what is no cursor or no id", async () => {
    const { ask } = await serve();
    const code = async (path: string) => ((await (await ask(path)).json()) as { code: string }).code;
    expect(await code("/tasks/none/stream")).toBe("run_not_found");
    expect(await code("/tasks/t-1/stream?after=1753.2")).toBe("invalid_cursor");
    expect(await code("/tasks/..%2fx/stream")).toBe("invalid_id");
  });
});
