import { post } from "../test/support/post.ts";
import { readLog } from "../test/support/read-log.ts";
import type { ServerProcess } from "../test/support/start-server.ts";
import type { SteadyInput } from "./support/agents.ts";
import { steadyProblems, viewedProblems } from "./support/checks.ts";
import { above, inMs, most, percentile } from "./support/figures.ts";
import { newPlace } from "./support/place.ts";
import { type Outcome, type Scenario, type Setting, scaled } from "./support/scenario.ts";
import { startServer } from "./support/start-server.ts";
import { until } from "./support/until.ts";
import { isEnd, Viewer } from "./support/viewer.ts";

const COMMANDS = 300;
const LIMIT_MS = 250;

interface Commanded {
  readonly ms: number;
  readonly problems: readonly string[];
}

/** Runs are cancelled, and answered, at another server than the one where their agent is at work. */
async function run(setting: Setting): Promise<Outcome> {
  const { plant, progress } = setting;
  const wanted = scaled(COMMANDS, setting, 8);
  await using place = await newPlace("redis");
  const options = { store: place.store, ...(plant && { plant }) };
  await using one = await startServer(options);
  await using two = await startServer(options);
  const cancels: number[] = [];
  const approvals: number[] = [];
  const problems: string[] = [];
  while (cancels.length + approvals.length < wanted && problems.length === 0) {
    for (const [times, command] of [
      [cancels, cancel],
      [approvals, approve],
    ] as const) {
      const { ms, problems: wrong } = await command(one, two, setting);
      times.push(ms);
      problems.push(...wrong);
    }
    progress(cancels.length + approvals.length, wanted);
  }
  const shown = (times: readonly number[]) =>
    `p50 ${inMs(percentile(times, 50))}, p99 ${inMs(percentile(times, 99))}, most ${inMs(most(times))}`;
  return {
    faults: cancels.length + approvals.length,
    wanted,
    measured: `cancel ${shown(cancels)}; approval ${shown(approvals)}`,
    problems,
    exceeded: [
      ...above("p99 of cancels", percentile(cancels, 99), LIMIT_MS, "ms"),
      ...above("p99 of approvals", percentile(approvals, 99), LIMIT_MS, "ms"),
    ],
  };
}

/** From the cancel at one server to the end of the run at a viewer of the other, where its agent is. */
async function cancel(one: ServerProcess, two: ServerProcess, { plant }: Setting): Promise<Commanded> {
  const input: SteadyInput = { events: 1e9, everyMs: 20 };
  const { body } = await post(`${one.url}/runs`, { agent: "steady", input: JSON.stringify(input) });
  const { viewer, ended } = watch(one, body.run);
  await until(5_000, () => viewer.frames.length > 3);
  const asked = performance.now();
  await post(`${two.url}/runs/${body.run}/cancel`, {});
  const ms = (await ended) - asked;
  const log = await readLog(one.url, body.run);
  const last = log.at(-1)?.event.type;
  return {
    ms,
    problems: [
      ...(last === "run.cancelled" ? [] : [`A cancelled run ends with ${last}`]),
      ...steadyProblems(log),
      ...viewedProblems(viewer, log, plant),
    ],
  };
}

/** From the answer at one server to what the agent makes of it, at a viewer of the other. */
async function approve(one: ServerProcess, two: ServerProcess, { plant }: Setting): Promise<Commanded> {
  const { body } = await post(`${one.url}/runs`, { agent: "asks", input: "Go" });
  const { viewer, ended } = watch(one, body.run);
  await until(5_000, () => viewer.frames.some((frame) => frame.includes("approval.requested")));
  const asked = performance.now();
  const answer = { type: "input.approval", approvalId: "a", approved: true };
  const { status } = await post(`${two.url}/runs/${body.run}/input`, answer);
  const ms = (await ended) - asked;
  const log = await readLog(one.url, body.run);
  const answers = log.filter(({ event }) => event.type === "custom").length;
  return {
    ms,
    problems: [
      ...(status === 202 ? [] : [`An answer was answered ${status}`]),
      ...(answers === 1 ? [] : [`An agent went on ${answers} times`]),
      ...steadyProblems(log),
      ...viewedProblems(viewer, log, plant),
    ],
  };
}

/** A viewer, and when it has seen the end. */
function watch({ url }: ServerProcess, run: string): { viewer: Viewer; ended: Promise<number> } {
  const { promise, resolve } = Promise.withResolvers<number>();
  const viewer = new Viewer({
    base: () => url,
    run,
    onFrame: ({ data }) => {
      if (isEnd(data)) resolve(performance.now());
    },
  });
  return { viewer, ended: Promise.race([promise, viewer.done.then(() => performance.now())]) };
}

export const commands: Scenario = {
  name: "commands",
  what: "cancel and approval across processes, Redis",
  figure: "p99 under 250 ms",
  needs: "redis-server",
  run,
};
