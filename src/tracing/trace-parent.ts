/** Where a span stands, as W3C Trace Context passes it on. */
export interface TraceParent {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits. */
  readonly spanId: string;
  readonly sampled: boolean;
}

/** A `traceparent` header; undefined for what is none. */
export function parseTraceParent(header: string): TraceParent | undefined {
  const match = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(header.trim());
  if (!match) return undefined;
  const [, version, traceId, spanId, flags, rest] = match;
  // Later versions may say more; version 00 may not, and ff is none.
  if (version === "ff" || (version === "00" && rest !== undefined)) return undefined;
  if (/^0+$/.test(traceId!) || /^0+$/.test(spanId!)) return undefined;
  return { traceId: traceId!, spanId: spanId!, sampled: (Number.parseInt(flags!, 16) & 1) === 1 };
}

interface Spanning {
  spanContext(): { readonly traceId: string; readonly spanId: string; readonly traceFlags: number };
}

/**
 * The `traceparent` header that makes what is called a child of this span: one of `@opentelemetry/api`, or a
 * `RunSpan`. Passed as `metadata.traceparent` when a run is started, it makes that run part of the trace.
 */
export function traceparentOf(
  span: Spanning | { readonly traceId: string; readonly spanId: string },
): string {
  const { traceId, spanId, traceFlags } =
    "spanContext" in span ? span.spanContext() : { ...span, traceFlags: 1 };
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`;
}
