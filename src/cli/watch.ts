import { type Connection, type FollowedEntry, follow } from "../client/follow.ts";
import type { Http } from "../client/http.ts";
import { messageOf, RunError } from "../errors.ts";
import type { Entry, EventOf } from "../events.ts";
import { type RunStatus, Summary } from "../summary.ts";
import { Approvals } from "./approvals.ts";
import { ask } from "./ask.ts";
import { CliError } from "./failure.ts";
import { onInterrupt } from "./interrupts.ts";
import { type Format, notice, write, writeJson } from "./output.ts";
import { Printer } from "./print.ts";
import { drawsProgress, ProgressLine, REDRAW_MS } from "./progress-line.ts";
import { type ServerFlags, sayCommand } from "./server-args.ts";
import { oneLine } from "./strip.ts";
import { marksFor, styleFor } from "./style.ts";
import { sayDuration } from "./words.ts";
import { WordsOnly } from "./words-only.ts";

export interface WatchOptions {
  readonly http: Http;
  readonly flags: ServerFlags;
  readonly run: string;
  /** The cursor to go on from. @default the start */
  readonly after?: string | undefined;
  readonly format: Format;
  /** Whether this is the command that started the run: its first Ctrl-C cancels. */
  readonly owner: boolean;
  /** Whether a person may be asked; `elsewhere`: the answers come by themselves, and nobody needs to be. */
  readonly input: boolean | "elsewhere";
  /** Ends watching: its reason is then thrown. */
  readonly leave?: AbortSignal;
  /** How the run stands, if it is known: for a run with nothing left to show. */
  readonly status?: RunStatus;
}

/** In a row, without a sign of life: about a minute and a half. */
const MOST_ATTEMPTS = 12;

/** Shows a run until it ends, and ends as it did. Throws `CliError` for every other end than a good one. */
export async function watch(options: WatchOptions): Promise<void> {
  const { http, flags, run, after, format, owner } = options;
  const show = showFor(format, run);
  const detach = new AbortController();
  let summary = new Summary();
  let cursor = after;
  let interrupted = false;
  let unanswered: EventOf<"approval.requested"> | undefined;
  let cancelling = false;

  /** Before anything else is written to the terminal that shows the run. */
  const breakLine = () => {
    const end = process.stdout.isTTY ? show.break() : "";
    if (end !== "") process.stdout.write(end);
  };
  const say = (text: string) => {
    breakLine();
    notice(text);
  };
  using _ = onInterrupt((signal) => {
    if (owner && signal === "SIGINT" && !cancelling) {
      cancelling = true;
      say("cancelling; Ctrl-C again detaches");
      void cancel(http, run).catch((error) => say(messageOf(error)));
      return;
    }
    interrupted = true;
    detach.abort();
  });
  const person = options.input === true && process.stdin.isTTY && process.stderr.isTTY;
  using approvals = new Approvals({
    http,
    run,
    ask: person
      ? (question, signal) => {
          breakLine();
          return ask(question, signal);
        }
      : undefined,
    onUnanswered: (asked) => {
      unanswered = asked;
      detach.abort();
    },
  });

  const { tick } = show;
  const ticking =
    tick &&
    setInterval(() => {
      const line = tick();
      if (line !== "") process.stdout.write(line);
    }, REDRAW_MS);
  using _ticking = { [Symbol.dispose]: () => clearInterval(ticking) };
  options.leave?.addEventListener("abort", () => detach.abort());

  const slices = follow(http, run, {
    after,
    signal: detach.signal,
    maxAttempts: MOST_ATTEMPTS,
    onConnection: (connection) => sayConnection(connection, say),
  });
  for await (const { entries, reset } of slices) {
    if (reset !== undefined) {
      say(`the log of run ${run} is another one now (${oneLine(reset)}): it comes again from its start`);
      summary = new Summary();
      cursor = undefined;
      show.reset();
      continue;
    }
    await show.entries(entries);
    for (const { event, at } of entries) summary.apply(event, at);
    cursor = entries.at(-1)?.cursor ?? cursor;
    // A watcher that cannot ask leaves the answer to others.
    if (person || (owner && options.input !== "elsewhere"))
      approvals.update(summary.approvals, summary.waiting);
  }

  await write(show.break());
  options.leave?.throwIfAborted();
  if (unanswered) throw waitingError(run, unanswered, http, flags);
  const { terminal } = summary;
  if (interrupted && !terminal) {
    const goOn = sayCommand(`follow ${run}${cursor ? ` --from ${cursor}` : ""}`, flags);
    const alone = options.input === "elsewhere" ? "it ends without this command" : "it goes on";
    const still = cancelling ? "it may still be cancelling" : alone;
    throw new CliError("interrupted", `detached from run ${run}: ${still}`, 130, `Back to it: ${goOn}`);
  }
  const status = terminal ? summary.status : options.status;
  if (status !== "failed" && status !== "cancelled") return;
  if (show.saysEnd && terminal) {
    process.exitCode = status === "failed" ? 3 : 5;
    return;
  }
  if (status === "cancelled") throw new RunError("run_cancelled", `Run "${run}" was cancelled`);
  const why = terminal?.type === "run.failed" ? ` with ${terminal.code}: ${terminal.message}` : "";
  throw new RunError("run_failed", `Run "${run}" failed${why}`);
}

export async function cancel(http: Http, run: string, reason?: string): Promise<unknown> {
  const body = reason === undefined ? {} : { reason };
  return http.json(`/runs/${encodeURIComponent(run)}/cancel`, { method: "POST", body });
}

function sayConnection(connection: Connection, say: (text: string) => void): void {
  if (connection.state === "reconnecting")
    say(`reconnecting (${connection.attempt}) in ${sayDuration(connection.delayMs)}`);
  else if (connection.attempt > 0) say("connected again");
}

function waitingError(
  run: string,
  asked: EventOf<"approval.requested">,
  http: Http,
  flags: ServerFlags,
): CliError {
  const body = JSON.stringify({ type: "input.approval", approvalId: asked.approvalId, approved: true });
  return new CliError(
    "waiting",
    `Run "${run}" waits for an answer: ${oneLine(asked.name)} asks for approval`,
    8,
    `On a terminal: ${sayCommand(`follow ${run}`, flags)}; or: curl ${http.url}/runs/${run}/input -H 'content-type: application/json' -d '${body.replaceAll("'", "'\\''")}'`,
  );
}

/** One way to show entries. */
interface Show {
  entries(entries: readonly FollowedEntry[]): Promise<void>;
  /** Whatever it still holds back, and what ends the line that text may be in the middle of. */
  break(): string;
  /** What shows how far the run is, while nothing comes. */
  readonly tick?: () => string;
  reset(): void;
  /** Whether it tells people how the run ended. */
  readonly saysEnd: boolean;
}

function showFor(format: Format, run: string): Show {
  if (format === "json" || format === "jsonl") {
    return {
      entries: async (entries) => {
        for (const { json } of entries) await writeJson(json);
      },
      break: () => "",
      reset: () => {},
      saysEnd: false,
    };
  }
  const pretty = format === "pretty";
  const make = (): { apply(entry: Entry): string; break(): string } =>
    pretty
      ? new Printer({ run, style: styleFor(process.stdout) })
      : new WordsOnly({ live: process.stdout.isTTY });
  let printer = make();
  const line =
    pretty && drawsProgress(process.stdout)
      ? new ProgressLine({
          columns: () => process.stdout.columns || 80,
          style: styleFor(process.stdout),
          dot: marksFor().dot,
        })
      : undefined;
  return {
    entries: async (entries) => {
      let text = "";
      for (const entry of entries) {
        line?.apply(entry);
        text += printer.apply(entry);
      }
      await write(line ? line.around(text) : text);
    },
    break: () => (line ? line.hide(printer.break()) : printer.break()),
    ...(line && { tick: () => line.draw() }),
    reset: () => {
      printer = make();
      line?.reset();
    },
    saysEnd: pretty,
  };
}
