import { type ErrorCode, errorTable, RunError } from "../errors.ts";

export interface HttpOptions {
  /** Where the server is, as in `http://127.0.0.1:8000`; a path before its routes is kept. */
  readonly url: string;
  readonly token?: string | undefined;
  /** @default the global one */
  readonly fetch?: typeof fetch | undefined;
}

export interface RequestOptions {
  /** @default GET */
  readonly method?: "GET" | "POST" | "DELETE";
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent as it is, in place of a body: lines of JSON. */
  readonly lines?: string;
  /** @default application/json */
  readonly accept?: string;
  readonly signal?: AbortSignal | undefined;
}

/** Nobody answered, or somebody who is no Runlog server: trying again may help. */
export class UnreachableError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "UnreachableError";
  }
}

/** Requests to one server. */
export class Http {
  /** Without a slash at its end. */
  readonly url: string;
  readonly #token: string | undefined;
  readonly #fetch: typeof fetch;

  /** Throws `TypeError` for what is no http URL, and for a token that no header can hold. */
  constructor({ url, token, fetch }: HttpOptions) {
    const parsed = URL.parse(url);
    if (!parsed || !/^https?:$/.test(parsed.protocol))
      throw new TypeError(`Cannot use ${JSON.stringify(url)} as a server: it must begin with http://`);
    if (token !== undefined && !/^[\x20-\x7e]*$/.test(token))
      throw new TypeError("Cannot use the token: it must be of printable ASCII characters");
    this.url = `${parsed.origin}${parsed.pathname.replace(/\/+$/, "")}`;
    this.#token = token;
    // Looked up with each call, as it may be replaced, and never called as a method, which browsers refuse.
    this.#fetch = fetch ?? ((input, init) => globalThis.fetch(input, init));
  }

  /**
   * An answer that is no refusal. Throws `RunError` for a refusal by the server, `UnreachableError` where none
   * answers, and the signal's reason when it aborts.
   */
  async request(path: string, options: RequestOptions = {}): Promise<Response> {
    const { method = "GET", body, lines, accept = "application/json", signal } = options;
    const headers: Record<string, string> = { accept };
    const sent = lines ?? (body === undefined ? undefined : JSON.stringify(body));
    if (sent !== undefined)
      headers["content-type"] = lines === undefined ? "application/json" : "application/x-ndjson";
    if (this.#token !== undefined) headers.authorization = `Bearer ${this.#token}`;
    let response: Response;
    try {
      const send = this.#fetch;
      response = await send(`${this.url}${path}`, {
        method,
        headers,
        cache: "no-store",
        ...(sent !== undefined && { body: sent }),
        ...(signal && { signal }),
      });
    } catch (cause) {
      signal?.throwIfAborted();
      throw new UnreachableError(`Cannot reach ${this.url} (${networkErrorOf(cause)})`, { cause });
    }
    if (!response.ok) throw await this.#refusal(response, signal);
    return response;
  }

  /** A JSON answer; throws what `request` throws. */
  async json<Answer>(path: string, options: RequestOptions = {}): Promise<Answer> {
    const response = await this.request(path, options);
    try {
      return (await response.json()) as Answer;
    } catch (cause) {
      options.signal?.throwIfAborted();
      throw new UnreachableError(`Cannot read the answer of ${this.url}: is it a Runlog server?`, { cause });
    }
  }

  async #refusal(response: Response, signal: AbortSignal | undefined): Promise<Error> {
    const text = await response.text().catch(() => "");
    signal?.throwIfAborted();
    const problem = problemOf(text);
    if (problem) return new RunError(problem.code, problem.detail);
    const { status } = response;
    const what = `${this.url} answered ${status} and not as a Runlog server does`;
    const code = Object.hasOwn(byStatus, status) ? byStatus[status] : undefined;
    return code ? new RunError(code, `Cannot go on: ${what}`) : new UnreachableError(what);
  }
}

/** For answers of whatever stands before the server. */
const byStatus: Record<number, ErrorCode> = {
  400: "invalid_request",
  401: "unauthorized",
  403: "forbidden",
  404: "not_found",
  405: "method_not_allowed",
  410: "run_deleted",
  413: "too_large",
  421: "misdirected",
};

function problemOf(text: string): { code: ErrorCode; detail: string } | undefined {
  try {
    const { code, detail, title } = JSON.parse(text) as Record<string, unknown>;
    if (typeof code !== "string" || !Object.hasOwn(errorTable, code)) return undefined;
    return { code: code as ErrorCode, detail: String(detail ?? title ?? code) };
  } catch {
    return undefined;
  }
}

function networkErrorOf(error: unknown): string {
  const { message, cause } = error as { message?: string; cause?: { code?: string; message?: string } };
  return cause?.code ?? (cause?.message || message || "no answer");
}
