import { describe, expect, it } from "vitest";
import { messagesOf, serveParrot } from "../../testing/serve-parrot.fixture.ts";

describe("GET /projects/:id/stream", () => {
  it("[F53] streams any run as VibeX does, with Runlog's cursors as ids, and ends with it", async () => {
    const { ask, hub } = await serveParrot();
    const response = await ask("/projects/t-1/stream");
    expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    expect(response.headers.get("runlog-run")).toBe("t-1");
    const all = await messagesOf(response);
    const at = { timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) };
    expect(all.map(({ event, data }) => [event, JSON.parse(data)])).toEqual([
      ["project_update", { project_id: "t-1", status: "running", result: null }],
      ["stream_chunk", { message_id: "1", chunk: "You said Hello", is_final: false, ...at }],
      ["stream_chunk", { message_id: "1", chunk: "", is_final: true, ...at }],
      [
        "message",
        {
          id: "1",
          role: "assistant",
          content: "You said Hello",
          parts: [{ type: "text", text: "You said Hello" }],
          ...at,
          metadata: {},
        },
      ],
      ["project_update", { project_id: "t-1", status: "completed", result: null }],
    ]);
    const cursors = (await hub.run("t-1").log.entries()).map(({ cursor }) => cursor);
    // An entry that is shown as two frames has its cursor on the last.
    expect(all.map(({ id }) => cursors.indexOf(id ?? ""))).toEqual([0, 2, -1, 3, 4]);
  });

  it("[F54] resumes after Last-Event-ID, or ?after=, and is 204 once all was shown", async () => {
    const { ask } = await serveParrot();
    const all = await messagesOf(await ask("/projects/t-1/stream"));
    for (const [index, { id }] of all.slice(0, -1).entries()) {
      if (id === undefined) continue;
      const rest = all.slice(index + 1);
      expect(
        await messagesOf(await ask("/projects/t-1/stream", { headers: { "last-event-id": id } })),
      ).toEqual(rest);
      expect(await messagesOf(await ask(`/projects/t-1/stream?after=${id}`))).toEqual(rest);
    }
    expect((await ask(`/projects/t-1/stream?after=${all.at(-1)?.id}`)).status).toBe(204);
  });

  it("refuses a project that is not there, and what is no cursor or no id", async () => {
    const { ask } = await serveParrot();
    const code = async (path: string) => ((await (await ask(path)).json()) as { code: string }).code;
    expect(await code("/projects/none/stream")).toBe("run_not_found");
    expect(await code("/projects/t-1/stream?after=1753.2")).toBe("invalid_cursor");
    expect(await code("/projects/..%2fx/stream")).toBe("invalid_id");
  });
});
