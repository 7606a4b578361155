import { frameProblems, logProblems, scriptProblems } from "../../test/support/problems.ts";
import type { LogEntry } from "../../test/support/read-log.ts";
import { scripted } from "../../test/support/script.ts";
import { itemOf } from "./agents.ts";
import type { NumberedProducer } from "./numbered-producer.ts";
import { account, type Plant } from "./plants.ts";
import type { Viewer } from "./viewer.ts";

/** What is wrong with the log of a producer that has ended its run: all that was answered is where it was said to be. */
export function producedProblems(log: readonly LogEntry[], producer: NumberedProducer): string[] {
  const { seed, next, acknowledged } = producer;
  const { problems, said } = scriptProblems(log, seed, { merged: false });
  problems.push(...logProblems(log));
  if (said !== next) problems.push(`There are ${said} events of ${next}`);
  for (const { from, count, first } of acknowledged) {
    for (let index = 0; index < count; index++) {
      if (log[first - 1 + index]?.json === JSON.stringify(scripted(seed, from + index))) continue;
      problems.push(`Event ${from + index} was acknowledged as entry ${first + index}, and is not there`);
      return problems;
    }
  }
  return problems;
}

/** What is wrong with what a viewer put together of a log. */
export function viewedProblems(
  { frames }: Pick<Viewer, "frames">,
  log: readonly Pick<LogEntry, "frame">[],
  plant?: Plant,
): string[] {
  return frameProblems(
    account(frames, plant),
    log.map(({ frame }) => frame),
  );
}

/** What is wrong with the log of a steady agent: its items are there once each, in their order. */
export function steadyProblems(log: readonly LogEntry[]): string[] {
  const problems = logProblems(log);
  const items = log.flatMap(({ event }) => itemOf(event) ?? []);
  const at = items.findIndex(({ index }, place) => index !== place);
  if (at >= 0) problems.push(`Item ${at} is item ${items[at]!.index}`);
  return problems;
}
