// `npm run bench -- [SCENARIO]...`: Runlog beside the limit and its peers, and whether what is promised holds.
import { parseArgs } from "node:util";
import { CLIENT_CORE, pin, pinned } from "./processes.ts";
import { type Result, runScenario } from "./scenario.ts";
import { scenarios } from "./scenarios.ts";
import { resultTable, verdictTable } from "./table.ts";
import { machine, writeDocs } from "./write-docs.ts";

const USAGE = `npm run bench -- [SCENARIO]... [--rounds 3] [--short] [--json] [--write-docs]

  --rounds N     how often each is measured; the medians are shown
  --short        one round, and less of everything: to see that it works, not for figures
  --json         the result as JSON
  --write-docs   puts the result into docs/benchmarks.md

Scenarios: ${scenarios.map(({ name }) => name).join(", ")}`;

const { names, rounds, short, json, docs } = options();
/** When all is to be done, in ms from the start; and what is kept for the first round of each scenario that follows. */
const LIMIT_MS = (short ? 2.9 : 14) * 60_000;
const ROUND_MS = 25_000;
pin(process.pid, CLIENT_CORE);
if (!pinned) say("There is no taskset, or only one core: server and client are not kept apart");
const results: Result[] = [];
const chosen = scenarios.filter(({ name }) => names.length === 0 || names.includes(name));
const setting = { seconds: short ? 0.5 : 1.5, short };
for (const [index, scenario] of chosen.entries()) {
  const until = LIMIT_MS - (chosen.length - 1 - index) * ROUND_MS;
  const result = await runScenario(scenario, rounds, setting, { say, until, end: LIMIT_MS });
  results.push(result);
  if (!json) console.log(`\n${resultTable(scenario, result)}`);
}
const verdicts = results.flatMap((result) => result.verdicts);
if (json) console.log(JSON.stringify({ machine: machine(), short, results }, null, 2));
else if (results.length > 1) console.log(`\n### All of it\n\n${verdictTable(verdicts)}`);
if (docs) writeDocs(results);
process.exit(0);

function say(text: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${text}` : `${text}\n`);
}

function options() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        rounds: { type: "string" },
        short: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        "write-docs": { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    if (values.help) return refuse(USAGE, 0);
    const unknown = positionals.find((each) => !scenarios.some(({ name }) => name === each));
    if (unknown) return refuse(`There is no scenario "${unknown}"\n\n${USAGE}`, 2);
    const { short, json, "write-docs": docs } = values;
    const rounds = Number(values.rounds ?? (short ? 1 : 3));
    if (!(Number.isInteger(rounds) && rounds >= 1 && rounds <= 20))
      return refuse(`--rounds is from 1 to 20, got "${values.rounds}"`, 2);
    if (docs && (short || positionals.length > 0))
      return refuse("--write-docs wants all scenarios, and not --short", 2);
    return { names: positionals, rounds, short, json, docs };
  } catch (error) {
    return refuse(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`, 2);
  }
}

function refuse(text: string, code: number): never {
  (code === 0 ? console.log : console.error)(text);
  process.exit(code);
}
