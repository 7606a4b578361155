import { isDeepStrictEqual } from "node:util";
import type { StreamConfig } from "@nats-io/jetstream";
import { RunError } from "../errors.ts";
import { wait } from "../internal/wait.ts";
import type { Durability } from "../store.ts";
import type { Connection } from "./nats-connection.ts";
import type { Names } from "./nats-messages.ts";

export interface StreamOptions {
  readonly storage: "file" | "memory" | undefined;
  readonly replicas: number | undefined;
  readonly maxBytes: number | undefined;
}

/** Makes the two streams where they are missing. Resolves to what they promise; refuses ones that would lose logs. */
export async function ensureStreams(
  connection: Connection,
  { logs, index }: Names,
  options: StreamOptions,
): Promise<Durability> {
  const { storage = "file", replicas = 1, maxBytes } = options;
  // The client has enums for these, in a package that may not be there.
  const kept = { storage, num_replicas: replicas, discard: "new" } as Partial<StreamConfig>;
  const logConfig = await ensure(connection, {
    ...kept,
    name: logs,
    subjects: [`${logs}.log.*`, `${logs}.part.*`],
    // The server says itself what was committed, after it was.
    republish: { src: `${logs}.log.*`, dest: `${logs}.hint.{{wildcard(1)}}` },
    ...(maxBytes !== undefined && { max_bytes: maxBytes }),
  });
  const indexConfig = await ensure(connection, {
    ...kept,
    name: index,
    subjects: [`${logs}.record.*`, `${logs}.beat.*`, `${logs}.mark`],
    max_msgs_per_subject: 1,
  });
  for (const config of [logConfig, indexConfig]) {
    const perSubject = config.name === index ? 1 : -1;
    check(config, "retention", "limits");
    check(config, "max_age", 0);
    check(config, "max_msgs", -1);
    check(config, "max_msgs_per_subject", perSubject);
    check(config, "deny_delete", false);
    check(config, "deny_purge", false);
    check(config, "sealed", false);
    if (options.storage !== undefined) check(config, "storage", options.storage);
    if (options.replicas !== undefined) check(config, "num_replicas", options.replicas);
  }
  check(logConfig, "republish", { src: `${logs}.log.*`, dest: `${logs}.hint.{{wildcard(1)}}` });
  if (logConfig.max_bytes !== -1) check(logConfig, "discard", "new");
  return durabilityOf(logConfig, connection.nc.info?.version ?? "");
}

/** While a stream is being deleted, another of its name cannot be made: how often that is tried, and after how long, in ms. */
const TRIES = 30;
const RETRY_MS = 100;

async function ensure(
  connection: Connection,
  wanted: Partial<StreamConfig> & { name: string },
): Promise<StreamConfig> {
  const { streams } = connection.jsm;
  for (let tries = 1; ; tries++) {
    try {
      return (await connection.ask(() => streams.info(wanted.name))).config;
    } catch (error) {
      if ((error as { code?: unknown }).code !== 10059) throw error;
    }
    try {
      return (await connection.ask(() => streams.add(wanted))).config;
    } catch (error) {
      // Another process may have made it meanwhile, or the server is still at taking the old one away.
      const { code } = error as { code?: unknown };
      if ((code !== 10049 && code !== 10058) || tries === TRIES) throw error;
      if (code === 10049) await wait(RETRY_MS);
    }
  }
}

function check(config: StreamConfig, key: keyof StreamConfig, value: unknown): void {
  // What is not set, the server leaves out.
  const is = config[key] ?? (typeof value === "boolean" ? false : undefined);
  if (isDeepStrictEqual(is, value)) return;
  const [found, wanted] = [is, value].map((each) => JSON.stringify(each) ?? "not set");
  throw new RunError(
    "invalid_request",
    `Cannot keep logs in the stream "${config.name}": its ${key} is ${found}, and must be ${wanted}; edit the stream, or choose another name`,
  );
}

function durabilityOf({ storage, num_replicas: replicas }: StreamConfig, version: string): Durability {
  const servers = `${replicas} servers`;
  if (storage === "memory") {
    return replicas > 2
      ? {
          class: "D2",
          why: `NATS keeps logs in the memory of ${servers}: what was acknowledged survives the end of one of them, and is gone when most end.`,
        }
      : {
          class: "D1",
          why: "NATS keeps logs in memory: what was acknowledged survives the end of this process, and is gone with the server.",
        };
  }
  const interval =
    "every sync_interval, 2 minutes unless the server was told otherwise, which cannot be asked";
  if (/^2\.10\.2[0-2]\b/.test(version)) {
    return {
      class: "D1",
      why: `NATS ${version} can lose acknowledged messages when it is killed: use 2.10.23 or later.`,
    };
  }
  return replicas > 2
    ? {
        class: "D4",
        why: `NATS acknowledges what most of ${servers} have: it survives the loss of one, but each syncs its disk only ${interval}: a power loss of all may take the last of it.`,
      }
    : {
        class: "D2",
        why: `NATS syncs its disk only ${interval}: what was acknowledged survives any crash of a process, but a power loss may take the last of it.`,
      };
}
