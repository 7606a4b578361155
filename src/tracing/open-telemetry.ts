import type { Context, Span, Tracer } from "@opentelemetry/api";
import { loadPackage } from "../load-package.ts";
import type { SpanExporter } from "./exporters.ts";
import type { RunSpan } from "./spans.ts";
import type { TraceParent } from "./trace-parent.ts";

export interface OpenTelemetryOptions {
  /** @default the one of the program's global tracer provider */
  readonly tracer?: Tracer | undefined;
  /** The context that the run was started in; left out, the active span is its parent. */
  readonly parent: () => TraceParent | undefined;
  /** Called with each span that begins: to pass its context on, or to add to it. */
  readonly onStart?: ((span: Span, of: RunSpan) => void) | undefined;
}

/**
 * Spans of a run as those of a tracer, with the times of the log. Throws `missing_package` where
 * `@opentelemetry/api` is not installed.
 */
export async function openTelemetry(options: OpenTelemetryOptions): Promise<SpanExporter> {
  const { trace, context, ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags } = await loadPackage(
    "@opentelemetry/api",
    () => import("@opentelemetry/api"),
  );
  const { tracer = trace.getTracer("runlog"), parent, onStart } = options;
  const ambient = context.active();
  const open = new Map<string, Span>();
  const contextOf = (span: RunSpan): Context => {
    const above = open.get(span.parentSpanId ?? "");
    if (above) return trace.setSpan(ROOT_CONTEXT, above);
    const remote = parent();
    if (!remote) return ambient;
    const traceFlags = remote.sampled ? TraceFlags.SAMPLED : TraceFlags.NONE;
    const { traceId, spanId } = remote;
    return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
  };
  return {
    start(span) {
      const started = tracer.startSpan(
        span.name,
        {
          kind: span.kind === "client" ? SpanKind.CLIENT : SpanKind.INTERNAL,
          startTime: new Date(span.startedAt),
          attributes: attributesOf(span.attributes),
        },
        contextOf(span),
      );
      open.set(span.spanId, started);
      onStart?.(started, span);
    },
    export(span) {
      const started = open.get(span.spanId);
      if (!started) return;
      open.delete(span.spanId);
      for (const { name, at, attributes } of span.events)
        started.addEvent(name, attributesOf(attributes), new Date(at));
      started.setAttributes(attributesOf(span.attributes));
      if (span.error) started.setStatus({ code: SpanStatusCode.ERROR, message: span.error.message });
      started.end(new Date(span.endedAt ?? span.startedAt));
    },
  };
}

/** A copy in which lists may be written to, as the API asks for. */
function attributesOf(
  attributes: RunSpan["attributes"] | RunSpan["events"][number]["attributes"],
): Record<string, string | number | boolean | string[]> {
  return Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => [name, typeof value === "object" ? [...value] : value]),
  );
}
