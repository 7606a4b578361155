/** The median of what a measurement gives in several rounds, after one that is not counted. */
export async function median(rounds: number, measure: () => number | Promise<number>): Promise<number> {
  const figures: number[] = [];
  for (let round = -1; round < rounds; round++) {
    const figure = await measure();
    if (round >= 0) figures.push(figure);
  }
  return figures.sort((a, b) => a - b)[Math.floor(rounds / 2)] ?? Number.NaN;
}

/** Prints rows as a Markdown table. */
export function printTable(
  title: string,
  header: readonly string[],
  rows: readonly (readonly string[])[],
): void {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  console.log(`\n### ${title}\n`);
  console.log([line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n"));
}

export const nanoseconds = (ms: number, events: number): number => (ms * 1e6) / events;
export const shown = (ns: number): string =>
  ns < 10_000 ? `${Math.round(ns)} ns` : `${(ns / 1_000).toFixed(1)} us`;
