/** resumable-stream over Redis: the first viewer of a run makes its stream, the others follow it. */
import { getRequestListener } from "@hono/node-server";
import { type OpenSubject, pathsOf, runOf, serve } from "./subject.ts";

interface Context {
  resumableStream(id: string, make: () => ReadableStream<string>): Promise<ReadableStream<string> | null>;
}

interface ResumableStream {
  createResumableStreamContext(options: {
    readonly waitUntil: null;
    readonly publisher: object;
    readonly subscriber: object;
  }): Context;
}

export const PACKAGE: string = "resumable-stream/ioredis";

export const open: OpenSubject = async ({ runs, redis }) => {
  const { createResumableStreamContext } = (await import(PACKAGE)) as ResumableStream;
  const { Redis } = await import("ioredis");
  const context = createResumableStreamContext({
    waitUntil: null,
    publisher: new Redis(redis!),
    subscriber: new Redis(redis!),
  });
  const sources = new Map<number, ReadableStreamDefaultController<string>>();
  const port = await serve(
    getRequestListener(async (request) => {
      const run = runOf(new URL(request.url).pathname);
      const text = await context.resumableStream(
        `run-${run}`,
        () =>
          new ReadableStream<string>({
            start(controller) {
              controller.enqueue(":\n\n");
              sources.set(run, controller);
            },
          }),
      );
      return new Response(text!.pipeThrough(new TextEncoderStream()), {
        headers: { "content-type": "text/event-stream" },
      });
    }),
  );
  let seq = 0;
  return {
    port,
    paths: pathsOf(runs),
    tick(run, events) {
      for (const event of events) {
        const data = JSON.stringify({ seq: ++seq, at: Date.now(), event });
        sources.get(run)!.enqueue(`id: ${seq}\ndata: ${data}\n\n`);
      }
    },
  };
};
