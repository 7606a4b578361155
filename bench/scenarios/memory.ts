import type { Opened } from "../host.ts";
import { Child, CLIENT_CORE, inProcessOnFile, SUBJECT_CORE } from "../processes.ts";
import { type Contender, type Figures, ratio, type Scenario, type Setting } from "../scenario.ts";
import { column } from "../table.ts";
import { viewing } from "./measure-fan-out.ts";
import { RAW, RUNLOG } from "./peers.ts";

const work = new URL("memory.work.ts", import.meta.url);

interface Held {
  readonly held: number;
  readonly rss: number;
}

/** What viewers add who watch a run in which nothing happens, beyond those that were there first. */
async function idleViewers(subject: string, { short }: Setting): Promise<Figures> {
  const [first, more] = short ? [200, 500] : [500, 2_000];
  await using host = new Child(new URL("../host.ts", import.meta.url), SUBJECT_CORE);
  await using early = new Child(new URL("../viewers.ts", import.meta.url), CLIENT_CORE);
  await using late = new Child(new URL("../viewers.ts", import.meta.url), CLIENT_CORE);
  const opened = await host.ask<Opened>("open", { subject, runs: 1, store: "memory:" });
  await early.ask("connect", viewing(opened, first, false));
  const before = await host.ask<Held>("held");
  await late.ask("connect", viewing(opened, more, false));
  const after = await host.ask<Held>("held");
  return { bytes: (after.held - before.held) / more, rss: (after.rss - before.rss) / more };
}

const viewer = (name: string) => `an idle viewer, ${name}`;
const LIVE = "a live run without viewers";
const ENDED = "an ended run";
/** How far the median of some passes can be off by chance, in bytes: single ones of 5,000 runs are by about 10. */
const NOTHING = 4;

function ofViewer(name: string, subject: string): Contender {
  return { name: viewer(name), measure: (setting) => idleViewers(subject, setting) };
}

export const memory: Scenario = {
  name: "memory",
  title: "What a server holds: 1 run and idle viewers; runs in SQLite",
  columns: [column("bytes", "heap and buffers", " B"), column("rss", "growth of the process", " B")],
  contenders: [
    ofViewer(RUNLOG, "runlog"),
    ofViewer(RAW, "raw"),
    {
      name: LIVE,
      measure: ({ short }) => inProcessOnFile(work, "liveRuns", { runs: short ? 1_000 : 5_000 }),
    },
    {
      name: ENDED,
      measure: ({ short }) => inProcessOnFile(work, "endedRuns", { runs: short ? 500 : 5_000 }),
    },
  ],
  wanted: [
    {
      what: `an idle viewer, ${RUNLOG} / ${RAW}`,
      of: ratio("bytes", viewer(RUNLOG), viewer(RAW)),
      atMost: 1.2,
    },
    { what: LIVE, of: (round) => round(LIVE)?.bytes, atMost: 4_096, unit: " B" },
    { what: `${ENDED}: nothing`, of: (round) => round(ENDED)?.bytes, atMost: NOTHING, unit: " B" },
  ],
};
