import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { crashRound, type EndedEvidence, endedProblems, keptProblems } from "./support/crash-round.ts";
import { readLog } from "./support/read-log.ts";
import { type Random, seeded, seedFor } from "./support/seed.ts";
import type { ServerOptions } from "./support/server.ts";
import { startServer } from "./support/start-server.ts";
import { tempFolder } from "./support/temp-folder.ts";

interface Outcome {
  readonly problems: string[];
  readonly evidence: readonly EndedEvidence[];
  readonly rounds: number;
}

/** Rounds on one file, so that the logs pile up, until something is wrong. */
async function crash(rounds: number, random: Random, plant?: ServerOptions["plant"]): Promise<Outcome> {
  await using folder = await tempFolder();
  // The index is written all the time, so that the kill may come in the middle of that too.
  const options = { file: folder.file("crash.db"), indexEvery: 500, ...(plant && { plant }) };
  const start = () => startServer(options);
  let server = await start();
  let evidence: readonly EndedEvidence[] = [];
  const hashes = new Map<string, string>();
  try {
    for (let round = 1; round <= rounds; round++) {
      const outcome = await crashRound(server, start, seeded(random.between(1, 2 ** 30)));
      server = outcome.server;
      evidence = outcome.evidence;
      const problems = outcome.problems.map((problem) => `Round ${round}, SEED=${random.seed}: ${problem}`);
      if (problems.length > 0) return { problems, evidence, rounds: round };
      for (const { run, log } of evidence) hashes.set(run, hashOf(log.map(({ frame }) => frame)));
    }
    // None of the rounds has hurt what an earlier one left.
    const problems: string[] = [];
    for (const [run, hash] of hashes) {
      const log = await readLog(server.url, run);
      if (hashOf(log.map(({ frame }) => frame)) !== hash) problems.push(`Run ${run} has changed`);
    }
    return { problems, evidence, rounds };
  } finally {
    await server[Symbol.asyncDispose]();
  }
}

const hashOf = (frames: readonly string[]) => createHash("sha256").update(frames.join("\n\n")).digest("hex");

test("kill -9 of the server while 8 runs stream, 50 rounds: nothing that was answered to an outside producer or seen by a viewer is lost, doubled or reordered, and every run ends with exactly one terminal event after restart", async () => {
  const { problems, rounds } = await crash(50, seedFor("kill -9"));
  expect(problems).toEqual([]);
  expect(rounds).toBe(50);
}, 180_000);

test.for([
  ["early-ack", "answers before it commits"],
  ["lost-batch", "answers and then forgets one batch in twenty"],
  ["no-recovery", "leaves the runs of its dead process open"],
] as const)("a server that %s: %s, and the same check says so", async ([plant]) => {
  const { problems } = await crash(3, seedFor(`kill -9, ${plant}`), plant);
  expect(problems.join("\n")).toMatch(
    plant === "no-recovery" ? /The dead agent's run ends with/ : /Acknowledged as entries|Frame \d+ is/,
  );
});

test("a frame or an event that is lost, doubled, changed or out of order in any of the accounts of a round is a problem", async () => {
  const { problems, evidence } = await crash(1, seedFor("spoilt evidence"));
  expect(problems).toEqual([]);
  for (const each of evidence) {
    const { log, kept, watched, seen } = each;
    const middle = Math.max(2, Math.floor(kept.length / 2));
    const spoil = <Item>(items: readonly Item[]): Item[][] => [
      items.toSpliced(middle, 1),
      items.toSpliced(middle, 0, items[middle]!),
      items.toSpliced(middle - 1, 2, items[middle]!, items[middle - 1]!),
    ];
    expect(keptProblems(each)).toEqual([]);
    expect(endedProblems(each)).toEqual([]);
    for (const spoilt of spoil(log)) expect(endedProblems({ ...each, log: spoilt })).not.toEqual([]);
    for (const spoilt of [...spoil(watched[0]!), watched[0]!.slice(0, -1)]) {
      expect(endedProblems({ ...each, watched: [spoilt] })).not.toEqual([]);
    }
    for (const spoilt of spoil(kept)) expect(keptProblems({ ...each, kept: spoilt })).not.toEqual([]);
    expect(endedProblems({ ...each, log: [...log, log.at(-1)!] })).not.toEqual([]);
    expect(keptProblems({ ...each, seen: [[...seen[0]!, "id: 1-1\ndata: {}"]] })).not.toEqual([]);
    if (each.by === "producer") {
      const early = kept.slice(0, each.acknowledged.at(-1)!.last - 1);
      expect(keptProblems({ ...each, kept: early, seen: [] })).not.toEqual([]);
    }
  }
});
