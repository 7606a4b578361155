import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import type { MsgHdrs, NatsConnection, NodeConnectionOptions } from "@nats-io/transport-node";
import { messageOf, RunError } from "../errors.ts";
import { loadPackage } from "../load-package.ts";

const PACKAGES = "@nats-io/transport-node @nats-io/jetstream";
/** How long a request may take, in ms. */
const TIMEOUT_MS = 5_000;
const RECONNECT_MS = 250;

/** One connection to NATS, for all that a store does. It comes back by itself, for ever. */
export class Connection {
  readonly nc: NatsConnection;
  readonly js: JetStreamClient;
  readonly jsm: JetStreamManager;
  readonly #headers: () => MsgHdrs;
  readonly #waiting = new Set<(error: Error) => void>();
  #up = true;

  private constructor(
    nc: NatsConnection,
    js: JetStreamClient,
    jsm: JetStreamManager,
    headers: () => MsgHdrs,
  ) {
    this.nc = nc;
    this.js = js;
    this.jsm = jsm;
    this.#headers = headers;
  }

  /**
   * Rejects with `missing_package`, `invalid_request` for a URL that is none, or `store_unavailable`. `more` goes to
   * the client as it is.
   */
  static async open(url: string, more: NodeConnectionOptions = {}): Promise<Connection> {
    const target = targetOf(url);
    const { connect, headers } = await loadPackage(
      "@nats-io/transport-node",
      () => import("@nats-io/transport-node"),
      PACKAGES,
    );
    const { jetstream, jetstreamManager } = await loadPackage(
      "@nats-io/jetstream",
      () => import("@nats-io/jetstream"),
      PACKAGES,
    );
    let nc: NatsConnection | undefined;
    try {
      nc = await connect({
        name: "runlog",
        timeout: TIMEOUT_MS,
        reconnectTimeWait: RECONNECT_MS,
        ignoreAuthErrorAbort: true,
        noAsyncTraces: true,
        ...target,
        ...more,
        reconnect: true,
        maxReconnectAttempts: -1,
      });
      const options = { timeout: TIMEOUT_MS };
      return new Connection(nc, jetstream(nc, options), await jetstreamManager(nc, options), headers);
    } catch (error) {
      await nc?.close();
      throw natsError(error, `open a store at ${target.servers.join(", ")}`);
    }
  }

  /** Whether the server can be reached, as far as is known. */
  get up(): boolean {
    return this.#up && !this.nc.isClosed();
  }

  /** The largest message that the server takes, in bytes. */
  get maxPayload(): number {
    return this.nc.info?.max_payload ?? 1024 * 1024;
  }

  /** Tells when the connection goes and when it is back, until it is closed. */
  async listen(onDown: () => void, onUp: () => void): Promise<void> {
    for await (const { type } of this.nc.status()) {
      if (type === "disconnect") {
        this.#up = false;
        // The answers of what was asked will not come.
        for (const reject of this.#waiting) reject(new Error("the connection to NATS was lost"));
        onDown();
      } else if (type === "reconnect") {
        this.#up = true;
        onUp();
      }
    }
  }

  /** A request that ends with the connection. Rejects at once where there is none. */
  async ask<Answer>(work: () => Promise<Answer>): Promise<Answer> {
    if (!this.up) throw new Error("NATS cannot be reached");
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      work()
        .then(resolve, reject)
        .finally(() => this.#waiting.delete(reject));
    });
  }

  /** Headers with the one that Runlog reads. */
  headers(value: string): MsgHdrs {
    const headers = this.#headers();
    headers.set(HEADER, value);
    return headers;
  }
}

export const HEADER = "Runlog";

/** Whether a message was refused because another came first: nothing was stored. */
export function isConflict(error: unknown): boolean {
  const code = codeOf(error);
  return code === 10071 || code === 10164;
}

/** Whether a stream is missing, or nobody answers for it: nothing was stored. */
export function isMissing(error: unknown): boolean {
  return codeOf(error) === 10059 || (error as Error | undefined)?.name === "JetStreamNotEnabled";
}

// Of the account's resources, of memory, of the server's resources and storage, of a stream's bytes.
const FULL = [10002, 10023, 10028, 10047, 10122];

export function natsError(error: unknown, doing: string): RunError {
  if (error instanceof RunError) return error;
  const message = messageOf(error);
  // One code says that a message could not be stored, and only its text says why.
  const full =
    FULL.includes(codeOf(error)) || /maximum (bytes|messages) exceeded|no space left/.test(message);
  if (full) {
    const why = "the streams of NATS have come to their size, or its disk is full";
    return new RunError("store_full", `Cannot ${doing}: ${why} (${message})`, { cause: error });
  }
  return new RunError("store_unavailable", `Cannot ${doing}: ${message}`, { cause: error });
}

function codeOf(error: unknown): number {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === "number" ? code : 0;
}

/** `nats://[USER:PASSWORD@ or TOKEN@]HOST[:PORT]`, several with commas between, `tls://` with TLS. */
function targetOf(url: string) {
  const servers: string[] = [];
  let credentials: { user?: string; pass?: string; token?: string } = {};
  let tls = false;
  for (const each of url.split(",")) {
    const text = /^\w+:\/\//.test(each.trim()) ? each.trim() : `nats://${each.trim()}`;
    const parsed = URL.canParse(text) ? new URL(text) : undefined;
    if (!parsed?.hostname || !/^(nats|tls):$/.test(parsed.protocol) || /^\/.|\?|#/.test(parsed.pathname)) {
      const shown = text.replace(/\/\/.*@/, "//***@");
      throw new RunError("invalid_request", `Cannot open store "${shown}": it must be "nats://HOST:PORT"`);
    }
    servers.push(parsed.host);
    tls ||= parsed.protocol === "tls:";
    const user = decodeURIComponent(parsed.username);
    if (parsed.password !== "") credentials = { user, pass: decodeURIComponent(parsed.password) };
    else if (user !== "") credentials = { token: user };
  }
  return { servers, ...credentials, ...(tls && { tls: {} }) };
}
