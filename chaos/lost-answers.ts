import { faultyProxy } from "../src/testing/faults.ts";
import { readLog } from "../test/support/read-log.ts";
import { producedProblems } from "./support/checks.ts";
import { NumberedProducer } from "./support/numbered-producer.ts";
import { newPlace } from "./support/place.ts";
import { type Outcome, type Scenario, type Setting, scaled } from "./support/scenario.ts";
import { startServer } from "./support/start-server.ts";

const RETRIES = 5_000;
const PRODUCERS = 8;
/** More than the whole answer to an append. */
const ANSWER_BYTES = 700;

/** Between the producers and the server is a proxy that cuts most answers, at any byte. */
async function run(setting: Setting): Promise<Outcome> {
  const { random, plant, progress } = setting;
  const wanted = scaled(RETRIES, setting, 100);
  await using place = await newPlace("sqlite");
  await using server = await startServer({ store: place.store, ...(plant && { plant }) });
  await using proxy = await faultyProxy({
    target: server.url,
    fault: () => ({
      kind: "cut",
      afterBytes: random.between(0, ANSWER_BYTES),
      how: random.chance(0.5) ? "reset" : "end",
    }),
  });
  const producers = Array.from(
    { length: PRODUCERS },
    () => new NumberedProducer(random.between(1, 2 ** 20), () => proxy.url),
  );
  const retries = () => producers.reduce((sum, each) => sum + each.retries, 0);
  await Promise.all(
    producers.map(async (producer) => {
      await producer.start();
      while (retries() < wanted) {
        await producer.append(random.between(1, 5));
        progress(retries(), wanted);
      }
      await producer.append(0, true);
    }),
  );
  const problems: string[] = [];
  let events = 0;
  for (const producer of producers) {
    const log = await readLog(server.url, producer.run);
    events += log.length;
    problems.push(...producedProblems(log, producer));
  }
  const measured = `${problems.length} wrong in ${events} events`;
  return { faults: retries(), wanted, measured, problems, exceeded: [] };
}

export const lostAnswers: Scenario = {
  name: "lost-answers",
  what: "numbered appends made again after an answer was cut at any byte",
  figure: "0 duplicates",
  run,
};
