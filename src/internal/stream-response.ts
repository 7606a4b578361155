export interface StreamOptions {
  readonly headers: Readonly<Record<string, string>>;
  /** Ends the response as if the text had ended. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Text as the body of a response, pulled one piece at a time: nothing is made before the client has read what
 * came before. `open` is given a signal that aborts when the client goes; it is expected to end the text.
 */
export function streamResponse(
  open: (gone: AbortSignal) => AsyncGenerator<string, void, undefined>,
  { headers, signal }: StreamOptions,
): Response {
  const gone = new AbortController();
  const end = () => gone.abort();
  let listening = false;
  const text = open(gone.signal);
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        // Not before it is read: nobody reads, or cancels, what would be the answer to a HEAD request.
        if (!listening) {
          listening = true;
          signal?.addEventListener("abort", end);
          if (signal?.aborted) end();
        }
        try {
          const { done, value } = await text.next();
          if (!done) return controller.enqueue(encoder.encode(value));
          controller.close();
        } catch (error) {
          controller.error(error);
        }
        signal?.removeEventListener("abort", end);
      },
      cancel() {
        signal?.removeEventListener("abort", end);
        gone.abort();
        // Not awaited: the text may be waiting for an event, and ends by the signal.
        void text.return().catch(() => {});
      },
    },
    // Nothing is pulled ahead of the reader.
    { highWaterMark: 0 },
  );
  return new Response(body, { headers });
}
