import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import {
  AgentCard,
  formatSSEEvent,
  type Message,
  type Part,
  Role,
  SSE_HEADERS,
  Task,
  TaskState,
  type TaskStatus,
} from "@a2a-js/sdk";
import { LegacyJsonRpcTransportHandler } from "@a2a-js/sdk/compat/v0_3/server";
import {
  AgentEvent,
  DefaultRequestHandler,
  defaultServerCallContextBuilder,
  type ExecutionEventBus,
  InMemoryTaskStore,
  JsonRpcTransportHandler,
  type RequestContext,
} from "@a2a-js/sdk/server";

export const text = (value: string): Part => part({ $case: "text", value });
export const data = (value: unknown): Part => part({ $case: "data", value });
export const raw = (value: string, mediaType: string): Part => ({
  ...part({ $case: "raw", value: Buffer.from(value) }),
  mediaType,
});
const part = (content: Part["content"]): Part => ({
  content,
  metadata: undefined,
  filename: "",
  mediaType: "",
});

/** What an executor says of its task. */
export class Voice {
  readonly #bus: ExecutionEventBus;
  readonly #context: RequestContext;

  constructor(context: RequestContext, bus: ExecutionEventBus) {
    this.#context = context;
    this.#bus = bus;
  }

  get #ids() {
    return { taskId: this.#context.taskId, contextId: this.#context.contextId };
  }

  /** The SDK wants it first, also when a task is gone on with. */
  task(state = TaskState.TASK_STATE_SUBMITTED): void {
    const { taskId: id, contextId } = this.#ids;
    const known = this.#context.task ?? Task.fromJSON({ id, contextId });
    const task = { ...known, status: this.#status(state, []) };
    this.#bus.publish(AgentEvent.task(task));
  }

  /** The task as it is kept, with the status that the message is an answer to. */
  taskAsItWas(): void {
    this.#bus.publish(AgentEvent.task(structuredClone(this.#context.task!)));
  }

  status(state: TaskState, parts: Part[] = [], metadata?: Record<string, unknown>): void {
    const status = this.#status(state, parts);
    this.#bus.publish(AgentEvent.statusUpdate({ ...this.#ids, status, metadata }));
  }

  artifact(artifactId: string, parts: Part[], append = false, lastChunk = false): void {
    const artifact = { artifactId, name: artifactId, description: "", parts, metadata: undefined };
    this.#bus.publish(
      AgentEvent.artifactUpdate({
        ...this.#ids,
        artifact: { ...artifact, extensions: [] },
        append,
        lastChunk,
        metadata: undefined,
      }),
    );
  }

  message(parts: Part[]): void {
    this.#bus.publish(AgentEvent.message(this.#message(parts)));
  }

  /** A whole answer, in pieces. */
  answer(...pieces: readonly string[]): void {
    for (const [index, piece] of pieces.entries())
      this.artifact("answer", [text(piece)], index > 0, index === pieces.length - 1);
  }

  #message(parts: Part[]): Message {
    return {
      messageId: crypto.randomUUID(),
      ...this.#ids,
      role: Role.ROLE_AGENT,
      parts,
      metadata: undefined,
      extensions: [],
      referenceTaskIds: [],
    };
  }

  #status(state: TaskState, parts: Part[]): TaskStatus {
    const message = parts.length === 0 ? undefined : this.#message(parts);
    return { state, message, timestamp: new Date().toISOString() };
  }
}

export interface ForeignServerOptions {
  readonly version: "1.0" | "0.3";
  readonly streaming?: boolean;
  /** What the agent does with a message; resolves when it has said all. */
  readonly execute: (message: Message, voice: Voice, context: RequestContext) => Promise<void>;
  readonly cancel?: (taskId: string, bus: ExecutionEventBus) => Promise<void>;
  /** Changes the card as it is served. */
  readonly card?: (card: Record<string, unknown>) => unknown;
}

/** An agent on the SDK's own server, as anybody may write one. */
export async function foreignServer(options: ForeignServerOptions) {
  const { version, streaming = true, execute } = options;
  const calls: { method: string; params: Record<string, unknown>; headers: IncomingMessage["headers"] }[] =
    [];
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const card = AgentCard.fromJSON({
    name: "foreign",
    description: "An agent of somebody else",
    version: "1",
    supportedInterfaces: [{ url: `${url}/rpc`, protocolBinding: "JSONRPC", protocolVersion: version }],
    capabilities: { streaming },
    defaultInputModes: ["text/plain"],
    defaultOutputModes: ["text/plain"],
  });
  const legacyCard = {
    name: "foreign",
    description: "An agent of somebody else",
    version: "1",
    protocolVersion: "0.3.0",
    url: `${url}/rpc`,
    preferredTransport: "JSONRPC",
    capabilities: { streaming },
    defaultInputModes: ["text/plain"],
    defaultOutputModes: ["text/plain"],
    skills: [],
  };
  const handler = new DefaultRequestHandler(card, new InMemoryTaskStore(), {
    execute: (context, bus) => execute(context.userMessage, new Voice(context, bus), context),
    cancelTask: async (taskId, bus) => options.cancel?.(taskId, bus),
  });
  const rpc =
    version === "1.0" ? new JsonRpcTransportHandler(handler) : new LegacyJsonRpcTransportHandler(handler);
  server.on("request", async (request, response) => {
    if (request.url === "/.well-known/agent-card.json") {
      const shown = version === "1.0" ? (AgentCard.toJSON(card) as object) : legacyCard;
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(options.card?.({ ...shown }) ?? shown));
      return;
    }
    let body = "";
    for await (const piece of request) body += piece;
    const { method, params } = JSON.parse(body);
    calls.push({ method, params, headers: request.headers });
    const context = defaultServerCallContextBuilder({
      extensions: undefined,
      user: undefined,
      headers: request.headers,
      requestedVersion: version,
    });
    const answer = await rpc.handle(body, context);
    if (!(Symbol.asyncIterator in answer)) {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(answer));
      return;
    }
    for (const [name, value] of Object.entries(SSE_HEADERS)) response.setHeader(name, value);
    // To its end also for a client that has left: this is what keeps the task.
    try {
      for await (const event of answer) response.write(formatSSEEvent(event));
    } catch (error) {
      const { message } = error as Error;
      const failure = { jsonrpc: "2.0", id: JSON.parse(body).id, error: { code: -32603, message } };
      response.write(`event: error\ndata: ${JSON.stringify(failure)}\n\n`);
    }
    response.end();
  });
  return {
    url,
    calls,
    methods: () => calls.map(({ method }) => method),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A `fetch` whose streams break, the first where the first says, and so on: after so many bytes, or after a text. */
export function breakingFetch(...cuts: readonly (number | string)[]): typeof fetch {
  const left = [...cuts];
  return async (input, init) => {
    const response = await fetch(input, init);
    const isStream = response.headers.get("content-type")?.startsWith("text/event-stream");
    const cut = isStream ? left.shift() : undefined;
    if (cut === undefined || !response.body) return response;
    let seen = "";
    const reader = response.body.getReader();
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done) return controller.close();
        const before = seen.length;
        seen += Buffer.from(value).toString("latin1");
        const found = typeof cut === "string" ? seen.indexOf(cut) : cut;
        const end = typeof cut === "string" && found >= 0 ? seen.indexOf("\n\n", found) + 2 : found;
        if (found < 0 || end < 2 || seen.length < end) return controller.enqueue(value);
        controller.enqueue(value.subarray(0, end - before));
        void reader.cancel();
        // Only then: an error drops what is waiting to be read.
        setImmediate(() => controller.error(new TypeError("terminated")));
      },
      cancel: (reason) => reader.cancel(reason),
    });
    return new Response(body, { status: response.status, headers: response.headers });
  };
}
