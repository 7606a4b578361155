import { randomUUID } from "node:crypto";
import type { SseFrame } from "./events-connection.ts";
import { get, post } from "./post.ts";
import { frameProblems, logProblems, scriptProblems } from "./problems.ts";
import { type Acknowledged, Producer } from "./producer.ts";
import { type LogEntry, readLog } from "./read-log.ts";
import { scripted } from "./script.ts";
import type { Random } from "./seed.ts";
import type { ServerProcess } from "./start-server.ts";
import { watchRun } from "./watch-run.ts";

/** What is known of one run of a round by those who never die: the producers and the viewers. */
export interface Evidence {
  readonly run: string;
  readonly seed: number;
  /** `agent`: written by an agent in the server. `producer`: by a process elsewhere. */
  readonly by: "agent" | "producer";
  /** What was answered before the kill. */
  readonly acknowledged: readonly Acknowledged[];
  /** How many events were on their way, unanswered, at the kill. */
  readonly unanswered: number;
  /** What each viewer had at the kill. */
  readonly seen: readonly (readonly string[])[];
  /** The log as the restarted server had it, before anybody wrote to it. */
  readonly kept: readonly LogEntry[];
}

/** The same, once the run has ended. */
export interface EndedEvidence extends Evidence {
  /** How many events of its script the producer has said. */
  readonly said: number;
  /** The whole log. */
  readonly log: readonly LogEntry[];
  /** What each viewer has put together. */
  readonly watched: readonly (readonly string[])[];
}

/** What is wrong with what a killed server left. */
export function keptProblems({ by, seed, acknowledged, unanswered, seen, kept }: Evidence): string[] {
  const problems: string[] = [];
  for (const { from, count, first, last } of acknowledged) {
    const wanted = Array.from({ length: count }, (_, index) => scripted(seed, from + index));
    const got = kept.slice(first - 1, last).map(({ json }) => json);
    if (JSON.stringify(got) !== JSON.stringify(wanted.map((event) => JSON.stringify(event)))) {
      problems.push(
        `Acknowledged as entries ${first} to ${last}, but they are ${got.join(" ") || "not there"}`,
      );
    }
  }
  const frames = kept.map(({ frame }) => frame);
  for (const each of seen) problems.push(...frameProblems(each, frames.slice(0, each.length)));
  const { problems: wrong, said } = scriptProblems(kept, seed, { merged: by === "agent" });
  problems.push(...wrong);
  if (by === "agent") {
    problems.push(...logProblems(kept));
    const last = kept.at(-1)?.event;
    if (last?.type !== "run.failed" || last.code !== "producer_lost") {
      problems.push(`The dead agent's run ends with ${JSON.stringify(last)}`);
    }
  } else {
    // A batch lands whole or not at all.
    const answered = acknowledged.reduce((sum, { count }) => sum + count, 0);
    if (said !== answered && said !== answered + unanswered) {
      problems.push(
        `${answered} events were answered and ${unanswered} were on their way, but there are ${said}`,
      );
    }
  }
  return problems;
}

/** What is wrong with a run that went on after the kill, or was ended by it. */
export function endedProblems({ by, seed, said, kept, log, watched }: EndedEvidence): string[] {
  const frames = log.map(({ frame }) => frame);
  const found = scriptProblems(log, seed, { merged: by === "agent" });
  return [
    ...frameProblems(
      kept.map(({ frame }) => frame),
      frames.slice(0, kept.length),
    ),
    ...logProblems(log),
    ...found.problems,
    ...(by === "producer" && found.said !== said ? [`There are ${found.said} events of ${said}`] : []),
    ...watched.flatMap((each) => frameProblems(each, frames)),
  ];
}

export interface CrashRound {
  readonly problems: string[];
  readonly evidence: readonly EndedEvidence[];
  /** The server that was started after the kill. */
  readonly server: ServerProcess;
}

/** How many runs stream at once; every other one is written by a producer elsewhere. */
const RUNS = 8;

/**
 * One round: runs stream, viewers watch, the server is killed in the middle and started again, and all comes to
 * its end. Stops early where what the killed server left is wrong.
 */
export async function crashRound(
  server: ServerProcess,
  restart: () => Promise<ServerProcess>,
  random: Random,
): Promise<CrashRound> {
  let next = Promise.resolve(server.url);
  let events = 0;
  // A moment in the middle, by what has happened and not by time: acknowledgements and frames so far.
  const moment = random.between(RUNS, 8_000);
  const reached = Promise.withResolvers<void>();
  const streaming = new Set<string>();
  const happened = (run: string) => {
    events++;
    streaming.add(run);
    if (events >= moment && streaming.size === RUNS) reached.resolve();
  };

  const runs = await Promise.all(
    Array.from({ length: RUNS }, async (_, index) => {
      const seed = random.between(1, 2 ** 20);
      const producer = new Producer(randomUUID(), seed);
      const by = index % 2 ? ("agent" as const) : ("producer" as const);
      if (by === "producer") await producer.start(server.url);
      else {
        const input = JSON.stringify({ seed, events: 1_000_000 });
        const { status } = await post(`${server.url}/runs`, { id: producer.run, agent: "script", input });
        if (status !== 201) throw new Error(`Cannot start run ${producer.run}: ${status}`);
      }
      const viewers = (["header", "query"] as const).map((how) => {
        const frames: SseFrame[] = [];
        const onFrame = (frame: SseFrame): undefined => {
          if (!frame.data.includes('"run.started"')) happened(producer.run);
        };
        const done = watchRun({ base: () => next, run: producer.run, by: how, frames, onFrame });
        // Waited for at the end, unless there is no end.
        done.catch(() => {});
        return { frames, done };
      });
      return { producer, by, viewers };
    }),
  );

  const producers = runs.filter(({ by }) => by === "producer").map(({ producer }) => producer);
  const unanswered = new Map<string, number>();
  const streams = producers.map(async (producer) => {
    while (true) {
      const count = random.between(1, 20);
      unanswered.set(producer.run, count);
      try {
        await producer.append(server.url, count);
      } catch {
        return;
      }
      happened(producer.run);
    }
  });

  await Promise.race([
    reached.promise,
    server.exited.then((how) => Promise.reject(new Error(`It ended: ${how}`))),
  ]);
  const restarted = Promise.withResolvers<string>();
  restarted.promise.catch(() => {});
  next = restarted.promise;
  await server.kill("SIGKILL");
  // Nothing of the dead server comes any more: what was answered and seen is known.
  await Promise.all(streams);
  const seen = runs.map(({ viewers }) => viewers.map(({ frames }) => frames.map(({ raw }) => raw)));

  const again = await restart();
  const kept = await Promise.all(runs.map(({ producer }) => readLog(again.url, producer.run)));
  const evidence = runs.map(
    ({ producer, by }, index): Evidence => ({
      run: producer.run,
      seed: producer.seed,
      by,
      acknowledged: [...producer.acknowledged],
      unanswered: unanswered.get(producer.run) ?? 0,
      seen: seen[index]!,
      kept: kept[index]!,
    }),
  );
  const lost = evidence.flatMap((each) => keptProblems(each).map((problem) => `${each.by}: ${problem}`));
  if (lost.length > 0) {
    restarted.reject(new Error("The round is over"));
    return { problems: lost, evidence: [], server: again };
  }

  restarted.resolve(again.url);
  await Promise.all(
    producers.map(async (producer) => {
      // The log says how much has landed: that is where the producer goes on.
      const { kept: log } = evidence.find(({ run }) => run === producer.run)!;
      producer.next = scriptProblems(log, producer.seed, { merged: false }).said;
      await producer.append(again.url, random.between(1, 20));
      await producer.append(again.url, random.between(0, 20), true);
    }),
  );
  const watched = await Promise.all(runs.map(({ viewers }) => Promise.all(viewers.map(({ done }) => done))));
  const ended = await Promise.all(
    evidence.map(
      async (each, index): Promise<EndedEvidence> => ({
        ...each,
        said: runs[index]!.producer.next,
        log: await readLog(again.url, each.run),
        watched: watched[index]!.map(({ frames }) => frames.map(({ raw }) => raw)),
      }),
    ),
  );
  const open = (await get(`${again.url}/runs?status=running`)).body.runs.length;
  const problems = ended.flatMap((each) => endedProblems(each).map((problem) => `${each.by}: ${problem}`));
  if (open > 0) problems.push(`${open} runs are open`);
  return { problems, evidence: ended, server: again };
}
