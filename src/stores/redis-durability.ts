import type { Redis } from "ioredis";
import type { Durability, DurabilityClass } from "../store.ts";

/** The lowest of what each server promises. */
export async function redisDurability(nodes: readonly Redis[]): Promise<Durability> {
  const found = await Promise.all(nodes.map(probe));
  return found.reduce((a, b) => (b.class < a.class ? b : a));
}

/** What Redis says of itself, as far as it is allowed to. */
interface Settings {
  /** Undefined where CONFIG is not allowed. */
  readonly fsync: "always" | "everysec" | "no" | "off" | undefined;
  readonly policy: string | undefined;
  readonly maxMemory: number;
}

async function probe(node: Redis): Promise<Durability> {
  const { fsync, policy, maxMemory } = await settingsOf(node);
  const kept = classOf(fsync);
  if (policy === undefined || policy === "noeviction") return kept;
  const advice = `set "maxmemory-policy" to "noeviction" instead of "${policy}"`;
  if (policy.startsWith("allkeys-") && maxMemory > 0) {
    return { class: "D0", why: `WARNING: Redis throws logs away when its memory is full; ${advice}.` };
  }
  const others = policy.startsWith("allkeys-") ? "logs" : "logs that are kept for a time";
  return {
    class: kept.class,
    why: `${kept.why} WARNING: Redis would throw ${others} away to make room; ${advice}.`,
  };
}

function classOf(fsync: Settings["fsync"]): Durability {
  const classes: Record<NonNullable<typeof fsync>, readonly [DurabilityClass, string]> = {
    always: [
      "D3",
      'Redis waits for the disk at every commit ("appendfsync always"), so what was acknowledged survives a power loss; a failover may still lose the last of it.',
    ],
    everysec: [
      "D2",
      'Redis writes a log file and brings it to the disk every second ("appendfsync everysec"): a power loss may take about two seconds of what was acknowledged, and a kill of Redis in rare cases, too.',
    ],
    no: [
      "D2",
      'Redis writes a log file and never waits for the disk ("appendfsync no"): a power loss may take half a minute of what was acknowledged.',
    ],
    off: [
      "D1",
      'Redis keeps logs in memory ("appendonly no"): what was acknowledged since its last snapshot is gone when Redis ends.',
    ],
  };
  const [found, why] = classes[fsync ?? "off"];
  if (fsync !== undefined) return { class: found, why };
  return {
    class: found,
    why: "Redis does not tell its settings (CONFIG is not allowed), so the least is assumed: what was acknowledged may be gone when Redis ends.",
  };
}

async function settingsOf(node: Redis): Promise<Settings> {
  const config = async (name: string) => ((await node.config("GET", name)) as string[])[1];
  try {
    const aof = (await config("appendonly")) === "yes";
    return {
      fsync: aof ? ((await config("appendfsync")) as Settings["fsync"]) : "off",
      policy: await config("maxmemory-policy"),
      maxMemory: Number(await config("maxmemory")),
    };
  } catch (error) {
    // NOPERM, or an unknown command; anything else is trouble with the connection.
    if ((error as Error).name !== "ReplyError") throw error;
  }
  const info = await node.info("memory").catch(() => "");
  const of = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, "m").exec(info)?.[1];
  return { fsync: undefined, policy: of("maxmemory_policy"), maxMemory: Number(of("maxmemory") ?? 0) };
}
