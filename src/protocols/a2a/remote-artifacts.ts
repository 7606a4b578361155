import type { Artifact, Part as RemotePart } from "@a2a-js/sdk";
import type { AgentEvent, JsonObject, Part, StreamEvent } from "../../events.ts";
import { AgentFailure } from "../../failure.ts";
import { hashOf } from "../../internal/id.ts";
import { shown } from "./remote-failure.ts";

/** How much text of a task is held, to tell what is new from what is told again. In characters. */
const MAX_HELD_CHARS = 8 * 1024 * 1024;
const MAX_ARTIFACTS = 1_000;
const MAX_PARTS = 10_000;
/** The longest piece of text in one event: its JSON stays below what an event may be. */
const MAX_PIECE_CHARS = 128 * 1024;
/** The largest content of a file or data part in one event, in characters of JSON. */
const MAX_PART_CHARS = 900 * 1024;

/** What is known of one artifact. */
interface Known {
  /** What was said of its text in the log, in the blocks that still stand. */
  said: string;
  /** What the remote has told of it on this connection: as long as it is told again, a beginning of `said`. */
  told: string;
  /** Hashes of the parts that are no text, in their order. */
  readonly parts: string[];
  /** How many of them were told on this connection. */
  toldParts: number;
  /** The block that is open. */
  block: string | undefined;
  /** How many blocks it had in this attempt. */
  blocks: number;
}

/**
 * The artifacts of a remote task, as blocks of text, files and artifacts of ours. A remote may tell the same again,
 * by piece or by snapshot, and may replace what it told: only what is new is said, and what was replaced by something
 * else is said in a block of its own.
 */
export class RemoteArtifacts {
  readonly #known = new Map<string, Known>();
  #held = 0;
  #partCount = 0;

  /** What stands, to go back to. */
  clone(): RemoteArtifacts {
    const copy = new RemoteArtifacts();
    for (const [key, each] of this.#known) copy.#known.set(key, { ...each, parts: [...each.parts] });
    copy.#held = this.#held;
    copy.#partCount = this.#partCount;
    return copy;
  }

  /** Takes an event of the log. */
  recall(event: StreamEvent): void {
    if (event.type === "text.started") {
      const { key, replaces } = parseBlock(event.id) ?? {};
      if (key !== undefined && replaces) this.#of(key).said = "";
    } else if (event.type === "text.delta") {
      const { key } = parseBlock(event.id) ?? {};
      if (key !== undefined) this.#of(key).said += event.text;
    } else if (event.type === "file" || event.type === "artifact") {
      const of = event.type === "file" ? /^[^/]*\/(.+)\.(\d+)$/.exec(event.id) : undefined;
      const key = event.type === "file" ? of?.[1] : event.id;
      const { at = of?.[2], hash } = Object(event.type === "artifact" ? event.metadata : {});
      const index = Number(at);
      if (key === undefined || !Number.isSafeInteger(index) || index < 0 || index > MAX_PARTS) return;
      this.#of(key).parts[index] =
        event.type === "file" ? hashOf(contentOf(event)) : typeof hash === "string" ? hash : "";
    }
  }

  /** The log was read to its end: the remote goes on where it stops. */
  recalled(): void {
    for (const each of this.#known.values()) {
      each.told = each.said;
      each.toldParts = each.parts.length;
    }
  }

  /** The remote begins to tell everything from the start. */
  again(): void {
    for (const each of this.#known.values()) {
      each.told = "";
      each.toldParts = 0;
    }
  }

  /** Takes an artifact, or a piece of one that is appended. `name` is that of the step's attempt. */
  *apply(
    name: string,
    artifact: Artifact,
    append: boolean,
    last: boolean,
  ): Generator<AgentEvent, void, undefined> {
    const key = keyOf(artifact.artifactId);
    const each = this.#of(key);
    if (!append) {
      each.told = "";
      each.toldParts = 0;
    }
    let text = "";
    for (const part of artifact.parts ?? []) {
      if (part?.content?.$case === "text") text += part.content.value;
    }
    yield* this.#say(name, key, each, text);
    for (const part of artifact.parts ?? []) {
      if (part?.content && part.content.$case !== "text") yield* this.#show(name, key, each, artifact, part);
    }
    if (last && each.told.length === each.said.length) yield* close(each);
  }

  /** Says what is shorter now than it was, and closes every block. */
  *finish(name: string): Generator<AgentEvent, void, undefined> {
    for (const [key, each] of this.#known) {
      if (each.told !== "" && each.told.length < each.said.length) {
        yield* this.#replace(name, key, each, each.told);
      }
      yield* close(each);
    }
  }

  /** Whether an artifact has said exactly this. */
  says(text: string): boolean {
    return this.#known.values().some((each) => each.said.trim() === text.trim());
  }

  *#say(name: string, key: string, each: Known, text: string): Generator<AgentEvent, void, undefined> {
    if (text === "") return;
    const overlap = each.said.slice(each.told.length, each.told.length + text.length);
    if (!text.startsWith(overlap)) {
      yield* this.#replace(name, key, each, each.told + text);
      return;
    }
    each.told += text;
    if (text.length > overlap.length) yield* this.#add(name, key, each, text.slice(overlap.length), "+");
  }

  *#replace(name: string, key: string, each: Known, text: string): Generator<AgentEvent, void, undefined> {
    yield* close(each);
    this.#held -= each.said.length;
    each.said = "";
    each.told = text;
    yield* this.#add(name, key, each, text, "~");
  }

  *#add(
    name: string,
    key: string,
    each: Known,
    text: string,
    mark: "+" | "~",
  ): Generator<AgentEvent, void, undefined> {
    this.#held += text.length;
    if (this.#held > MAX_HELD_CHARS) throw tooMuch(`${MAX_HELD_CHARS} characters`);
    if (each.block === undefined) {
      each.blocks += 1;
      const nth = each.blocks === 1 && mark === "+" ? "" : `${mark}${each.blocks}`;
      each.block = `${name}/${key}${nth}`;
      yield { type: "text.started", id: each.block };
    }
    for (let at = 0; at < text.length; ) {
      let end = Math.min(at + MAX_PIECE_CHARS, text.length);
      // Never between the two halves of a character.
      const code = text.charCodeAt(end - 1);
      if (end < text.length && code >= 0xd800 && code <= 0xdbff) end -= 1;
      yield { type: "text.delta", id: each.block, text: text.slice(at, end) };
      at = end;
    }
    each.said += text;
    // One string, not two alike.
    if (each.told.length === each.said.length) each.told = each.said;
  }

  *#show(
    name: string,
    key: string,
    each: Known,
    artifact: Artifact,
    remote: RemotePart,
  ): Generator<AgentEvent, void, undefined> {
    const index = each.toldParts++;
    const part = fromRemotePart(remote);
    if (!part || part.type === "text") return;
    const content = part.type === "file" ? contentOf(part) : JSON.stringify(part);
    const hash = hashOf(content);
    if (each.parts[index] === hash) return;
    const known = each.parts.length > 0;
    if (each.parts[index] === undefined && ++this.#partCount > MAX_PARTS) throw tooMuch(`${MAX_PARTS} parts`);
    each.parts[index] = hash;
    if (content.length > MAX_PART_CHARS) {
      const message = `A part of artifact ${JSON.stringify(shown(key))} has ${content.length} characters: too many for an event`;
      yield { type: "error", code: "too_large", message, retryable: false };
    } else if (part.type === "file") {
      const { mediaType, data, url } = part;
      yield {
        type: "file",
        id: `${name}/${key}.${index}`,
        mediaType,
        ...(data !== undefined && { data }),
        ...(url !== undefined && { url }),
      };
    } else {
      const metadata: JsonObject = { at: index, hash };
      const title = shown(artifact.name || artifact.artifactId) || "artifact";
      yield {
        type: "artifact",
        id: key,
        action: known ? "updated" : "created",
        name: title,
        parts: [part],
        metadata,
      };
    }
  }

  #of(key: string): Known {
    let each = this.#known.get(key);
    if (!each) {
      if (this.#known.size >= MAX_ARTIFACTS) throw tooMuch(`${MAX_ARTIFACTS} artifacts`);
      each = { said: "", told: "", parts: [], toldParts: 0, block: undefined, blocks: 0 };
      this.#known.set(key, each);
    }
    return each;
  }
}

/** A part of a remote's message or artifact as ours; undefined for what has no content. */
export function fromRemotePart({ content, mediaType, filename }: RemotePart): Part | undefined {
  const named = filename ? { name: shown(filename) } : {};
  const type = mediaType ? shown(mediaType) : "application/octet-stream";
  switch (content?.$case) {
    case "text":
      return { type: "text", text: String(content.value) };
    case "data":
      return { type: "data", data: content.value ?? null, ...named };
    case "raw":
      return {
        type: "file",
        mediaType: type,
        data: Buffer.from(content.value).toString("base64"),
        ...named,
      };
    case "url":
      return { type: "file", mediaType: type, url: String(content.value), ...named };
    default:
      return undefined;
  }
}

/** An artifact's id as part of ours: as it is, or its hash where it is no short word. */
function keyOf(artifactId: string): string {
  return /^[A-Za-z0-9_:-]{1,100}$/.test(artifactId) ? artifactId : hashOf(artifactId);
}

/** The artifact that a block of ours belongs to. */
function parseBlock(id: string): { readonly key: string; readonly replaces: boolean } | undefined {
  const match = /^[^/]*\/([^+~]+)(?:([+~])\d+)?$/.exec(id);
  return match ? { key: match[1]!, replaces: match[2] === "~" } : undefined;
}

function contentOf(file: { mediaType: string; data?: string; url?: string }): string {
  return JSON.stringify([file.mediaType, file.data ?? null, file.url ?? null]);
}

function* close(each: Known): Generator<AgentEvent, void, undefined> {
  if (each.block !== undefined) yield { type: "text.finished", id: each.block };
  each.block = undefined;
}

function tooMuch(limit: string): AgentFailure {
  return new AgentFailure("limit_exceeded", `The remote agent's answer went over the limit of ${limit}`);
}
