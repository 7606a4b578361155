import { startChild } from "./child.ts";
import type { ViewerMessage, ViewerOptions } from "./viewer.ts";

/** A viewer in another process. */
export interface Viewer extends AsyncDisposable {
  /** The frames so far, each as it came over the wire. */
  readonly frames: readonly string[];
  /** Resolves once it has seen an entry that is so far in the log, or is done. */
  reached(seq: number): Promise<void>;
  readonly over: boolean;
  /** Resolves once it has seen the end of the run, or has given up. */
  readonly done: Promise<{ connections: number; broken: number; gaveUp?: string }>;
}

export function startViewer(options: ViewerOptions): Viewer {
  const frames: string[] = [];
  const done = Promise.withResolvers<Awaited<Viewer["done"]>>();
  const waiting = new Set<() => void>();
  let furthest = 0;
  let over = false;
  const wake = () => {
    for (const look of [...waiting]) look();
  };
  const child = startChild("viewer.ts", options, {
    onMessage: (message) => {
      const told = message as ViewerMessage;
      if ("raw" in told) {
        frames.push(told.raw);
        furthest = Math.max(furthest, Number(/^id: (\d+)-/.exec(told.raw)?.[1] ?? 0));
      } else done.resolve(told);
      wake();
    },
  });
  const settle = () => {
    over = true;
    wake();
  };
  done.promise.then(settle, settle);
  void child.exited.then(() => done.reject(new Error(`The viewer ended early:\n${child.stderr}`)));
  return {
    frames,
    get over() {
      return over;
    },
    done: done.promise,
    reached: (seq) =>
      new Promise((resolve) => {
        const look = () => {
          if (furthest < seq && !over) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}
