import type { Message, SendMessageResult, StreamResponse, Task } from "@a2a-js/sdk";
import {
  type Client,
  ClientFactory,
  JsonRpcTransportFactory,
  type RequestOptions,
  RestTransportFactory,
} from "@a2a-js/sdk/client";
import { AgentFailure } from "../../failure.ts";
import { type FoundCard, findCard } from "./remote-card.ts";
import { shown } from "./remote-failure.ts";
import { remoteFetch } from "./remote-fetch.ts";

export interface RemoteAgentOptions {
  readonly url: URL;
  readonly fetch: typeof globalThis.fetch;
  readonly headers: Readonly<Record<string, string>>;
  /** Origins beside that of `url` that are given the headers. */
  readonly origins: readonly string[];
}

/** One event of a stream, with the SSE id that stood by it. */
export interface RemoteEvent {
  readonly event: StreamResponse;
  readonly id: string | undefined;
}

/** A remote agent whose card was read: its requests, whichever version and binding it speaks. */
export class RemoteAgent {
  readonly streaming: boolean;
  readonly #found: FoundCard;
  readonly #options: RemoteAgentOptions;

  private constructor(found: FoundCard, options: RemoteAgentOptions) {
    this.#found = found;
    this.#options = options;
    this.streaming = found.card.capabilities?.streaming === true;
  }

  /** Reads the agent's card. Throws as {@linkcode findCard} does, and `remote_card_invalid` for a foreign origin. */
  static async connect(options: RemoteAgentOptions, signal: AbortSignal): Promise<RemoteAgent> {
    const found = await findCard(options.url, remoteFetch(options), signal);
    const trusted = [options.url.origin, ...options.origins];
    const foreign = found.card.supportedInterfaces.find(({ url }) => !trusted.includes(new URL(url).origin));
    if (foreign && Object.keys(options.headers).length > 0) {
      const { origin } = new URL(foreign.url);
      throw new AgentFailure(
        "remote_card_invalid",
        `Cannot use the agent card at ${shown(found.url)}: it sends the token to ${shown(origin)}; if that is right, pass { origins: [${JSON.stringify(shown(origin))}] }`,
      );
    }
    return new RemoteAgent(found, options);
  }

  /** Sends a message and yields what comes of it until the connection ends. */
  async *stream(message: Message, signal: AbortSignal): AsyncGenerator<RemoteEvent, void, undefined> {
    const ids: (string | undefined)[] = [];
    const client = await this.#client((id) => ids.push(id));
    const request = { tenant: "", message, configuration: undefined, metadata: undefined };
    for await (const event of client.sendMessageStream(request, { signal })) {
      yield { event, id: ids.shift() };
    }
  }

  /** Attaches to a task again; `after` is the SSE id of the last event there is, for servers that know it. */
  async *subscribe(
    id: string,
    after: string | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<RemoteEvent, void, undefined> {
    const ids: (string | undefined)[] = [];
    const client = await this.#client((each) => ids.push(each));
    const options: RequestOptions = {
      signal,
      ...(after !== undefined && { serviceParameters: { "Last-Event-ID": after } }),
    };
    for await (const event of client.resubscribeTask({ tenant: "", id }, options)) {
      yield { event, id: ids.shift() };
    }
  }

  /** Sends a message and resolves as soon as the remote has taken it. */
  async send(message: Message, signal: AbortSignal): Promise<SendMessageResult> {
    const configuration = {
      acceptedOutputModes: [],
      taskPushNotificationConfig: undefined,
      returnImmediately: true,
    };
    const client = await this.#client(undefined, true);
    return client.sendMessage({ tenant: "", message, configuration, metadata: undefined }, { signal });
  }

  async get(id: string, signal: AbortSignal): Promise<Task> {
    const client = await this.#client();
    return client.getTask({ tenant: "", id, historyLength: 0 }, { signal });
  }

  async cancel(id: string, signal: AbortSignal): Promise<void> {
    const client = await this.#client();
    await client.cancelTask({ tenant: "", id, metadata: undefined }, { signal });
  }

  /** A client of its own for each request: the ids of a stream belong to it alone. */
  #client(onEvent?: (id: string | undefined) => void, polling = false): Promise<Client> {
    const fetchImpl = remoteFetch({ ...this.#options, ...(onEvent && { onEvent }) });
    const options = { fetchImpl, legacyCompat: { enabled: true } };
    const { card } = this.#found;
    return new ClientFactory({
      transports: [new JsonRpcTransportFactory(options), new RestTransportFactory(options)],
      // It is in order already.
      cardResolver: { resolve: async () => card, normalizeAgentCard: () => card },
      clientConfig: { polling },
    }).createFromAgentCard(card);
  }
}
