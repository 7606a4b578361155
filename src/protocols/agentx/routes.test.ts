import { describe, expect, it } from "vitest";
import { messagesOf, serveParrot } from "../../testing/serve-parrot.fixture.ts";

describe("GET /tasks/:id/stream", () => {
  it("[F53] streams any run as AgentX does, with Runlog's cursors as ids, and ends with it", async () => {
    const { ask, hub } = await serveParrot();
    const response = await ask("/tasks/t-1/stream");
    expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    expect(response.headers.get("runlog-run")).toBe("t-1");
    const all = await messagesOf(response);
    expect(all.map(({ event, data }) => [event, JSON.parse(data)])).toEqual([
      ["task_update", { task_id: "t-1", status: "running", result: null }],
      ["agent_message", { agent_id: "parrot", message: "You said Hello", metadata: {} }],
      ["task_update", { task_id: "t-1", status: "completed", result: null }],
    ]);
    const cursors = (await hub.run("t-1").log.entries()).map(({ cursor }) => cursor);
    expect(all.filter(({ id }) => !cursors.includes(id ?? ""))).toEqual([]);
  });

  it("[F54] resumes after Last-Event-ID, or ?after=, and is 204 once all was shown", async () => {
    const { ask } = await serveParrot();
    const all = await messagesOf(await ask("/tasks/t-1/stream"));
    for (const [index, { id = "" }] of all.slice(0, -1).entries()) {
      const rest = all.slice(index + 1);
      expect(await messagesOf(await ask("/tasks/t-1/stream", { headers: { "last-event-id": id } }))).toEqual(
        rest,
      );
      expect(await messagesOf(await ask(`/tasks/t-1/stream?after=${id}`))).toEqual(rest);
    }
    expect((await ask(`/tasks/t-1/stream?after=${all.at(-1)?.id}`)).status).toBe(204);
  });

  it("refuses a task that is not there, and what is no cursor or no id", async () => {
    const { ask } = await serveParrot();
    const code = async (path: string) => ((await (await ask(path)).json()) as { code: string }).code;
    expect(await code("/tasks/none/stream")).toBe("run_not_found");
    expect(await code("/tasks/t-1/stream?after=1753.2")).toBe("invalid_cursor");
    expect(await code("/tasks/..%2fx/stream")).toBe("invalid_id");
  });
});
