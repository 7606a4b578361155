// `npm run chaos`: real processes, real faults, and whether what the documents promise held.
import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";
import { messageOf } from "../src/errors.ts";
import { seeded, seedFor } from "../test/support/seed.ts";
import { scenarios } from "./scenarios.ts";
import { type Plant, plants } from "./support/plants.ts";
import type { Outcome, Scenario } from "./support/scenario.ts";
import { type Row, rowOf, tableOf } from "./support/table.ts";

const USAGE = `npm run chaos -- [--only NAME]... [--scale 0.1] [--json] [--plant ${plants.join("|")}]

Scenarios: ${scenarios.map(({ name }) => name).join(", ")}`;

/** No scenario takes longer, in ms. */
const LIMIT_MS = 10 * 60_000;

const { only, scale, json, plant } = options();
// Standard output is for the result.
console.info = console.error;
const { seed } = seedFor("chaos");
const rows: Row[] = [];
/** Whether a scenario was not done in time: what it has left would disturb those after it, so they are not run. */
let gaveUp = false;
for (const scenario of scenarios) {
  if (gaveUp || (only.length > 0 && !only.includes(scenario.name))) continue;
  const start = performance.now();
  const outcome = await attempt(scenario);
  const row = rowOf(scenario, outcome, (performance.now() - start) / 1_000);
  rows.push(row);
  say(
    `${row.met ? "met" : "MISSED"}  ${scenario.name}: ${row.measured} (${row.faults} faults, ${row.seconds} s)\n`,
  );
}
console.log(json ? JSON.stringify({ seed, scale, rows }, null, 2) : tableOf(rows));
if (gaveUp) say("The scenarios after the last one were not run\n");
// What a scenario that was given up has left is not waited for.
process.exit(rows.every(({ met }) => met) ? 0 : 1);

async function attempt(scenario: Scenario): Promise<Outcome> {
  const { name, needs } = scenario;
  const failed = (why: string, whole = why): Outcome => ({
    faults: 0,
    wanted: 1,
    measured: why,
    problems: [whole],
    exceeded: [],
  });
  if (needs && spawnSync(needs, ["--version"]).error) return failed(`${needs} is not on PATH`);
  const progress = progressOf(name);
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<Outcome>((resolve) => {
    timer = setTimeout(() => {
      gaveUp = true;
      resolve(failed(`not done after ${LIMIT_MS / 60_000} min`));
    }, LIMIT_MS);
  });
  const setting = { scale, random: seeded(seed), progress, ...(plant && { plant }) };
  try {
    return await Promise.race([scenario.run(setting), limit]);
  } catch (error) {
    return failed(`it failed: ${messageOf(error).split("\n", 1)[0]}`, messageOf(error));
  } finally {
    clearTimeout(timer);
  }
}

/** On a terminal, a line that is written over and over; elsewhere, a line for each tenth. */
function progressOf(name: string): (done: number, of: number) => void {
  let tenth = 0;
  return (done, of) => {
    if (process.stderr.isTTY) say(`\r\x1b[K${name} ${done}/${of}`);
    else if (Math.floor((done * 10) / of) > tenth) {
      tenth = Math.floor((done * 10) / of);
      say(`${name} ${done}/${of}\n`);
    }
  };
}

function say(text: string): void {
  process.stderr.write(process.stderr.isTTY && !text.startsWith("\r") ? `\r\x1b[K${text}` : text);
}

function options() {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: "string", multiple: true, default: [] },
        scale: { type: "string", default: "1" },
        json: { type: "boolean", default: false },
        plant: { type: "string" },
        help: { type: "boolean", default: false },
      },
    });
    if (values.help) return refuse(USAGE, 0);
    const unknown = values.only.find((each) => !scenarios.some(({ name }) => name === each));
    if (unknown) return refuse(`There is no scenario "${unknown}"\n\n${USAGE}`, 2);
    const scale = Number(values.scale);
    if (!(scale > 0 && scale <= 10)) return refuse(`--scale is from 0 to 10, got "${values.scale}"`, 2);
    const plant = plants.find((each) => each === values.plant);
    if (values.plant && !plant) return refuse(`There is no plant "${values.plant}"\n\n${USAGE}`, 2);
    return { only: values.only, scale, json: values.json, plant: plant as Plant | undefined };
  } catch (error) {
    return refuse(`${messageOf(error)}\n\n${USAGE}`, 2);
  }
}

function refuse(text: string, code: number): never {
  (code === 0 ? console.log : console.error)(text);
  process.exit(code);
}
