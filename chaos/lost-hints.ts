import { readLog } from "../test/support/read-log.ts";
import { producedProblems, viewedProblems } from "./support/checks.ts";
import { above, inMs, most, percentile } from "./support/figures.ts";
import { NumberedProducer } from "./support/numbered-producer.ts";
import { newPlace } from "./support/place.ts";
import { type Outcome, type Scenario, type Setting, scaled } from "./support/scenario.ts";
import { startServer } from "./support/start-server.ts";
import { Viewer } from "./support/viewer.ts";

const EVENTS = 400;
const RUNS = 20;
/** How often a viewer looks by itself, in ms. */
const LOOK_MS = 2_000;
/** What the look and the way take, in ms. */
const WAY_MS = 100;

/** The server of the viewers hears nothing of what another server appends. */
async function run(setting: Setting): Promise<Outcome> {
  const { random, plant, progress } = setting;
  const wanted = scaled(EVENTS, setting, 40);
  await using place = await newPlace("redis");
  const options = { store: place.store, ...(plant && { plant }) };
  await using writing = await startServer(options);
  await using deaf = await startServer({ ...options, loseHints: true });
  const delays: number[] = [];
  const problems: string[] = [];
  let appended = 0;
  await Promise.all(
    Array.from({ length: RUNS }, async () => {
      const producer = new NumberedProducer(random.between(1, 2 ** 20), () => writing.url);
      await producer.start();
      const sent = new Map<number, number>();
      const arrived = new Map<number, number>();
      const onFrame = ({ id }: { id: string | undefined }) => {
        arrived.set(Number(id?.split("-")[0]), performance.now());
      };
      const viewer = new Viewer({ base: () => deaf.url, run: producer.run, onFrame });
      while (appended < wanted) {
        appended++;
        await producer.append(1);
        sent.set(producer.acknowledged.at(-1)!.last, performance.now());
        progress(appended, wanted);
        await new Promise((resolve) => setTimeout(resolve, random.between(0, 1_500)));
      }
      await producer.append(0, true);
      await viewer.done;
      for (const [seq, at] of sent) {
        const arrival = arrived.get(seq);
        // It may have looked before the producer had its answer.
        if (arrival !== undefined) delays.push(Math.max(0, arrival - at));
      }
      const log = await readLog(writing.url, producer.run);
      problems.push(...producedProblems(log, producer), ...viewedProblems(viewer, log, plant));
    }),
  );
  const measured = `p50 ${inMs(percentile(delays, 50))}, most ${inMs(most(delays))}, ${problems.length} wrong`;
  const exceeded = above("The longest", most(delays), LOOK_MS + WAY_MS, "ms");
  return { faults: delays.length, wanted, measured, problems, exceeded };
}

export const lostHints: Scenario = {
  name: "lost-hints",
  what: "every hint dropped",
  figure: "everything arrives, within 2 s (and 100 ms for the way)",
  needs: "redis-server",
  run,
};
