import { isMet, type Outcome, type Scenario } from "./scenario.ts";

/** What came of a scenario. */
export interface Row extends Outcome {
  readonly name: string;
  readonly what: string;
  readonly figure: string;
  readonly met: boolean;
  readonly seconds: number;
}

export function rowOf({ name, what, figure }: Scenario, outcome: Outcome, seconds: number): Row {
  return { name, what, figure, ...outcome, met: isMet(outcome), seconds: Math.round(seconds) };
}

/** Rows as a Markdown table, and below it what was not met. */
export function tableOf(rows: readonly Row[]): string {
  const cells = rows.map(({ what, faults, figure, measured, met, seconds }) => [
    what,
    String(faults),
    figure,
    measured,
    met ? "met" : "MISSED",
    `${seconds} s`,
  ]);
  const header = ["what", "faults", "figure", "measured", "", "took"];
  const line = (each: readonly string[]) => `| ${each.join(" | ")} |`;
  const misses = rows
    .filter(({ met }) => !met)
    .flatMap(({ name, faults, wanted, problems, exceeded }) => [
      "",
      `${name}:`,
      ...(faults < wanted ? [`  Only ${faults} of ${wanted} faults took effect`] : []),
      ...shortened([...problems, ...exceeded]).map((each) => `  ${each}`),
    ]);
  return [line(header), line(header.map(() => "---")), ...cells.map(line), ...misses].join("\n");
}

const SHOWN = 10;
const SHOWN_CHARS = 500;

function shortened(sentences: readonly string[]): string[] {
  const shown = sentences
    .slice(0, SHOWN)
    .map((each) => (each.length > SHOWN_CHARS ? `${each.slice(0, SHOWN_CHARS)}...` : each));
  return sentences.length > SHOWN ? [...shown, `... and ${sentences.length - SHOWN} more`] : shown;
}
