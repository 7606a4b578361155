import type { UIMessageChunk } from "ai";

/** One message of the stream, of the AI SDK's "UI message stream" version 1. */
export type Chunk = UIMessageChunk;

/** What a client is told of a run with its message: set by `start`, completed by the end. */
export interface MessageMetadata {
  readonly run: string;
  readonly agent?: string;
  /** In ms since the epoch. */
  readonly startedAt?: number;
  /** How the run ended; left out while it has not. */
  readonly status?: "finished" | "failed" | "cancelled";
  readonly usage?: { readonly inputTokens: number; readonly outputTokens: number };
  /** USD; null where it is not known. */
  readonly cost?: number | null;
  readonly error?: { readonly code: string; readonly message: string };
}
