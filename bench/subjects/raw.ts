/**
 * The limit: Node with no framework, no log and nobody to come back. A tick is framed once, into one buffer, and
 * written straight to the socket of each viewer; nothing is done about viewers that are slow.
 */
import type { Socket } from "node:net";
import type { BenchEvent } from "../event.ts";
import { type OpenSubject, pathsOf, runOf, serve } from "./subject.ts";

/** With the variant `paced`, what comes within this time goes with one write, in ms. */
const PAUSE_MS = 10;

export const open: OpenSubject = async ({ runs, variant }) => {
  const viewers: Socket[][] = Array.from({ length: runs }, () => []);
  const seqs = new Array<number>(runs).fill(0);
  const port = await serve((request, response) => {
    response.writeHead(200, {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store, no-transform",
      "x-accel-buffering": "no",
    });
    response.write("retry: 1000\n\n");
    const socket = response.socket!;
    const ours = viewers[runOf(request.url)]!;
    ours.push(socket);
    socket.on("close", () => ours.splice(ours.indexOf(socket), 1));
  });

  const send = (run: number, events: readonly BenchEvent[]) => {
    let text = "";
    for (const event of events) {
      const seq = ++seqs[run]!;
      const data = JSON.stringify({ seq, at: Date.now(), event });
      text += `id: ${seq}-${data.length.toString(36).padStart(7, "0")}\ndata: ${data}\n\n`;
    }
    const buffer = Buffer.from(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`);
    for (const socket of viewers[run]!) socket.write(buffer);
  };
  let held: BenchEvent[] = [];
  const hold = (run: number, events: readonly BenchEvent[]) => {
    if (held.length === 0) {
      setTimeout(() => {
        const now = held;
        held = [];
        send(run, now);
      }, PAUSE_MS);
    }
    held.push(...events);
  };
  return { port, paths: pathsOf(runs), tick: variant === "paced" ? hold : send };
};
