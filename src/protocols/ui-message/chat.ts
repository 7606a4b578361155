import type { UIMessage, UIMessageChunk } from "ai";
import type { StoredEntry } from "../../batch.ts";
import { isTerminalType, type Message } from "../../events.ts";
import type { Hub, Run } from "../../hub.ts";
import { toMessages } from "../../messages.ts";
import { Thread } from "../../thread.ts";
import { Projection } from "./projection.ts";
import { toUiMessage } from "./ui-parts.ts";

/** A message of a chat: a user's, or what a run said. */
export type ChatItem =
  | { readonly id: string; readonly message: Message; readonly run?: undefined }
  | { readonly id: string; readonly run: Run; readonly message?: undefined };

/** A thread as a chat: its messages as a page has them, of which each run is one. */
export class Chat {
  readonly #hub: Hub;
  readonly #id: string;

  constructor(hub: Hub, id: string) {
    this.#hub = hub;
    this.#id = id;
  }

  /** The ids of its runs, oldest first. */
  runs(): Promise<string[]> {
    return new Thread(this.#hub.store, this.#id).runs();
  }

  /** The last run that has begun, and whether it has ended. */
  async last(): Promise<{ readonly run: Run; readonly ended: boolean } | undefined> {
    for (const id of (await this.runs()).reverse()) {
      const run = this.#hub.run(id);
      const entry = await run.log.last();
      if (entry) return { run, ended: isTerminalType(entry.type) };
    }
    return undefined;
  }

  /** The run under way. */
  async open(): Promise<Run | undefined> {
    const last = await this.last();
    return last?.ended ? undefined : last?.run;
  }

  /** The messages in order. A run with a history of its own begins the chat anew with it. */
  async items(): Promise<ChatItem[]> {
    const runs = new Map((await this.runs()).map((id) => [id, this.#hub.run(id)]));
    let items: ChatItem[] = [];
    for (const run of runs.values()) {
      const started = (await run.log.entry(1))?.event;
      // One that was deleted, or has not begun.
      if (started?.type !== "run.started") continue;
      if (started.history) items = inHistory(started.history, runs);
      const { input } = started;
      const asked: readonly Message[] =
        typeof input === "string"
          ? [{ id: `${run.id}-input`, role: "user", parts: [{ type: "text", text: input }] }]
          : input;
      items.push(...asked.map((message) => ({ id: message.id, message })), { id: run.id, run });
    }
    return items;
  }

  /**
   * The messages that a client sent as a history: what it says of a run of this chat is taken from the run's log,
   * so nobody can put words or results into an agent's mouth, and what providers signed is there.
   */
  async historyOf(messages: readonly Message[]): Promise<Message[]> {
    const known = new Set(await this.runs());
    const history: Message[] = [];
    for (const message of messages) {
      const { id, role, parts } = message;
      if (role !== "assistant" || !known.has(id)) {
        if (parts.length > 0) history.push(message);
        continue;
      }
      const [, ...entries] = await this.#hub.run(id).log.entries();
      // Ids of messages are unique in a run only.
      history.push(...toMessages(entries).map((each) => ({ ...each, id: `${id}.${each.id}` })));
    }
    return history;
  }

  /** The messages as a page has them once it has read all that there is. */
  async messages(): Promise<UIMessage[]> {
    const messages: UIMessage[] = [];
    for (const { message, run } of await this.items()) {
      const shown = run ? await readMessage(run.id, await run.log.entries()) : toUiMessage(message);
      if (shown && shown.role !== "system") messages.push(shown);
    }
    return messages;
  }
}

/** A history of this server's making: the messages of a run have its id before their own. */
function inHistory(history: readonly Message[], runs: ReadonlyMap<string, Run>): ChatItem[] {
  const items: ChatItem[] = [];
  for (const message of history) {
    const run = runs.get(message.id.split(".", 1)[0]!);
    if (!run) items.push({ id: message.id, message });
    else if (items.at(-1)?.run !== run) items.push({ id: run.id, run });
  }
  return items;
}

/** The message that a run's chunks build in a client. Undefined for a log without entries. */
export async function readMessage(
  run: string,
  entries: readonly StoredEntry[],
): Promise<UIMessage | undefined> {
  const projection = new Projection(run, 0);
  const chunks = joined(entries.flatMap((entry) => projection.apply(entry)));
  // Loaded when it is needed: it is large.
  const { readUIMessageStream } = await import("ai");
  let message: UIMessage | undefined;
  for await (const each of readUIMessageStream({ stream: ReadableStream.from(chunks), onError: () => {} }))
    message = each;
  return message;
}

/** The same with neighbouring pieces in one: the reader copies the whole message at each. */
function joined(chunks: readonly UIMessageChunk[]): UIMessageChunk[] {
  const list: UIMessageChunk[] = [];
  let pieces: string[] = [];
  for (const [index, chunk] of chunks.entries()) {
    const next = chunks[index + 1];
    if (chunk.type === "text-delta" || chunk.type === "reasoning-delta") {
      pieces.push(chunk.delta);
      if (next?.type === chunk.type && next.id === chunk.id) continue;
      list.push({ ...chunk, delta: pieces.join("") });
      pieces = [];
    } else if (chunk.type === "tool-input-delta") {
      pieces.push(chunk.inputTextDelta);
      if (next?.type === chunk.type && next.toolCallId === chunk.toolCallId) continue;
      list.push({ ...chunk, inputTextDelta: pieces.join("") });
      pieces = [];
    } else list.push(chunk);
  }
  return list;
}
