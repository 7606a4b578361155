/** `npm run bench -- NAME`: one scenario; without a name, all of them. */
import { core } from "./core.ts";

const scenarios: Record<string, () => Promise<void>> = { core };

const wanted = process.argv.slice(2);
for (const name of wanted.length > 0 ? wanted : Object.keys(scenarios)) {
  const scenario = scenarios[name];
  if (!scenario) {
    console.error(`There is no scenario "${name}": there is ${Object.keys(scenarios).join(", ")}`);
    process.exitCode = 2;
    break;
  }
  await scenario();
}
