/**
 * The server of Durable Streams with its store in memory, the faster of the two that it has. Events go into the store
 * directly, without the request that a producer would make. The variant `json` is viewed as one JSON page.
 */
import type { BenchEvent } from "../event.ts";
import { type OpenSubject, pathsOf } from "./subject.ts";

interface Store {
  create(path: string, options: { readonly contentType: string }): unknown;
  append(path: string, data: Uint8Array, options?: { readonly close?: boolean }): unknown;
}

interface Server {
  readonly store: Store;
  start(): Promise<string>;
}

interface DurableStreams {
  readonly DurableStreamTestServer: new (options: {
    readonly port: number;
    readonly host: string;
    readonly compression: boolean;
  }) => Server;
}

export const PACKAGE: string = "@durable-streams/server";

export const open: OpenSubject = async ({ runs, variant }) => {
  const { DurableStreamTestServer } = (await import(PACKAGE)) as DurableStreams;
  const server = new DurableStreamTestServer({ port: 0, host: "127.0.0.1", compression: false });
  const url = await server.start();
  const paths = pathsOf(runs);
  for (const path of paths) server.store.create(path, { contentType: "application/json" });
  let seq = 0;
  const bytesOf = (event: BenchEvent) =>
    new TextEncoder().encode(JSON.stringify({ seq: ++seq, at: Date.now(), event }));
  return {
    port: Number(new URL(url).port),
    paths: paths.map((path) => `${path}?offset=-1${variant === "json" ? "" : "&live=sse"}`),
    ...(variant === "json" && { accept: "application/json" }),
    tick(run, events) {
      for (const event of events) server.store.append(paths[run]!, bytesOf(event));
    },
    async fill(events) {
      for (const [index, event] of events.entries()) {
        const close = index === events.length - 1;
        server.store.append(paths[0]!, bytesOf(event), { close });
      }
    },
  };
};
