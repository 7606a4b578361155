import type { Flood, HostOptions, Opened, Pace } from "../host.ts";
import { Child, CLIENT_CORE, SUBJECT_CORE } from "../processes.ts";
import type { Figures, Setting } from "../scenario.ts";
import type { Seen, Total, Viewing } from "../viewers.ts";

export interface FanOut extends HostOptions {
  readonly viewers: number;
  readonly load: Flood | Pace;
  /** Whether viewers use the WebSocket. */
  readonly webSocket?: boolean;
  /** So many times as long as the setting says: where something is to build up. */
  readonly times?: number;
}

/** How long viewers may take to read what is left in the end, in ms. */
const DRAIN_MS = 10_000;
const DRAIN_PACED_MS = 2_000;
/** Of fewer ticks nothing is told, however long they take; up to this many seconds. */
const LEAST_TICKS = 20;
const LEAST_TICKS_SHORT = 5;
const MOST_SECONDS = 8;

/**
 * A server on one core, viewers on the other. Of its deliveries, all that were given must have come to every viewer:
 * a figure of a server that loses some is none.
 */
export async function measureFanOut(options: FanOut, setting: Setting): Promise<Figures> {
  const { viewers, load, webSocket = false, times = 1 } = options;
  const seconds = setting.seconds * times;
  await using host = new Child(new URL("../host.ts", import.meta.url), SUBJECT_CORE);
  await using client = new Child(new URL("../viewers.ts", import.meta.url), CLIENT_CORE);
  const opened = await host.ask<Opened>("open", options);
  await client.ask("connect", viewing(opened, viewers, webSocket));

  const flooding = "perTick" in load;
  await host.ask(flooding ? "flood" : "pace", load);
  // Before anything is counted.
  await sleep(setting.seconds / 2);
  const givenBefore = await host.ask<number>("given");
  const [before] = await Promise.all([host.ask<number>("cpu"), client.ask("mark")]);
  const start = performance.now();
  await sleep(seconds);
  const least =
    givenBefore + (setting.short ? LEAST_TICKS_SHORT : LEAST_TICKS) * ("perTick" in load ? load.perTick : 1);
  while ((await host.ask<number>("given")) < least && performance.now() - start < MOST_SECONDS * 1_000)
    await sleep(0.1);
  const [after, seen] = await Promise.all([host.ask<number>("cpu"), client.ask<Seen>("look")]);
  const wall = (performance.now() - start) / 1_000;
  const cpuSeconds = (after - before) / 1_000_000;

  const given = await host.ask<number>("stop");
  const { fewest, most, evenness, closed, quiet } = await client.ask<Total>("finish", {
    given,
    ms: flooding ? DRAIN_MS : DRAIN_PACED_MS,
  });
  const complete = fewest === given && most === given && evenness > 0.95;
  // One that is too slow for a rate is still at it.
  if (closed > 0 || most > given || (flooding && !complete) || (quiet && evenness < 0.95))
    throw new Error(`of ${given} events, viewers had ${fewest} to ${most}; ${closed} were cut off`);
  return {
    perSecond: seen.deliveries / wall,
    perCore: seen.deliveries / cpuSeconds,
    microseconds: (cpuSeconds * 1_000_000) / seen.deliveries,
    busy: (100 * cpuSeconds) / wall,
    perRead: seen.perRead,
    bytes: seen.bytes / seen.deliveries,
    p50: seen.p50,
    p99: seen.p99,
  };
}

/** Viewers of runs by turns. */
export function viewing(opened: Opened, viewers: number, webSocket: boolean): Viewing {
  const { port, controlPort, paths, socket, accept = "text/event-stream" } = opened;
  const byTurns = (some: readonly string[]) =>
    Array.from({ length: viewers }, (_, index) => some[index % some.length]!);
  return {
    port,
    controlPort,
    accept,
    paths: byTurns(paths),
    ...(webSocket && socket && { socket: { ...socket, subscribe: byTurns(socket.subscribe) } }),
  };
}

function sleep(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
}
