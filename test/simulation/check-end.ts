import { openBatch, parseCursor } from "../../src/batch.ts";
import { isTerminalType } from "../../src/events.ts";
import { fromRecord, infoOf } from "../../src/run-info.ts";
import { type Invariant, Violation } from "./invariants.ts";
import { sameAnswer } from "./simulated-producer.ts";
import { sourceText, type Task } from "./sources.ts";
import type { World } from "./world.ts";

/** Looks back over a whole history: the logs as they ended up, what was answered, what was seen. */
export async function checkEnd(world: World): Promise<void> {
  const jsonOf = new Map<string, readonly string[]>();
  for (const run of world.truth.logs.keys()) {
    jsonOf.set(
      run,
      world.batchesOf(run).flatMap(({ entries }) => entries.map(({ json }) => json)),
    );
  }
  const lines = (run: string) => jsonOf.get(run) ?? [];
  checkViewers(world, lines);
  for (const run of world.truth.logs.keys()) {
    checkOneEnd(run, lines(run));
    checkOnce(run, world);
    checkText(run, world);
    checkCancel(run, world);
    checkHeard(run, world);
    await checkReadings(run, world, lines(run));
  }
  checkAnswers(world);
  checkOrder(world);
  for (const { run, cursor } of world.cursors) {
    require(8, await world.logOf(run).fits(parseCursor(cursor)!), `cursor ${cursor} of ${run} fits no more`);
  }
}

function require(invariant: Invariant, holds: boolean, what: string): asserts holds {
  if (!holds) throw new Violation(invariant, what);
}

function checkViewers(world: World, lines: (run: string) => readonly string[]): void {
  for (const { run, seen, resets, cursor } of world.viewers) {
    const end = parseCursor(cursor)!.seq;
    require(3, end === lines(run).length, `a viewer of ${run} stands at ${end} of ${lines(run).length}`);
    require(2, end === (seen.at(-1)?.seq ?? end), `a viewer of ${run} skipped to ${end}`);
    require(11, resets === 0, `a viewer of ${run} was told to begin anew`);
    for (const [index, entry] of seen.entries()) {
      const { seq, json } = entry;
      const what = `a viewer of ${run} was shown ${json} as entry ${seq}`;
      require(12, lines(run)[seq - 1] === json || !others(world, run, lines, json), what);
      require(1, lines(run)[seq - 1] === json, what);
      require(2, index === 0 || seq === seen[index - 1]!.seq + 1, what);
      world.cursors.push({ run, cursor: entry.cursor });
    }
  }
}

/** Whether a line is of another run. */
function others(world: World, run: string, lines: (run: string) => readonly string[], json: string): boolean {
  return [...world.truth.logs.keys()].some((other) => other !== run && lines(other).includes(json));
}

function checkHeard(run: string, { labours, truth }: World): void {
  const events = truth.logs.get(run)!.batches.flatMap(({ entries }) => entries.map(({ event }) => event));
  const agents = labours.filter((labour) => labour.run === run);
  if (events.at(-1)?.type !== "run.finished" || agents.length === 0) return;
  for (const event of events) {
    if (event.type !== "input.message") continue;
    const { id } = event.message;
    require(20, agents.some(({ heard }) => heard.has(id)), `nobody heard message ${id} of ${run}`);
  }
}

function checkAnswers(world: World): void {
  const byNumber = new Map<string, (typeof world.answers)[number]>();
  for (const answer of world.answers) {
    const { run, epoch, seq, appended } = answer;
    const number = `${run} ${epoch}.${seq}`;
    const first = byNumber.get(number) ?? answer;
    byNumber.set(number, first);
    require(6, sameAnswer(
      first.appended,
      appended,
    ), `append ${number} was answered with ${JSON.stringify(first.appended)}, then ${JSON.stringify(appended)}`);
    const batch = world.batchesOf(run).find(({ tail }) => tail.seq === appended.last);
    const kept = batch?.producer?.epoch === epoch && batch.producer.seq === seq;
    require(4, kept, `append ${number} was acknowledged at ${appended.last}, and is not there`);
    require(4, batch.entries.some(
      (entry) => entry.seq === appended.first,
    ), `append ${number} begins elsewhere`);
  }
}

/** By one pass in the order of the answers: whatever was made after an answer stands after what it named. */
function checkOrder(world: World): void {
  const byRun = Map.groupBy(world.acknowledged, ({ run }) => run);
  for (const [run, all] of byRun) {
    const length = world.batchesOf(run).at(-1)?.tail.seq ?? 0;
    const made = [...all].sort((a, b) => a.made - b.made);
    const answered = [...all].sort((a, b) => a.acknowledged - b.acknowledged);
    let next = 0;
    let least = 0;
    for (const append of made) {
      while (next < answered.length && answered[next]!.acknowledged < append.made) {
        least = Math.max(least, answered[next++]!.first);
      }
      require(4, append.last <= length, `entry ${append.last} of ${run} was acknowledged, and is not there`);
      require(10, append.first >
        least, `entry ${append.first} of ${run} was appended after ${least} was answered`);
    }
  }
}

function checkOneEnd(run: string, lines: readonly string[]): void {
  const ends = lines.flatMap((json, index) => (isTerminalType(typeOf(json)) ? [index] : []));
  require(3, ends.length === 1 && ends[0] === lines.length - 1, `${run} ends at ${ends} of ${lines.length}`);
}

function typeOf(json: string): string {
  return (JSON.parse(json) as { type: string }).type;
}

/** What agents and producers said is numbered by them: each is there once at most, and in order. */
function checkOnce(run: string, world: World): void {
  let item = -1;
  const marks = new Map<number, number>();
  const numbers = new Set<string>();
  for (const { entries, producer } of world.batchesOf(run)) {
    if (producer) {
      const number = `${producer.id} ${producer.epoch}.${producer.seq}`;
      require(6, !numbers.has(number), `append ${number} of ${run} happened twice`);
      numbers.add(number);
    }
    for (const { event } of entries) {
      if (event.type !== "custom") continue;
      const data = event.data as { run: string; item: number; labour: number; mark: number };
      if (event.name === "sim.item") {
        require(5, data.item === item + 1, `item ${data.item} of ${run} stands after ${item}`);
        item = data.item;
      } else if (event.name === "sim.mark") {
        require(12, data.run === run, `${run} holds what an agent of ${data.run} said`);
        const last = marks.get(data.labour) ?? -1;
        require(5, data.mark === last + 1, `mark ${data.mark} of agent ${data.labour} stands after ${last}`);
        marks.set(data.labour, data.mark);
      }
    }
  }
}

function checkText(run: string, world: World): void {
  const started = world.batchesOf(run)[0]?.entries[0]?.event;
  if (started?.type !== "run.started" || started.agent === null) return;
  const { words } = JSON.parse(started.input as string) as Task;
  const said = new Map<string, string>();
  const sources = new Map<string, string>();
  const wholeOf = (id: string) => {
    const whole = sources.get(id) ?? sourceText(run, Number(id), words);
    sources.set(id, whole);
    return whole;
  };
  for (const { entries } of world.batchesOf(run)) {
    for (const { event, seq } of entries) {
      if (event.type === "run.resumed") said.clear();
      else if (event.type === "text.started") said.set(event.id, "");
      else if (event.type === "text.delta") {
        const text = said.get(event.id)! + event.text;
        said.set(event.id, text);
        require(15, wholeOf(event.id).startsWith(
          text,
        ), `entry ${seq} of ${run} does not continue what was said`);
      } else if (event.type === "text.finished" && !event.interrupted) {
        require(15, said.get(event.id) ===
          wholeOf(event.id), `text ${event.id} of ${run} is not whole at entry ${seq}`);
      }
    }
  }
}

function checkCancel(run: string, world: World): void {
  const entries = world.batchesOf(run).flatMap((batch) => batch.entries);
  const end = entries.at(-1)!.type;
  const asked = entries.some(({ type }) => type === "input.cancel");
  require(14, !asked ||
    end === "run.cancelled" ||
    isOwn(end, entries), `${run} was asked to cancel, and ended with "${end}"`);
  for (const cancel of world.cancelled) {
    if (cancel.run !== run || cancel.endedBefore) continue;
    // Without the entry it had ended when the server was asked.
    require(14, asked || isTerminalType(end), `${run} was cancelled, and nothing of it is in the log`);
  }
}

/** A producer elsewhere may say that its run failed, also after a cancel. */
function isOwn(end: string, entries: readonly { readonly event: { readonly type: string } }[]): boolean {
  const [started] = entries.map(({ event }) => event as { type: string; agent?: string | null });
  return end === "run.failed" && started?.agent === null;
}

/** All ways to read a log say the same. */
async function checkReadings(run: string, world: World, lines: readonly string[]): Promise<void> {
  const log = world.logOf(run);
  const read = (await log.entries()).map(({ json }) => json);
  require(16, same(read, lines), `${run} is read as something else than was kept`);
  const middle = Math.floor(lines.length / 2);
  const at = await log.entry(middle);
  const after = at ? parseCursor(at.cursor)! : undefined;
  const followed: string[] = [];
  for await (const { entries } of log.follow({ after }))
    followed.push(...(entries ?? []).map(({ json }) => json));
  require(16, same(followed, lines.slice(middle)), `${run} is followed from ${middle} as something else`);
  const record = await world.truth.store.record(run);
  const summary = world.summaryOf(run);
  const told = JSON.stringify(record && fromRecord(record).info);
  const meant = JSON.stringify(infoOf(run, summary));
  require(16, told === meant, `the record of ${run} tells ${told}, its log ${meant}`);
  const slices = await world.truth.store.read(run, 0, 1);
  require(16, openBatch(slices[0]!).entries[0]!.json === lines[0], `${run} begins with something else`);
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((line, index) => line === b[index]);
}
