import { createOpenAI } from "@ai-sdk/openai";

/** A model of the AI SDK's OpenAI provider that says these pieces, each in a chunk as OpenAI sends it; only its connection is played. */
export function cannedModel(pieces: readonly string[]) {
  const encoder = new TextEncoder();
  const chunk = (choice: object, rest: object = {}) => {
    const choices = [{ index: 0, finish_reason: null, ...choice }];
    const data = {
      id: "chatcmpl-1",
      object: "chat.completion.chunk",
      created: 1,
      model: "canned",
      choices,
      ...rest,
    };
    return encoder.encode(`data: ${JSON.stringify(data)}\n\n`);
  };
  const usage = { prompt_tokens: 1, completion_tokens: pieces.length, total_tokens: pieces.length + 1 };
  const chunks = [
    chunk({ delta: { role: "assistant", content: "" } }),
    ...pieces.map((content) => chunk({ delta: { content } })),
    chunk({ delta: {}, finish_reason: "stop" }, { usage }),
    encoder.encode("data: [DONE]\n\n"),
  ];
  const answer = async () => {
    let next = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (next < chunks.length) controller.enqueue(chunks[next++]!);
        else controller.close();
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };
  return createOpenAI({ apiKey: "none", fetch: answer }).chat("canned");
}
