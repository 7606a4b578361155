import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { BenchEvent } from "../event.ts";

export interface SubjectOptions {
  /** How many runs there are to view. */
  readonly runs: number;
  /** `memory:` or `sqlite:PATH`; only Runlog has stores. */
  readonly store: string;
  /** Of a Redis that is there for it. */
  readonly redis?: string;
  /** A way of doing it, where a file knows several. */
  readonly variant?: string;
}

/** A server that streams runs to viewers, as its users would write it. */
export interface Subject {
  readonly port: number;
  /** What viewers ask for, by run. */
  readonly paths: readonly string[];
  /** Where viewers may use a WebSocket: its path and subprotocol, and what to say once it is open, by run. */
  readonly socket?: {
    readonly path: string;
    readonly protocol: string;
    readonly subscribe: readonly string[];
  };
  /** What viewers say they accept. @default text/event-stream */
  readonly accept?: string;
  /** Gives a run the events of one tick. */
  tick(run: number, events: readonly BenchEvent[]): void;
  /** Gives run 0 all of these, and ends it: for those that keep what was. */
  fill?(events: readonly BenchEvent[]): Promise<void>;
}

export type OpenSubject = (options: SubjectOptions) => Promise<Subject>;

/** Why a package of `bench/package.json` cannot be used, or undefined. */
export function packageMissing(name: string): string | undefined {
  try {
    import.meta.resolve(name);
    return undefined;
  } catch {
    return "not installed: npm install --prefix bench";
  }
}

/** Serves on a free port of this machine, and resolves to it. */
export async function serve(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<number> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", 4_096, resolve));
  return (server.address() as AddressInfo).port;
}

export const pathsOf = (runs: number): string[] => Array.from({ length: runs }, (_, run) => `/${run}`);

/** The run that a viewer asked for. */
export const runOf = (url: string | undefined): number => Number((url ?? "/0").slice(1));
