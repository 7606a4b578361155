import type { LanguageModelMiddleware } from "ai";

/**
 * Asks a model for the provider's own chunks beside its parts, and takes them out before the AI SDK sees them: each would
 * cost it as much as a piece of text does, 16 us.
 */
export function rawChunksTo(onRaw: (value: unknown) => void): LanguageModelMiddleware {
  return {
    transformParams: async ({ params }) => ({ ...params, includeRawChunks: true }),
    async wrapStream({ doStream }) {
      const { stream, ...rest } = await doStream();
      const reader = stream.getReader();
      const parts: typeof stream = new ReadableStream(
        {
          async pull(controller) {
            while (true) {
              const { done, value } = await reader.read();
              if (done) return controller.close();
              if (value.type !== "raw") return controller.enqueue(value);
              onRaw(value.rawValue);
            }
          },
          cancel: (reason) => reader.cancel(reason),
        },
        // Nothing is pulled ahead of the reader.
        { highWaterMark: 0 },
      );
      return { ...rest, stream: parts };
    },
  };
}
