import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text as readText } from "node:stream/consumers";

/** What a provider's double says to one request. */
export interface Reply {
  readonly reasoning?: readonly string[];
  readonly text?: readonly string[];
  readonly calls?: readonly { readonly id: string; readonly name: string; readonly input: unknown }[];
  readonly usage?: ReplyUsage;
  /** What goes wrong once the content was sent, before the end of the answer. */
  readonly fault?: Fault;
}

/** Tokens: all input, of which some was read from a cache; all output, of which some was reasoning. */
export interface ReplyUsage {
  readonly input: number;
  readonly output: number;
  readonly cached?: number;
  readonly reasoning?: number;
}

/**
 * - `cut`: the socket breaks
 * - `no-finish`: the response ends well, but its last events are missing
 * - `broken-chunk`: an event is no JSON, and the rest is fine
 * - `overloaded`: the provider streams an error
 * - `hang`: nothing more comes
 */
export type Fault = "cut" | "no-finish" | "broken-chunk" | "overloaded" | "hang";

/** An answer without a stream. */
export interface Refusal {
  readonly status: number;
  readonly message?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What is said to each request, in order; a function decides by the request. Beyond its end: 500. */
export type ProviderScript = readonly (Reply | Refusal)[] | ((request: ProviderRequest) => Reply | Refusal);

export interface ProviderRequest {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the provider was sent, for tests to look into.
  readonly body: any;
  /** Resolves once the connection of the request is closed; true if the response was not complete. */
  readonly closed: Promise<boolean>;
}

/** A server on this machine that speaks as a provider does. */
export interface ProviderServer extends AsyncDisposable {
  /** With the version: what a provider's package takes as `baseURL`. */
  readonly url: string;
  readonly requests: readonly ProviderRequest[];
  /** The next request, or the one at an index once it has come. */
  request(index: number): Promise<ProviderRequest>;
}

/** Speaks OpenAI's chat completions, as most compatible servers do; reasoning as `reasoning_content`. */
export function openaiChatServer(script: ProviderScript): Promise<ProviderServer> {
  return serve(script, {
    content: ({ reasoning = [], text = [], calls = [] }) => [
      chatChunk({ role: "assistant", content: "" }),
      ...reasoning.map((piece) => chatChunk({ reasoning_content: piece })),
      ...text.map((piece) => chatChunk({ content: piece })),
      ...calls.flatMap(({ id, name, input }, index) => [
        chatChunk({ tool_calls: [{ index, id, type: "function", function: { name, arguments: "" } }] }),
        ...halves(input).map((piece) =>
          chatChunk({ tool_calls: [{ index, function: { arguments: piece } }] }),
        ),
      ]),
    ],
    end: ({ calls = [], usage = noUsage }) => [
      chatChunk({}, calls.length > 0 ? "tool_calls" : "stop"),
      sse({
        ...chatHead,
        choices: [],
        usage: {
          prompt_tokens: usage.input,
          completion_tokens: usage.output,
          total_tokens: usage.input + usage.output,
          prompt_tokens_details: { cached_tokens: usage.cached ?? 0 },
          completion_tokens_details: { reasoning_tokens: usage.reasoning ?? 0 },
        },
      }),
      "data: [DONE]\n\n",
    ],
    overloaded: sse({
      error: { message: "The engine is currently overloaded", type: "server_error", code: "overloaded" },
    }),
    refusal: (message) => ({ error: { message, type: "error", param: null, code: null } }),
  });
}

/** Speaks OpenAI's responses. */
export function openaiResponsesServer(script: ProviderScript): Promise<ProviderServer> {
  const response = {
    id: "resp_1",
    object: "response",
    created_at: 1_760_000_000,
    model: "gpt-5.1-2025-11-13",
  };
  return serve(script, {
    content: ({ reasoning = [], text = [], calls = [] }) => {
      const items: string[][] = [];
      if (reasoning.length > 0) {
        const item = { id: "rs_1", type: "reasoning", summary: [], encrypted_content: "c2VjcmV0" };
        const at = { item_id: "rs_1", output_index: 0, summary_index: 0 };
        items.push([
          sse({ type: "response.output_item.added", output_index: 0, item }),
          sse({
            type: "response.reasoning_summary_part.added",
            ...at,
            part: { type: "summary_text", text: "" },
          }),
          ...reasoning.map((delta) => sse({ type: "response.reasoning_summary_text.delta", ...at, delta })),
          sse({
            type: "response.reasoning_summary_part.done",
            ...at,
            part: { type: "summary_text", text: reasoning.join("") },
          }),
          sse({ type: "response.output_item.done", output_index: 0, item }),
        ]);
      }
      if (text.length > 0) {
        const output_index = items.length;
        const item = { id: "msg_1", type: "message", role: "assistant", content: [] };
        const at = { item_id: "msg_1", output_index, content_index: 0 };
        items.push([
          sse({ type: "response.output_item.added", output_index, item: { ...item, status: "in_progress" } }),
          ...text.map((delta) => sse({ type: "response.output_text.delta", ...at, delta })),
          sse({ type: "response.output_item.done", output_index, item: { ...item, status: "completed" } }),
        ]);
      }
      for (const { id, name, input } of calls) {
        const output_index = items.length;
        const item = { id: `fc_${id}`, type: "function_call", call_id: id, name };
        const at = { item_id: item.id, output_index };
        items.push([
          sse({
            type: "response.output_item.added",
            output_index,
            item: { ...item, arguments: "", status: "in_progress" },
          }),
          ...halves(input).map((delta) =>
            sse({ type: "response.function_call_arguments.delta", ...at, delta }),
          ),
          sse({
            type: "response.output_item.done",
            output_index,
            item: { ...item, arguments: JSON.stringify(input), status: "completed" },
          }),
        ]);
      }
      return [
        sse({ type: "response.created", response: { ...response, status: "in_progress" } }),
        ...items.flat(),
      ];
    },
    end: ({ usage = noUsage }) => [
      sse({
        type: "response.completed",
        response: {
          ...response,
          status: "completed",
          usage: {
            input_tokens: usage.input,
            input_tokens_details: { cached_tokens: usage.cached ?? 0 },
            output_tokens: usage.output,
            output_tokens_details: { reasoning_tokens: usage.reasoning ?? 0 },
            total_tokens: usage.input + usage.output,
          },
        },
      }),
    ],
    overloaded: sse({
      type: "error",
      sequence_number: 9,
      error: {
        type: "server_error",
        code: "server_is_overloaded",
        message: "The server is currently overloaded",
      },
    }),
    refusal: (message) => ({ error: { message, type: "error", param: null, code: null } }),
  });
}

/** Speaks Anthropic's messages; what is cached is counted beside the input, as there. */
export function anthropicServer(script: ProviderScript): Promise<ProviderServer> {
  return serve(script, {
    content: ({ reasoning = [], text = [], calls = [], usage = noUsage }) => {
      const blocks: string[][] = [];
      const block = (content_block: object, deltas: readonly object[]) => {
        const index = blocks.length;
        blocks.push([
          named({ type: "content_block_start", index, content_block }),
          ...deltas.map((delta) => named({ type: "content_block_delta", index, delta })),
          named({ type: "content_block_stop", index }),
        ]);
      };
      if (reasoning.length > 0) {
        block({ type: "thinking", thinking: "", signature: "" }, [
          ...reasoning.map((thinking) => ({ type: "thinking_delta", thinking })),
          { type: "signature_delta", signature: "c2lnbmF0dXJl" },
        ]);
      }
      if (text.length > 0)
        block(
          { type: "text", text: "" },
          text.map((piece) => ({ type: "text_delta", text: piece })),
        );
      for (const { id, name, input } of calls) {
        block(
          { type: "tool_use", id, name, input: {} },
          halves(input).map((partial_json) => ({ type: "input_json_delta", partial_json })),
        );
      }
      const start = {
        id: "msg_1",
        type: "message",
        role: "assistant",
        model: "claude-sonnet-4-5-20250929",
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: {
          input_tokens: usage.input - (usage.cached ?? 0),
          cache_creation_input_tokens: 0,
          cache_read_input_tokens: usage.cached ?? 0,
          output_tokens: 1,
        },
      };
      return [named({ type: "message_start", message: start }), named({ type: "ping" }), ...blocks.flat()];
    },
    end: ({ calls = [], usage = noUsage }) => [
      named({
        type: "message_delta",
        delta: { stop_reason: calls.length > 0 ? "tool_use" : "end_turn", stop_sequence: null },
        usage: { output_tokens: usage.output },
      }),
      named({ type: "message_stop" }),
    ],
    overloaded: named({ type: "error", error: { type: "overloaded_error", message: "Overloaded" } }),
    refusal: (message, status) => ({
      type: "error",
      error: { type: status === 401 ? "authentication_error" : "api_error", message },
    }),
  });
}

/** How a provider puts things. */
interface Dialect {
  content(reply: Reply): string[];
  end(reply: Reply): string[];
  readonly overloaded: string;
  refusal(message: string, status: number): object;
}

const noUsage: ReplyUsage = { input: 0, output: 0 };

const chatHead = {
  id: "chatcmpl-1",
  object: "chat.completion.chunk",
  created: 1_760_000_000,
  model: "gpt-4o-2024-08-06",
  system_fingerprint: "fp_1",
};

function chatChunk(delta: object, finish_reason: string | null = null): string {
  return sse({ ...chatHead, choices: [{ index: 0, delta, logprobs: null, finish_reason }] });
}

function sse(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}

function named(data: { readonly type: string; readonly [field: string]: unknown }): string {
  return `event: ${data.type}\n${sse(data)}`;
}

function halves(input: unknown): string[] {
  const json = JSON.stringify(input);
  const middle = Math.ceil(json.length / 2);
  return [json.slice(0, middle), json.slice(middle)];
}

async function serve(script: ProviderScript, dialect: Dialect): Promise<ProviderServer> {
  const requests: ProviderRequest[] = [];
  const waiters: { index: number; resolve: (request: ProviderRequest) => void }[] = [];
  const server = createServer(async (message, response) => {
    const closed = new Promise<boolean>((resolve) =>
      response.on("close", () => resolve(!response.writableFinished)),
    );
    const body = await readText(message);
    const request = {
      path: message.url ?? "",
      headers: message.headers,
      body: body && JSON.parse(body),
      closed,
    };
    const index = requests.push(request) - 1;
    const missing: Refusal = { status: 500, message: "The script is over" };
    const reply = typeof script === "function" ? script(request) : (script[index] ?? missing);
    answer(reply, dialect, response);
    for (const waiter of waiters) if (waiter.index === index) waiter.resolve(request);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    requests,
    request(index) {
      const known = requests[index];
      if (known) return Promise.resolve(known);
      return new Promise((resolve) => waiters.push({ index, resolve }));
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function answer(reply: Reply | Refusal, dialect: Dialect, response: ServerResponse): void {
  if ("status" in reply) {
    const { status, message = "It went wrong", headers } = reply;
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify(dialect.refusal(message, status)));
    return;
  }
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write(dialect.content(reply).join(""), () => {
    switch (reply.fault) {
      case "cut":
        // Once the content is on its way: a reset would take it along.
        setImmediate(() => response.socket?.end(() => response.destroy()));
        return;
      case "no-finish":
        response.end();
        return;
      case "hang":
        return;
      case "overloaded":
        response.end(dialect.overloaded);
        return;
      case "broken-chunk":
        response.end(["data: {broken\n\n", ...dialect.end(reply)].join(""));
        return;
      default:
        response.end(dialect.end(reply).join(""));
    }
  });
}
