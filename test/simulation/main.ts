/** `npm run simulate -- --seeds 10000`: as many simulations; `SEED=` is the first of them. `--plant NAME` plants a bug. */
import { parseArgs } from "node:util";
import { seedFor } from "../support/seed.ts";
import { faultKinds } from "./faults.ts";
import { plants } from "./plants.ts";
import { simulate } from "./simulate.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: process.env.SEED ? "1" : "1000" },
    plant: { type: "string" },
    shrinks: { type: "string" },
  },
});
const plant = plants.find((each) => each === values.plant);
if (values.plant !== undefined && !plant) {
  throw new RangeError(`There is no plant "${values.plant}": there is ${plants.join(", ")}`);
}
const { seed } = seedFor("simulation");
const began = process.hrtime.bigint();
const { seeds, faults, found } = await simulate({
  seed,
  seeds: Number(values.seeds),
  plant,
  ...(values.shrinks !== undefined && { shrinks: Number(values.shrinks) }),
});
const seconds = Number(process.hrtime.bigint() - began) / 1e9;
console.info(`${seeds} seeds in ${seconds.toFixed(1)} s: ${(seeds / seconds).toFixed(0)} a second`);
for (const kind of faultKinds) console.info(`${String(faults[kind]).padStart(9)}  ${kind}`);
if (found) {
  console.error(`SEED=${found.seed} violates: ${found.error.message}`);
  console.error(JSON.stringify(found.plan));
  process.exitCode = 1;
}
