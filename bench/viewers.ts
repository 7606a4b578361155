/** The process of the viewers: it counts bytes, and looks into those of a few for events and when they were due. */
import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { findMark, MARK_LENGTH, markOf, now, readMark } from "./event.ts";
import { percentile } from "./figures.ts";
import { answerParent } from "./processes.ts";

export interface Viewing {
  readonly port: number;
  readonly controlPort: number;
  /** What each viewer asks for. */
  readonly paths: readonly string[];
  readonly accept: string;
  readonly socket?: {
    readonly path: string;
    readonly protocol: string;
    readonly subscribe: readonly string[];
  };
}

/** Between two looks of the parent. */
export interface Seen {
  readonly deliveries: number;
  readonly bytes: number;
  /** Deliveries to a read of a socket: above 1 where several came together. */
  readonly perRead: number;
  /** From when an event was due until a viewer has it, in ms. */
  readonly p50: number;
  readonly p99: number;
}

export interface Total {
  /** Events that came to each of the viewers that are looked into: the fewest and the most. */
  readonly fewest: number;
  readonly most: number;
  /** Bytes to the viewer with the fewest, as a share of those to the viewer with the most. */
  readonly evenness: number;
  readonly closed: number;
  /** Whether nothing was on its way any more. */
  readonly quiet: boolean;
}

/** How many viewers are looked into, spread evenly; the last is one of them. */
const SAMPLED = 20;
/** How many connections are opened at once. */
const AT_ONCE = 100;
/** Nothing came for this long: nothing is on its way, in ms. */
const QUIET_MS = 300;

/**
 * How long after it was let in a viewer of a WebSocket subscribes, in ms. TCP takes who answers at once for one who goes on
 * doing so, and delays its acknowledgements; on a loopback it is the server's process that then pays for them.
 */
const SUBSCRIBE_MS = 100;

class Viewer {
  bytes = 0;
  started = false;
  closed = false;
  events = 0;
  rest = "";
  sampled = false;
}

// One buffer for all: each read is looked at before the next.
const buffer = Buffer.allocUnsafe(256 * 1024);
let viewers: Viewer[] = [];
let samples: Viewer[] = [];
let control: Socket;
let reads = 0;
let bytes = 0;
let lastRead = 0;
let told = 0;
let counting = false;
let latencies: number[] = [];
let mark = { bytes: 0, reads: 0, sampledBytes: 0, sampledEvents: 0 };

answerParent({
  async connect(viewing: Viewing) {
    control = connect(viewing.controlPort, "127.0.0.1");
    const count = viewing.paths.length;
    viewers = viewing.paths.map(() => new Viewer());
    const sampled = Math.min(SAMPLED, count);
    samples = Array.from({ length: sampled }, (_, i) => viewers[Math.ceil(((i + 1) * count) / sampled) - 1]!);
    for (const viewer of samples) viewer.sampled = true;
    for (let first = 0; first < count; first += AT_ONCE) {
      const some = viewers.slice(first, first + AT_ONCE);
      await Promise.all(some.map((viewer, index) => openViewer(viewer, viewing, first + index)));
    }
    await quiet(Number.POSITIVE_INFINITY);
    for (const viewer of viewers) viewer.bytes = 0;
    counting = true;
  },
  mark: setMark,
  look(): Seen {
    const sampledBytes = sum(samples, "bytes") - mark.sampledBytes;
    const sampledEvents = sum(samples, "events") - mark.sampledEvents;
    const all = bytes - mark.bytes;
    const deliveries = sampledEvents === 0 ? 0 : all / (sampledBytes / sampledEvents);
    const seen = {
      deliveries,
      bytes: all,
      perRead: deliveries / (reads - mark.reads),
      p50: percentile(latencies, 0.5) / 1_000,
      p99: percentile(latencies, 0.99) / 1_000,
    };
    setMark();
    return seen;
  },
  async finish({ given, ms }: { readonly given: number; readonly ms: number }): Promise<Total> {
    const isQuiet = await quiet(ms, () => samples.every(({ events }) => events >= given));
    const events = samples.map((viewer) => viewer.events);
    const sizes = viewers.map((viewer) => viewer.bytes);
    return {
      fewest: Math.min(...events),
      most: Math.max(...events),
      evenness: Math.min(...sizes) / Math.max(...sizes),
      closed: viewers.filter(({ closed }) => closed).length,
      quiet: isQuiet,
    };
  },
  readWhole,
});

function setMark(): void {
  mark = { bytes, reads, sampledBytes: sum(samples, "bytes"), sampledEvents: sum(samples, "events") };
  latencies = [];
}

function sum(some: readonly Viewer[], what: "bytes" | "events"): number {
  return some.reduce((total, viewer) => total + viewer[what], 0);
}

/** Resolves once the viewer has been answered. */
function openViewer(viewer: Viewer, viewing: Viewing, index: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const { port, socket, accept, paths } = viewing;
    const connection = connect({
      port,
      host: "127.0.0.1",
      onread: {
        buffer,
        callback(length) {
          receive(viewer, length);
          if (!viewer.started) {
            viewer.started = true;
            const head = buffer.toString("latin1", 0, Math.min(length, 40));
            if (!/^HTTP\/1\.1 (200|101) /.test(head)) reject(new Error(`A viewer was answered ${head}`));
            if (socket)
              setTimeout(() => connection.write(maskedText(socket.subscribe[index]!)), SUBSCRIBE_MS);
            resolve();
          }
          return true;
        },
      },
    });
    connection.on("connect", () =>
      connection.write(
        socket
          ? `GET ${socket.path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: ${randomBytes(16).toString("base64")}\r\nsec-websocket-protocol: ${socket.protocol}\r\n\r\n`
          : `GET ${paths[index]} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\naccept: ${accept}\r\n\r\n`,
      ),
    );
    connection.on("error", reject);
    connection.on("close", () => {
      viewer.closed = true;
    });
  });
}

/** A text of a WebSocket client. */
function maskedText(text: string): Buffer {
  const data = Buffer.from(text);
  if (data.length > 0xffff) throw new RangeError("A text of a viewer is longer than it needs to be");
  const mask = randomBytes(4);
  for (let i = 0; i < data.length; i++) data[i]! ^= mask[i % 4]!;
  const head =
    data.length < 126 ? [0x81, 0x80 | data.length] : [0x81, 0xfe, data.length >> 8, data.length & 0xff];
  return Buffer.concat([Buffer.from(head), mask, data]);
}

function receive(viewer: Viewer, length: number): void {
  viewer.bytes += length;
  bytes += length;
  reads++;
  lastRead = performance.now();
  if (!viewer.sampled || !counting) return;
  const text = viewer.rest + buffer.toString("latin1", 0, length);
  const at = now();
  let from = 0;
  while (true) {
    const place = findMark(text, from);
    // One character of a mark may be all there is of it yet.
    if (place < 0) {
      viewer.rest = text.slice(Math.max(from, text.length - 1));
      break;
    }
    if (place + MARK_LENGTH > text.length) {
      viewer.rest = text.slice(place);
      break;
    }
    viewer.events++;
    latencies.push(at - readMark(text, place));
    from = place + MARK_LENGTH;
  }
  const all = samples.reduce((least, { events }) => Math.min(least, events), Number.POSITIVE_INFINITY);
  if (all === told) return;
  told = all;
  control.write(`${all}\n`);
}

/** Resolves to true once all that is wanted is there and nothing comes any more, and to false after so many ms. */
async function quiet(ms: number, isThere = () => true): Promise<boolean> {
  const start = performance.now();
  lastRead = start;
  while (performance.now() - start < ms) {
    if (performance.now() - lastRead >= QUIET_MS && isThere()) return true;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return false;
}

interface Whole {
  readonly port: number;
  readonly path: string;
  readonly accept: string;
  /** The number of the last event. */
  readonly last: number;
  readonly times: number;
}

/** Reads a log to its last event, some times, each on a connection of its own; resolves to the ms of each. */
async function readWhole({ port, path, accept, last, times }: Whole): Promise<number[]> {
  const end = markOf(last);
  const took: number[] = [];
  for (let i = 0; i < times; i++) {
    const start = performance.now();
    await new Promise<void>((resolve, reject) => {
      let rest = "";
      const connection = connect({
        port,
        host: "127.0.0.1",
        onread: {
          buffer,
          callback(length) {
            const found = buffer.subarray(0, length).includes(end, 0, "latin1");
            const edge = rest + buffer.toString("latin1", 0, Math.min(length, MARK_LENGTH));
            rest = buffer.toString("latin1", Math.max(0, length - MARK_LENGTH), length);
            if (found || edge.includes(end)) {
              resolve();
              connection.destroy();
            }
            return true;
          },
        },
      });
      connection.on("connect", () =>
        connection.write(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\naccept: ${accept}\r\n\r\n`),
      );
      connection.on("error", reject);
      connection.on("close", () => reject(new Error("The answer ended before the last event")));
    });
    took.push(performance.now() - start);
  }
  return took;
}
