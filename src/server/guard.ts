import { timingSafeEqual } from "node:crypto";
import { RunError } from "../errors.ts";

export interface GuardOptions {
  /** Sent as `Authorization: Bearer`. Without one, only this machine is served, and only under its own names. */
  readonly token?: string | undefined;
  /** Origins of other pages that may read and write, as in `https://app.example`. @default none */
  readonly origins?: readonly string[] | undefined;
}

/** What is told without a token: whether the server is well, and the cards in which A2A says that one is needed. */
const OPEN = /^\/(health|(agents\/[^/]+\/a2a\/)?\.well-known\/agent-card\.json)$/;
const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

/**
 * Who may ask. Loopback is no boundary: any page in a browser can reach it. So without a token the Host must
 * be one of this machine's names (or a page that rebinds its DNS name would get in), and what changes
 * something must not come from a foreign Origin.
 */
export function guard(request: Request, { token, origins = [] }: GuardOptions): void {
  const url = new URL(request.url);
  const host = request.headers.get("host") ?? url.host;
  if (token === undefined && !LOOPBACK.has(host.replace(/:\d+$/, "").toLowerCase())) {
    throw new RunError(
      "misdirected",
      `Cannot serve host ${JSON.stringify(host.slice(0, 80))}: use localhost, or set a token`,
    );
  }
  const origin = request.headers.get("origin");
  const foreign =
    origin !== null &&
    !origins.includes(origin) &&
    origin !== `http://${host}` &&
    origin !== `https://${host}`;
  const reads = request.method === "GET" || request.method === "HEAD";
  if (foreign && !reads) {
    throw new RunError(
      "forbidden",
      `Cannot accept a request from origin ${JSON.stringify(origin.slice(0, 80))}: it is not allowed here`,
    );
  }
  // A preflight carries no token.
  const open = request.method === "OPTIONS" || (reads && OPEN.test(url.pathname));
  if (token !== undefined && !open && !authorized(request, token)) {
    throw new RunError(
      "unauthorized",
      'Cannot serve the request: send the token as "Authorization: Bearer ..."',
    );
  }
}

/** The CORS headers of an answer to an allowed foreign page; none for anybody else. */
export function corsHeaders(request: Request, { origins = [] }: GuardOptions): Record<string, string> {
  const origin = request.headers.get("origin");
  if (origins.length === 0) return {};
  if (origin === null || !origins.includes(origin)) return { vary: "Origin" };
  return {
    vary: "Origin",
    "access-control-allow-origin": origin,
    "access-control-expose-headers": "Runlog-Run, Location",
    ...(request.method === "OPTIONS" && {
      "access-control-allow-methods": "GET, POST, DELETE",
      "access-control-allow-headers":
        "authorization, content-type, idempotency-key, last-event-id, a2a-version, producer-id, producer-epoch, producer-seq",
      "access-control-max-age": "600",
    }),
  };
}

/** Whether a request carries the token. */
export function authorized(request: Request, token: string): boolean {
  const given = Buffer.from(request.headers.get("authorization") ?? "");
  const wanted = Buffer.from(`Bearer ${token}`);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}
