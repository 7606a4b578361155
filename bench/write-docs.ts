import { readFileSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import type { Result } from "./scenario.ts";
import { scenarios } from "./scenarios.ts";
import { resultTable, verdictTable } from "./table.ts";

const FILE = join(import.meta.dirname, "../docs/benchmarks.md");
const BEGIN = "<!-- figures -->";

/** What the figures are of. */
export function machine(): string {
  const [first, ...others] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `Node ${process.versions.node}, ${process.platform} ${process.arch}, ${others.length + 1} x ${first?.model.trim()}, ${memory} GB`;
}

/** Puts results behind the text of the document, in the place of those before. */
export function writeDocs(results: readonly Result[]): void {
  const text = readFileSync(FILE, "utf8");
  const start = text.indexOf(BEGIN);
  if (start < 0) throw new Error(`${FILE} has no ${BEGIN}`);
  const tables = results.map((result) =>
    resultTable(scenarios.find(({ name }) => name === result.scenario)!, result),
  );
  const all = verdictTable(results.flatMap(({ verdicts }) => verdicts));
  const date = new Date().toISOString().slice(0, 10);
  const parts = [BEGIN, `Measured ${date}: ${machine()}.`, `### All of it\n\n${all}`, ...tables];
  writeFileSync(FILE, `${text.slice(0, start)}${parts.join("\n\n")}\n`);
}
