import type { Span, Tracer } from "@opentelemetry/api";
import type { Run } from "../hub.ts";
import { sleep } from "../internal/wait.ts";
import type { SpanExporter } from "./exporters.ts";
import { openTelemetry } from "./open-telemetry.ts";
import { type RunSpan, Spans } from "./spans.ts";

export interface TraceOptions {
  /**
   * A tracer of `@opentelemetry/api`. Left out, that of the global provider; with `exporters`, none, and the
   * package is not needed.
   */
  readonly tracer?: Tracer;
  readonly exporters?: readonly SpanExporter[];
  /** Called with each span of the tracer that begins, and what it shows: to pass its context on, or to add to it. */
  readonly onStart?: (span: Span, of: RunSpan) => void;
  /** Called with what an exporter throws, and what keeps the log from being read. @default ignored */
  readonly onError?: (error: unknown) => void;
  /** Stops tracing: what is open ends as incomplete. */
  readonly signal?: AbortSignal;
  /** How long the end waits for exporters, in ms. @default 5_000 */
  readonly flushMs?: number;
}

/** Spans that may wait for one exporter; those beyond are dropped. */
const MOST_WAITING = 1_000;

/**
 * Shows a run as spans, while it goes on or afterwards: `invoke_agent` with a `chat` for each step and an
 * `execute_tool` for each call, by the conventions for generative AI. They are read from the log, so a run that
 * nobody traces does nothing for it, and an exporter that throws or hangs changes nothing for the run, nor for
 * the other exporters. The parent is the `traceparent` of the run's metadata, else the span that is active here.
 *
 * Resolves once the run has ended and its spans are exported. Rejects only with `missing_package`.
 */
export async function traceRun(run: Pick<Run, "id" | "follow">, options: TraceOptions = {}): Promise<void> {
  const { tracer, exporters, onStart, signal, flushMs = 5_000 } = options;
  const report = (error: unknown) => {
    try {
      options.onError?.(error);
    } catch {
      // What is told of a failure must not be one.
    }
  };
  let spans = new Spans(run.id);
  const all = [...(exporters ?? [])];
  if (tracer || !exporters) all.push(await openTelemetry({ tracer, onStart, parent: () => spans.parent }));
  const lines = all.map((exporter) => new Line(exporter, report));
  const show = ({ started, ended }: ReturnType<Spans["apply"]>) => {
    for (const line of lines) {
      for (const span of started) line.start(span);
      for (const span of ended) line.export(span);
    }
  };
  try {
    for await (const { entries, reset } of run.follow({ signal })) {
      if (reset !== undefined) {
        // Another log: what was shown of the one before was true of it.
        show(spans.stop());
        spans = new Spans(run.id);
      }
      for (const entry of entries ?? []) show(spans.apply(entry));
    }
  } catch (error) {
    report(error);
  }
  show(spans.stop());
  const patience = new AbortController();
  await Promise.race([Promise.all(lines.map((line) => line.done)), sleep(flushMs, patience.signal)]);
  patience.abort();
}

/** One exporter and the spans on their way to it. */
class Line {
  readonly #exporter: SpanExporter;
  readonly #report: (error: unknown) => void;
  #waiting = 0;
  /** Resolves once all that was given is exported. Never rejects. */
  done: Promise<void> = Promise.resolve();

  constructor(exporter: SpanExporter, report: (error: unknown) => void) {
    this.#exporter = exporter;
    this.#report = report;
  }

  start(span: RunSpan): void {
    try {
      this.#exporter.start?.(span);
    } catch (error) {
      this.#report(error);
    }
  }

  export(span: RunSpan): void {
    if (this.#waiting === MOST_WAITING) {
      this.#report(new Error(`Cannot export span "${span.name}": ${MOST_WAITING} wait already`));
      return;
    }
    this.#waiting++;
    this.done = this.done.then(async () => {
      try {
        await this.#exporter.export(span);
      } catch (error) {
        this.#report(error);
      }
      this.#waiting--;
    });
  }
}
