import { inFolder } from "../processes.ts";
import { type Contender, type Figures, ratio, ratioToBest, type Scenario, type Wanted } from "../scenario.ts";
import { column } from "../table.ts";
import { measureFanOut } from "./measure-fan-out.ts";
import { BETTER, betterSse, fanOutOf, type Load, OTHERS, others, RAW, RUNLOG } from "./peers.ts";

const PACED = "raw Node, a write each 10 ms";
/**
 * A tick begins once the one before has been read, so that none can be written together with the next: what is compared
 * is the CPU time of the same writes. Further ahead, Runlog joins them and raw Node does not.
 */
const WINDOW = 1;
const FURTHER = 4;
const AHEAD = `${FURTHER} ticks ahead`;

/** Measured twice, it tells how far two measurements of the same are apart here. */
const TWIN = `${RAW}, again`;

/** Whether the machine was quiet enough for the round to say something. */
function quiet(key: string, most: number): Wanted {
  return {
    what: `noise: ${key} of ${RAW} and of the same again, the higher / the lower`,
    of: (round) => {
      const [a, b] = [round(RAW)?.[key], round(TWIN)?.[key]];
      return a === undefined || b === undefined ? undefined : Math.max(a, b) / Math.min(a, b);
    },
    atMost: most,
    noise: true,
  };
}

const columns = [
  column("perCore", "deliveries/s of a core"),
  column("perSecond", "deliveries/s"),
  column("microseconds", "CPU", " us"),
  column("perRead", "events in a read"),
  column("bytes", "bytes of an event"),
  column("p50", "p50", " ms"),
  column("p99", "p99", " ms"),
  column("busy", "server busy", " %"),
];

const perTick = (count: number, window = WINDOW): Load => ({
  runs: 1,
  viewers: 1_000,
  load: { perTick: count, window },
});

const extra = (contender: Contender): Contender => ({ ...contender, extra: true });
const ahead = (count: number) => [
  extra(fanOutOf(`${RUNLOG}, ${AHEAD}`, "runlog", perTick(count, FURTHER))),
  extra(fanOutOf(`${RAW}, ${AHEAD}`, "raw", perTick(count, FURTHER))),
];

export const oneRun: Scenario = {
  name: "fan-out",
  title: "1 run, 1,000 viewers, one event a tick",
  columns,
  contenders: [
    fanOutOf(RUNLOG, "runlog", perTick(1)),
    fanOutOf(RAW, "raw", perTick(1)),
    betterSse(perTick(1)),
    ...others(perTick(1)),
    ...ahead(1),
    fanOutOf(TWIN, "raw", perTick(1)),
  ],
  wanted: [
    quiet("perCore", 1.05),
    { what: `${RUNLOG} / ${RAW}`, of: ratio("perCore", RUNLOG, RAW), atLeast: 0.9 },
    { what: `${RUNLOG} / ${BETTER}`, of: ratio("perCore", RUNLOG, BETTER), atLeast: 1.5 },
    { what: `${RUNLOG} / best other peer`, of: ratioToBest("perCore", RUNLOG, OTHERS), atLeast: 3.5 },
  ],
};

export const oneRunBatches: Scenario = {
  name: "fan-out-16",
  title: "1 run, 1,000 viewers, 16 events a tick",
  columns,
  contenders: [
    fanOutOf(RUNLOG, "runlog", perTick(16)),
    fanOutOf(RAW, "raw", perTick(16)),
    betterSse(perTick(16)),
    ...others(perTick(16)).map(extra),
    ...ahead(16),
  ],
  wanted: [
    { what: `${RUNLOG} / ${RAW}, one write a tick`, of: ratio("perCore", RUNLOG, RAW), atLeast: 0.85 },
    { what: `${RUNLOG} / ${BETTER}`, of: ratio("perCore", RUNLOG, BETTER), atLeast: 4 },
    { what: `${RUNLOG} / best other peer`, of: ratioToBest("perCore", RUNLOG, OTHERS), atLeast: 8 },
  ],
};

const overloaded: Load = { runs: 1, viewers: 1_000, load: { perSecond: 200 }, times: 3 };

export const overload: Scenario = {
  name: "overload",
  title: "200 events/s to 1,000 viewers: more than a core can write one by one",
  columns,
  contenders: [
    fanOutOf(RUNLOG, "runlog", overloaded),
    fanOutOf(RAW, "raw", overloaded),
    fanOutOf(PACED, "raw", overloaded, { variant: "paced" }),
    betterSse(overloaded),
  ],
  wanted: [{ what: `${RUNLOG}, p99`, of: (round) => round(RUNLOG)?.p99, atMost: 40, unit: " ms" }],
};

const manyRunsLoad: Load = { runs: 1_000, viewers: 1_000, load: { perTick: 1, window: WINDOW } };

export const manyRuns: Scenario = {
  name: "many-runs",
  title: "1,000 runs, 1 viewer each, one event a tick",
  columns,
  contenders: [
    fanOutOf(RUNLOG, "runlog", manyRunsLoad),
    fanOutOf(RAW, "raw", manyRunsLoad),
    betterSse(manyRunsLoad),
  ],
  wanted: [{ what: `${RUNLOG} / ${RAW}`, of: ratio("perCore", RUNLOG, RAW), atLeast: 0.8 }],
};

const SQLITE = `${RUNLOG}, SQLite FULL`;
const RATE = 50;
const steady: Load = { runs: 1, viewers: 1_000, load: { perSecond: RATE }, times: 3 };
const keptUp = (figures: Figures | undefined) => (figures?.perSecond ?? 0) > 0.97 * RATE * steady.viewers;

export const endToEnd: Scenario = {
  name: "end-to-end",
  title: "An agent's event to 1,000 viewers through SQLite (FULL), 50 events/s",
  columns,
  contenders: [
    {
      name: SQLITE,
      measure: (setting) =>
        inFolder((folder) =>
          measureFanOut({ subject: "runlog", ...steady, store: `sqlite:${folder}/log.db` }, setting),
        ),
    },
    fanOutOf(RAW, "raw", steady),
    fanOutOf(TWIN, "raw", steady),
  ],
  wanted: [
    quiet("p99", 1.25),
    {
      what: `p99, ${SQLITE} / ${RAW}`,
      // A limit that was held up by something else is none.
      of: (round) => (keptUp(round(RAW)) ? ratio("p99", SQLITE, RAW)(round) : undefined),
      atMost: 1.5,
    },
  ],
};

const WEB_SOCKET = `${RUNLOG}, WebSocket`;
const SSE = `${RUNLOG}, SSE`;

export const webSocket: Scenario = {
  name: "websocket",
  title: "1 run, 1,000 viewers over WebSocket and SSE, one event a tick",
  columns,
  contenders: [
    fanOutOf(WEB_SOCKET, "runlog", perTick(1), { webSocket: true }),
    fanOutOf(SSE, "runlog", perTick(1)),
  ],
  wanted: [{ what: `${WEB_SOCKET} / SSE`, of: ratio("perCore", WEB_SOCKET, SSE), atLeast: 0.9 }],
};
