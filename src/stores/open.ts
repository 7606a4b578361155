import { RunError } from "../errors.ts";
import type { Store } from "../store.ts";

interface Scheme {
  readonly form: string;
  readonly pattern: RegExp;
  /** What the pattern's group has caught. Imports its store only then, as a store may need a package. */
  open(rest: string): Promise<Store>;
}

const schemes: readonly Scheme[] = [
  {
    form: "memory:",
    pattern: /^memory:()$/,
    open: async () => (await import("./memory.ts")).memoryStore(),
  },
  {
    form: "sqlite:PATH",
    // Two slashes would be read as a host by one and as a folder by another.
    pattern: /^sqlite:(?!\/\/|:memory:)(.+)$/,
    open: async (path) => (await import("./sqlite.ts")).sqliteStore(path),
  },
  {
    form: "nats://HOST:PORT",
    pattern: /^((?:nats|tls):\/\/.+)$/,
    open: async (url) => (await import("./nats.ts")).natsStore(url),
  },
  {
    form: "redis://[:PASSWORD@]HOST:PORT/DB",
    pattern: /^(rediss?:\/\/.+)$/,
    open: async (url) => (await import("./redis.ts")).redisStore(url),
  },
];

/**
 * Opens the store that a URL names: `memory:`; `sqlite:PATH`, the path from the current folder or absolute;
 * `redis://HOST:PORT/DB`, `nats://HOST:PORT`. Rejects with `invalid_request` for any other, with `missing_package`
 * where the store's client is not installed, and with whatever the store says if it cannot be opened.
 */
export async function openStore(url: string): Promise<Store> {
  for (const { pattern, open } of schemes) {
    const match = pattern.exec(url);
    if (match !== null) return open(match[1]!);
  }
  const forms = schemes.map(({ form }) => `"${form}"`).join(" or ");
  throw new RunError("invalid_request", `Cannot open store "${shownUrl(url)}": it must be ${forms}`);
}

/** A store's URL for people: without its password. */
export function shownUrl(url: string): string {
  return url.replace(/\/\/.*@/, "//***@");
}
