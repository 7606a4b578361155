import { setTimeout } from "node:timers/promises";
import { type Answer, post } from "../../test/support/post.ts";

/** How long a request that cannot be answered now is made again, in ms; longer than any outage here. */
const PATIENCE_MS = 120_000;
/** Before another try, in ms: after a refusal, and where no answer came. */
const AGAIN_MS = 20;
const LOST_MS = 2;

/** A request was refused for good, or for too long. */
export class RefusedError extends Error {
  readonly code: string;
  constructor(url: string, { status, body }: Answer) {
    super(`${url} answered ${status} ${JSON.stringify(body)}`);
    this.name = "RefusedError";
    this.code = body?.code ?? "";
  }
}

export interface PatientOptions {
  readonly headers?: Record<string, string>;
  /** Called before each further try, with the answer if there was one. */
  readonly onRetry?: (answer?: Answer) => void;
}

/**
 * Sends JSON as a client does that may be answered twice: where no answer comes, or one that says to try again, it
 * asks again, by a connection of its own. Throws {@linkcode RefusedError} for any other refusal.
 */
export async function postPatiently(
  base: () => string,
  path: string,
  body: unknown,
  { headers = {}, onRetry }: PatientOptions = {},
): Promise<Answer> {
  const until = performance.now() + PATIENCE_MS;
  while (true) {
    let answer: Answer | undefined;
    try {
      answer = await post(`${base()}${path}`, body, { ...headers, connection: "close" });
    } catch (error) {
      if (performance.now() > until) throw error;
    }
    if (answer && answer.status < 300) return answer;
    const passing = answer === undefined || answer.status === 503 || answer.status === 507;
    if (answer && (!passing || performance.now() > until)) throw new RefusedError(path, answer);
    onRetry?.(answer);
    await setTimeout(answer ? AGAIN_MS : LOST_MS);
  }
}
