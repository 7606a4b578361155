import type { Entry, JsonObject, Usage } from "./events.ts";
import type { RunRecord } from "./store.ts";
import { type RunStatus, Summary, titleOf } from "./summary.ts";

/** What lists show of a run, as JSON. */
export interface RunInfo {
  readonly run: string;
  readonly status: RunStatus;
  /** Null if a producer elsewhere writes the run. */
  readonly agent: string | null;
  /** The beginning of what was asked, on one line. */
  readonly title: string;
  readonly thread?: string;
  readonly tags?: readonly string[];
  readonly metadata?: JsonObject;
  /** In ms since the epoch. */
  readonly startedAt: number;
  readonly endedAt?: number;
  /** Model calls so far. */
  readonly steps: number;
  readonly usage?: Usage;
  /** USD; null where a part of it is unknown. */
  readonly cost: number | null;
  /** Of a failed run. */
  readonly error?: { readonly code: string; readonly message: string };
}

/** What a list can be narrowed to. */
export interface ListFilter {
  readonly status?: RunStatus | undefined;
  readonly agent?: string | undefined;
  readonly thread?: string | undefined;
  readonly tag?: string | undefined;
}

/** What the record holds beside what lists show. */
interface Stored extends RunInfo {
  /** The process that runs the agent. */
  readonly owner: string;
  /** How long the log was when this was written, in characters; without the batch that it was written with. */
  readonly bytes: number;
}

export function infoOf(run: string, summary: Summary): RunInfo {
  const { started, terminal, usage, endedAt } = summary;
  if (!started) throw new TypeError(`Cannot describe run "${run}": it has not started`);
  const { agent, input, thread, tags, metadata } = started;
  return {
    run,
    status: summary.status,
    agent,
    title: titleOf(input),
    ...(thread !== undefined && { thread }),
    ...(tags !== undefined && { tags }),
    ...(metadata !== undefined && { metadata }),
    startedAt: summary.startedAt,
    ...(endedAt !== undefined && { endedAt }),
    steps: summary.step,
    ...(usage && { usage }),
    cost: summary.cost,
    ...(terminal?.type === "run.failed" && { error: { code: terminal.code, message: terminal.message } }),
  };
}

/** What lists show of a run, from its log: for whoever has read it, and where a store keeps records apart from logs. */
export function infoFrom(run: string, entries: Iterable<Entry>): RunInfo {
  const summary = new Summary();
  for (const { event, at } of entries) summary.apply(event, at);
  return infoOf(run, summary);
}

export function toRecord(run: string, summary: Summary, owner: string, bytes: number): RunRecord {
  const info = infoOf(run, summary);
  const stored: Stored = { ...info, owner, bytes };
  const { status, agent, thread, startedAt } = info;
  const owned = status === "running" ? [ownerTag(owner)] : [];
  return {
    run,
    startedAt,
    tags: [
      ...filterTags({ status, agent: agent ?? undefined, thread }),
      ...owned,
      ...(info.tags ?? []).map((tag) => `tag:${tag}`),
    ],
    text: JSON.stringify(stored),
  };
}

/** What a process is at work on can be listed by it: that is how others find it once it is dead. */
export function ownerTag(holder: string): string {
  return `owner:${holder}`;
}

export function fromRecord(record: RunRecord): {
  readonly info: RunInfo;
  readonly owner: string;
  readonly bytes: number;
} {
  // A record of an older version has no size.
  const { owner, bytes = 0, ...info } = JSON.parse(record.text) as Stored;
  return { info, owner, bytes };
}

/** A filter as the tags that a record carries. */
export function filterTags({ status, agent, thread, tag }: ListFilter): string[] {
  const tags: string[] = [];
  if (thread !== undefined) tags.push(`thread:${thread}`);
  if (agent !== undefined) tags.push(`agent:${agent}`);
  if (status !== undefined) tags.push(`status:${status}`);
  if (tag !== undefined) tags.push(`tag:${tag}`);
  return tags;
}
