import { faultyProxy } from "../src/testing/faults.ts";
import { SocketClient } from "../src/transports/websocket/client.ts";
import { type LogEntry, readLog } from "../test/support/read-log.ts";
import { producedProblems, viewedProblems } from "./support/checks.ts";
import { NumberedProducer } from "./support/numbered-producer.ts";
import { newPlace } from "./support/place.ts";
import { type Outcome, type Scenario, type Setting, scaled } from "./support/scenario.ts";
import { startServer } from "./support/start-server.ts";
import { Viewer } from "./support/viewer.ts";

const SESSIONS = 5_000;
/** Viewers at once, of each kind. */
const VIEWERS = 4;
/** A connection is cut after at most so many bytes; the greeting of one takes about 400. */
const CUT_BYTES = 3_000;
/** On WebSocket what a viewer has to catch up with is one message: a whole one has to get through sometime. */
const SOCKET_CUT_BYTES = 50_000;

/** Viewers of both transports behind a proxy that cuts their connections, of runs that are being written. */
async function run(setting: Setting): Promise<Outcome> {
  const { random, plant, progress } = setting;
  const wanted = scaled(SESSIONS, setting, 100);
  await using place = await newPlace("sqlite");
  await using server = await startServer({ store: place.store, ...(plant && { plant }) });
  const cutting = (most: number) =>
    faultyProxy({
      target: server.url,
      fault: () => ({
        kind: "cut",
        afterBytes: random.between(0, most),
        how: random.chance(0.5) ? "reset" : "end",
      }),
    });
  await using proxy = await cutting(CUT_BYTES);
  await using socketProxy = await cutting(SOCKET_CUT_BYTES);
  const cuts = () => proxy.cuts + socketProxy.cuts;
  const problems: string[] = [];
  let deliveries = 0;
  while (cuts() < wanted && problems.length === 0) {
    const producer = new NumberedProducer(random.between(1, 2 ** 20), () => server.url);
    await producer.start();
    const viewers = Array.from(
      { length: VIEWERS },
      () => new Viewer({ base: () => proxy.url, run: producer.run }),
    );
    const sockets = Array.from({ length: VIEWERS }, () => followBySocket(socketProxy.url, producer.run));
    for (let turn = 0; turn < 20; turn++) {
      await producer.append(random.between(1, 20));
      progress(Math.min(cuts(), wanted), wanted);
    }
    await producer.append(random.between(0, 5), true);
    const accounts = [
      ...(await Promise.all(viewers.map((viewer) => viewer.done.then(() => viewer.frames)))),
      ...(await Promise.all(sockets)),
    ];
    const log = await readLog(server.url, producer.run);
    problems.push(...producedProblems(log, producer));
    for (const frames of accounts) {
      deliveries += frames.length;
      problems.push(...viewedProblems({ frames }, log, plant));
    }
    progress(Math.min(cuts(), wanted), wanted);
  }
  const measured = `${problems.length} wrong in ${deliveries} deliveries`;
  return { faults: cuts(), wanted, measured, problems, exceeded: [] };
}

/** What a client on WebSocket puts together, in the form of frames on SSE. A reset is one too, which no log has. */
async function followBySocket(base: string, run: string): Promise<LogEntry["frame"][]> {
  // Between two attempts it does not wait; a silence is waited for in vain.
  const wait = (ms: number, signal: AbortSignal): Promise<void> =>
    ms < SILENCE_MS
      ? new Promise((resolve) => setImmediate(resolve))
      : new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
  using client = new SocketClient({ url: base, wait, random: () => 0 });
  const all: string[] = [];
  for await (const { frames, reset } of client.follow(run)) {
    if (reset !== undefined) all.push(`reset: ${reset}`);
    for (const { cursor, data } of frames ?? []) all.push(`id: ${cursor}\ndata: ${JSON.stringify(data)}`);
  }
  return all;
}

/** The client waits at least so long for an answer, in ms, and without jitter less between two attempts. */
const SILENCE_MS = 10_000;

export const viewerCuts: Scenario = {
  name: "viewer-cuts",
  what: "viewers on SSE and WebSocket cut at any byte, and resumed",
  figure: "0 lost, doubled or reordered",
  run,
};
