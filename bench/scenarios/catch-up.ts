import { median } from "../figures.ts";
import type { Opened } from "../host.ts";
import { Child, CLIENT_CORE, inFolder, inProcessOnFile, SUBJECT_CORE } from "../processes.ts";
import { type Contender, type Figures, ratio, type Scenario, type Setting } from "../scenario.ts";
import { PACKAGE as DURABLE_STREAMS } from "../subjects/durable-streams.ts";
import { packageMissing, type SubjectOptions } from "../subjects/subject.ts";
import { column } from "../table.ts";

const EVENTS = 10_000;
const work = new URL("catch-up.work.ts", import.meta.url);

type Of = Omit<SubjectOptions, "runs"> & { readonly subject: string };

/** A reader that begins anew each time, on the other core. */
async function readAll(options: Of, { short }: Setting): Promise<Figures> {
  await using host = new Child(new URL("../host.ts", import.meta.url), SUBJECT_CORE);
  await using client = new Child(new URL("../viewers.ts", import.meta.url), CLIENT_CORE);
  const opened = await host.ask<Opened>("open", { ...options, runs: 1 });
  await host.ask("fill", { count: EVENTS });
  const { port, paths, accept = "text/event-stream" } = opened;
  const read = (times: number) =>
    client.ask<number[]>("readWhole", { port, path: paths[0], accept, last: EVENTS - 1, times });
  const times = short ? 5 : 20;
  await read(5);
  const before = await host.ask<number>("cpu");
  const took = await read(times);
  const cpu = (await host.ask<number>("cpu")) - before;
  return {
    perCore: (EVENTS * times * 1_000_000) / cpu,
    perSecond: (EVENTS * 1_000) / median(took),
    p50: median(took),
  };
}

const RUNLOG = "Runlog, SSE from SQLite";
const ROWS = "the rows alone";
const SSE = "@durable-streams/server, SSE";
const PAGE = "@durable-streams/server, JSON page";

function durable(name: string, variant: string): Contender {
  return {
    name,
    missing: () => packageMissing(DURABLE_STREAMS),
    measure: (setting) => readAll({ subject: "durable-streams", store: "memory:", variant }, setting),
  };
}

export const catchUp: Scenario = {
  name: "catch-up",
  title: "A log of 10,000 events from its start, each of a commit of its own",
  columns: [
    column("perCore", "events/s of a core"),
    column("perSecond", "events/s"),
    column("p50", "a read", " ms"),
  ],
  contenders: [
    {
      name: RUNLOG,
      measure: (setting) =>
        inFolder((folder) => readAll({ subject: "runlog", store: `sqlite:${folder}/log.db` }, setting)),
    },
    {
      name: ROWS,
      measure: () => inProcessOnFile(work, "readRows", { EVENTS }),
    },
    durable(SSE, "sse"),
    durable(PAGE, "json"),
  ],
  wanted: [
    { what: `${RUNLOG} / ${ROWS}`, of: ratio("perCore", RUNLOG, ROWS), atLeast: 0.4 },
    { what: `${RUNLOG} / ${SSE}`, of: ratio("perCore", RUNLOG, SSE), atLeast: 6 },
    { what: `${RUNLOG} / ${PAGE}`, of: ratio("perCore", RUNLOG, PAGE), atLeast: 2 },
  ],
};
