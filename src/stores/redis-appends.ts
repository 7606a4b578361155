import { soon } from "../internal/soon.ts";
import type { RedisConnection } from "./redis-connection.ts";
import type { RedisHints } from "./redis-hints.ts";
import { appendScript } from "./redis-scripts.ts";

/** What one call may hold. With more, Redis and this process wait for each other instead of working both. */
const CALL_APPENDS = 32;
const CALL_CHARS = 64 * 1024;

/** One append, as the script takes it. */
interface RedisAppend {
  readonly run: string;
  readonly keys: readonly string[];
  readonly args: readonly string[];
}

/** What the script says of it. */
type AppendAnswer = string | number | readonly (string | null)[] | null;

interface Call {
  readonly keys: string[];
  readonly args: string[];
  readonly waiting: PromiseWithResolvers<AppendAnswer>[];
  chars: number;
}

/**
 * Sends the appends of a turn of the event loop together, in their order, each with an answer of its own: a call for each
 * takes half as much again, here and in Redis. On a cluster runs are in different places, and each append is a call.
 */
export class RedisAppends {
  readonly #connection: RedisConnection;
  readonly #hints: RedisHints;
  #call: Call | undefined;

  constructor(connection: RedisConnection, hints: RedisHints) {
    this.#connection = connection;
    this.#hints = hints;
  }

  /** Rejects with what Redis, or the connection, says. */
  add({ run, keys, args }: RedisAppend): Promise<AppendAnswer> {
    const chars = args.reduce((sum, arg) => sum + arg.length, 0);
    if (this.#call && !this.#fits(this.#call, chars)) this.flush();
    this.#call ??= this.#begin();
    this.#call.keys.push(...keys);
    this.#call.args.push(String(keys.length), run, this.#hints.hearsMore(run) ? "1" : "", ...args);
    this.#call.chars += chars;
    const answer = Promise.withResolvers<AppendAnswer>();
    this.#call.waiting.push(answer);
    return answer.promise;
  }

  /** Sends what waits for the end of the turn. */
  flush(): void {
    const call = this.#call;
    this.#call = undefined;
    if (call) void this.#send(call);
  }

  #fits({ waiting, chars }: Call, more: number): boolean {
    return !this.#connection.cluster && waiting.length < CALL_APPENDS && chars + more <= CALL_CHARS;
  }

  #begin(): Call {
    soon(() => this.flush());
    const { me, hints, more } = this.#hints;
    // On a cluster, who listens to another server is not counted.
    const counted = this.#connection.cluster ? "" : "1";
    return { keys: [], args: [me, hints, more, counted], waiting: [], chars: 0 };
  }

  async #send({ keys, args, waiting }: Call): Promise<void> {
    try {
      // It may have broken since. Nothing was sent yet, so nothing is in doubt.
      if (!this.#connection.ready) await this.#connection.whenReady();
      const answers = (await this.#connection.run(appendScript, keys, args)) as (AppendAnswer | Error)[];
      for (const [index, { resolve, reject }] of waiting.entries()) {
        const answer = answers[index]!;
        if (answer instanceof Error) reject(answer);
        else resolve(answer);
      }
    } catch (error) {
      for (const { reject } of waiting) reject(error);
    }
  }
}
