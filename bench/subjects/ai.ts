/** The AI SDK's UI message stream: one for each viewer, as it has none for several. */
import { createUIMessageStream, pipeUIMessageStreamToResponse, type UIMessageStreamWriter } from "ai";
import { type OpenSubject, pathsOf, runOf, serve } from "./subject.ts";

export const open: OpenSubject = async ({ runs }) => {
  const viewers = Array.from({ length: runs }, () => new Set<UIMessageStreamWriter>());
  const port = await serve((request, response) => {
    const stream = createUIMessageStream({
      async execute({ writer }) {
        const ours = viewers[runOf(request.url)]!;
        writer.write({ type: "start" });
        ours.add(writer);
        await new Promise((resolve) => response.on("close", resolve));
        ours.delete(writer);
      },
    });
    pipeUIMessageStreamToResponse({ response, stream });
  });
  let seq = 0;
  return {
    port,
    paths: pathsOf(runs),
    tick(run, events) {
      for (const event of events) {
        const data = { seq: ++seq, at: Date.now(), event };
        for (const writer of viewers[run]!) writer.write({ type: "data-event", data, transient: true });
      }
    },
  };
};
